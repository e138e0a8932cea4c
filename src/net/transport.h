#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "env/clock.h"
#include "env/task.h"
#include "model/ids.h"

namespace predastore::net {

// Bulk data never delays a heartbeat: each lane is a connection of its own.
enum class Lane : std::uint8_t { data = 0, raft = 1 };

// One bidirectional byte stream to an authenticated peer. Used on the loop that made it; one reader
// and one writer at a time. Destruction without a clean end in both directions resets it.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual NodeId peer() const = 0;  // proved by its certificate
  virtual Lane lane() const = 0;
  // Returns when the bytes are accepted within the window (not when they arrived). Unavailable when
  // the peer or connection is gone.
  virtual Task<Result<void>> write(BufferChain chain, Instant deadline) = 0;
  virtual Task<Result<void>> finish() = 0;  // no more writes; sends the end of the stream
  // 1..max_bytes bytes; an empty buffer is the peer's clean end. TimedOut leaves the stream usable
  // for reset only.
  virtual Task<Result<Buffer>> read(std::size_t max_bytes, Instant deadline) = 0;
  // Fills `into`, which stays where it is until this returns; bytes go there as they arrive,
  // without a stop in between. Unavailable: the stream ended before. Errors as read(); what was
  // filled until then is lost.
  virtual Task<Result<void>> read_exactly(MutableByteSpan into, Instant deadline);
  virtual void reset() = 0;  // both directions; pending reads and writes end with Cancelled
};

// Streams to nodes by id, above QUIC packets and below rpc. The simulator has its own.
class Transport {
 public:
  virtual ~Transport() = default;
  // Where a node listens ("host:port"); may change at any time.
  virtual void set_address(NodeId node, std::string address) = 0;
  // Connects when there is no connection. Unavailable at once when the peer is known to be gone a
  // moment ago.
  virtual Task<Result<std::unique_ptr<Stream>>> open(NodeId peer, Lane lane, Instant deadline) = 0;
  // The next stream that a peer opened. Cancelled after stop().
  virtual Task<Result<std::unique_ptr<Stream>>> accept() = 0;
  virtual Task<void> stop() = 0;
};

}  // namespace predastore::net
