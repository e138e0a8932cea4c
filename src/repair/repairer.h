#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "shard/shard_service.h"

namespace predastore::repair {

struct RepairOptions {
  Duration interval = 1s;  // between looks at a queue that had nothing to do
  Duration garbage_interval = 5s;
  std::uint32_t batch_max = 1000;               // chunks of one look
  std::size_t at_once = 2;                      // chunks that are rebuilt at the same time
  std::uint64_t bytes_per_second = 256u << 20;  // of chunks; 0: without a limit
  Duration chunk_timeout = 120s;                // for one chunk
  Duration call_timeout = 10s;
};

struct RepairStatus {
  std::uint64_t chunks_repaired = 0;
  std::uint64_t bytes_repaired = 0;       // of the chunks, logical
  std::uint64_t chunks_waiting = 0;       // at the last look: a node that should hold them is away
  std::uint64_t chunks_unrepairable = 0;  // at the last look: damaged beyond what parity gives
  std::uint64_t garbage_removed = 0;      // shards
};

// The background work of a cluster, done by the node for which `is_active` says so (the leader of
// the metadata), on its loop: rebuilds what the repair queue names, and removes the shards that the
// garbage queue names. All of it can be done twice or by two nodes at once and stays right: a
// layout is changed by comparison, a removal names a generation.
//
// Order of writes of a repair: the new shards are durable, then the layout is swapped to the next
// generation. A crash between leaves the old layout right; the new shards are orphans, or where
// they replaced a shard of their node, are found by the next repair to be of another try and done
// anew.
class Repairer {
 public:
  // Everything given by reference outlives this.
  Repairer(Environment env, RepairOptions options, meta::MetaService& meta,
           chunk::ChunkService& chunks, shard::ShardService& shards,
           std::function<bool()> is_active);

  Task<void> run();  // until stop()
  void stop();

  // One look at each queue, whoever is active; for tests and commands.
  Task<Result<std::size_t>> repair_once();   // chunks that were repaired
  Task<Result<std::size_t>> collect_once();  // garbage items that are done

  // A shard that proved damaged in a read: into the repair queue, soon, deduplicated. On the loop.
  void report_damage(const ShardKey& key);

  const RepairStatus& status() const { return status_; }

 private:
  enum class Outcome { repaired, waiting, unrepairable, gone };
  struct Examination {
    std::vector<chunk::RebuildTarget> targets;
    Incarnation incarnation;
    bool is_complete = true;   // every node answered
    bool is_thorough = false;  // all shards were read
  };

  // One look at the queue.
  struct Round {
    std::set<NodeId> reachable;  // of the nodes that missing shards are to go to
    std::map<Outcome, std::size_t> outcomes;
  };

  Task<void> run_repairs();
  Task<void> run_garbage();
  Task<void> run_reports();
  Task<void> find_reachable(std::vector<meta::RepairItem> items, std::set<NodeId>* reachable);
  Task<void> repair_item(ChunkLayout layout, Round* round);
  Task<Result<Outcome>> repair_chunk(ChunkLayout layout, Round* round);
  Task<Result<Outcome>> rebuild(ChunkLayout layout, Examination found, Instant deadline);
  Task<Examination> examine(ChunkLayout layout, Instant deadline);
  Task<Result<Incarnation>> verify_role(const ChunkLayout& layout, ShardRole role,
                                        Instant deadline);
  Task<Result<Incarnation>> incarnation_of(const ChunkLayout& layout, Instant deadline);
  Task<Result<bool>> remove_garbage(meta::GarbageItem item);
  Task<void> pace(std::uint64_t size_bytes);
  Task<void> wait(Duration duration);

  Environment env_;
  RepairOptions options_;
  meta::MetaService& meta_;
  chunk::ChunkService& chunks_;
  shard::ShardService& shards_;
  std::function<bool()> is_active_;
  Semaphore slots_;
  Signal stopped_;
  Signal reported_;
  bool is_stopping_ = false;
  Instant paced_until_;
  std::set<ShardKey> reports_;
  bool is_room_told_ = false;  // that it is wanting, until nothing waits any more
  // Of items that wait for a node: the nodes that have done their part, so that it is asked once.
  std::map<std::uint64_t, std::set<NodeId>> cleaned_;
  RepairStatus status_;
};

}  // namespace predastore::repair
