#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>

#include "base/buffer.h"
#include "env/sync.h"
#include "net/quic_block_pool.h"
#include "net/transport.h"

namespace predastore::net {

class QuicConnection;

// Bytes that arrived and were not read: blocks that are filled once, and handed out in slices. Who
// knows how many bytes it needs lends memory of its own, and they are copied once instead of twice.
class QuicReceiveQueue {
 public:
  explicit QuicReceiveQueue(std::shared_ptr<QuicBlockPool> pool) : pool_(std::move(pool)) {}
  std::size_t append(ByteSpan bytes);  // how many went to memory that was lent
  Buffer take(std::size_t max_bytes);  // of the first block; not empty
  // From now on bytes go to `into` first, until it is full or taken back. How many were here.
  std::size_t lend(MutableByteSpan into);
  void take_back() { lent_ = {}; }
  bool is_filling() const { return !lent_.empty(); }
  std::size_t size_bytes() const { return size_bytes_; }
  std::size_t clear();  // how much was dropped

 private:
  struct Block {
    std::shared_ptr<std::byte[]> memory;
    std::size_t capacity_bytes = 0;
    std::size_t filled_bytes = 0;
    std::size_t read_bytes = 0;
  };
  std::shared_ptr<QuicBlockPool> pool_;
  std::deque<Block> blocks_;
  std::size_t size_bytes_ = 0;
  MutableByteSpan lent_;  // what is not filled yet
};

// Bytes to send. They stay until the peer has acknowledged them: a lost packet is made anew from
// them.
class QuicSendQueue {
 public:
  void append(Buffer buffer);
  std::size_t unsent_bytes() const { return unsent_bytes_; }
  bool is_empty() const { return buffers_.empty(); }
  // Points at the first unsent bytes; how many vectors were filled.
  std::size_t peek(std::span<ngtcp2_vec> vectors) const;
  void mark_sent(std::size_t size_bytes);
  void mark_acknowledged(std::size_t size_bytes);  // the oldest ones
  void clear();

 private:
  std::deque<Buffer> buffers_;
  std::size_t acknowledged_bytes_ = 0;  // of the first buffer
  std::size_t cursor_index_ = 0;        // the first buffer that is not sent in full
  std::size_t cursor_bytes_ = 0;        // sent of it
  std::size_t unsent_bytes_ = 0;
};

// One stream as its connection sees it. Lives until the connection has closed it and its handle is
// gone.
struct QuicStreamState {
  QuicStreamState(Clock& clock, std::int64_t stream_id, std::shared_ptr<QuicBlockPool> pool)
      : id(stream_id), in(std::move(pool)), readable(clock), writable(clock) {}

  const std::int64_t id;
  QuicReceiveQueue in;
  bool is_end_received = false;
  std::uint64_t credit_unsent_bytes = 0;  // read, and not told to the peer for certain
  std::optional<Error> read_error;
  Signal readable;

  QuicSendQueue out;
  bool is_finish_wanted = false;
  bool is_finish_sent = false;
  std::optional<Error> write_error;
  Signal writable;

  bool is_ready = false;     // in the connection's queue of streams with something to send
  bool is_closed = false;    // by QUIC: both directions are over
  bool is_released = false;  // nobody holds the handle any more

  bool has_work() const {
    return !write_error && (out.unsent_bytes() > 0 || (is_finish_wanted && !is_finish_sent));
  }
  void fail_read(Error error);
  void fail_write(Error error);
};

// The handle that users of the transport have.
class QuicStream final : public Stream {
 public:
  QuicStream(std::shared_ptr<QuicConnection> connection, std::shared_ptr<QuicStreamState> state);
  ~QuicStream() override;
  NodeId peer() const override;
  Lane lane() const override;
  Task<Result<void>> write(BufferChain chain, Instant deadline) override;
  Task<Result<void>> finish() override;
  Task<Result<Buffer>> read(std::size_t max_bytes, Instant deadline) override;
  Task<Result<void>> read_exactly(MutableByteSpan into, Instant deadline) override;
  void reset() override;

 private:
  std::shared_ptr<QuicConnection> connection_;
  std::shared_ptr<QuicStreamState> state_;
};

}  // namespace predastore::net
