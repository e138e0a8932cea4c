#include "repair/chunk_repair.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "chunk/paced_rebuild.h"
#include "telemetry/log.h"

namespace predastore::repair {
namespace {

constexpr Duration kStatTimeout = 2s;

bool is_away(const Error& error) {
  return error.code == ErrorCode::Unavailable || error.code == ErrorCode::TimedOut ||
         error.code == ErrorCode::Cancelled;
}

ShardKey key_of(const ChunkLayout& layout, ShardRole role) {
  return {layout.object_id, layout.chunk_index, role};
}

RepairAnswer answer_of(RepairOutcome outcome) {
  RepairAnswer answer;
  answer.outcome = outcome;
  return answer;
}

}  // namespace

ChunkRepair::ChunkRepair(Environment env, ChunkRepairOptions options, meta::MetaService& meta,
                         chunk::ChunkService& chunks, shard::ShardService& shards,
                         OnDamage on_damage, Throttle::Load load)
    : env_(env),
      options_(options),
      meta_(meta),
      chunks_(chunks),
      shards_(shards),
      on_damage_(std::move(on_damage)),
      load_(std::move(load)),
      slots_(env.clock, options.at_once) {}

void ChunkRepair::stop() {
  is_stopping_ = true;
  for (Throttle* throttle : throttles_) throttle->stop();
}

Task<Result<RepairAnswer>> ChunkRepair::repair(RepairOrder order) {
  PREDA_CO_CHECK(co_await slots_.acquire(1, env_.clock.now() + options_.chunk_timeout));
  const SemaphoreHold slot{slots_, 1};
  const std::string name = to_hex(order.object_id.span().first(8));
  Throttle throttle{env_, is_stopping_ ? 0 : order.bytes_per_second, load_};
  throttles_.insert(&throttle);
  auto answer = co_await repair_chunk(order, &throttle);
  throttles_.erase(&throttle);
  if (!answer && !is_away(answer.error()) && answer.error().code != ErrorCode::Conflict) {
    telemetry::log_warn("repair of a chunk failed",
                        {{"object", name}, {"detail", answer.error().to_string()}});
  }
  co_return answer;
}

// `throttle` is the caller's, who waits for this.
Task<Result<RepairAnswer>> ChunkRepair::repair_chunk(RepairOrder order, Throttle* throttle) {
  const Instant deadline = env_.clock.now() + options_.chunk_timeout;
  auto current = co_await meta_.get_layout(order.object_id, order.chunk_index, deadline);
  if (!current && current.error().code == ErrorCode::NotFound)
    co_return answer_of(RepairOutcome::gone);
  if (!current) co_return current.error();
  Examination found;
  for (std::uint8_t role = 0; role < current->places.size(); ++role) {
    const ShardPlace& place = current->places[role];
    if (!place.is_stored || !place.is_missing) continue;
    if ((order.buildable_roles >> role & 1U) != 0) {
      found.targets.push_back({ShardRole{role}, place.node});
    } else {
      found.is_complete = false;
    }
  }
  if (found.targets.empty() && !found.is_complete && !order.is_damaged)
    co_return answer_of(RepairOutcome::waiting);
  if (!found.targets.empty()) {
    const auto incarnation = co_await incarnation_of(*current, deadline);
    if (incarnation) {  // without it there is no shard that could be read
      found.incarnation = *incarnation;
      auto outcome = co_await rebuild(*current, found, deadline, throttle);
      if (outcome && outcome->outcome != RepairOutcome::unrepairable) co_return outcome;
    }
  }
  // Nothing is missing by the layout, or what is there was not good enough: look at all of it.
  const std::vector<chunk::RebuildTarget> missing = found.targets;
  const bool is_complete = found.is_complete;
  found = co_await examine(*current, deadline);
  found.is_complete = found.is_complete && is_complete;
  if (found.shards_good == 0 && found.targets.size() + missing.size() > 0) {
    const auto incarnation = co_await incarnation_of(*current, deadline);
    if (incarnation) {
      found.incarnation = *incarnation;  // of a shard that is damaged, and may yet be of use
    } else if (found.is_complete) {
      RepairAnswer nothing_left = answer_of(RepairOutcome::unrepairable);
      nothing_left.shards_needed = current->rs.data_shards;
      co_return nothing_left;
    } else {
      co_return incarnation.error();
    }
  }
  found.targets.insert(found.targets.end(), missing.begin(), missing.end());
  co_return co_await rebuild(*current, std::move(found), deadline, throttle);
}

// The bucket's incarnation, which every record of a shard carries.
Task<Result<Incarnation>> ChunkRepair::incarnation_of(const ChunkLayout& layout, Instant deadline) {
  for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace& place = layout.places[role];
    if (!place.is_stored || place.is_missing) continue;
    const auto info = co_await shards_.stat(place.node, key_of(layout, ShardRole{role}),
                                            std::min(deadline, env_.clock.now() + kStatTimeout));
    if (info) co_return info->stamp.incarnation;
  }
  co_return make_error(ErrorCode::Unavailable, "no store with a shard of the chunk answers");
}

// Reads every shard of the chunk and says which are to be written anew.
Task<ChunkRepair::Examination> ChunkRepair::examine(ChunkLayout layout, Instant deadline) {
  Examination found;
  found.is_thorough = true;
  for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace place = layout.places[role];
    if (!place.is_stored) ++found.shards_good;  // known to be zero
    if (!place.is_stored || place.is_missing) continue;
    const auto verified = co_await verify_role(layout, ShardRole{role}, deadline);
    if (verified) {
      found.incarnation = *verified;
      ++found.shards_good;
    } else if (is_away(verified.error())) {
      found.is_complete = false;
    } else {
      found.targets.push_back({ShardRole{role}, place.node});
    }
  }
  co_return found;
}

Task<Result<Incarnation>> ChunkRepair::verify_role(const ChunkLayout& layout, ShardRole role,
                                                   Instant deadline) {
  const ShardPlace place = layout.places[role.value()];
  const ShardKey key = key_of(layout, role);
  PREDA_CO_TRY(const shard::ShardInfo info, co_await shards_.stat(place.node, key, deadline));
  if (info.stamp.write_id != place.write_id)
    co_return make_error(ErrorCode::Corruption, "another try is stored");
  for (std::uint32_t next = 0; next < info.segment_count;) {
    PREDA_CO_TRY(const auto segments,
                 co_await shards_.fetch(place.node, key, place.write_id, SegmentIndex{next},
                                        shard::kFetchSegmentsMax, deadline));
    if (segments.empty())
      co_return make_error(ErrorCode::Corruption, "the shard is shorter than its commit");
    next += static_cast<std::uint32_t>(segments.size());
  }
  co_return info.stamp.incarnation;
}

Task<Result<RepairAnswer>> ChunkRepair::rebuild(ChunkLayout layout, Examination found,
                                                Instant deadline, Throttle* throttle) {
  PREDA_CO_TRY(const meta::ClusterState cluster, co_await meta_.cluster_state(deadline));
  meta::SwapLayout swap;
  swap.write_epoch = cluster.write_epoch;
  const std::uint64_t size_bytes = layout.size_bytes;
  if (found.targets.empty()) {
    if (!found.is_complete) co_return answer_of(RepairOutcome::waiting);
    // Everything is there and good: the next generation says so, and leaves the queue.
    swap.layout = std::move(layout);
    swap.layout.generation = next(swap.layout.generation);
    PREDA_CO_CHECK(co_await meta_.swap_layout(std::move(swap), deadline));
    ++chunks_repaired_;
    co_return answer_of(RepairOutcome::repaired);
  }
  chunk::RebuildRequest request;
  request.layout = std::move(layout);
  request.incarnation = found.incarnation;
  request.write_epoch = cluster.write_epoch;
  request.targets = found.targets;
  const Instant paced_until = env_.clock.now() + options_.pacing_max;
  chunk::Pace pace = [throttle, paced_until](std::uint64_t bytes) {
    return throttle->pass(bytes, paced_until);
  };
  RepairAnswer answer;
  answer.shards_good = found.shards_good;
  answer.shards_needed = request.layout.rs.data_shards;
  const std::string name = to_hex(request.layout.object_id.span().first(8));
  auto rebuilt = co_await chunk::rebuild_at(std::move(pace), chunks_, std::move(request), deadline);
  // With all nodes there and all shards read it is not for want of an answer, unless of room.
  if (!rebuilt && rebuilt.error().code == ErrorCode::NoSpace) {
    if (!std::exchange(is_room_told_, true))
      telemetry::log_warn("no room for rebuilt shards", {{"error", rebuilt.error().to_string()}});
    answer.outcome = RepairOutcome::waiting;
    co_return answer;
  }
  if (!rebuilt &&
      (rebuilt.error().code == ErrorCode::Corruption || (found.is_thorough && found.is_complete))) {
    if (found.is_thorough)
      telemetry::log_error("a chunk is damaged beyond its parity", {{"object", name}});
    answer.outcome = RepairOutcome::unrepairable;
    co_return answer;
  }
  if (!rebuilt) co_return rebuilt.error();
  is_room_told_ = false;
  swap.layout = std::move(*rebuilt);
  const ChunkLayout wanted = swap.layout;
  const auto swapped = co_await meta_.swap_layout(std::move(swap), deadline);
  if (!swapped) {
    // Another repair (an earlier leader's, or an earlier try of this one whose swap was slow) may
    // have had its layout accepted and its shard replaced by this one: of one generation, a store
    // keeps the later. Nobody would know, so all of the chunk is looked at again.
    for (const chunk::RebuildTarget& target : found.targets)
      on_damage_(key_of(wanted, target.role));
    co_return swapped.error();
  }
  ++chunks_repaired_;
  bytes_repaired_ += size_bytes;
  co_return answer_of(RepairOutcome::repaired);
}

}  // namespace predastore::repair
