#include "net/quic_endpoint.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>

#include "telemetry/log.h"

namespace predastore::net {
namespace {

constexpr std::size_t kSendMemoryBytes = 256 * 1024;
constexpr int kReceiveRounds = 1;  // system calls before others on the loop have their turn
constexpr std::size_t kIdleBlocksMax = 64;
constexpr std::size_t kHalfOpenMax = 64;
constexpr Duration kHalfOpenGrace = 500ms;  // a handshake is not given up for another before that
// A peer dials anew only when it has lost its connection, which this side may not have noticed.
constexpr std::size_t kAcceptedPerPeerMax = 2;

Error stopped() { return make_error(ErrorCode::Cancelled, "the transport was stopped"); }

}  // namespace

QuicEndpoint::QuicEndpoint(Environment env, QuicOptions options,
                           std::shared_ptr<TlsCredentials> credentials,
                           std::unique_ptr<QuicSocket> socket)
    : env_(std::move(env)),
      options_(std::move(options)),
      credentials_(std::move(credentials)),
      socket_(std::move(socket)),
      admission_(options_.key_pem,
                 [this](const SocketAddress& to, ByteSpan bytes) {
                   if (!pending_send_) (void)socket_->send(to, bytes, bytes.size());
                 }),
      send_memory_(kSendMemoryBytes),
      block_pool_(std::make_shared<QuicBlockPool>(kIdleBlocksMax)),
      incoming_changed_(env_.clock),
      dials_(env_.executor, env_.clock) {}

void QuicEndpoint::start() {
  socket_->wait_readable([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->on_readable();
  });
}

void QuicEndpoint::on_readable() {
  if (is_closed_) return;
  for (int round = 0; round < kReceiveRounds; ++round) {
    const Instant now = env_.clock.now();
    is_receiving_ = true;
    const bool may_be_more = socket_->receive(
        [this, now](const SocketAddress& from, ByteSpan bytes) { on_datagram(from, bytes, now); });
    is_receiving_ = false;
    flush_all();
    if (!may_be_more) break;
  }
  socket_->take_refusals([this](const SocketAddress& to) { on_refusal(to); });
  if (!is_closed_) start();
}

void QuicEndpoint::on_datagram(const SocketAddress& from, ByteSpan bytes, Instant now) {
  if (bytes.empty()) return;
  ngtcp2_version_cid packet;
  const int code =
      ngtcp2_pkt_decode_version_cid(&packet, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                    bytes.size(), kConnectionIdBytes);
  if (code == NGTCP2_ERR_VERSION_NEGOTIATION) {
    admission_.offer_versions(packet, bytes, from);
    return;
  }
  if (code != 0) return;
  if (packet.dcidlen == kConnectionIdBytes) {
    ConnectionId id = 0;
    std::memcpy(&id, packet.dcid, kConnectionIdBytes);
    const auto found = by_id_.find(id);
    if (found != by_id_.end()) {
      const std::shared_ptr<QuicConnection> connection = found->second;
      connection->receive(from, bytes, now);
      return;
    }
  }
  if (is_stopped_) return;
  if (packet.version == 0) {
    admission_.refuse_unknown(packet, bytes, from, now);
    return;
  }
  const auto first = admission_.first_packet(bytes, from, now);
  if (first) accept_connection(*first, from, bytes, now);
}

void QuicEndpoint::accept_connection(const QuicConnection::Accepted& first,
                                     const SocketAddress& from, ByteSpan bytes, Instant now) {
  if (!make_room_for_half_open(now)) return;
  auto connection = QuicConnection::accept(*this, credentials_, first, from);
  if (!connection) {
    telemetry::log_error("could not accept a connection", {{"why", connection.error().detail}});
    return;
  }
  half_open_.push_back(*connection);
  (*connection)->receive(from, bytes, now);
}

// Whoever has an address can begin handshakes, so they are few, and the oldest one goes first.
bool QuicEndpoint::make_room_for_half_open(Instant now) {
  if (half_open_.size() < kHalfOpenMax) return true;
  const std::shared_ptr<QuicConnection> oldest = half_open_.front();
  if (now - oldest->began_at() < kHalfOpenGrace) return false;
  oldest->close(make_error(ErrorCode::Unavailable, "too many handshakes"), false);
  return half_open_.size() < kHalfOpenMax;
}

// Nobody listens there any more: what would only be noticed by silence is known now.
void QuicEndpoint::on_refusal(const SocketAddress& to) {
  for (const auto& connection : connections()) {
    if (!connection->remote().is_same(to)) continue;
    connection->close(make_error(ErrorCode::Unavailable, "nobody listens at the peer's address"),
                      false);
  }
}

std::vector<std::shared_ptr<QuicConnection>> QuicEndpoint::connections() const {
  std::vector<std::shared_ptr<QuicConnection>> result;
  for (const auto& [id, connection] : by_id_) result.push_back(connection);
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

QuicCounts QuicEndpoint::counts() const {
  QuicCounts result;
  for (const auto& connection : connections()) {
    ++result.connections;
    result.streams += connection->stream_count();
  }
  result.half_open = half_open_.size();
  result.streams_to_accept = incoming_.size();
  return result;
}

void QuicEndpoint::want_flush(std::shared_ptr<QuicConnection> connection) {
  if (!connection->is_flush_wanted) {
    connection->is_flush_wanted = true;
    dirty_.push_back(std::move(connection));
  }
  if (!is_receiving_) post_flush();
}

void QuicEndpoint::post_flush() {
  if (is_flush_posted_ || pending_send_ || is_closed_) return;
  is_flush_posted_ = true;
  boost::asio::post(env_.executor, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->is_flush_posted_ = false;
    self->flush_all();
  });
}

void QuicEndpoint::flush_all() {
  auto turn = std::exchange(dirty_, {});
  for (std::size_t i = 0; i < turn.size(); ++i) {
    if (pending_send_) {  // the socket is full: the rest waits until it is not
      dirty_.push_back(std::move(turn[i]));
      continue;
    }
    turn[i]->is_flush_wanted = false;
    if (!turn[i]->flush(env_.clock.now())) want_flush(turn[i]);
  }
}

QuicSocket::Sent QuicEndpoint::send(const SocketAddress& to, ByteSpan bytes,
                                    std::size_t segment_bytes) {
  if (pending_send_) return QuicSocket::Sent::lost;
  const QuicSocket::Sent sent = socket_->send(to, bytes, segment_bytes);
  if (sent == QuicSocket::Sent::blocked) {
    pending_send_ = PendingSend{to, {bytes.begin(), bytes.end()}, segment_bytes};
    socket_->wait_writable([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->on_writable();
    });
  }
  return sent;
}

void QuicEndpoint::on_writable() {
  if (is_closed_ || !pending_send_) return;
  const PendingSend pending = std::move(*pending_send_);
  pending_send_.reset();
  if (send(pending.to, pending.bytes, pending.segment_bytes) == QuicSocket::Sent::blocked) return;
  flush_all();
}

std::uint64_t QuicEndpoint::connection_window_bytes() const {
  return std::min<std::uint64_t>(options_.connection_window_bytes, socket_->receive_buffer_bytes());
}

ConnectionId QuicEndpoint::new_connection_id(QuicConnection& connection) {
  for (;;) {
    ConnectionId id = 0;
    fill_secret(&id, sizeof(id));
    if (by_id_.emplace(id, connection.shared_from_this()).second) return id;
  }
}

void QuicEndpoint::adopt_connection_id(ConnectionId id, QuicConnection& connection) {
  by_id_[id] = connection.shared_from_this();
}

void QuicEndpoint::forget_connection_id(ConnectionId id) { by_id_.erase(id); }

void QuicEndpoint::reset_token(const ngtcp2_cid& id, std::uint8_t* token) {
  admission_.reset_token(id, token);
}

void QuicEndpoint::on_ready(QuicConnection& connection) {
  const LinkKey key{connection.peer(), connection.lane()};
  if (!connection.is_server()) {
    const auto found = links_.find(key);
    if (found == links_.end()) return;
    found->second->has_failed = false;
    found->second->changed.notify_all();
    return;
  }
  auto self = connection.shared_from_this();
  std::erase(half_open_, self);
  auto& accepted = accepted_[key];
  accepted.push_back(std::move(self));
  if (accepted.size() > kAcceptedPerPeerMax) {
    const std::shared_ptr<QuicConnection> oldest = accepted.front();
    oldest->close(make_error(ErrorCode::Unavailable, "the peer has connected anew"), true);
  }
}

void QuicEndpoint::on_closed(QuicConnection& connection, const Error& why) {
  auto self = connection.shared_from_this();
  const LinkKey key{connection.peer(), connection.lane()};
  if (!connection.is_server()) {
    const auto found = links_.find(key);
    if (found != links_.end() && found->second->connection == self) fail_link(*found->second, why);
    return;
  }
  if (std::erase(half_open_, self) > 0) {
    log_refusal(connection, why);
    return;
  }
  const auto found = accepted_.find(key);
  if (found == accepted_.end()) return;
  std::erase(found->second, self);
  if (found->second.empty()) accepted_.erase(found);
}

// At most one line a second: whoever reaches the port can cause them.
void QuicEndpoint::log_refusal(const QuicConnection&, const Error& why) {
  const Instant now = env_.clock.now();
  if (is_stopped_ || now - refusal_logged_at_ < 1s) return;
  refusal_logged_at_ = now;
  telemetry::log_warn("refused a connection to the cluster's port", {{"why", why.detail}});
}

void QuicEndpoint::on_stream(std::unique_ptr<Stream> stream) {
  if (is_stopped_) return;
  incoming_.push_back(std::move(stream));
  incoming_changed_.notify_one();
}

Task<Result<std::unique_ptr<Stream>>> QuicEndpoint::accept() {
  auto self = shared_from_this();
  while (!is_stopped_ && incoming_.empty()) co_await incoming_changed_.wait();
  if (is_stopped_) co_return stopped();
  auto stream = std::move(incoming_.front());
  incoming_.pop_front();
  co_return std::move(stream);
}

}  // namespace predastore::net
