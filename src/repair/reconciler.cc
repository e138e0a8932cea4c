#include "repair/reconciler.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "repair/sweeper.h"
#include "telemetry/log.h"

namespace predastore::repair {
namespace {

constexpr std::size_t kSuspectsMax = 1000;  // looked at again, and reported, at a time

bool names(const ShardPlace& place, NodeId node) {
  return place.is_stored && !place.is_missing && place.node == node;
}

}  // namespace

Reconciler::Reconciler(Environment env, ReconcileOptions options, meta::MetaService& meta,
                       OwnShards& shards)
    : env_(env),
      options_(options),
      meta_(meta),
      shards_(shards),
      changed_(env.clock),
      next_pass_(env.clock.now() + options.interval) {}

void Reconciler::stop() {
  is_stopping_ = true;
  changed_.notify_all();
}

void Reconciler::request(std::string reason) {
  telemetry::log_info("reconcile", {{"reason", reason}});
  is_requested_ = true;
  changed_.notify_all();
}

Task<void> Reconciler::run() {
  while (!is_stopping_) {
    // What operators asked for from now on counts, so the first look comes at once.
    if (!has_seen_setting_) co_await look_for_request();
    if (!is_requested_ && env_.clock.now() < next_pass_) {
      (void)co_await changed_.wait_until(
          std::min(next_pass_, env_.clock.now() + options_.look_interval));
      if (!is_stopping_ && !is_requested_) co_await look_for_request();
      continue;
    }
    is_requested_ = false;
    const auto done = co_await reconcile_once();
    if (is_stopping_) break;
    if (!done) {
      is_requested_ = true;
      (void)co_await changed_.wait_until(env_.clock.now() + options_.retry_interval);
      continue;
    }
    next_pass_ = env_.clock.now() + options_.interval;
    if (!is_requested_ && on_done) on_done();
  }
}

// Operators ask through the metadata, so that every node hears of it.
Task<void> Reconciler::look_for_request() {
  const auto found =
      co_await meta_.get_setting(kReconcileSetting, env_.clock.now() + options_.call_timeout);
  if (!found) co_return;
  const std::string value = found->value_or("");
  if (has_seen_setting_ && value != seen_setting_) request("an operator asked for it");
  seen_setting_ = value;
  has_seen_setting_ = true;
}

Task<Result<std::size_t>> Reconciler::reconcile_once() {
  if (status_.is_running) co_return make_error(ErrorCode::Unavailable, "a pass is under way");
  status_.is_running = true;
  auto done = co_await reconcile_pages();
  status_.is_running = false;
  if (done) {
    ++status_.passes;
    telemetry::log_info("reconciled", {{"chunks", status_.chunks_compared},
                                       {"missing_shards", status_.shards_missing}});
  } else if (!is_stopping_) {
    telemetry::log_warn("reconcile ended early", {{"error", done.error().to_string()}});
  }
  co_return done;
}

Task<Result<std::size_t>> Reconciler::reconcile_pages() {
  status_.chunks_expected = status_.chunks_compared;
  status_.chunks_compared = 0;
  status_.shards_missing = 0;
  InventoryWalk walk{shards_, options_.page_size};
  std::string after;
  do {
    if (is_stopping_) co_return make_error(ErrorCode::Cancelled, "stopped");
    if (!shards_.is_whole())
      co_return make_error(ErrorCode::Unavailable, "a drive is out of order or being opened");
    PREDA_CO_TRY(meta::LayoutPage page,
                 co_await meta_.layouts_on(options_.self, after, options_.page_size,
                                           env_.clock.now() + options_.call_timeout));
    after = std::move(page.next_after);
    const std::size_t count = page.layouts.size();
    PREDA_CO_TRY(const std::size_t missing, co_await compare(std::move(page.layouts), &walk));
    status_.chunks_compared += count;
    status_.shards_missing += missing;
    status_.shards_missing_total += missing;
    co_await pace(options_.page_size);
  } while (!after.empty());
  co_return static_cast<std::size_t>(status_.shards_missing);
}

// `walk` is the caller's, who waits for this.
Task<Result<std::size_t>> Reconciler::compare(std::vector<ChunkLayout> layouts,
                                              InventoryWalk* walk) {
  std::size_t missing = 0;
  std::vector<ShardKey> suspects;
  for (const ChunkLayout& layout : layouts) {
    for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
      if (!names(layout.places[role], options_.self)) continue;
      const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{role}};
      PREDA_CO_TRY(const auto found, co_await walk->find(key));
      if (!found || !is_named(layout, options_.self, *found)) suspects.push_back(key);
    }
    if (suspects.size() < kSuspectsMax && &layout != &layouts.back()) continue;
    PREDA_CO_TRY(const std::size_t queued, co_await queue_missing(std::exchange(suspects, {})));
    missing += queued;
  }
  co_return missing;
}

// The two walks were not at one moment: a repair, a move or a delete in between looks like a loss.
// So what is suspected is looked at again, the drive after the layout.
Task<Result<std::size_t>> Reconciler::queue_missing(std::vector<ShardKey> suspects) {
  if (suspects.empty()) co_return std::size_t{0};
  std::vector<std::string> keys;
  for (const ShardKey& key : suspects) {
    std::string chunk = chunk_key(key.object_id, key.chunk_index);
    if (keys.empty() || keys.back() != chunk) keys.push_back(std::move(chunk));
  }
  PREDA_CO_TRY(
      const meta::NamedLayouts now,
      co_await meta_.layouts_of(std::move(keys), env_.clock.now() + options_.call_timeout));
  std::map<std::pair<ObjectId, ChunkIndex>, const ChunkLayout*> layouts;
  for (const ChunkLayout& layout : now.layouts)
    layouts[{layout.object_id, layout.chunk_index}] = &layout;
  std::vector<ShardKey> missing;
  for (const ShardKey& key : suspects) {
    const auto layout = layouts.find({key.object_id, key.chunk_index});
    if (layout == layouts.end()) continue;  // deleted meanwhile
    if (key.role.value() >= layout->second->places.size() ||
        !names(layout->second->places[key.role.value()], options_.self))
      continue;
    InventoryWalk again{shards_, 2};
    PREDA_CO_TRY(const auto found, co_await again.find(key));
    if (!found || !is_named(*layout->second, options_.self, *found)) missing.push_back(key);
  }
  const std::size_t count = missing.size();
  PREDA_CO_CHECK(
      co_await meta_.report_damage(std::move(missing), env_.clock.now() + options_.call_timeout));
  co_return count;
}

Task<void> Reconciler::pace(std::size_t chunks) {
  if (options_.chunks_per_second == 0) co_return;
  const auto pause = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      static_cast<double>(chunks) / static_cast<double>(options_.chunks_per_second)));
  const Instant until = env_.clock.now() + pause;
  while (!is_stopping_ && env_.clock.now() < until) (void)co_await changed_.wait_until(until);
}

// Every node reconciles once when the value is another one.
Task<Result<void>> request_reconcile(meta::MetaService& meta, Instant deadline) {
  PREDA_CO_TRY(auto before, co_await meta.get_setting(kReconcileSetting, deadline));
  std::uint64_t count = 0;
  if (before) std::from_chars(before->data(), before->data() + before->size(), count);
  meta::SettingChange change;
  change.name = kReconcileSetting;
  change.expected = std::move(before);
  change.value = std::to_string(count + 1);
  co_return co_await meta.change_setting(std::move(change), deadline);
}

}  // namespace predastore::repair
