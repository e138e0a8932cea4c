#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/admin_client.h"
#include "cli/answer_fields.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "env/host.h"

namespace predastore::cli {

namespace {

namespace json = boost::json;

// Names as S3 has them, so that none can be mistaken for a path.
bool is_bucket_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  return name.size() >= 3 && name.size() <= 63 &&
         name.find_first_not_of(kAllowed) == std::string::npos && name.front() != '.';
}

// Text as it is, anything else as JSON.
std::string shown(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return "";
  return value->is_string() ? std::string{value->as_string()} : json::serialize(*value);
}

std::string bucket_line(const json::object& bucket) {
  return fmt::format("{:<30}  {:<6}  {:<11}  {:<19}\n", shown(bucket, "name"), shown(bucket, "rs"),
                     shown(bucket, "compression"), time_text(integer_of(bucket, "created_ms")));
}

std::string buckets_text(const json::object& answer) {
  std::string out = fmt::format("{:<30}  {:<6}  {:<11}  {:<19}\n", "BUCKET", "RS", "COMPRESSION",
                                "CREATED (UTC)");
  const json::array* list = list_of(answer, "buckets");
  if (list == nullptr) return out + bucket_line(answer);
  for (const json::value& entry : *list) {
    if (entry.is_object()) out += bucket_line(entry.as_object());
  }
  return out;
}

std::string cluster_text(const json::object& answer) {
  std::string out;
  for (const auto& [name, value] : answer)
    out += fmt::format("{:<16} {}\n", std::string_view{name}, shown(answer, name.data()));
  return out;
}

int exit_code_of(unsigned status) {
  if (status == 400) return kExitUsage;
  return status == 404 ? kExitNotFound : kExitFailed;
}

struct Request {
  std::string method;
  std::string target;
  std::string body;
};

int ask(const OptionsCommand& command, Request request,
        std::string (*text)(const json::object& answer)) {
  const auto config = config_of_cluster(command.config_file, command.directory);
  if (!config) {
    const bool is_absent = config.error().code == ErrorCode::NotFound;
    return fail(is_absent ? kExitNotFound : kExitConfig, config.error().detail);
  }
  ProductionHost host{1};
  const auto answer = call_admin(host, *config, std::move(request.method),
                                 std::move(request.target), std::move(request.body));
  if (!answer) {
    const bool is_unreachable = answer.error().code == ErrorCode::Unavailable;
    return fail(is_unreachable ? kExitUnreachable : kExitFailed, answer.error().detail);
  }
  if (answer->status >= 400) return fail(exit_code_of(answer->status), answer->error());
  boost::system::error_code error;
  const json::value parsed = json::parse(answer->body, error);
  if (error || !parsed.is_object()) return fail(kExitFailed, "the answer is no JSON object");
  if (command.is_json)
    fmt::print("{}\n", json::serialize(parsed));
  else
    fmt::print("{}", text(parsed.as_object()));
  return kExitOk;
}

}  // namespace

int bucket_options(const OptionsCommand& command) {
  const bool is_change = command.action == "set";
  const bool is_one = is_change || !command.bucket.empty();
  if (is_one && !is_bucket_name(command.bucket))
    return fail(kExitUsage, fmt::format("\"{}\" is no name of a bucket", command.bucket));
  if (!is_one) return ask(command, {"GET", "/v1/buckets", {}}, buckets_text);
  const std::string target = "/v1/buckets/" + command.bucket;
  if (!is_change) return ask(command, {"GET", target, {}}, buckets_text);
  json::object body;
  if (!command.compression.empty()) body["compression"] = command.compression;
  if (!command.rs.empty()) body["rs"] = command.rs;
  if (body.empty()) return fail(kExitUsage, "say what is to be set, such as --compression zstd");
  return ask(command, {"POST", target, json::serialize(body)}, buckets_text);
}

int cluster_options(const OptionsCommand& command) {
  if (command.action == "show") return ask(command, {"GET", "/v1/cluster", {}}, cluster_text);
  json::object body;
  if (!command.compression.empty()) body["compression"] = command.compression;
  if (command.action == "reconcile") body["reconcile"] = true;
  if (command.inline_max_bytes) body["inline_max_bytes"] = *command.inline_max_bytes;
  if (!command.sweep.empty()) body["sweep"] = command.sweep == "on";
  if (body.empty()) return fail(kExitUsage, "say what is to be set, such as --compression zstd");
  return ask(command, {"POST", "/v1/cluster", json::serialize(body)}, cluster_text);
}

}  // namespace predastore::cli
