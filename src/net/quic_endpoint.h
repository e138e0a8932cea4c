#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "net/quic_admission.h"
#include "net/quic_connection.h"
#include "net/quic_socket.h"
#include "net/quic_tls.h"
#include "net/quic_transport.h"

namespace predastore::net {

// One UDP socket and all connections over it: finds the connection of a datagram, dials and accepts
// connections, and gives each its turn to send. Kept alive by the transport and by the calls that
// wait in it.
class QuicEndpoint final : public QuicHost, public std::enable_shared_from_this<QuicEndpoint> {
 public:
  QuicEndpoint(Environment env, QuicOptions options, std::shared_ptr<TlsCredentials> credentials,
               std::unique_ptr<QuicSocket> socket);
  void start();

  std::uint16_t local_port() const { return socket_->local_port(); }
  void set_address(NodeId node, std::string address);
  Task<Result<std::unique_ptr<Stream>>> open(NodeId peer, Lane lane, Instant deadline);
  Task<Result<std::unique_ptr<Stream>>> accept();
  Task<void> stop();
  void close();  // everything, at once
  QuicCounts counts() const;

  const Environment& env() const override { return env_; }
  const QuicOptions& options() const override { return options_; }
  std::uint64_t connection_window_bytes() const override;
  QuicSocket::Sent send(const SocketAddress& to, ByteSpan bytes,
                        std::size_t segment_bytes) override;
  const SocketAddress& local() const override { return socket_->local(); }
  MutableByteSpan send_memory() override { return send_memory_; }
  const std::shared_ptr<QuicBlockPool>& block_pool() const override { return block_pool_; }
  void want_flush(std::shared_ptr<QuicConnection> connection) override;
  ConnectionId new_connection_id(QuicConnection& connection) override;
  void adopt_connection_id(ConnectionId id, QuicConnection& connection) override;
  void forget_connection_id(ConnectionId id) override;
  void reset_token(const ngtcp2_cid& id, std::uint8_t* token) override;
  void on_ready(QuicConnection& connection) override;
  void on_closed(QuicConnection& connection, const Error& why) override;
  void on_stream(std::unique_ptr<Stream> stream) override;

 private:
  using LinkKey = std::pair<NodeId, Lane>;
  // The way to one lane of one peer: at most one connection that this side dialled.
  struct Link {
    explicit Link(Clock& clock) : changed(clock) {}
    std::shared_ptr<QuicConnection> connection;
    bool is_dialling = false;
    bool has_failed = false;  // since the last time it was connected
    Instant refuse_until{};
    std::string why;
    Signal changed;
  };
  struct PendingSend {
    SocketAddress to;
    std::vector<std::byte> bytes;
    std::size_t segment_bytes = 0;
  };

  void on_readable();
  void on_writable();
  void on_datagram(const SocketAddress& from, ByteSpan bytes, Instant now);
  void on_refusal(const SocketAddress& to);
  void accept_connection(const QuicConnection::Accepted& first, const SocketAddress& from,
                         ByteSpan bytes, Instant now);
  bool make_room_for_half_open(Instant now);
  void flush_all();
  void post_flush();

  std::shared_ptr<Link> link_to(NodeId peer, Lane lane);
  static Task<void> dial(std::shared_ptr<QuicEndpoint> self, std::shared_ptr<Link> link,
                         LinkKey key);
  Task<Result<SocketAddress>> find_address(NodeId peer);
  void fail_link(Link& link, const Error& why);
  std::vector<std::shared_ptr<QuicConnection>> connections() const;
  void log_refusal(const QuicConnection& connection, const Error& why);

  Environment env_;
  QuicOptions options_;
  std::shared_ptr<TlsCredentials> credentials_;
  std::unique_ptr<QuicSocket> socket_;
  QuicAdmission admission_;
  std::vector<std::byte> send_memory_;
  std::shared_ptr<QuicBlockPool> block_pool_;
  std::optional<PendingSend> pending_send_;

  std::unordered_map<ConnectionId, std::shared_ptr<QuicConnection>> by_id_;
  std::deque<std::shared_ptr<QuicConnection>> half_open_;  // accepted, not proved; oldest first
  std::map<LinkKey, std::deque<std::shared_ptr<QuicConnection>>> accepted_;
  std::map<LinkKey, std::shared_ptr<Link>> links_;
  std::map<NodeId, std::string> addresses_;
  std::vector<std::shared_ptr<QuicConnection>> dirty_;
  bool is_flush_posted_ = false;
  bool is_receiving_ = false;

  std::deque<std::unique_ptr<Stream>> incoming_;
  Signal incoming_changed_;
  TaskGroup dials_;
  bool is_stopped_ = false;
  bool is_closed_ = false;
  Instant refusal_logged_at_{};
};

}  // namespace predastore::net
