#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/repair_order.h"
#include "repair/throttle.h"
#include "shard/shard_service.h"

namespace predastore::repair {

struct ChunkRepairOptions {
  std::size_t at_once = 4;        // chunks; whoever orders more waits
  Duration chunk_timeout = 120s;  // for one chunk
  Duration pacing_max = 30s;      // of it, so that a low rate does not make it fail
};

// Repairs one chunk at a time, on whichever node was asked to: rebuilds what is missing of it, and
// where that is not enough looks at all of it. Can be done twice or by two nodes at once and stays
// right: a layout is changed by comparison.
//
// Order of writes: the new shards are durable, then the layout is swapped to the next generation. A
// crash between leaves the old layout right; the new shards are orphans, or where they replaced a
// shard of their node, are found by the next repair to be of another try and done anew.
class ChunkRepair {
 public:
  using OnDamage = std::function<void(const ShardKey&)>;

  // Everything given by reference outlives this. `on_damage`: into the repair queue. `load`: what
  // clients want of this node.
  ChunkRepair(Environment env, ChunkRepairOptions options, meta::MetaService& meta,
              chunk::ChunkService& chunks, shard::ShardService& shards, OnDamage on_damage,
              Throttle::Load load);

  // An error: try again later. The order's word may be old; what is changed is what is read here.
  Task<Result<RepairAnswer>> repair(RepairOrder order);
  void stop();  // repairs that are under way go on without pauses

  std::uint64_t chunks_repaired() const { return chunks_repaired_; }
  std::uint64_t bytes_repaired() const { return bytes_repaired_; }  // of the chunks, logical

 private:
  struct Examination {
    std::vector<chunk::RebuildTarget> targets;
    Incarnation incarnation;
    bool is_complete = true;   // every node answered
    bool is_thorough = false;  // all shards were read
    std::uint8_t shards_good = 0;
  };

  Task<Result<RepairAnswer>> repair_chunk(RepairOrder order, Throttle* throttle);
  Task<Result<RepairAnswer>> rebuild(ChunkLayout layout, Examination found, Instant deadline,
                                     Throttle* throttle);
  Task<Examination> examine(ChunkLayout layout, Instant deadline);
  Task<Result<Incarnation>> verify_role(const ChunkLayout& layout, ShardRole role,
                                        Instant deadline);
  Task<Result<Incarnation>> incarnation_of(const ChunkLayout& layout, Instant deadline);

  Environment env_;
  ChunkRepairOptions options_;
  meta::MetaService& meta_;
  chunk::ChunkService& chunks_;
  shard::ShardService& shards_;
  OnDamage on_damage_;
  Throttle::Load load_;
  Semaphore slots_;
  std::set<Throttle*> throttles_;  // of the repairs under way
  bool is_stopping_ = false;
  bool is_room_told_ = false;  // that it is wanting, until there is some again
  std::uint64_t chunks_repaired_ = 0;
  std::uint64_t bytes_repaired_ = 0;
};

}  // namespace predastore::repair
