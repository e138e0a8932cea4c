#include "cli/admin_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <list>
#include <memory>

#include "cli/demo_layout.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "http/client.h"

namespace predastore::cli {

namespace {

constexpr Duration kConnectTimeout = 1s;
constexpr Duration kAnswerTimeout = 4s;
constexpr Duration kChangeTimeout = 15s;  // longer than a node tries
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

// What is known when a node did not answer: `is_open` when it may have done it all the same.
struct Attempt {
  Result<AdminAnswer> answer;
  bool is_open = false;
};

Task<Attempt> try_node(Environment env, http::ClientOptions options, std::string address,
                       http::RequestHead head, std::string body) {
  const auto at = parse_host_port(address);
  if (!at) co_return Attempt{at.error()};
  auto client = co_await http::Client::connect(env, at->host, at->port, std::move(options));
  if (!client) co_return Attempt{std::move(client).error()};
  Buffer bytes = Buffer::take(std::move(body));
  const bool is_read = head.method == "GET";
  auto response = co_await (*client)->fetch(std::move(head), std::move(bytes), kAnswerMaxBytes);
  if (!response) co_return Attempt{std::move(response).error(), !is_read};
  AdminAnswer answer{response->head.status, std::string{response->body.text()}};
  if (answer.status == 503) co_return Attempt{make_error(ErrorCode::Unavailable, answer.error())};
  co_return Attempt{std::move(answer)};
}

Task<Result<AdminAnswer>> try_nodes(Environment env, http::ClientOptions options,
                                    std::vector<node::NodeEntry> nodes, http::RequestHead head,
                                    std::string body) {
  std::string problems;
  for (const node::NodeEntry& node : nodes) {
    http::ClientOptions own_options = options;
    http::RequestHead own_head = head;
    Attempt attempt = co_await try_node(env, std::move(own_options), node.admin_address,
                                        std::move(own_head), body);
    if (attempt.answer) co_return std::move(attempt.answer);
    const std::string problem = fmt::format("{} ({}): {}", node.name, node.admin_address,
                                            attempt.answer.error().to_string());
    if (attempt.is_open)
      co_return make_error(
          ErrorCode::Internal,
          problem + "; whether it was done is not known, look before you repeat it");
    problems += (problems.empty() ? "" : "\n  ") + problem;
  }
  co_return make_error(ErrorCode::Unavailable, "no node took the request:\n  " + problems);
}

Result<http::ClientOptions> member_options(const node::Config& config) {
  http::ClientOptions options;
  options.connect_timeout = kConnectTimeout;
  options.idle_timeout = kAnswerTimeout;
  http::TlsClientOptions tls;
  PREDA_TRY(tls.ca_pem, node::load_text(config.ca_file));
  PREDA_TRY(tls.identity.cert_pem, node::load_text(config.certificate_file));
  PREDA_TRY(tls.identity.key_pem, node::load_text(config.key_file));
  tls.verify_name = false;  // only members have a certificate of this authority
  options.tls = std::move(tls);
  return options;
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
  PREDA_TRY(http::ClientOptions options, member_options(config));
  return run_until_done(host.loop, ask_all(host.environment(), std::move(options), config.nodes));
}

std::string AdminAnswer::error() const {
  boost::system::error_code failure;
  const boost::json::value parsed = boost::json::parse(body, failure);
  if (!failure && parsed.is_object()) {
    const auto* text = parsed.as_object().if_contains("error");
    if (text != nullptr && text->is_string()) return std::string{text->as_string()};
  }
  return fmt::format("it answered {}", status);
}

Result<AdminAnswer> call_admin(ProductionHost& host, const node::Config& config, std::string method,
                               std::string target, std::string body) {
  PREDA_TRY(http::ClientOptions options, member_options(config));
  options.idle_timeout = kChangeTimeout;
  std::vector<node::NodeEntry> nodes = config.nodes;
  std::ranges::stable_partition(
      nodes, [&](const node::NodeEntry& entry) { return entry.id == config.node_id; });
  http::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  if (!body.empty()) head.headers.add("Content-Type", "application/json");
  return run_until_done(host.loop, try_nodes(host.environment(), std::move(options),
                                             std::move(nodes), std::move(head), std::move(body)));
}

Result<node::Config> config_of_cluster(const std::string& config_file,
                                       const std::string& directory) {
  if (config_file.empty()) {
    PREDA_TRY(DemoLayout layout, load_demo(directory));
    return std::move(layout.nodes.front());
  }
  PREDA_TRY(const std::string text, node::load_text(config_file));
  node::ConfigCheck check = node::check_config(text, config_file);
  if (!check.config) return make_error(ErrorCode::InvalidArgument, check.report(config_file));
  return std::move(*check.config);
}

}  // namespace predastore::cli
