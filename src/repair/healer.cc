#include "repair/healer.h"

#include <algorithm>
#include <charconv>

#include "telemetry/log.h"

namespace predastore::repair {
namespace {

constexpr Duration kSettingsFor = 1s;  // they are believed
constexpr Duration kLately = 10s;      // what the rate is measured over
constexpr std::size_t kTrialsMax = 100'000;

std::string key_of(const RepairOrder& order) {
  return chunk_key(order.object_id, order.chunk_index);
}

bool is_damaged(const meta::RepairItem& found, std::uint8_t role) {
  return std::ranges::find(found.damaged, ShardRole{role}) != found.damaged.end();
}

}  // namespace

Healer::Healer(Environment env, HealOptions options, meta::MetaService& meta, HealNodes& nodes,
               std::function<bool()> is_active, Throttle::Load load)
    : env_(env),
      options_(options),
      meta_(meta),
      nodes_(nodes),
      is_active_(std::move(is_active)),
      throttle_(env, options.bytes_per_second, std::move(load)),
      changed_(env.clock),
      settings_read_(env.clock.now() - kSettingsFor) {}

void Healer::stop() {
  is_stopping_ = true;
  throttle_.stop();
  changed_.notify_all();
}

Task<void> Healer::wait(Duration duration) {
  const Instant until = env_.clock.now() + duration;
  while (!is_stopping_ && env_.clock.now() < until) (void)co_await changed_.wait_until(until);
}

Task<void> Healer::run() {
  while (!is_stopping_) {
    std::size_t repaired = 0;
    if (is_active_()) {
      progress_.is_leading = true;
      const auto done = co_await round();
      if (done) repaired = *done;
    } else {
      progress_ = {};
      began_.reset();
      trials_.clear();
      lately_.clear();
    }
    if (repaired == 0) co_await wait(options_.interval);
  }
}

Task<Result<std::size_t>> Healer::heal_once() {
  try_all_again();
  co_return co_await round();
}

void Healer::try_all_again() {
  for (auto& [key, trial] : trials_) trial.next_try = env_.clock.now();
}

Task<Result<std::size_t>> Healer::round() {
  PREDA_CO_CHECK(co_await read_settings());
  if (progress_.is_paused) co_return std::size_t{0};
  std::set<NodeId> up = co_await nodes_.up(call_deadline());
  if (up != up_) try_all_again();  // what had to wait for a node may have it now
  up_ = std::move(up);
  PREDA_CO_TRY(std::vector<Item> items, co_await scan());
  if (items.empty()) co_return std::size_t{0};
  co_return co_await work_off(std::move(items));
}

Task<Result<void>> Healer::read_settings() {
  PREDA_CO_TRY(const meta::ClusterState state, co_await meta_.cluster_state(call_deadline()));
  PREDA_CO_TRY(const auto setting, co_await meta_.get_setting(kHealRateSetting, call_deadline()));
  settings_read_ = env_.clock.now();
  progress_.is_paused = state.is_heal_paused;
  std::uint64_t rate = options_.bytes_per_second;
  if (setting) {
    const char* end = setting->data() + setting->size();
    std::uint64_t wanted = 0;
    const auto [parsed, error] = std::from_chars(setting->data(), end, wanted);
    if (error == std::errc{} && parsed == end) rate = wanted;
  }
  throttle_.set_rate(rate);
  progress_.limit_bytes_per_second = rate;
  co_return Result<void>{};
}

// ---- what is to be done

// Shards on nodes that do not answer do not count, nor those that are reported as damaged.
Healer::Item Healer::item_of(const meta::RepairItem& found) const {
  const ChunkLayout& layout = found.layout;
  Item item;
  item.order.object_id = layout.object_id;
  item.order.chunk_index = layout.chunk_index;
  item.order.is_damaged = !found.damaged.empty();
  item.size_bytes = layout.size_bytes;
  item.redundancy = -static_cast<int>(layout.rs.data_shards);
  for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace& place = layout.places[role];
    if (!place.is_stored) {
      ++item.redundancy;  // known to be zero
      continue;
    }
    if (!up_.contains(place.node)) continue;
    item.nodes.push_back(place.node);
    if (place.is_missing) {
      item.order.buildable_roles |= 1U << role;
    } else if (!is_damaged(found, role)) {
      ++item.redundancy;
    }
  }
  return item;
}

// False when there is nothing to be done about it now.
bool Healer::is_workable(const meta::RepairItem& found, const Item& item, const std::string& key) {
  const bool has_missing = std::ranges::any_of(found.layout.places, [](const ShardPlace& place) {
    return place.is_stored && place.is_missing;
  });
  const auto trial = trials_.find(key);
  if (trial != trials_.end()) {
    trial->second.seen_round = round_;
    if (env_.clock.now() >= trial->second.next_try) return true;
    count_stuck(trial->second);
    return false;
  }
  const bool is_useless = has_missing && item.order.buildable_roles == 0 && found.damaged.empty();
  if (is_useless || item.nodes.empty()) ++progress_.chunks_waiting;
  return !is_useless && !item.nodes.empty();
}

void Healer::keep_most_urgent(std::vector<Item>* items) const {
  std::ranges::stable_sort(*items, {}, &Item::redundancy);
  if (items->size() > options_.list_max) items->resize(options_.list_max);
}

// The whole queue, so that what is at its end is as urgent as it is.
Task<Result<std::vector<Healer::Item>>> Healer::scan() {
  ++round_;
  progress_.chunks_left = progress_.bytes_left = 0;
  progress_.chunks_waiting = progress_.chunks_unrepairable = 0;
  progress_.chunks_by_redundancy = {};
  progress_.damaged.clear();
  std::vector<Item> items;
  std::string after;
  while (!is_stopping_) {
    PREDA_CO_TRY(const std::vector<meta::RepairItem> page,
                 co_await meta_.repair_queue_after(after, options_.page_items, call_deadline()));
    if (page.empty()) break;
    after = chunk_key(page.back().layout.object_id, page.back().layout.chunk_index);
    for (const meta::RepairItem& found : page) {
      Item item = item_of(found);
      ++progress_.chunks_left;
      progress_.bytes_left += item.size_bytes;
      ++progress_.chunks_by_redundancy[level_of(item.redundancy)];
      if (is_workable(found, item, key_of(item.order))) items.push_back(std::move(item));
    }
    if (items.size() >= 2 * options_.list_max) keep_most_urgent(&items);
  }
  keep_most_urgent(&items);
  std::erase_if(trials_, [this](const auto& entry) { return entry.second.seen_round != round_; });
  if (progress_.chunks_left == 0) {
    began_.reset();
  } else if (!began_) {
    began_ = env_.clock.now();
    progress_.chunks_done = progress_.bytes_done = 0;
  }
  co_return items;
}

// ---- doing it

Task<bool> Healer::is_round_over(Instant began) {
  if (is_stopping_ || env_.clock.now() - began > options_.round_max) co_return true;
  if (env_.clock.now() - settings_read_ < kSettingsFor) co_return false;
  if (progress_.is_leading && !is_active_()) co_return true;
  const auto read = co_await read_settings();
  if (!read || progress_.is_paused) co_return true;
  const std::set<NodeId> up = co_await nodes_.up(call_deadline());
  co_return up != up_;
}

// A node that has something of the chunk, if one has time: one shard less goes over the network.
std::optional<NodeId> Healer::free_worker(const Item& item) const {
  std::optional<NodeId> best;
  std::size_t best_busy = options_.at_once;
  const auto trial = trials_.find(key_of(item.order));
  const NodeId avoided = trial == trials_.end() ? NodeId{} : trial->second.failed_worker;
  const auto consider = [&](NodeId node) {
    if (node == avoided && up_.size() > 1) return;
    const auto found = busy_.find(node);
    const std::size_t busy = found == busy_.end() ? 0 : found->second;
    if (busy >= best_busy) return;
    best = node;
    best_busy = busy;
  };
  const std::size_t start = static_cast<std::size_t>(item.order.object_id.bytes[0]);
  for (std::size_t i = 0; i < item.nodes.size(); ++i)
    consider(item.nodes[(start + i) % item.nodes.size()]);
  if (best) return best;
  for (const NodeId node : up_) consider(node);
  return best;
}

Task<std::size_t> Healer::work_off(std::vector<Item> items) {
  const Instant began = env_.clock.now();
  std::size_t repaired = 0;
  TaskGroup tasks{env_.executor, env_.clock};
  for (Item& item : items) {
    const bool is_over = co_await is_round_over(began);
    if (is_over) break;
    std::optional<NodeId> worker = free_worker(item);
    while (!worker && !is_stopping_) {
      co_await changed_.wait();
      worker = free_worker(item);
    }
    if (!worker) break;
    ++busy_[*worker];
    co_await throttle_.pass(item.size_bytes);
    item.order.bytes_per_second =
        throttle_.rate() / std::max<std::size_t>(1, up_.size() * options_.at_once);
    tasks.spawn(work_on(std::move(item), *worker, &repaired));
  }
  (void)co_await tasks.join();
  co_return repaired;
}

// `repaired` is the caller's, who waits for this.
Task<void> Healer::work_on(Item item, NodeId worker, std::size_t* repaired) {
  const auto answer =
      co_await nodes_.repair(worker, item.order, env_.clock.now() + options_.chunk_timeout);
  if (--busy_[worker] == 0) busy_.erase(worker);
  changed_.notify_all();
  if (answer && answer->outcome == RepairOutcome::repaired) ++*repaired;
  note(item, worker, answer);
}

void Healer::note(const Item& item, NodeId worker, const Result<RepairAnswer>& answer) {
  const Instant now = env_.clock.now();
  const RepairOutcome outcome = answer ? answer->outcome : RepairOutcome::waiting;
  const std::string key = key_of(item.order);
  if (outcome == RepairOutcome::repaired || outcome == RepairOutcome::gone) {
    trials_.erase(key);
    progress_.chunks_left -= std::min<std::uint64_t>(1, progress_.chunks_left);
    progress_.bytes_left -= std::min(item.size_bytes, progress_.bytes_left);
    std::uint64_t& level = progress_.chunks_by_redundancy[level_of(item.redundancy)];
    level -= std::min<std::uint64_t>(1, level);
    if (outcome == RepairOutcome::gone) return;
    ++progress_.chunks_done;
    progress_.bytes_done += item.size_bytes;
    lately_.emplace_back(now, item.size_bytes);
    while (now - lately_.front().first > kLately) lately_.pop_front();
    return;
  }
  if (!trials_.contains(key) && trials_.size() >= kTrialsMax) return;
  Trial& trial = trials_[key];
  trial.outcome = outcome;
  trial.failed_worker = answer ? NodeId{} : worker;
  trial.delay = std::min(options_.retry_max, std::max(options_.retry_min, 2 * trial.delay));
  trial.next_try = now + trial.delay;
  trial.seen_round = round_;
  if (outcome == RepairOutcome::unrepairable) {
    trial.damaged = {item.order.object_id, item.order.chunk_index, answer->shards_good,
                     answer->shards_needed};
  }
  count_stuck(trial);
}

void Healer::count_stuck(const Trial& trial) {
  if (trial.outcome != RepairOutcome::unrepairable) {
    ++progress_.chunks_waiting;
    return;
  }
  ++progress_.chunks_unrepairable;
  if (progress_.damaged.size() < kDamagedChunksMax) progress_.damaged.push_back(trial.damaged);
}

HealProgress Healer::progress() const {
  HealProgress progress = progress_;
  const Instant now = env_.clock.now();
  if (began_) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - *began_);
    progress.elapsed_ms = static_cast<std::uint64_t>(elapsed.count()) + 1;
  }
  std::uint64_t bytes = 0;
  for (const auto& [time, size_bytes] : lately_) {
    if (now - time <= kLately) bytes += size_bytes;
  }
  const std::uint64_t lately_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(kLately).count());
  progress.bytes_per_second =
      bytes * 1000 / std::max<std::uint64_t>(1000, std::min(lately_ms, progress.elapsed_ms));
  return progress;
}

}  // namespace predastore::repair
