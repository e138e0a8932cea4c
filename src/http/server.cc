#include "http/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>

#include "env/sync.h"
#include "http/connection.h"
#include "telemetry/log.h"

namespace predastore::http {
namespace asio = boost::asio;
namespace {

using asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr Duration kAcceptPause = 50ms;  // when the process has no descriptor left

class AsioServer final : public Server {
 public:
  AsioServer(Environment env, ServerOptions options, Handler handler)
      : env_(env),
        shared_(env.clock, std::move(options), std::move(handler)),
        acceptor_(env.executor),
        group_(env.executor, env.clock),
        changed_(env.clock) {}
  ~AsioServer() override { PREDA_ASSERT(shared_.connections.empty() && !is_accepting_); }

  Result<void> open() {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(shared_.options.address, error);
    if (error)
      return make_error(ErrorCode::InvalidArgument,
                        "no address to listen on: " + shared_.options.address);
    if (shared_.options.tls.has_value()) {
      PREDA_TRY(tls_, make_server_context(*shared_.options.tls));
    }
    const tcp::endpoint endpoint(address, shared_.options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && shared_.options.reuse_port) {
      using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
      acceptor_.set_option(ReusePort(true), error);
    }
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return make_error(ErrorCode::Io, "listening on " + shared_.options.address + " port " +
                                           std::to_string(shared_.options.port) + ": " +
                                           error.message());
    }
    port_ = acceptor_.local_endpoint(error).port();
    return {};
  }

  std::uint16_t port() const override { return port_; }

  Task<void> run() override {
    is_accepting_ = true;
    while (!shared_.is_draining) {
      auto [error, socket] = co_await acceptor_.async_accept(kAwait);
      if (shared_.is_draining) break;
      if (error) {
        telemetry::log_warn("cannot accept a connection", {{"reason", error.message()}});
        co_await sleep_for(env_.clock, kAcceptPause);
        continue;
      }
      admit(std::move(socket));
    }
    is_accepting_ = false;
    changed_.notify_all();
  }

  Task<void> stop(Instant deadline) override {
    shared_.is_draining = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (Connection* connection : shared_.connections) connection->close_if_idle();
    while (!shared_.connections.empty() || is_accepting_) {
      if (!co_await changed_.wait_until(deadline)) break;
    }
    for (Connection* connection : shared_.connections) connection->close();
    while (is_accepting_) co_await changed_.wait();
    (void)co_await group_.join();
  }

  Result<void> reload_tls(TlsServerOptions tls) override {
    if (tls_ == nullptr)
      return make_error(ErrorCode::InvalidArgument, "this server does not speak TLS");
    PREDA_TRY(tls_, make_server_context(tls));
    return {};
  }

  ServerStats stats() const override {
    ServerStats stats = shared_.stats;
    stats.connections = shared_.connections.size();
    return stats;
  }

 private:
  void admit(tcp::socket socket) {
    if (shared_.connections.size() >= shared_.options.connections_max) {
      // Whoever has waited longest for a next request makes room; without one, newcomers wait.
      if (shared_.idle.empty()) return refuse(std::move(socket));
      shared_.idle.front()->close_if_idle();
    }
    ++shared_.stats.accepted;
    boost::system::error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    if (error) return;
    std::string address = endpoint.address().is_v6() ? "[" + endpoint.address().to_string() + "]"
                                                     : endpoint.address().to_string();
    address += ":" + std::to_string(endpoint.port());
    auto stream = tls_ == nullptr ? make_plain_stream(env_.clock, std::move(socket))
                                  : make_tls_server_stream(env_.clock, std::move(socket), tls_);
    auto connection = std::make_unique<Connection>(shared_, std::move(stream), std::move(address),
                                                   tls_ != nullptr);
    group_.spawn(serve(std::move(connection)));
  }

  Task<void> serve(std::unique_ptr<Connection> connection) {
    co_await connection->run();
    connection.reset();
    changed_.notify_all();
  }

  std::string overloaded() const {
    ErrorPage page;
    if (shared_.options.error_page) {
      page = shared_.options.error_page(ParseFailure{503, "too many connections"});
    } else {
      page.head.status = 503;
      page.head.headers.add("Retry-After", "1");
    }
    page.head.headers.set("Content-Length", std::to_string(page.body.size()));
    page.head.headers.set("Connection", "close");
    Result<std::string> text = format_response_head(page.head);
    return text ? *text + std::string(page.body.text()) : std::string();
  }

  void refuse(tcp::socket socket) {
    ++shared_.stats.refused;
    boost::system::error_code ignored;
    if (tls_ == nullptr) {
      const std::string answer = overloaded();
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(answer), ignored);
      socket.shutdown(tcp::socket::shutdown_send, ignored);
    }
    socket.close(ignored);
  }

  Environment env_;
  ServerShared shared_;
  tcp::acceptor acceptor_;
  TlsContext tls_;
  TaskGroup group_;
  Signal changed_;
  std::uint16_t port_ = 0;
  bool is_accepting_ = false;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(Environment env, ServerOptions options,
                                               Handler handler) {
  auto server = std::make_unique<AsioServer>(env, std::move(options), std::move(handler));
  PREDA_CHECK(server->open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace predastore::http
