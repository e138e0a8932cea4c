#include "cli/growth_client.h"

#include <fmt/format.h>

#include <charconv>

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

int set_cluster_rate(const ClusterChoice& cluster, const std::string& target,
                     const std::string& rate) {
  std::uint64_t bytes = 0;
  const char* end = rate.data() + rate.size();
  const auto parsed = std::from_chars(rate.data(), end, bytes);
  if (parsed.ec != std::errc{} || parsed.ptr != end)
    return fail(kExitUsage, fmt::format("\"{}\" is no number of bytes a second", rate));
  json::object wanted;
  wanted["bytes_per_second"] = static_cast<std::int64_t>(bytes);
  const GrowthAnswer answer = ask_cluster(cluster, "PUT", target, wanted);
  if (answer.exit_code == kExitOk) fmt::print("{}", answer.text);
  return answer.exit_code;
}

}  // namespace predastore::cli
