#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "env/environment.h"
#include "http/tls.h"

// Inside http only: the byte stream of one TCP connection, plain or TLS.
namespace predastore::http {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;
Result<TlsContext> make_server_context(const TlsServerOptions& options);
Result<TlsContext> make_client_context(const TlsClientOptions& options);

// Used on one loop, at most one read beside at most one write. Errors: TimedOut, Cancelled (by
// cancel() or close()), Unavailable (the connection is gone), Unauthorized (TLS).
class ByteStream {
 public:
  virtual ~ByteStream() = default;  // closes; no operation may be under way

  // For TLS; at once for plain streams.
  virtual Task<Result<void>> handshake(Instant deadline) = 0;
  // At least one byte; 0 when the peer has ended its side. `into` stays valid until the return.
  virtual Task<Result<std::size_t>> read_some(MutableByteSpan into, Instant deadline) = 0;
  // All of `chain`, which the caller keeps; every `idle` long some of it must be taken.
  virtual Task<Result<void>> write(BufferChain chain, Duration idle) = 0;
  virtual void shutdown_send() = 0;
  virtual void cancel() = 0;  // operations under way; later ones work
  virtual void close() = 0;   // for good
  virtual void reset() = 0;   // the same, so that the peer cannot take it for an end
  virtual std::string peer_certificate_pem() const = 0;
};

using TcpSocket = boost::asio::ip::tcp::socket;
std::unique_ptr<ByteStream> make_plain_stream(Clock& clock, TcpSocket socket);
std::unique_ptr<ByteStream> make_tls_server_stream(Clock& clock, TcpSocket socket,
                                                   TlsContext context);
std::unique_ptr<ByteStream> make_tls_client_stream(Clock& clock, TcpSocket socket,
                                                   TlsContext context,
                                                   const TlsClientOptions& options);

// Calls back when a deadline passes. Setting and clearing it costs nothing as long as deadlines
// only move back: the clock's timer is left where it is and looks again when it fires.
class Watchdog {
 public:
  Watchdog(Clock& clock, std::function<void()> on_expiry)
      : clock_(clock), on_expiry_(std::move(on_expiry)) {}
  ~Watchdog() { clock_.cancel(timer_); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void set(Instant deadline) {
    deadline_ = deadline;
    has_expired_ = false;
    if (deadline_ < armed_for_) arm();
  }
  void clear() { deadline_ = kNever; }
  bool has_expired() const { return has_expired_; }

 private:
  void arm() {
    clock_.cancel(timer_);
    armed_for_ = deadline_;
    timer_ = clock_.call_at(armed_for_, [this] { fire(); });
  }
  void fire() {
    armed_for_ = kNever;
    timer_ = 0;
    if (deadline_ == kNever) return;
    if (clock_.now() < deadline_) return arm();
    deadline_ = kNever;
    has_expired_ = true;
    on_expiry_();
  }

  Clock& clock_;
  std::function<void()> on_expiry_;
  Clock::TimerId timer_ = 0;
  Instant armed_for_ = kNever;
  Instant deadline_ = kNever;
  bool has_expired_ = false;
};

}  // namespace predastore::http
