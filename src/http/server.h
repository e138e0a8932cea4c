#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "env/environment.h"
#include "http/message.h"
#include "http/tls.h"

namespace predastore::http {

// One request and its response. Made by the server, used by one handler on the loop, gone when the
// handler returns.
//
// A response is either respond(), or begin() and then write()… and finish(). The server adds Date,
// Connection, Content-Length and Transfer-Encoding; the handler never does (but see HEAD below).
// When the handler returns without having finished its response, or after abort(), the connection
// is closed without a clean end; if nothing was sent by then, the client gets 500.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& request() const = 0;
  virtual const std::string& remote_address() const = 0;  // "127.0.0.1:54321", "[::1]:54321"
  virtual bool is_tls() const = 0;
  virtual const std::string& peer_certificate_pem() const = 0;  // empty without a client's one

  // The client sent Expect: 100-continue and has not got it yet. Reading the body does not send it:
  // call send_continue() first, after the request is authenticated and admitted. No-op when the
  // client does not wait.
  virtual bool is_waiting_for_continue() const = 0;
  virtual Task<Result<void>> send_continue() = 0;
  virtual BodyReader& body() = 0;

  // The whole response at once.
  virtual Task<Result<void>> respond(ResponseHead head, Buffer body) = 0;
  // Fixes the head; it leaves together with the first bytes of the body. Without a length the body
  // is sent chunked (HTTP/1.0: until the connection closes). For HEAD, 204 and 304 no body byte is
  // ever sent; with HEAD the length given here is announced all the same.
  virtual void begin(ResponseHead head, std::optional<std::uint64_t> content_length) = 0;
  // Returns when the kernel has taken all of it, so a slow client slows the handler down. Errors:
  // TimedOut (the client took nothing for the idle time), Unavailable (the connection is gone),
  // Cancelled. More bytes than announced are a bug.
  virtual Task<Result<void>> write(BufferChain chain) = 0;
  virtual Task<Result<void>> finish() = 0;
  // Closes at once, without the end that the client waits for.
  virtual void abort() = 0;
  virtual bool has_begun() const = 0;      // begin() or respond() was called
  virtual bool has_sent_head() const = 0;  // too late for another status
};

// Runs one request. It is awaited by the connection, which outlives it.
using Handler = std::function<Task<void>(Exchange& exchange)>;

// What is answered, before the connection is closed, to a request that no handler sees: malformed,
// too large, too late.
struct ErrorPage {
  ResponseHead head;
  Buffer body;
};
using ErrorPageMaker = std::function<ErrorPage(const ParseFailure& failure)>;

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;   // 0: any free one
  bool reuse_port = false;  // one acceptor a loop on the same port
  std::size_t connections_max = 10'000;
  HeadLimits head_limits;
  Duration head_timeout = 30s;        // from the first wait or byte of a request to its whole head
  Duration keep_alive_timeout = 60s;  // between requests
  Duration body_idle_timeout = 60s;   // without a byte of the body
  Duration write_idle_timeout = 60s;  // without a byte taken by the client
  std::size_t body_rate_min_bytes_per_s = 64;  // averaged over the idle time: slower is closed
  std::uint64_t drain_max_bytes = 256 * 1024;  // of an unread body before the connection is closed
  // After an answer that closes: who still sends is read on, or would never see the answer.
  Duration linger_timeout = 5s;  // without a byte
  Duration linger_max = 30s;
  std::optional<TlsServerOptions> tls;
  ErrorPageMaker error_page;  // empty: a line of plain text
};

struct ServerStats {
  std::size_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // above connections_max
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;  // refused by the parser
  std::uint64_t timeouts = 0;
};

// An HTTP/1.1 server on the loop of env.executor. Bulk bytes go from the socket into the buffers
// that handlers get, and from their buffers to the socket, without a copy. A connection holds at
// most its head limit, one read buffer and what its handler holds.
class Server {
 public:
  // Listens, but accepts nothing until run(). InvalidArgument (address, certificates), Io (port).
  static Result<std::unique_ptr<Server>> listen(Environment env, ServerOptions options,
                                                Handler handler);
  virtual ~Server() = default;  // after stop()

  virtual std::uint16_t port() const = 0;
  // Accepts and serves until stop(). Once.
  virtual Task<void> run() = 0;
  // Accepts no more, closes idle connections, lets requests under way finish until `deadline`,
  // then closes their connections. Returns when run() and every handler have ended.
  virtual Task<void> stop(Instant deadline) = 0;
  // For connections from now on. InvalidArgument leaves the old certificates in use.
  virtual Result<void> reload_tls(TlsServerOptions tls) = 0;
  virtual ServerStats stats() const = 0;
};

}  // namespace predastore::http
