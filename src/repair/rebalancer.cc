#include "repair/rebalancer.h"

#include <algorithm>

#include "base/text.h"
#include "chunk/paced_rebuild.h"
#include "telemetry/log.h"

namespace predastore::repair {
namespace {

ShardKey key_of(const ChunkLayout& layout, ShardRole role) {
  return {layout.object_id, layout.chunk_index, role};
}

Task<void> pace(JobControl* control, std::uint64_t bytes) { (void)co_await control->step(bytes); }

std::string cursor_of(const ChunkLayout& layout) {
  return chunk_key(layout.object_id, layout.chunk_index);
}

}  // namespace

Task<Result<void>> Rebalancer::run(JobControl* control) {
  const auto pass = [this, control] { return one_pass(control); };
  co_return co_await control->repeat(options_.passes, pass);
}

Task<Result<JobPass>> Rebalancer::one_pass(JobControl* control) {
  Pass pass;
  PREDA_CO_CHECK(co_await run_pass(control, &pass));
  co_return JobPass{pass.changed, pass.failed};
}

Task<Result<void>> Rebalancer::run_pass(JobControl* control, Pass* pass) {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(call_deadline()));
  PREDA_CO_TRY(pass->ring, ring::Ring::make(topology.ring));
  pass->write_epoch = topology.write_epoch;
  take_nodes(topology, pass);
  control->progress().items_total = topology.layout_count;
  for (;;) {
    // What is copied is stamped with an epoch that was taken before.
    std::string after = control->progress().cursor;
    PREDA_CO_TRY(
        std::vector<ChunkLayout> layouts,
        co_await meta_.layouts_after(std::move(after), options_.page_layouts, call_deadline()));
    if (layouts.empty()) co_return Result<void>{};
    std::string cursor = cursor_of(layouts.back());
    PREDA_CO_CHECK(co_await run_page(control, pass, std::move(layouts)));
    control->progress().cursor = std::move(cursor);
    PREDA_CO_TRY(const meta::Topology now, co_await growth_.topology(call_deadline()));
    pass->write_epoch = now.write_epoch;
    take_nodes(now, pass);
    if (now.ring.epoch == pass->ring.epoch()) continue;
    PREDA_CO_TRY(pass->ring, ring::Ring::make(now.ring));
    ++pass->changed;  // the ring has changed in the middle: another pass
  }
}

void Rebalancer::take_nodes(const meta::Topology& topology, Pass* pass) {
  pass->closed = topology.closed();
  pass->departed.clear();
  for (const NodeRecord& node : topology.nodes) {
    if (node.is_departed) pass->departed.insert(node.node);
  }
}

// By its epoch alone: a place that is not the ring's is a substitute, and stays until the next
// epoch, unless it is on a node that is to be empty.
bool Rebalancer::is_settled(const ChunkLayout& layout, const Pass& pass) const {
  return layout.ring_epoch == pass.ring.epoch() &&
         std::ranges::none_of(layout.places, [&](const ShardPlace& place) {
           return place.is_stored && pass.closed.contains(place.node);
         });
}

Task<Result<void>> Rebalancer::run_page(JobControl* control, Pass* pass,
                                        std::vector<ChunkLayout> layouts) {
  Semaphore slots{env_.clock, options_.at_once};
  TaskGroup tasks{env_.executor, env_.clock};
  Result<void> still_ours;
  for (ChunkLayout& layout : layouts) {
    ++control->progress().items_seen;
    if (is_settled(layout, *pass)) continue;
    (void)co_await slots.acquire(1, kNever);
    still_ours = co_await control->step(0);
    if (!still_ours) {
      slots.release(1);
      break;
    }
    tasks.spawn(move_chunk(control, pass, &slots, std::move(layout)));
  }
  (void)co_await tasks.join();
  co_return still_ours;
}

// `slots` has given one to this.
Task<void> Rebalancer::move_chunk(JobControl* control, Pass* pass, Semaphore* slots,
                                  ChunkLayout layout) {
  const SemaphoreHold slot{*slots, 1};
  const std::string name = to_hex(layout.object_id.span().first(8));
  const auto moved = co_await try_chunk(control, pass, std::move(layout));
  if (moved) {
    ++pass->changed;
    co_return;
  }
  const ErrorCode code = moved.error().code;
  if (code == ErrorCode::Cancelled) co_return;
  if (code == ErrorCode::NotFound || code == ErrorCode::Conflict) {
    ++pass->changed;  // deleted or changed meanwhile: the next pass sees what it is now
    co_return;
  }
  ++pass->failed;
  ++control->progress().errors;
  control->progress().detail = "chunk of " + name + ": " + moved.error().to_string();
}

Task<Result<void>> Rebalancer::try_chunk(JobControl* control, Pass* pass, ChunkLayout layout) {
  const Instant deadline = env_.clock.now() + options_.chunk_timeout;
  const std::vector<NodeId> wanted = wanted_nodes(layout, pass->ring);
  if (wanted.empty())
    co_return make_error(ErrorCode::Unsupported, "the ring has fewer nodes than the chunk shards");
  const std::vector<ShardMove> moves = moves_to(layout, wanted);
  meta::SwapLayout swap;
  swap.write_epoch = pass->write_epoch;
  swap.layout = in_epoch(layout, pass->ring.epoch(), wanted);
  if (moves.empty()) {
    swap.layout.generation = next(swap.layout.generation);
  } else {
    PREDA_CO_TRY(ChunkLayout placed, co_await place_anew(control, pass, layout, moves, deadline));
    placed = in_epoch(std::move(placed), pass->ring.epoch(), wanted);
    swap.layout = std::move(placed);
  }
  const auto swapped = co_await meta_.swap_layout(std::move(swap), call_deadline());
  if (!swapped) {
    // A repair of the same generation may have been faster, and its shard replaced by ours where
    // both wrote to one node; then all of the chunk is looked at again.
    for (const ShardMove& move : moves) on_damage_(key_of(layout, move.role));
    co_return swapped.error();
  }
  control->progress().items_done += moves.size();
  co_return Result<void>{};
}

// All shards that move, at their new nodes, under the next generation; what cannot be copied now is
// rebuilt, what never can be is missing. An error when one of them is not durable: what was written
// is an orphan.
Task<Result<ChunkLayout>> Rebalancer::place_anew(JobControl* control, const Pass* pass,
                                                 ChunkLayout layout, std::vector<ShardMove> moves,
                                                 Instant deadline) {
  std::vector<Copied> copied;
  std::vector<ShardMove> lost;
  chunk::RebuildRequest rebuild;
  for (const ShardMove& move : moves) {
    if (move.is_missing || pass->departed.contains(move.from)) {
      lost.push_back(move);
      continue;
    }
    auto copy = co_await copy_shard(control, pass, layout, move, deadline);
    if (copy) {
      copied.push_back({move, *copy});
      continue;
    }
    if (copy.error().code == ErrorCode::Cancelled) co_return copy.error();
    rebuild.targets.push_back({move.role, move.to});
  }
  ChunkLayout placed = layout;
  placed.generation = next(placed.generation);
  if (!rebuild.targets.empty()) {
    const std::size_t target_count = rebuild.targets.size();
    PREDA_CO_TRY(const shard::ShardStamp stamp, co_await stamp_of(layout, deadline));
    rebuild.layout = layout;
    rebuild.incarnation = stamp.incarnation;
    rebuild.write_epoch = pass->write_epoch;
    const std::uint64_t read_bytes = layout.size_bytes;
    chunk::Pace at_rate = [control](std::uint64_t bytes) { return pace(control, bytes); };
    // A low rate is no reason to give up.
    PREDA_CO_TRY(placed, co_await chunk::rebuild_at(std::move(at_rate), chunks_, std::move(rebuild),
                                                    env_.clock.now() + options_.rebuild_timeout));
    std::size_t durable = 0;
    for (const ShardMove& move : moves) {
      const ShardPlace& place = placed.places[move.role.value()];
      if (place.node == move.to && !place.is_missing) ++durable;
    }
    if (durable < target_count)
      co_return make_error(ErrorCode::Unavailable, "a node does not take its shard");
    control->progress().bytes_done += read_bytes;
    PREDA_CO_CHECK(co_await control->step(0));
  }
  for (const Copied& copy : copied)
    placed.places[copy.move.role.value()] = {.node = copy.move.to, .write_id = copy.write_id};
  for (const ShardMove& move : lost)
    placed.places[move.role.value()] = {.node = move.to, .write_id = WriteId{}, .is_missing = true};
  co_return placed;
}

// Any shard's stamp tells the incarnation of the bucket.
Task<Result<shard::ShardStamp>> Rebalancer::stamp_of(ChunkLayout layout, Instant deadline) {
  for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace& place = layout.places[role];
    if (!place.is_stored || place.is_missing) continue;
    const auto info = co_await shards_.stat(place.node, key_of(layout, ShardRole{role}),
                                            std::min(deadline, call_deadline()));
    if (info) co_return info->stamp;
  }
  co_return make_error(ErrorCode::Unavailable, "no store with a shard of the chunk answers");
}

// The records as they are, under a write id of this try. Nothing is decoded: each was checked
// against its header by the fetch, and their number is that of the commit record.
Task<Result<WriteId>> Rebalancer::copy_shard(JobControl* control, const Pass* pass,
                                             ChunkLayout layout, ShardMove move, Instant deadline) {
  const ShardKey key = key_of(layout, move.role);
  const WriteId held = layout.places[move.role.value()].write_id;
  PREDA_CO_TRY(const shard::ShardInfo info,
               co_await shards_.stat(move.from, key, std::min(deadline, call_deadline())));
  const std::uint32_t count = info.segment_count;
  if (info.stamp.write_id != held) {
    on_damage_(key);
    co_return make_error(ErrorCode::Corruption, "another shard is stored");
  }
  shard::ShardStamp stamp = info.stamp;
  while ((stamp.write_id = WriteId{env_.random.next_u64()}) == WriteId{}) {
  }
  stamp.generation = next(layout.generation);
  stamp.write_epoch = pass->write_epoch;
  PREDA_CO_TRY(const std::unique_ptr<shard::ShardWriter> writer,
               co_await shards_.create(move.to, key, stamp, std::min(deadline, call_deadline())));
  for (std::uint32_t next_segment = 0; next_segment < count;) {
    auto segments = co_await shards_.fetch(move.from, key, held, SegmentIndex{next_segment},
                                           shard::kFetchSegmentsMax, call_deadline());
    if (segments && segments->empty())
      segments = make_error(ErrorCode::Corruption, "the shard is shorter than its commit");
    if (!segments) {
      if (segments.error().code == ErrorCode::Corruption) on_damage_(key);
      co_return segments.error();
    }
    std::uint64_t bytes = 0;
    for (const shard::Segment& segment : *segments) bytes += segment.stored.size();
    next_segment += static_cast<std::uint32_t>(segments->size());
    PREDA_CO_CHECK(co_await writer->append(std::move(*segments), call_deadline()));
    control->progress().bytes_done += bytes;
    PREDA_CO_CHECK(co_await control->step(bytes));
  }
  PREDA_CO_CHECK(co_await writer->commit(call_deadline()));
  co_return stamp.write_id;
}

}  // namespace predastore::repair
