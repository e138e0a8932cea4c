#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "net/quic_socket.h"
#include "net/quic_stream.h"
#include "net/quic_tls.h"
#include "net/quic_transport.h"

namespace predastore::net {

using ConnectionId = std::uint64_t;  // all that this side hands out have these 8 bytes
inline constexpr std::size_t kConnectionIdBytes = sizeof(ConnectionId);

// What a connection needs of the endpoint that holds it. Outlives every open connection.
class QuicHost {
 public:
  virtual ~QuicHost() = default;
  virtual const Environment& env() const = 0;
  virtual const QuicOptions& options() const = 0;
  virtual std::uint64_t connection_window_bytes() const = 0;
  virtual QuicSocket::Sent send(const SocketAddress& to, ByteSpan bytes,
                                std::size_t segment_bytes) = 0;
  virtual const SocketAddress& local() const = 0;
  virtual MutableByteSpan send_memory() = 0;  // scratch of one flush
  virtual const std::shared_ptr<QuicBlockPool>& block_pool() const = 0;
  virtual void want_flush(std::shared_ptr<QuicConnection> connection) = 0;

  virtual ConnectionId new_connection_id(QuicConnection& connection) = 0;
  virtual void adopt_connection_id(ConnectionId id, QuicConnection& connection) = 0;
  virtual void forget_connection_id(ConnectionId id) = 0;
  virtual void reset_token(const ngtcp2_cid& id, std::uint8_t* token) = 0;

  virtual void on_ready(QuicConnection& connection) = 0;
  virtual void on_closed(QuicConnection& connection, const Error& why) = 0;
  virtual void on_stream(std::unique_ptr<Stream> stream) = 0;
};

// One QUIC connection: one peer, one lane, streams opened by the side that dialled. Not usable
// after it has closed, but streams may still hold it.
class QuicConnection : public std::enable_shared_from_this<QuicConnection> {
 public:
  struct Accepted {  // what the first packet and its token told the server
    ngtcp2_cid client_scid;
    ngtcp2_cid retry_scid;
    ngtcp2_cid original_dcid;
    std::uint32_t version;
    ByteSpan token;
  };
  static Result<std::shared_ptr<QuicConnection>> dial(QuicHost& host,
                                                      std::shared_ptr<TlsCredentials> credentials,
                                                      NodeId peer, Lane lane,
                                                      const SocketAddress& remote);
  static Result<std::shared_ptr<QuicConnection>> accept(QuicHost& host,
                                                        std::shared_ptr<TlsCredentials> credentials,
                                                        const Accepted& first,
                                                        const SocketAddress& remote);
  ~QuicConnection();

  bool is_server() const { return is_server_; }
  bool is_open() const { return connection_ != nullptr; }
  bool is_ready() const { return is_ready_ && is_open(); }  // both sides have proved who they are
  NodeId peer() const { return peer_; }
  Lane lane() const { return lane_; }
  const SocketAddress& remote() const { return remote_; }
  Instant began_at() const { return began_at_; }
  Instant last_received_at() const { return last_received_at_; }
  std::size_t stream_count() const { return streams_.size(); }
  bool has_unacknowledged_ends() const;  // streams finished here whose bytes are still on the way

  // A datagram. Closes the connection when it is the end of it. Asks for a flush, now or soon.
  void receive(const SocketAddress& from, ByteSpan bytes, Instant now);
  // Sends what there is to send and is allowed. False when the socket took no more.
  bool flush(Instant now);
  // Tells the peer (unless it is silent), ends every stream with `why`, forgets the connection.
  void close(Error why, bool tell_peer);

  // A new stream; nullptr while the peer's limit is reached.
  std::unique_ptr<Stream> open_stream();
  Signal& streams_changed() { return streams_changed_; }

  // For streams.
  std::size_t unsent_max_bytes() const { return unsent_max_bytes_; }
  void want_write(const std::shared_ptr<QuicStreamState>& stream);
  void consumed(QuicStreamState& stream, std::size_t size_bytes);
  void reset(const std::shared_ptr<QuicStreamState>& stream);
  void release(const std::shared_ptr<QuicStreamState>& stream);

  bool is_flush_wanted = false;  // the endpoint's: in its queue

 private:
  friend struct QuicCallbacks;
  class Batch;

  QuicConnection(QuicHost& host, bool is_server, const SocketAddress& remote);
  Result<void> start(std::unique_ptr<TlsSession> tls, const Accepted* first);
  void fill_settings(ngtcp2_settings& settings, const Accepted* first) const;
  void fill_params(ngtcp2_transport_params& params, const Accepted* first) const;
  ngtcp2_tstamp timestamp(Instant now);
  void fail(int code);
  void close_with(Error why, const ngtcp2_ccerr* tell);
  void say_goodbye(const ngtcp2_ccerr& reason);
  Instant next_expiry() const;  // when ngtcp2 wants to be asked again
  void arm_timer(Instant now);
  void arm_timer_at(Instant when);
  bool may_hold_back() const;
  void on_timer();
  void try_blocked(Instant now);
  int write_packets(Batch& batch, ngtcp2_tstamp now);
  ngtcp2_ssize write_packet(MutableByteSpan memory, ngtcp2_path& path, ngtcp2_tstamp now);
  std::shared_ptr<QuicStreamState> next_ready();
  void drop_ready(QuicStreamState& stream);
  void sent(QuicStreamState& stream, std::size_t size_bytes, bool with_end);
  void give_credit(std::size_t size_bytes);
  void return_slot(const QuicStreamState& stream);
  ngtcp2_path path_to(const SocketAddress& remote) const;

  QuicHost* host_;
  Clock& clock_;
  const bool is_server_;
  const std::size_t unsent_max_bytes_;
  NodeId peer_;
  Lane lane_ = Lane::data;
  SocketAddress remote_;
  std::unique_ptr<TlsSession> tls_;
  ngtcp2_conn* connection_ = nullptr;
  bool is_ready_ = false;
  Instant began_at_;
  Instant last_received_at_;
  Instant newest_;                        // what ngtcp2 was told last
  std::size_t unanswered_datagrams_ = 0;  // since the last flush
  std::size_t unanswered_bytes_ = 0;
  std::unordered_map<std::int64_t, std::shared_ptr<QuicStreamState>> streams_;
  std::deque<std::shared_ptr<QuicStreamState>> ready_;
  std::vector<std::shared_ptr<QuicStreamState>> blocked_;  // by their own windows
  Instant blocked_tried_at_{};
  bool is_window_full_ = false;  // the peer's window of the whole connection
  std::uint64_t credit_unsent_bytes_ = 0;
  std::uint64_t slots_used_ = 0;    // of the peer's streams, as far as it was told
  std::uint64_t slots_unsent_ = 0;  // of them, free again
  std::unordered_set<ConnectionId> ids_;
  Signal streams_changed_;
  Clock::TimerId timer_ = 0;
  Instant timer_at_ = kNever;
};

}  // namespace predastore::net
