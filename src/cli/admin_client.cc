#include "cli/admin_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <list>
#include <memory>

#include "env/run_task.h"
#include "env/sync.h"
#include "http/client.h"

namespace predastore::cli {

namespace {

constexpr Duration kConnectTimeout = 1s;
constexpr Duration kAnswerTimeout = 4s;
constexpr std::size_t kAnswerMaxBytes = 4 * 1024 * 1024;

std::string state_of(const std::string& json) {
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(json, error);
  if (error || !parsed.is_object()) return "unavailable";
  const auto* state = parsed.as_object().if_contains("state");
  if (state == nullptr || !state->is_string()) return "unavailable";
  return std::string{state->as_string()};
}

class Questions {
 public:
  Questions(Environment env, http::ClientOptions options)
      : env_(env),
        options_(std::move(options)),
        answered_(env.clock),
        tasks_(env.executor, env.clock) {}

  Task<StatusAnswer> ask(std::vector<node::NodeEntry> nodes) {
    pending_ = nodes.size();
    for (node::NodeEntry& node : nodes) tasks_.spawn(ask_one(std::move(node)));
    while (pending_ > 0 && best_.state == "unavailable") co_await answered_.wait();
    for (http::Client* client : clients_) client->close();
    (void)co_await tasks_.join();
    co_return std::move(best_);
  }

 private:
  Task<void> ask_one(node::NodeEntry node) {
    auto answer = co_await fetch(node);
    --pending_;
    if (!answer) {
      best_.problems.push_back(
          fmt::format("{} ({}): {}", node.name, node.admin_address, answer.error().to_string()));
    } else if (best_.json.empty() || best_.state == "unavailable") {
      best_.state = state_of(*answer);
      best_.json = std::move(*answer);
      best_.node_name = node.name;
    }
    answered_.notify_all();
  }

  Task<Result<std::string>> fetch(node::NodeEntry node) {
    PREDA_CO_TRY(const HostPort at, parse_host_port(node.admin_address));
    http::ClientOptions options = options_;
    PREDA_CO_TRY(auto client,
                 co_await http::Client::connect(env_, at.host, at.port, std::move(options)));
    clients_.push_back(client.get());
    const auto entry = std::prev(clients_.end());
    http::RequestHead head;
    head.target = "/v1/status";
    Buffer none;
    auto response = co_await client->fetch(std::move(head), std::move(none), kAnswerMaxBytes);
    clients_.erase(entry);
    if (!response) co_return std::move(response).error();
    if (response->head.status != 200)
      co_return make_error(ErrorCode::Unavailable,
                           fmt::format("it answered {}", response->head.status));
    co_return std::string{response->body.text()};
  }

  Environment env_;
  http::ClientOptions options_;
  Signal answered_;
  std::size_t pending_ = 0;
  std::list<http::Client*> clients_;
  StatusAnswer best_{{}, {}, "unavailable", {}};
  TaskGroup tasks_;
};

Task<StatusAnswer> ask_all(Environment env, http::ClientOptions options,
                           std::vector<node::NodeEntry> nodes) {
  Questions questions{env, std::move(options)};
  co_return co_await questions.ask(std::move(nodes));
}

Task<Result<unsigned>> fetch_root(Environment env, HostPort at) {
  http::ClientOptions options;
  options.connect_timeout = kConnectTimeout;
  options.idle_timeout = kAnswerTimeout;
  PREDA_CO_TRY(auto client,
               co_await http::Client::connect(env, at.host, at.port, std::move(options)));
  http::RequestHead head;
  Buffer none;
  PREDA_CO_TRY(auto response,
               co_await client->fetch(std::move(head), std::move(none), kAnswerMaxBytes));
  co_return response.head.status;
}

}  // namespace

Result<HostPort> parse_host_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostPort at;
  const char* end = address.data() + address.size();
  if (colon != std::string::npos) {
    at.host = address.substr(0, colon);
    const auto parsed = std::from_chars(address.data() + colon + 1, end, at.port);
    if (parsed.ec == std::errc{} && parsed.ptr == end && at.port != 0 && !at.host.empty()) {
      if (at.host.front() == '[' && at.host.back() == ']')
        at.host = at.host.substr(1, at.host.size() - 2);
      return at;
    }
  }
  return make_error(ErrorCode::InvalidArgument,
                    fmt::format("\"{}\" is no address; HOST:PORT is meant", address));
}

Result<StatusAnswer> ask_status(ProductionHost& host, const node::Config& config) {
  http::ClientOptions options;
  options.connect_timeout = kConnectTimeout;
  options.idle_timeout = kAnswerTimeout;
  http::TlsClientOptions tls;
  PREDA_TRY(tls.ca_pem, node::load_text(config.ca_file));
  PREDA_TRY(tls.identity.cert_pem, node::load_text(config.certificate_file));
  PREDA_TRY(tls.identity.key_pem, node::load_text(config.key_file));
  tls.verify_name = false;  // only members have a certificate of this authority
  options.tls = std::move(tls);
  return run_until_done(host.loop, ask_all(host.environment(), std::move(options), config.nodes));
}

bool answers_http(ProductionHost& host, const std::string& address) {
  const auto at = parse_host_port(address);
  if (!at) return false;
  const auto status = run_until_done(host.loop, fetch_root(host.environment(), *at));
  return status.has_value() && *status < 500;
}

}  // namespace predastore::cli
