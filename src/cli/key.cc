#include <fmt/format.h>

#include <boost/json.hpp>

#include "access/access_keys.h"
#include "cli/admin_client.h"
#include "cli/answer_fields.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "env/host.h"

namespace predastore::cli {

namespace {

namespace json = boost::json;

std::string list_text(const json::object& all) {
  std::string out = fmt::format("{:<20}  {:<8}  {:<19}  {:<19}  {}\n", "ID", "STATE",
                                "CREATED (UTC)", "SECRET SINCE (UTC)", "DESCRIPTION");
  const json::value* list = all.if_contains("keys");
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& entry : list->as_array()) {
    if (!entry.is_object()) continue;
    const json::object& key = entry.as_object();
    out += fmt::format(
        "{:<20}  {:<8}  {:<19}  {:<19}  {}\n", text_of(key, "access_key_id"),
        flag_of(key, "enabled") ? "enabled" : "disabled", time_text(integer_of(key, "created_ms")),
        time_text(integer_of(key, "secret_changed_ms")), text_of(key, "description"));
  }
  return out;
}

// The secret goes to standard output and nowhere else; what is to be known about it does not.
std::string secret_text(const json::object& key) {
  fmt::print(stderr, "The secret is shown this once.\n");
  return fmt::format("access_key_id     {}\nsecret_access_key {}\n", text_of(key, "access_key_id"),
                     text_of(key, "secret_access_key"));
}

struct Request {
  std::string method;
  std::string target;
  std::string body;
};

Request request_of(const KeyCommand& command) {
  if (command.action == "ls") return {"GET", "/v1/keys", {}};
  if (command.action == "create") {
    json::object body;
    body["description"] = command.description;
    return {"POST", "/v1/keys", json::serialize(body)};
  }
  const std::string target = "/v1/keys/" + command.id;
  if (command.action == "rm") return {"DELETE", target, {}};
  return {"POST", target + "/" + command.action, {}};
}

std::string answer_text(const KeyCommand& command, const json::object& answer) {
  if (command.action == "ls") return list_text(answer);
  if (command.action == "create" || command.action == "rotate") return secret_text(answer);
  return fmt::format("{} is {}\n", text_of(answer, "access_key_id"),
                     flag_of(answer, "enabled") ? "enabled" : "disabled");
}

int exit_code_of(unsigned status) {
  if (status == 400) return kExitUsage;
  return status == 404 ? kExitNotFound : kExitFailed;
}

}  // namespace

int key(const KeyCommand& command) {
  if (!command.id.empty() && !access::is_access_key_id(command.id))
    return fail(kExitUsage, fmt::format("\"{}\" is no access key id", command.id));
  const auto config = config_of_cluster(command.config_file, command.directory);
  if (!config) {
    const bool is_absent = config.error().code == ErrorCode::NotFound;
    return fail(is_absent ? kExitNotFound : kExitConfig, config.error().detail);
  }
  ProductionHost host{1};
  Request request = request_of(command);
  const auto answer = call_admin(host, *config, std::move(request.method),
                                 std::move(request.target), std::move(request.body));
  if (!answer) {
    const bool is_unreachable = answer.error().code == ErrorCode::Unavailable;
    return fail(is_unreachable ? kExitUnreachable : kExitFailed, answer.error().detail);
  }
  if (answer->status >= 400) return fail(exit_code_of(answer->status), answer->error());
  if (answer->status == 204) {
    if (!command.is_json) fmt::print("{} is removed\n", command.id);
    return kExitOk;
  }
  boost::system::error_code error;
  const json::value parsed = json::parse(answer->body, error);
  if (error || !parsed.is_object()) return fail(kExitFailed, "the answer is no JSON object");
  if (command.is_json)
    fmt::print("{}\n", json::serialize(parsed));
  else
    fmt::print("{}", answer_text(command, parsed.as_object()));
  return kExitOk;
}

}  // namespace predastore::cli
