#include "repair/repairer.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "telemetry/log.h"

namespace predastore::repair {
namespace {

bool is_away(const Error& error) {
  return error.code == ErrorCode::Unavailable || error.code == ErrorCode::TimedOut ||
         error.code == ErrorCode::Cancelled;
}

// How many more shards of it may be lost: what is left least goes first.
int redundancy_left(const ChunkLayout& layout) {
  const auto missing = std::ranges::count_if(
      layout.places, [](const ShardPlace& place) { return place.is_stored && place.is_missing; });
  return static_cast<int>(layout.rs.parity_shards) - static_cast<int>(missing);
}

ShardKey key_of(const ChunkLayout& layout, ShardRole role) {
  return {layout.object_id, layout.chunk_index, role};
}

constexpr Duration kReachTimeout = 2s;
constexpr std::uint32_t kGarbageItemsMax = 256;
constexpr std::size_t kReportsMax = 10'000;

}  // namespace

Repairer::Repairer(Environment env, RepairOptions options, meta::MetaService& meta,
                   chunk::ChunkService& chunks, shard::ShardService& shards,
                   std::function<bool()> is_active)
    : env_(env),
      options_(options),
      meta_(meta),
      chunks_(chunks),
      shards_(shards),
      is_active_(std::move(is_active)),
      slots_(env.clock, options.at_once),
      stopped_(env.clock),
      reported_(env.clock),
      paced_until_(env.clock.now()) {}

Task<void> Repairer::run() {
  TaskGroup tasks{env_.executor, env_.clock};
  tasks.spawn(run_repairs());
  tasks.spawn(run_garbage());
  tasks.spawn(run_reports());
  (void)co_await tasks.join();
}

void Repairer::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
  reported_.notify_all();
}

Task<void> Repairer::wait(Duration duration) {
  const Instant until = env_.clock.now() + duration;
  while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
}

Task<void> Repairer::run_repairs() {
  while (!is_stopping_) {
    std::size_t repaired = 0;
    if (is_active_()) {
      const auto done = co_await repair_once();
      if (done) repaired = *done;
    }
    if (repaired == 0) co_await wait(options_.interval);
  }
}

Task<void> Repairer::run_garbage() {
  while (!is_stopping_) {
    std::size_t done = 0;
    if (is_active_()) {
      const auto collected = co_await collect_once();
      if (collected) done = *collected;
    } else {
      cleaned_.clear();
    }
    if (done == 0) co_await wait(options_.garbage_interval);
  }
}

// ---- what reads met

void Repairer::report_damage(const ShardKey& key) {
  if (reports_.size() < kReportsMax) reports_.insert(key);  // scrub finds what does not fit
  reported_.notify_all();
}

Task<void> Repairer::run_reports() {
  while (!is_stopping_) {
    if (reports_.empty()) {
      co_await reported_.wait();
      continue;
    }
    co_await wait(options_.interval);  // a damaged shard is met many times in a row
    const std::vector<ShardKey> batch(reports_.begin(), reports_.end());
    const auto told = co_await meta_.report_damage(batch, env_.clock.now() + options_.call_timeout);
    if (!told) continue;
    for (const ShardKey& key : batch) reports_.erase(key);
    telemetry::log_info("queued damaged shards for repair", {{"count", batch.size()}});
  }
}

// ---- repair

Task<Result<std::size_t>> Repairer::repair_once() {
  PREDA_CO_TRY(
      std::vector<meta::RepairItem> items,
      co_await meta_.repair_queue(options_.batch_max, env_.clock.now() + options_.call_timeout));
  std::ranges::stable_sort(
      items, {}, [](const meta::RepairItem& item) { return redundancy_left(item.layout); });
  Round round;
  co_await find_reachable(items, &round.reachable);
  TaskGroup tasks{env_.executor, env_.clock};
  for (meta::RepairItem& item : items) {
    if (is_stopping_) break;
    (void)co_await slots_.acquire(1, kNever);
    tasks.spawn(repair_item(std::move(item.layout), &round));
  }
  (void)co_await tasks.join();
  if (round.outcomes[Outcome::waiting] == 0) is_room_told_ = false;
  status_.chunks_waiting = round.outcomes[Outcome::waiting];
  status_.chunks_unrepairable = round.outcomes[Outcome::unrepairable];
  co_return round.outcomes[Outcome::repaired];
}

Task<void> Repairer::repair_item(ChunkLayout layout, Round* round) {
  const SemaphoreHold slot{slots_, 1};
  const std::uint64_t size_bytes = layout.size_bytes;
  const std::string name = to_hex(layout.object_id.span().first(8));
  const auto outcome = co_await repair_chunk(std::move(layout), round);
  if (!outcome) {
    if (!is_away(outcome.error()) && outcome.error().code != ErrorCode::Conflict) {
      telemetry::log_warn("repair of a chunk failed",
                          {{"object", name}, {"detail", outcome.error().to_string()}});
    }
    ++round->outcomes[Outcome::waiting];
    co_return;
  }
  ++round->outcomes[*outcome];
  if (*outcome != Outcome::repaired) co_return;
  ++status_.chunks_repaired;
  status_.bytes_repaired += size_bytes;
  co_await pace(size_bytes);
}

Task<Result<Repairer::Outcome>> Repairer::repair_chunk(ChunkLayout layout, Round* round) {
  const Instant deadline = env_.clock.now() + options_.chunk_timeout;
  // The queue's word may be old by now; what is changed is what is read here.
  auto current = co_await meta_.get_layout(layout.object_id, layout.chunk_index, deadline);
  if (!current && current.error().code == ErrorCode::NotFound) co_return Outcome::gone;
  if (!current) co_return current.error();
  Examination found;
  for (std::uint8_t role = 0; role < current->places.size(); ++role) {
    const ShardPlace& place = current->places[role];
    if (!place.is_stored || !place.is_missing) continue;
    const bool is_up = round->reachable.contains(place.node);
    if (is_up) {
      found.targets.push_back({ShardRole{role}, current->places[role].node});
    } else {
      found.is_complete = false;
    }
  }
  if (found.targets.empty() && !found.is_complete) co_return Outcome::waiting;
  if (!found.targets.empty()) {
    const auto incarnation = co_await incarnation_of(*current, deadline);
    if (!incarnation) co_return incarnation.error();
    found.incarnation = *incarnation;
    auto outcome = co_await rebuild(*current, found, deadline);
    if (outcome) co_return outcome;
  }
  // Nothing is missing by the layout, or what is there was not good enough: look at all of it.
  const std::vector<chunk::RebuildTarget> missing = found.targets;
  found = co_await examine(*current, deadline);
  found.targets.insert(found.targets.end(), missing.begin(), missing.end());
  co_return co_await rebuild(*current, std::move(found), deadline);
}

// Asks every node once that a missing shard is to go to.
Task<void> Repairer::find_reachable(std::vector<meta::RepairItem> items,
                                    std::set<NodeId>* reachable) {
  std::set<NodeId> asked;
  for (const meta::RepairItem& item : items) {
    for (std::uint8_t role = 0; role < item.layout.places.size(); ++role) {
      const ShardPlace place = item.layout.places[role];
      if (!place.is_stored || !place.is_missing || !asked.insert(place.node).second) continue;
      const auto info = co_await shards_.stat(place.node, key_of(item.layout, ShardRole{role}),
                                              env_.clock.now() + kReachTimeout);
      if (!info && is_away(info.error())) {
        chunks_.health().failed(place.node, chunk::NodeUse::write);
      } else {
        chunks_.health().succeeded(place.node, chunk::NodeUse::write);
        reachable->insert(place.node);
      }
    }
  }
}

// The bucket's incarnation, which every record of a shard carries.
Task<Result<Incarnation>> Repairer::incarnation_of(const ChunkLayout& layout, Instant deadline) {
  for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace& place = layout.places[role];
    if (!place.is_stored || place.is_missing) continue;
    const auto info = co_await shards_.stat(place.node, key_of(layout, ShardRole{role}),
                                            std::min(deadline, env_.clock.now() + kReachTimeout));
    if (info) co_return info->stamp.incarnation;
  }
  co_return make_error(ErrorCode::Unavailable, "no store with a shard of the chunk answers");
}

// Reads every shard of the chunk and says which are to be written anew.
Task<Repairer::Examination> Repairer::examine(ChunkLayout layout, Instant deadline) {
  Examination found;
  found.is_thorough = true;
  for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace place = layout.places[role];
    if (!place.is_stored || place.is_missing) continue;
    const auto verified = co_await verify_role(layout, ShardRole{role}, deadline);
    if (verified) {
      found.incarnation = *verified;
    } else if (is_away(verified.error())) {
      found.is_complete = false;
    } else {
      found.targets.push_back({ShardRole{role}, place.node});
    }
  }
  co_return found;
}

Task<Result<Incarnation>> Repairer::verify_role(const ChunkLayout& layout, ShardRole role,
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

Task<Result<Repairer::Outcome>> Repairer::rebuild(ChunkLayout layout, Examination found,
                                                  Instant deadline) {
  PREDA_CO_TRY(const meta::ClusterState cluster, co_await meta_.cluster_state(deadline));
  meta::SwapLayout swap;
  swap.write_epoch = cluster.write_epoch;
  if (found.targets.empty()) {
    if (!found.is_complete) co_return Outcome::waiting;
    // Everything is there and good: the next generation says so, and leaves the queue.
    swap.layout = std::move(layout);
    swap.layout.generation = next(swap.layout.generation);
    PREDA_CO_CHECK(co_await meta_.swap_layout(std::move(swap), deadline));
    co_return Outcome::repaired;
  }
  chunk::RebuildRequest request;
  request.layout = std::move(layout);
  request.incarnation = found.incarnation;
  request.write_epoch = cluster.write_epoch;
  request.targets = found.targets;
  const std::string name = to_hex(request.layout.object_id.span().first(8));
  auto rebuilt = co_await chunks_.rebuild(std::move(request), deadline);
  // With all nodes there and all shards read it is not for want of an answer, unless of room.
  if (!rebuilt && rebuilt.error().code == ErrorCode::NoSpace) {
    if (!std::exchange(is_room_told_, true))
      telemetry::log_warn("no room for rebuilt shards", {{"error", rebuilt.error().to_string()}});
    co_return Outcome::waiting;
  }
  if (!rebuilt &&
      (rebuilt.error().code == ErrorCode::Corruption || (found.is_thorough && found.is_complete))) {
    telemetry::log_error("a chunk is damaged beyond its parity", {{"object", name}});
    co_return Outcome::unrepairable;
  }
  if (!rebuilt) co_return rebuilt.error();
  swap.layout = std::move(*rebuilt);
  const ChunkLayout wanted = swap.layout;
  const auto swapped = co_await meta_.swap_layout(std::move(swap), deadline);
  if (!swapped) {
    // Another repair (an earlier leader's, or an earlier try of this one whose swap was slow) may
    // have had its layout accepted and its shard replaced by this one: of one generation, a store
    // keeps the later. Nobody would know, so all of the chunk is looked at again.
    for (const chunk::RebuildTarget& target : found.targets)
      report_damage(key_of(wanted, target.role));
    co_return swapped.error();
  }
  co_return Outcome::repaired;
}

// All repairs together stay within the rate.
Task<void> Repairer::pace(std::uint64_t size_bytes) {
  if (options_.bytes_per_second == 0) co_return;
  const double seconds =
      static_cast<double>(size_bytes) / static_cast<double>(options_.bytes_per_second);
  const auto pause = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  paced_until_ = std::max(paced_until_, env_.clock.now()) + pause;
  const Instant until = paced_until_;
  while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
}

// ---- garbage

Task<Result<std::size_t>> Repairer::collect_once() {
  // Items that wait for a node stay at the head of the queue; look behind them.
  const auto items_max = static_cast<std::uint32_t>(kGarbageItemsMax + cleaned_.size());
  PREDA_CO_TRY(std::vector<meta::GarbageItem> items,
               co_await meta_.garbage_queue(items_max, env_.clock.now() + options_.call_timeout));
  std::vector<std::uint64_t> done;
  for (meta::GarbageItem& item : items) {
    if (is_stopping_) break;
    const std::uint64_t id = item.id;
    const auto removed = co_await remove_garbage(std::move(item));
    if (removed && *removed) done.push_back(id);
  }
  if (done.empty()) co_return std::size_t{0};
  const std::size_t count = done.size();
  for (const std::uint64_t id : done) cleaned_.erase(id);
  PREDA_CO_CHECK(
      co_await meta_.garbage_done(std::move(done), env_.clock.now() + options_.call_timeout));
  co_return count;
}

// True when every node has removed its shards of the item, durably.
Task<Result<bool>> Repairer::remove_garbage(meta::GarbageItem item) {
  std::map<NodeId, std::vector<shard::ShardRemoval>> by_node;
  for (const ChunkLayout& layout : item.layouts) {
    for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
      const ShardPlace& place = layout.places[role];
      // A role that is missing may have been stored all the same, its answer lost.
      if (!place.is_stored) continue;
      by_node[place.node].push_back({key_of(layout, ShardRole{role}), layout.generation});
    }
  }
  std::set<NodeId>& cleaned = cleaned_[item.id];
  bool is_all = true;
  for (auto& [node, removals] : by_node) {
    if (cleaned.contains(node)) continue;
    if (!chunks_.health().may_try(node, chunk::NodeUse::write)) {
      is_all = false;
      continue;
    }
    const std::size_t count = removals.size();
    const auto removed = co_await shards_.remove(node, std::move(removals),
                                                 env_.clock.now() + options_.call_timeout);
    if (removed) {
      chunks_.health().succeeded(node, chunk::NodeUse::write);
      cleaned_[item.id].insert(node);
      status_.garbage_removed += count;
    } else {
      if (is_away(removed.error())) chunks_.health().failed(node, chunk::NodeUse::write);
      is_all = false;
    }
  }
  co_return is_all;
}

}  // namespace predastore::repair
