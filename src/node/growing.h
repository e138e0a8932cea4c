#pragma once

#include <functional>

#include "repair/job_runner.h"
#include "repair/rs_migration.h"

namespace predastore::node {

// What a node does for a cluster that changes: the runner of jobs and the work of each kind, wired.
class Growing {
 public:
  struct Services {
    meta::MetaService& meta;
    meta::Growth& growth;
    chunk::ChunkService& chunks;
  };
  // All outlive this.
  Growing(Environment env, NodeId self, Services services, std::function<bool()> is_active);

  Task<void> run();  // until stop()
  void stop();

 private:
  repair::JobRunner runner_;
  repair::RsMigration migration_;
};

}  // namespace predastore::node
