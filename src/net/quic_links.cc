// The dialling half of an endpoint: where peers are, connections to them, and streams on those.
#include <algorithm>

#include "env/blocking.h"
#include "net/quic_endpoint.h"
#include "telemetry/log.h"

namespace predastore::net {
namespace {

// While a peer has not been reached since its last failure, callers wait only this long for the
// next attempt, which goes on without them.
constexpr Duration kRedialPatience = 500ms;
constexpr Duration kGoodbyePatience = 250ms;  // for what was finished and is still on the way

Error gone(std::string why) { return make_error(ErrorCode::Unavailable, std::move(why)); }
Error stopped() { return make_error(ErrorCode::Cancelled, "the transport was stopped"); }

}  // namespace

void QuicEndpoint::set_address(NodeId node, std::string address) {
  std::string& known = addresses_[node];
  if (known == address) return;
  known = std::move(address);
  for (auto& [key, link] : links_) {
    if (key.first == node) link->refuse_until = {};
  }
}

std::shared_ptr<QuicEndpoint::Link> QuicEndpoint::link_to(NodeId peer, Lane lane) {
  auto& link = links_[{peer, lane}];
  if (!link) link = std::make_shared<Link>(env_.clock);
  return link;
}

Task<Result<std::unique_ptr<Stream>>> QuicEndpoint::open(NodeId peer, Lane lane, Instant deadline) {
  auto self = shared_from_this();
  if (peer == options_.self)
    co_return make_error(ErrorCode::Unsupported, "a node does not call itself");
  if (is_stopped_) co_return stopped();
  if (!addresses_.contains(peer)) co_return gone("the peer's address is not known");
  if (options_.admits && !options_.admits(peer)) co_return gone("the peer has departed");
  const std::shared_ptr<Link> link = link_to(peer, lane);
  const Instant patience_ends =
      link->has_failed ? std::min(deadline, env_.clock.now() + kRedialPatience) : deadline;
  for (;;) {
    if (is_stopped_) co_return stopped();
    const Instant now = env_.clock.now();
    const std::shared_ptr<QuicConnection> connection = link->connection;
    if (connection && connection->is_ready()) {
      if (now - connection->last_received_at() > options_.silence_max) {
        // It may have been started again and know nothing of this connection: a new one is tried
        // beside it. What is under way on the old one goes on if the peer was only paused.
        link->connection.reset();
        link->has_failed = true;
        link->is_dialling = true;
        dials_.spawn(dial(self, link, {peer, lane}));
        co_return gone("the peer is silent");
      }
      auto stream = connection->open_stream();
      if (stream) co_return std::move(stream);
      const bool notified = co_await connection->streams_changed().wait_until(deadline);
      if (!notified) co_return gone("the peer allows no more streams");
      continue;
    }
    if (now < link->refuse_until) co_return gone(link->why);
    if (!connection && !link->is_dialling) {
      link->is_dialling = true;
      dials_.spawn(dial(self, link, {peer, lane}));
    }
    const bool notified = co_await link->changed.wait_until(patience_ends);
    if (!notified) co_return gone("no connection to the peer in time");
  }
}

Task<void> QuicEndpoint::dial(std::shared_ptr<QuicEndpoint> self, std::shared_ptr<Link> link,
                              LinkKey key) {
  auto address = co_await self->find_address(key.first);
  link->is_dialling = false;
  if (self->is_stopped_) {
    link->changed.notify_all();
    co_return;
  }
  if (!address) {
    self->fail_link(*link, address.error());
    co_return;
  }
  auto connection =
      QuicConnection::dial(*self, self->credentials_, key.first, key.second, *address);
  if (!connection) {
    self->fail_link(*link, connection.error());
    co_return;
  }
  link->connection = *connection;
  self->want_flush(*connection);
}

Task<Result<SocketAddress>> QuicEndpoint::find_address(NodeId peer) {
  PREDA_CO_TRY(HostPort target, parse_host_port(addresses_[peer]));
  const int family = local().storage.ss_family;
  auto numeric = resolve(target, family, true);
  if (numeric) co_return std::move(numeric);
  auto ask = [target, family] { return resolve(target, family, false); };
  co_return co_await run_blocking(env_.blocking, std::move(ask));
}

void QuicEndpoint::fail_link(Link& link, const Error& why) {
  link.connection.reset();
  link.has_failed = true;
  link.why = why.detail;
  link.refuse_until = env_.clock.now() + options_.retry_after;
  link.changed.notify_all();
}

Task<void> QuicEndpoint::stop() {
  auto self = shared_from_this();
  if (!is_stopped_) {
    is_stopped_ = true;
    incoming_changed_.notify_all();
    for (auto& [key, link] : links_) link->changed.notify_all();
    incoming_.clear();
  }
  const Instant deadline = env_.clock.now() + kGoodbyePatience;
  while (!is_closed_ && env_.clock.now() < deadline) {
    const auto all = connections();
    const bool is_waiting = std::any_of(all.begin(), all.end(), [](const auto& connection) {
      return connection->has_unacknowledged_ends();
    });
    if (!is_waiting) break;
    co_await sleep_for(env_.clock, 2ms);
  }
  close();
}

void QuicEndpoint::close() {
  if (is_closed_) return;
  is_stopped_ = true;
  incoming_changed_.notify_all();
  incoming_.clear();
  for (const auto& connection : connections())
    connection->close(gone("the transport was closed"), true);
  for (auto& [key, link] : links_) {
    link->connection.reset();
    link->changed.notify_all();
  }
  is_closed_ = true;
  dirty_.clear();
  pending_send_.reset();
  socket_->close();
}

}  // namespace predastore::net
