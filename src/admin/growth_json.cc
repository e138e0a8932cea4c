#include "admin/growth_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "model/limits.h"

namespace predastore::admin {

namespace json = boost::json;

std::string_view name_of(JobKind kind) {
  switch (kind) {
    case JobKind::rs_migrate: return "rs-migrate";
    case JobKind::rebalance: return "rebalance";
  }
  return "unknown";
}

std::string_view name_of(JobState state) {
  switch (state) {
    case JobState::running: return "running";
    case JobState::paused: return "paused";
    case JobState::done: return "done";
    case JobState::failed: return "failed";
    case JobState::cancelled: return "cancelled";
  }
  return "unknown";
}

std::optional<JobKind> job_kind_of(std::string_view name) {
  for (const JobKind kind : {JobKind::rs_migrate, JobKind::rebalance}) {
    if (name_of(kind) == name) return kind;
  }
  return std::nullopt;
}

json::object job_json(const JobRecord& job) {
  const JobProgress& progress = job.progress;
  json::object object;
  object["id"] = job.id.value();
  object["kind"] = std::string{name_of(job.kind)};
  object["argument"] = job.argument;
  object["state"] = std::string{name_of(job.state)};
  object["worker"] = fmt::format("{:016x}", job.worker.value());
  object["claims"] = job.claim;
  object["started_ms"] = job.started_ms;
  object["updated_ms"] = job.updated_ms;
  object["items_done"] = progress.items_done;
  object["items_seen"] = progress.items_seen;
  object["items_total"] = progress.items_total;
  object["bytes_done"] = progress.bytes_done;
  object["bytes_total"] = progress.bytes_total;
  object["errors"] = progress.errors;
  object["detail"] = progress.detail;
  double share = job.state == JobState::done ? 1.0 : 0.0;
  if (job.state != JobState::done && progress.items_total > 0)
    share = std::min(
        1.0, static_cast<double>(progress.items_seen) / static_cast<double>(progress.items_total));
  object["percent"] = share * 100.0;
  const double seconds = static_cast<double>(job.updated_ms - job.started_ms) / 1000.0;
  const double rate = seconds > 0 ? static_cast<double>(progress.bytes_done) / seconds : 0.0;
  object["bytes_per_second"] = rate;
  if (is_active(job.state) && share > 0) object["seconds_left"] = seconds * (1 - share) / share;
  return object;
}

Result<RsConfig> rs_of(std::string_view text) {
  const std::size_t plus = text.find('+');
  unsigned data = 0;
  unsigned parity = 0;
  if (plus != std::string_view::npos) {
    const char* begin = text.data();
    const char* end = begin + text.size();
    const auto first = std::from_chars(begin, begin + plus, data);
    const auto second = std::from_chars(begin + plus + 1, end, parity);
    if (first.ptr != begin + plus || second.ptr != end) data = 0;
  }
  if (data < 1 || data > kDataShardsMax || parity < 1 || parity > kParityShardsMax)
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("\"{}\" is no RS scheme; DATA+PARITY is meant, such as 2+1 (1 to "
                                  "{} and 1 to {})",
                                  text, kDataShardsMax, kParityShardsMax));
  return RsConfig{static_cast<std::uint8_t>(data), static_cast<std::uint8_t>(parity)};
}

}  // namespace predastore::admin
