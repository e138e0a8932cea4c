#pragma once

#include <functional>

#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/job_runner.h"
#include "repair/rebalancer.h"
#include "repair/rs_migration.h"

namespace predastore::node {

// What a node does for a cluster that changes: the runner of jobs and the work of each kind, wired,
// and the end of ring epochs that nothing names any more. By the node for which `is_active` says
// so.
class Growing {
 public:
  struct Services {
    meta::MetaService& meta;
    meta::Growth& growth;
    chunk::ChunkService& chunks;
    shard::ShardService& shards;
    std::function<void(const ShardKey&)> on_damage;
    repair::Throttle::Load load;  // what clients want of the cluster; may be empty
  };
  // All outlive this.
  Growing(Environment env, NodeId self, Services services, std::function<bool()> is_active);

  Task<void> run();  // until stop()
  void stop();

 private:
  Task<void> drop_old_rings();
  Task<void> drop_once();

  Environment env_;
  meta::Growth& growth_;
  std::function<bool()> is_active_;
  bool is_stopping_ = false;
  Signal stopped_;
  repair::JobRunner runner_;
  repair::RsMigration migration_;
  repair::Rebalancer rebalancer_;
};

}  // namespace predastore::node
