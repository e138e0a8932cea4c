#include "cli/growth_client.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "env/host.h"

namespace predastore::cli {

namespace json = boost::json;

namespace {

int exit_code_of(unsigned status) {
  if (status == 404) return kExitNotFound;
  return status == 400 ? kExitUsage : kExitFailed;
}

}  // namespace

GrowthAnswer ask_cluster(const ClusterChoice& cluster, std::string method, std::string target,
                         const json::object& body) {
  GrowthAnswer answer;
  const auto config = config_of_cluster(cluster.config_file, cluster.directory);
  if (!config) {
    const bool is_absent = config.error().code == ErrorCode::NotFound;
    answer.exit_code = fail(is_absent ? kExitNotFound : kExitConfig, config.error().detail);
    return answer;
  }
  ProductionHost host{1};
  std::string text = body.empty() ? std::string{} : json::serialize(body);
  const auto called =
      call_admin(host, *config, std::move(method), std::move(target), std::move(text));
  if (!called) {
    const bool is_away = called.error().code == ErrorCode::Unavailable;
    answer.exit_code = fail(is_away ? kExitUnreachable : kExitFailed, called.error().detail);
    return answer;
  }
  answer.text = called->body;
  if (called->status >= 400) {
    answer.exit_code = fail(exit_code_of(called->status), called->error());
    return answer;
  }
  boost::system::error_code error;
  json::value parsed = json::parse(called->body, error);
  if (!error && parsed.is_object()) answer.body = std::move(parsed.as_object());
  return answer;
}

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->as_string()} : std::string{};
}

double number_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
}

std::string size_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, kUnits[unit]);
}

}  // namespace predastore::cli
