#include "admin/key_api.h"

#include <boost/json.hpp>
#include <utility>

#include "admin/respond.h"
#include "telemetry/log.h"

namespace predastore::admin {

namespace json = boost::json;

namespace {

constexpr Duration kChangeTimeout = 10s;
constexpr std::size_t kBodyBytesMax = 16 * 1024;
constexpr std::string_view kPath = "/v1/keys";

json::object to_json(const access::AccessKey& key) {
  json::object object;
  object["access_key_id"] = key.id;
  object["enabled"] = key.is_enabled;
  object["created_ms"] = key.created_ms;
  object["secret_changed_ms"] = key.changed_ms;
  object["description"] = key.description;
  return object;
}

// With its secret: only for whoever has just made it.
json::object to_json_with_secret(const access::AccessKey& key) {
  json::object object = to_json(key);
  object["secret_access_key"] = key.secret.reveal();
  return object;
}

void log_change(const char* event, const http::Exchange& exchange, std::string_view id) {
  telemetry::log_info(event, {{"access_key_id", id}, {"remote", exchange.remote_address()}});
}

// The only thing that the body of POST /v1/keys may have; no body is an empty one.
Result<std::string> description_of(const std::string& body) {
  if (body.empty()) return std::string{};
  boost::system::error_code error;
  const json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object())
    return make_error(ErrorCode::InvalidArgument, "the body is no JSON object");
  std::string description;
  for (const auto& [name, value] : parsed.as_object()) {
    if (name != "description" || !value.is_string())
      return make_error(ErrorCode::InvalidArgument,
                        "the body may have the string \"description\" and nothing else");
    description = std::string{value.as_string()};
  }
  return description;
}

}  // namespace

bool KeyApi::is_for(std::string_view path) {
  return path == kPath || path.starts_with(std::string{kPath} + "/");
}

Instant KeyApi::deadline() const { return env_.clock.now() + kChangeTimeout; }

Task<void> KeyApi::handle(http::Exchange& exchange) {
  const std::string& method = exchange.request().method;
  const std::string path{exchange.request().path()};
  std::string rest = path.size() > kPath.size() ? path.substr(kPath.size() + 1) : std::string{};
  const std::size_t slash = rest.find('/');
  std::string action = slash == std::string::npos ? std::string{} : rest.substr(slash + 1);
  std::string id = rest.substr(0, slash);
  if (path == kPath && method == "GET") {
    co_await list(exchange);
  } else if (path == kPath && method == "POST") {
    co_await create(exchange);
  } else if (method == "DELETE" && !id.empty() && action.empty()) {
    co_await remove(exchange, std::move(id));
  } else if (action == "enable" || action == "disable" || action == "rotate") {
    if (method == "POST")
      co_await change(exchange, std::move(id), std::move(action));
    else
      co_await refuse(exchange, 405, "only POST is understood here");
  } else if (path == kPath || action.empty()) {
    co_await refuse(exchange, 405, "this method is not understood here");
  } else {
    co_await refuse(exchange, 404, "there is nothing at " + path);
  }
}

Task<void> KeyApi::list(http::Exchange& exchange) {
  auto keys = co_await keys_.list(deadline());
  if (!keys) {
    co_await refuse(exchange, std::move(keys).error());
    co_return;
  }
  json::array list;
  for (const access::AccessKey& key : *keys) list.push_back(to_json(key));
  json::object body;
  body["keys"] = std::move(list);
  co_await respond_json(exchange, 200, json::serialize(body));
}

Task<void> KeyApi::create(http::Exchange& exchange) {
  const auto body = co_await read_body(exchange, kBodyBytesMax);
  Result<std::string> description =
      body ? description_of(*body) : Result<std::string>(body.error());
  auto made =
      description ? access::make_access_key() : Result<access::AccessKey>(description.error());
  if (!made) {
    co_await refuse(exchange, std::move(made).error());
    co_return;
  }
  made->description = *std::move(description);
  const Result<void> stored = co_await keys_.create(*made, deadline());
  if (!stored) {
    co_await refuse(exchange, stored.error());
    co_return;
  }
  log_change("make access key", exchange, made->id);
  co_await respond_json(exchange, 201, json::serialize(to_json_with_secret(*made)));
}

Task<void> KeyApi::change(http::Exchange& exchange, std::string id, std::string action) {
  const bool is_rotated = action == "rotate";
  Result<access::AccessKey> changed = make_error(ErrorCode::Internal, "not done");
  if (is_rotated)
    changed = co_await keys_.rotate(id, deadline());
  else
    changed = co_await keys_.set_enabled(id, action == "enable", deadline());
  if (!changed) {
    co_await refuse(exchange, std::move(changed).error());
    co_return;
  }
  log_change(is_rotated ? "give access key a new secret"
                        : (action == "enable" ? "enable access key" : "disable access key"),
             exchange, id);
  const json::object answer = is_rotated ? to_json_with_secret(*changed) : to_json(*changed);
  co_await respond_json(exchange, 200, json::serialize(answer));
}

Task<void> KeyApi::remove(http::Exchange& exchange, std::string id) {
  const Result<void> removed = co_await keys_.remove(id, deadline());
  if (!removed) {
    co_await refuse(exchange, removed.error());
    co_return;
  }
  log_change("remove access key", exchange, id);
  http::ResponseHead head;
  head.status = 204;
  co_await exchange.respond(std::move(head), Buffer{});
}

}  // namespace predastore::admin
