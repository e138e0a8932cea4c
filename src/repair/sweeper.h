#pragma once

#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/own_shards.h"
#include "repair/upkeep_status.h"

namespace predastore::repair {

struct SweepOptions {
  NodeId self;
  Duration interval = 6h;                    // between the ends and beginnings of passes
  std::uint64_t shards_per_second = 20'000;  // looked at; 0: without a limit
  Duration call_timeout = 10s;
  std::size_t page_size = 1000;  // shards of one look; at most meta::kLayoutsOfMax
};

// Deletes the shards on this node's drives that no layout names: those of uploads that failed, of
// repairs that lost, of deletes that this node missed. Each node sweeps its own.
//
// A shard goes only if a linearizable read that began after the shard was seen finds it unnamed and
// its stamp at least G write epochs old, both of the same read point: from then on no commit may
// name it, because apply refuses commits of that age. It is deleted by its write id, so a later try
// under the same key is not met. No clock decides anything. On one loop.
class Sweeper {
 public:
  // `meta` and `shards` outlive this.
  Sweeper(Environment env, SweepOptions options, meta::MetaService& meta, OwnShards& shards);

  Task<void> run();  // until stop()
  void stop();
  // One pass over all drives; how many shards it removed. None while the sweep is off.
  Task<Result<std::size_t>> sweep_once();

  const SweepStatus& status() const { return status_; }

 private:
  Task<Result<std::size_t>> sweep_pages();
  Task<Result<std::size_t>> sweep_page(std::vector<shard::ShardInfo> page);
  Task<void> pace(std::size_t shards);

  Environment env_;
  SweepOptions options_;
  meta::MetaService& meta_;
  OwnShards& shards_;
  Signal stopped_;
  bool is_stopping_ = false;
  SweepStatus status_;
};

// Whether the layout has exactly this try of this shard on this node.
bool is_named(const ChunkLayout& layout, NodeId node, const shard::ShardInfo& info);

}  // namespace predastore::repair
