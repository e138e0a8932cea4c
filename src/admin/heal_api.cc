#include "admin/heal_api.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "repair/healer.h"
#include "repair/reconciler.h"

namespace predastore::admin {

namespace json = boost::json;

namespace {

constexpr Duration kTimeout = 10s;
constexpr Duration kLookTimeout = 1500ms;
constexpr Duration kNamesTimeout = 3s;

// Of the node that leads, if it answers and is past its first look.
const repair::HealProgress* progress_of(const ClusterReport& report) {
  for (const NodeReport& node : report.nodes) {
    if (node.is_up && report.leader == node.id && node.heal.progress.is_leading)
      return &node.heal.progress;
  }
  return nullptr;
}

const char* state_of(const repair::HealProgress* progress, bool is_paused, std::uint64_t left) {
  if (is_paused) return "paused";
  if (progress == nullptr) return "unknown";
  if (left == 0) return "idle";
  const std::uint64_t stuck = progress->chunks_waiting + progress->chunks_unrepairable;
  return stuck < left ? "healing" : "waiting";
}

json::array levels_json(const repair::HealProgress& progress) {
  json::array levels;
  for (std::size_t i = 0; i < repair::kRedundancyLevels; ++i) {
    if (progress.chunks_by_redundancy[i] == 0) continue;
    json::object level;
    level["shards_to_spare"] = static_cast<std::int64_t>(i) - 1;
    level["chunks"] = progress.chunks_by_redundancy[i];
    levels.push_back(std::move(level));
  }
  return levels;
}

json::array damaged_json(const repair::HealProgress& progress,
                         const std::map<ObjectId, repair::ObjectName>& names) {
  json::array list;
  for (const repair::DamagedChunk& chunk : progress.damaged) {
    json::object entry;
    entry["object_id"] = to_hex(chunk.object_id.span());
    if (const auto name = names.find(chunk.object_id); name != names.end()) {
      entry["bucket"] = name->second.bucket;
      entry["key"] = name->second.key;
    }
    entry["chunk"] = chunk.chunk_index.value();
    entry["shards_good"] = chunk.shards_good;
    entry["shards_needed"] = chunk.shards_needed;
    list.push_back(std::move(entry));
  }
  return list;
}

json::array nodes_json(const ClusterReport& report) {
  json::array nodes;
  for (const NodeReport& node : report.nodes) {
    if (!node.is_up) continue;
    json::object entry;
    entry["name"] = node.name;
    entry["chunks_repaired"] = node.heal.chunks_repaired;
    entry["bytes_repaired"] = node.heal.bytes_repaired;
    entry["client_requests"] = node.heal.clients.in_flight;
    entry["client_requests_late"] = node.heal.clients.late;
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

}  // namespace

std::string heal_json(const ClusterReport& report,
                      const std::map<ObjectId, repair::ObjectName>& names) {
  const repair::HealProgress* known = progress_of(report);
  const repair::HealProgress progress = known != nullptr ? *known : repair::HealProgress{};
  const bool is_paused = report.state && report.state->is_heal_paused;
  // The queue as it is now; the leader's figures are as of its last look.
  const std::uint64_t left = report.state ? report.state->repair_pending : progress.chunks_left;
  json::object out;
  out["state"] = state_of(known, is_paused, left);
  const std::uint64_t bytes = progress.bytes_done + progress.bytes_left;
  double percent = left == 0 ? 100 : 0;
  if (left > 0 && bytes > 0)
    percent = 100.0 * static_cast<double>(progress.bytes_done) / static_cast<double>(bytes);
  out["percent"] = percent;
  out["chunks_done"] = progress.chunks_done;
  out["chunks_left"] = left;
  out["chunks_waiting"] = progress.chunks_waiting;
  out["chunks_unrepairable"] = progress.chunks_unrepairable;
  out["bytes_done"] = progress.bytes_done;
  out["bytes_left"] = progress.bytes_left;
  out["bytes_per_second"] = progress.bytes_per_second;
  out["limit_bytes_per_second"] = progress.limit_bytes_per_second;
  out["elapsed_seconds"] = static_cast<double>(progress.elapsed_ms) / 1000.0;
  if (progress.bytes_per_second > 0 && left > 0)
    out["seconds_left"] =
        static_cast<double>(progress.bytes_left) / static_cast<double>(progress.bytes_per_second);
  out["by_redundancy"] = levels_json(progress);
  out["damaged"] = damaged_json(progress, names);
  out["nodes"] = nodes_json(report);
  return json::serialize(out);
}

Instant HealApi::deadline() const { return env_.clock.now() + kTimeout; }

Task<Result<std::string>> HealApi::answer(GrowthRequest request) {
  if (!request.action.empty()) co_return nothing_there();
  if (request.name.empty() && request.method == "GET") co_return co_await show();
  if (request.name == "rate" && request.method == "PUT")
    co_return co_await set_rate(std::move(request.body));
  if (request.method != "POST") co_return nothing_there();
  if (request.name == "start") co_return co_await start();
  if (request.name == "pause") co_return co_await set_paused(true);
  if (request.name == "resume") co_return co_await set_paused(false);
  co_return nothing_there();
}

Task<Result<std::string>> HealApi::show() {
  const ClusterReport report = co_await view_.look(env_.clock.now() + kLookTimeout);
  if (!report.state)
    co_return make_error(ErrorCode::Unavailable, "the metadata has no leader with a majority");
  std::set<ObjectId> damaged;
  if (const repair::HealProgress* progress = progress_of(report)) {
    for (const repair::DamagedChunk& chunk : progress->damaged) damaged.insert(chunk.object_id);
  }
  const auto names = co_await names_.find(std::move(damaged), env_.clock.now() + kNamesTimeout);
  co_return heal_json(report, names);
}

Task<Result<std::string>> HealApi::set_paused(bool is_paused) {
  meta::ClusterOptions options;
  options.is_heal_paused = is_paused;
  PREDA_CO_CHECK(co_await meta_.set_cluster_options(options, deadline()));
  co_return co_await show();
}

// Nobody knows better what is missing than the drives: all of them are held against the layouts.
Task<Result<std::string>> HealApi::start() {
  const auto asked = co_await repair::request_reconcile(meta_, deadline());
  if (!asked && asked.error().code != ErrorCode::Conflict) co_return asked.error();
  co_return co_await set_paused(false);
}

Task<Result<std::string>> HealApi::set_rate(std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  const json::value* value = wanted.if_contains("bytes_per_second");
  if (value == nullptr || !value->is_int64() || value->as_int64() < 0)
    co_return make_error(ErrorCode::InvalidArgument, "\"bytes_per_second\" is to be a number");
  std::string rate = std::to_string(value->as_int64());
  PREDA_CO_CHECK(co_await meta_.put_setting(repair::kHealRateSetting, rate, deadline()));
  co_return "{\"bytes_per_second\":" + rate + "}";
}

}  // namespace predastore::admin
