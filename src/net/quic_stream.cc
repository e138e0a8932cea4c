#include "net/quic_stream.h"

#include <algorithm>
#include <cstring>

#include "net/quic_connection.h"

namespace predastore::net {
namespace {

// A request is mostly small, what follows the first packets mostly is not.
constexpr std::size_t kFirstBlockBytes = 4096;

}  // namespace

std::size_t QuicReceiveQueue::append(ByteSpan bytes) {
  const std::size_t direct = std::min(bytes.size(), lent_.size());
  if (direct > 0) {
    std::memcpy(lent_.data(), bytes.data(), direct);
    lent_ = lent_.subspan(direct);
    bytes = bytes.subspan(direct);
  }
  size_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().filled_bytes == blocks_.back().capacity_bytes) {
      Block fresh;
      if (blocks_.empty() && bytes.size() <= kFirstBlockBytes) {
        fresh.capacity_bytes = kFirstBlockBytes;
        fresh.memory = std::shared_ptr<std::byte[]>(new std::byte[kFirstBlockBytes]);
      } else {
        fresh.capacity_bytes = QuicBlockPool::kBlockBytes;
        fresh.memory = pool_->take();
      }
      blocks_.push_back(std::move(fresh));
    }
    Block& block = blocks_.back();
    const std::size_t count = std::min(bytes.size(), block.capacity_bytes - block.filled_bytes);
    std::memcpy(block.memory.get() + block.filled_bytes, bytes.data(), count);
    block.filled_bytes += count;
    bytes = bytes.subspan(count);
  }
  return direct;
}

Buffer QuicReceiveQueue::take(std::size_t max_bytes) {
  PREDA_ASSERT(!blocks_.empty());
  Block& block = blocks_.front();
  const std::size_t count = std::min(max_bytes, block.filled_bytes - block.read_bytes);
  Buffer result{block.memory, ByteSpan{block.memory.get() + block.read_bytes, count}};
  block.read_bytes += count;
  size_bytes_ -= count;
  // A block that was read to its end is given up even if there is room in it: so a stream that
  // rests holds no memory.
  if (block.read_bytes == block.filled_bytes) blocks_.pop_front();
  return result;
}

std::size_t QuicReceiveQueue::lend(MutableByteSpan into) {
  PREDA_ASSERT(lent_.empty() && !into.empty());
  std::size_t filled = 0;
  while (filled < into.size() && size_bytes_ > 0) {
    const Buffer here = take(into.size() - filled);
    std::memcpy(into.data() + filled, here.data(), here.size());
    filled += here.size();
  }
  lent_ = into.subspan(filled);
  return filled;
}

std::size_t QuicReceiveQueue::clear() {
  blocks_.clear();
  return std::exchange(size_bytes_, 0);
}

void QuicSendQueue::append(Buffer buffer) {
  if (buffer.empty()) return;
  unsent_bytes_ += buffer.size();
  buffers_.push_back(std::move(buffer));
}

std::size_t QuicSendQueue::peek(std::span<ngtcp2_vec> vectors) const {
  std::size_t count = 0;
  std::size_t skip_bytes = cursor_bytes_;
  for (std::size_t i = cursor_index_; i < buffers_.size() && count < vectors.size(); ++i) {
    const ByteSpan bytes = buffers_[i].bytes().subspan(skip_bytes);
    skip_bytes = 0;
    if (bytes.empty()) continue;
    auto* base = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
    vectors[count++] = {base, bytes.size()};
  }
  return count;
}

void QuicSendQueue::mark_sent(std::size_t size_bytes) {
  PREDA_ASSERT(size_bytes <= unsent_bytes_);
  unsent_bytes_ -= size_bytes;
  cursor_bytes_ += size_bytes;
  while (cursor_index_ < buffers_.size() && cursor_bytes_ >= buffers_[cursor_index_].size()) {
    cursor_bytes_ -= buffers_[cursor_index_].size();
    ++cursor_index_;
  }
}

void QuicSendQueue::mark_acknowledged(std::size_t size_bytes) {
  acknowledged_bytes_ += size_bytes;
  while (!buffers_.empty() && acknowledged_bytes_ >= buffers_.front().size()) {
    PREDA_ASSERT(cursor_index_ > 0);
    acknowledged_bytes_ -= buffers_.front().size();
    buffers_.pop_front();
    --cursor_index_;
  }
}

void QuicSendQueue::clear() {
  buffers_.clear();
  acknowledged_bytes_ = cursor_index_ = cursor_bytes_ = unsent_bytes_ = 0;
}

void QuicStreamState::fail_read(Error error) {
  if (!read_error) read_error = std::move(error);
  readable.notify_all();
}

void QuicStreamState::fail_write(Error error) {
  if (!write_error) write_error = std::move(error);
  writable.notify_all();
}

QuicStream::QuicStream(std::shared_ptr<QuicConnection> connection,
                       std::shared_ptr<QuicStreamState> state)
    : connection_(std::move(connection)), state_(std::move(state)) {}

QuicStream::~QuicStream() { connection_->release(state_); }

NodeId QuicStream::peer() const { return connection_->peer(); }
Lane QuicStream::lane() const { return connection_->lane(); }

Task<Result<void>> QuicStream::write(BufferChain chain, Instant deadline) {
  auto connection = connection_;
  auto state = state_;
  PREDA_ASSERT(!state->is_finish_wanted);
  const std::size_t unsent_max = connection->unsent_max_bytes();
  for (const Buffer& whole : chain.buffers()) {
    Buffer rest = whole;
    while (!rest.empty()) {
      if (state->write_error) co_return *state->write_error;
      const std::size_t unsent = state->out.unsent_bytes();
      if (unsent >= unsent_max) {
        const bool notified = co_await state->writable.wait_until(deadline);
        if (!notified && !state->write_error)
          co_return make_error(ErrorCode::TimedOut, "the peer does not read");
        continue;
      }
      const std::size_t count = std::min(rest.size(), unsent_max - unsent);
      state->out.append(rest.slice(0, count));
      rest = rest.slice(count);
      connection->want_write(state);
    }
  }
  if (state->write_error) co_return *state->write_error;
  co_return Result<void>{};
}

Task<Result<void>> QuicStream::finish() {
  if (state_->write_error) co_return *state_->write_error;
  state_->is_finish_wanted = true;
  connection_->want_write(state_);
  co_return Result<void>{};
}

Task<Result<Buffer>> QuicStream::read(std::size_t max_bytes, Instant deadline) {
  auto connection = connection_;
  auto state = state_;
  PREDA_ASSERT(max_bytes > 0);
  for (;;) {
    if (state->read_error) co_return *state->read_error;
    if (state->in.size_bytes() > 0) break;
    if (state->is_end_received) co_return Buffer{};
    const bool notified = co_await state->readable.wait_until(deadline);
    if (!notified && state->in.size_bytes() == 0 && !state->is_end_received && !state->read_error)
      co_return make_error(ErrorCode::TimedOut, "waiting for the peer");
  }
  Buffer bytes = state->in.take(max_bytes);
  connection->consumed(*state, bytes.size());
  co_return bytes;
}

namespace {

// Nothing is written to memory that was lent once who lent it is gone, however it went.
class Lent {
 public:
  explicit Lent(QuicReceiveQueue& queue) : queue_(queue) {}
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  ~Lent() { queue_.take_back(); }

 private:
  QuicReceiveQueue& queue_;
};

}  // namespace

Task<Result<void>> QuicStream::read_exactly(MutableByteSpan into, Instant deadline) {
  auto connection = connection_;
  auto state = state_;
  if (into.empty()) co_return Result<void>{};
  if (state->read_error) co_return *state->read_error;
  const Lent lent{state->in};
  connection->consumed(*state, state->in.lend(into));
  while (state->in.is_filling()) {
    if (state->read_error) co_return *state->read_error;
    if (state->is_end_received)
      co_return make_error(ErrorCode::Unavailable, "the stream ended early");
    const bool notified = co_await state->readable.wait_until(deadline);
    if (!notified && state->in.is_filling() && !state->is_end_received && !state->read_error)
      co_return make_error(ErrorCode::TimedOut, "waiting for the peer");
  }
  co_return Result<void>{};
}

void QuicStream::reset() { connection_->reset(state_); }

}  // namespace predastore::net
