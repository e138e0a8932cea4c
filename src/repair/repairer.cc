#include "repair/repairer.h"

#include <algorithm>
#include <utility>

#include "telemetry/log.h"

namespace predastore::repair {
namespace {

bool is_away(const Error& error) {
  return error.code == ErrorCode::Unavailable || error.code == ErrorCode::TimedOut ||
         error.code == ErrorCode::Cancelled;
}

ShardKey key_of(const ChunkLayout& layout, ShardRole role) {
  return {layout.object_id, layout.chunk_index, role};
}

constexpr std::uint32_t kGarbageItemsMax = 256;
constexpr double kRestWithClients = 3;  // times what a round took
constexpr std::size_t kReportsMax = 10'000;

}  // namespace

Repairer::Repairer(Environment env, RepairOptions options, meta::MetaService& meta,
                   chunk::ChunkService& chunks, shard::ShardService& shards, HealNodes& nodes,
                   std::function<bool()> is_active, Loads loads)
    : env_(env),
      options_(options),
      meta_(meta),
      chunks_(chunks),
      shards_(shards),
      is_active_(std::move(is_active)),
      loads_(std::move(loads)),
      chunk_repair_(
          env, options.chunk, meta, chunks, shards,
          [this](const ShardKey& key) { report_damage(key); }, loads_.node),
      healer_(env, options.heal, meta, nodes, is_active_, loads_.cluster),
      stopped_(env.clock),
      reported_(env.clock) {}

Task<void> Repairer::run() {
  TaskGroup tasks{env_.executor, env_.clock};
  tasks.spawn(healer_.run());
  tasks.spawn(run_garbage());
  tasks.spawn(run_reports());
  (void)co_await tasks.join();
}

void Repairer::stop() {
  is_stopping_ = true;
  chunk_repair_.stop();
  healer_.stop();
  stopped_.notify_all();
  reported_.notify_all();
}

HealStatus Repairer::status() const {
  HealStatus status;
  status.progress = healer_.progress();
  status.chunks_repaired = chunk_repair_.chunks_repaired();
  status.bytes_repaired = chunk_repair_.bytes_repaired();
  if (loads_.node) status.clients = loads_.node();
  return status;
}

Task<void> Repairer::wait(Duration duration) {
  const Instant until = env_.clock.now() + duration;
  while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
}

Task<void> Repairer::run_garbage() {
  while (!is_stopping_) {
    std::size_t done = 0;
    const Instant begun = env_.clock.now();
    if (is_active_()) {
      const auto collected = co_await collect_once();
      if (collected) done = *collected;
    } else {
      cleaned_.clear();
    }
    const Duration took = env_.clock.now() - begun;
    co_await wait(done == 0 ? options_.garbage_interval : rest_after(took));
  }
}

// A quarter of the time while clients are at work. The longer the queue, the less rest: clients
// that delete or replace faster than a quarter of the time allows must not fill the drives.
Duration Repairer::rest_after(Duration took) const {
  if (!loads_.cluster || loads_.cluster().in_flight == 0) return {};
  const double patience = std::max(0.0, 1 - static_cast<double>(garbage_pending_) /
                                                static_cast<double>(options_.garbage_pending_max));
  return std::chrono::duration_cast<Duration>(took * kRestWithClients * patience);
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
    co_await wait(options_.report_interval);  // a damaged shard is met many times in a row
    const std::vector<ShardKey> batch(reports_.begin(), reports_.end());
    const auto told = co_await meta_.report_damage(batch, env_.clock.now() + options_.call_timeout);
    if (!told) continue;
    for (const ShardKey& key : batch) reports_.erase(key);
    telemetry::log_info("queued damaged shards for repair", {{"count", batch.size()}});
  }
}

// ---- garbage

Task<Result<std::size_t>> Repairer::collect_once() {
  // Items that wait for a node stay at the head of the queue; look behind them.
  const auto items_max = static_cast<std::uint32_t>(kGarbageItemsMax + cleaned_.size());
  PREDA_CO_TRY(std::vector<meta::GarbageItem> items,
               co_await meta_.garbage_queue(items_max, env_.clock.now() + options_.call_timeout));
  if (items.empty()) co_return std::size_t{0};
  PREDA_CO_TRY(const meta::ClusterState cluster,
               co_await meta_.cluster_state(env_.clock.now() + options_.call_timeout));
  garbage_pending_ = cluster.garbage_pending;
  departed_.clear();
  for (const NodeRecord& node : cluster.nodes) {
    if (node.is_departed) departed_.insert(node.node);
  }
  GarbageRound round = share_out(items);
  if (is_stopping_) co_return std::size_t{0};
  TaskGroup tasks{env_.executor, env_.clock};
  for (auto& [node, share] : round.shares) tasks.spawn(remove_share(node, &share));
  (void)co_await tasks.join();
  std::vector<std::uint64_t> done = settle(round);
  if (done.empty()) co_return std::size_t{0};
  const std::size_t count = done.size();
  PREDA_CO_CHECK(
      co_await meta_.garbage_done(std::move(done), env_.clock.now() + options_.call_timeout));
  co_return count;
}

// One call to a node for all items, and all nodes at once: each call waits for a sync, and clients
// may delete or replace thousands of objects a second.
Repairer::GarbageRound Repairer::share_out(const std::vector<meta::GarbageItem>& items) {
  GarbageRound round;
  for (const meta::GarbageItem& item : items) {
    std::set<NodeId>& waits = round.waits[item.id];
    const std::set<NodeId>& cleaned = cleaned_[item.id];
    for (const ChunkLayout& layout : item.layouts) {
      for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
        const ShardPlace& place = layout.places[role];
        // A role that is missing may have been stored all the same, its answer lost.
        if (!place.is_stored || departed_.contains(place.node)) continue;
        if (cleaned.contains(place.node)) continue;
        NodeShare& share = round.shares[place.node];
        share.removals.push_back({key_of(layout, ShardRole{role}), layout.generation});
        if (waits.insert(place.node).second) share.items.push_back(item.id);
      }
    }
  }
  return round;
}

Task<void> Repairer::remove_share(NodeId node, NodeShare* share) {
  if (!chunks_.health().may_try(node, chunk::NodeUse::write)) co_return;
  const std::size_t count = share->removals.size();
  const auto removed = co_await shards_.remove(node, std::move(share->removals),
                                               env_.clock.now() + options_.call_timeout);
  if (removed) {
    chunks_.health().succeeded(node, chunk::NodeUse::write);
    share->is_removed = true;
    garbage_removed_ += count;
  } else if (is_away(removed.error())) {
    chunks_.health().failed(node, chunk::NodeUse::write);
  }
}

// The items of which every node that has not departed has removed its shards, durably.
std::vector<std::uint64_t> Repairer::settle(GarbageRound& round) {
  for (const auto& [node, share] : round.shares) {
    if (!share.is_removed) continue;
    for (const std::uint64_t id : share.items) {
      cleaned_[id].insert(node);
      round.waits[id].erase(node);
    }
  }
  std::vector<std::uint64_t> done;
  for (const auto& [id, waits] : round.waits) {
    if (!waits.empty()) continue;
    cleaned_.erase(id);
    done.push_back(id);
  }
  return done;
}

}  // namespace predastore::repair
