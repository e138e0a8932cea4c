#include "repair/sweeper.h"

#include <algorithm>
#include <map>
#include <utility>

#include "telemetry/log.h"

namespace predastore::repair {

bool is_named(const ChunkLayout& layout, NodeId node, const shard::ShardInfo& info) {
  if (info.key.role.value() >= layout.places.size()) return false;
  const ShardPlace& place = layout.places[info.key.role.value()];
  return place.is_stored && !place.is_missing && place.node == node &&
         place.write_id == info.stamp.write_id;
}

Sweeper::Sweeper(Environment env, SweepOptions options, meta::MetaService& meta, OwnShards& shards)
    : env_(env), options_(options), meta_(meta), shards_(shards), stopped_(env.clock) {
  PREDA_ASSERT(options_.page_size > 0 && options_.page_size <= meta::kLayoutsOfMax);
}

Task<void> Sweeper::run() {
  while (!is_stopping_) {
    const Instant until = env_.clock.now() + options_.interval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
    if (is_stopping_) break;
    const auto swept = co_await sweep_once();
    if (!swept && swept.error().code != ErrorCode::Unavailable)
      telemetry::log_warn("sweep ended early", {{"error", swept.error().to_string()}});
  }
}

void Sweeper::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
}

Task<Result<std::size_t>> Sweeper::sweep_once() {
  if (status_.is_running) co_return std::size_t{0};
  status_.is_running = true;
  auto swept = co_await sweep_pages();
  status_.is_running = false;
  if (swept && *swept > 0)
    telemetry::log_info("sweep shards that nothing names", {{"count", *swept}});
  co_return swept;
}

Task<Result<std::size_t>> Sweeper::sweep_pages() {
  std::vector<std::string> none;
  PREDA_CO_TRY(
      const meta::NamedLayouts now,
      co_await meta_.layouts_of(std::move(none), env_.clock.now() + options_.call_timeout));
  status_.is_off = now.is_sweep_off;
  if (now.is_sweep_off) co_return std::size_t{0};
  status_.unnamed_young = 0;
  std::size_t removed = 0;
  std::optional<ShardKey> after;
  while (!is_stopping_) {
    PREDA_CO_TRY(auto page, co_await shards_.inventory(after, options_.page_size));
    if (page.empty()) break;
    const std::size_t count = page.size();
    after = page.back().key;
    status_.looked_at += count;
    PREDA_CO_TRY(const std::size_t swept, co_await sweep_page(std::move(page)));
    removed += swept;
    if (status_.is_off) co_return removed;
    co_await pace(count);
  }
  if (!is_stopping_) ++status_.passes;
  co_return removed;
}

// The read of the metadata begins after the page was seen.
Task<Result<std::size_t>> Sweeper::sweep_page(std::vector<shard::ShardInfo> page) {
  std::vector<std::string> keys;
  for (const shard::ShardInfo& info : page) {
    std::string key = chunk_key(info.key.object_id, info.key.chunk_index);
    if (keys.empty() || keys.back() != key) keys.push_back(std::move(key));
  }
  PREDA_CO_TRY(
      const meta::NamedLayouts named,
      co_await meta_.layouts_of(std::move(keys), env_.clock.now() + options_.call_timeout));
  status_.is_off = named.is_sweep_off;
  if (named.is_sweep_off) co_return std::size_t{0};
  std::map<std::pair<ObjectId, ChunkIndex>, const ChunkLayout*> layouts;
  for (const ChunkLayout& layout : named.layouts)
    layouts[{layout.object_id, layout.chunk_index}] = &layout;
  std::vector<shard::ShardRemoval> removals;
  std::uint64_t bytes = 0;
  for (const shard::ShardInfo& info : page) {
    const auto layout = layouts.find({info.key.object_id, info.key.chunk_index});
    if (layout != layouts.end() && is_named(*layout->second, options_.self, info)) continue;
    const bool is_old =
        info.stamp.write_epoch <= named.write_epoch &&
        named.write_epoch.value() - info.stamp.write_epoch.value() >= named.write_epochs;
    if (!is_old) {
      ++status_.unnamed_young;
      continue;
    }
    removals.push_back({info.key, info.stamp.generation, info.stamp.write_id});
    bytes += info.logical_size_bytes;
  }
  if (removals.empty()) co_return std::size_t{0};
  const std::size_t count = removals.size();
  PREDA_CO_CHECK(
      co_await shards_.remove(std::move(removals), env_.clock.now() + options_.call_timeout));
  status_.removed += count;
  status_.removed_bytes += bytes;
  co_return count;
}

Task<void> Sweeper::pace(std::size_t shards) {
  if (options_.shards_per_second == 0) co_return;
  const auto pause = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      static_cast<double>(shards) / static_cast<double>(options_.shards_per_second)));
  const Instant until = env_.clock.now() + pause;
  while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
}

}  // namespace predastore::repair
