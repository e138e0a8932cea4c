#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "repair/job_runner.h"
#include "repair/placement.h"
#include "shard/shard_service.h"

namespace predastore::repair {

struct RebalanceOptions {
  std::uint32_t page_layouts = 256;  // looked at in one step of the cursor
  std::size_t at_once = 8;           // chunks that are moved at the same time
  Duration call_timeout = 10s;
  Duration chunk_timeout = 120s;
  Duration rebuild_timeout = 600s;  // of a chunk, the pauses for the rate included
  JobPassOptions passes{.failure = "chunks could not be moved"};
};

// Brings every chunk to where the current ring wants it, whichever epoch its layout names: after
// nodes came or went, and off nodes that are draining or have departed. A shard is copied from its
// node, every record checked; where its node is away, or its copy is not what the layout says, it
// is rebuilt from the others. A shard that is missing, or whose node has departed, is named as
// missing at its new place and so left to healing, which is done by all nodes, and first where the
// least is left. Then one command swaps the layout to the new epoch by its generation,
// and the old copies become garbage of the old generation.
//
// Order of writes: the new shards are durable, then the swap. A crash between leaves the old layout
// right. The chunk can be read at every instant, under the old layout or the new one. Passes are
// made until one finds nothing of an older epoch.
class Rebalancer {
 public:
  // All outlive this. `on_damage`: into the repair queue.
  Rebalancer(Environment env, RebalanceOptions options, meta::MetaService& meta,
             meta::Growth& growth, chunk::ChunkService& chunks, shard::ShardService& shards,
             std::function<void(const ShardKey&)> on_damage)
      : env_(env),
        options_(options),
        meta_(meta),
        growth_(growth),
        chunks_(chunks),
        shards_(shards),
        on_damage_(std::move(on_damage)) {}

  // The work of a JobKind::rebalance. `control` outlives the call. Its progress counts in items the
  // shards that were moved.
  Task<Result<void>> run(JobControl* control);

 private:
  struct Pass : JobPass {
    ring::Ring ring;
    WriteEpoch write_epoch;
    std::set<NodeId> closed;    // draining or departed
    std::set<NodeId> departed;  // they never come back
  };
  struct Copied {
    ShardMove move;
    WriteId write_id;
  };

  Task<Result<JobPass>> one_pass(JobControl* control);
  Task<Result<void>> run_pass(JobControl* control, Pass* pass);
  Task<Result<void>> run_page(JobControl* control, Pass* pass, std::vector<ChunkLayout> layouts);
  static void take_nodes(const meta::Topology& topology, Pass* pass);
  bool is_settled(const ChunkLayout& layout, const Pass& pass) const;
  Task<void> move_chunk(JobControl* control, Pass* pass, Semaphore* slots, ChunkLayout layout);
  Task<Result<void>> try_chunk(JobControl* control, Pass* pass, ChunkLayout layout);
  Task<Result<ChunkLayout>> place_anew(JobControl* control, const Pass* pass, ChunkLayout layout,
                                       std::vector<ShardMove> moves, Instant deadline);
  Task<Result<WriteId>> copy_shard(JobControl* control, const Pass* pass, ChunkLayout layout,
                                   ShardMove move, Instant deadline);
  Task<Result<shard::ShardStamp>> stamp_of(ChunkLayout layout, Instant deadline);
  Instant call_deadline() const { return env_.clock.now() + options_.call_timeout; }

  Environment env_;
  RebalanceOptions options_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  chunk::ChunkService& chunks_;
  shard::ShardService& shards_;
  std::function<void(const ShardKey&)> on_damage_;
};

}  // namespace predastore::repair
