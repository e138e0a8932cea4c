#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "env/environment.h"
#include "net/transport.h"

namespace predastore::net {

struct QuicOptions {
  std::string listen_host = "127.0.0.1";
  std::uint16_t listen_port = 0;  // 0: any free one, told by local_port()
  NodeId self;                    // must be the node that cert_pem names
  std::string ca_pem;             // only certificates of this authority are talked to
  std::string cert_pem;           // without one (and its key) every member refuses this endpoint
  std::string key_pem;
  // Empty admits every node of this authority; false refuses departed ones. Asked in the middle of
  // handshakes and of opening streams: it must not call the transport.
  std::function<bool(NodeId)> admits;

  std::uint64_t stream_window_bytes =
      1024 * 1024;  // what a peer may send of one stream ahead of its reader
  std::uint64_t connection_window_bytes = 8 * 1024 * 1024;
  std::uint64_t streams_max = 256;  // that one peer may have open on one lane
  std::size_t unsent_max_bytes =
      256 * 1024;  // write() waits while a stream has more than this unsent
  int socket_buffer_bytes = 8 * 1024 * 1024;
  Duration handshake_timeout = 3s;
  Duration idle_timeout = 10s;
  Duration keep_alive = 1s;
  Duration silence_max = 3s;  // a peer silent for longer gets no new streams
  Duration retry_after =
      1s;  // how long open() answers Unavailable at once after a connection failed
};

// What an endpoint holds at this moment.
struct QuicCounts {
  std::size_t connections = 0;        // of both directions, with those below
  std::size_t half_open = 0;          // accepted, and the peer has not proved who it is
  std::size_t streams = 0;            // not over yet
  std::size_t streams_to_accept = 0;  // not taken by accept() yet
};

class QuicTransport : public Transport {
 public:
  virtual std::uint16_t local_port() const = 0;
  virtual QuicCounts counts() const = 0;
};

// One UDP socket on `io`, which must be the loop behind env.executor. TLS 1.3 with certificates on
// both sides; a peer that has none of this authority is refused before any byte of a stream is
// handed up. Destruction closes everything at once; stop() says goodbye and ends accept() first.
Task<Result<std::unique_ptr<QuicTransport>>> open_quic_transport(Environment env,
                                                                 boost::asio::io_context& io,
                                                                 QuicOptions options);

}  // namespace predastore::net
