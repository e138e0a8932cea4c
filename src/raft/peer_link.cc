#include "raft/peer_link.h"

#include <utility>

#include "base/codec.h"
#include "raft/message_codec.h"

namespace predastore::raft {
namespace {

constexpr std::size_t kLoadsMax = 64;
constexpr std::size_t kWriteBytesGoal = 1u << 20;

constexpr std::uint8_t kStreamVersion = 1;

}  // namespace

Buffer encode_stream_head(std::uint64_t group) {
  Encoder out;
  out.le(kStreamVersion).le(group);
  return Buffer::take(std::move(out).take());
}

Result<std::uint64_t> decode_stream_head(ByteSpan bytes) {
  Decoder in(bytes);
  const auto version = in.le<std::uint8_t>();
  const auto group = in.le<std::uint64_t>();
  if (!in.finished() || version != kStreamVersion)
    return make_error(ErrorCode::Corruption, "a stream of raft messages with a broken head");
  return group;
}

PeerLink::PeerLink(Environment env, rpc::Client& client, LinkOwner& owner, LinkOptions options)
    : env_(env),
      client_(client),
      owner_(owner),
      options_(std::move(options)),
      queued_(env.clock),
      load_queued_(env.clock),
      tasks_(env.executor, env.clock) {}

void PeerLink::send(Message message) {
  if (is_stopping_ || env_.clock.now() < retry_at_) return;
  if (message.count > 0 && !owner_.leads(message.term)) return;
  const bool must_queue = is_loading_ || !to_load_.empty();
  if (message.count > 0 && (must_queue || !enqueue_cached(message))) {
    if (to_load_.size() >= kLoadsMax) return owner_.on_lost(options_.peer);
    to_load_.push_back(std::move(message));
    load_queued_.notify_all();
    return;
  }
  if (message.count == 0) enqueue(message);
}

// The entries of an append, as several appends when they are large: to the follower that is the
// same. False when not all of them are in memory.
bool PeerLink::enqueue_cached(const Message& message) {
  for (const std::uint64_t index : {message.index + 1, message.index + message.count}) {
    if (owner_.cached(index) == nullptr) return false;
  }
  Message part = message;
  std::size_t bytes = 0;
  for (std::uint64_t i = 1; i <= message.count; ++i) {
    const Entry& entry = *owner_.cached(message.index + i);
    if (bytes > 0 && bytes + entry.command.size() > kAppendBytesGoal) {
      enqueue(part);
      part.index = part.entries.back().index;
      part.index_term = part.entries.back().term;
      part.entries.clear();
      bytes = 0;
    }
    bytes += entry.command.size() + 1;
    part.entries.push_back(entry);
  }
  enqueue(part);
  return true;
}

void PeerLink::enqueue(const Message& message) {
  if (!has_room()) return owner_.on_lost(options_.peer);
  const std::string bytes = encode_message(message);
  Encoder framed;
  framed.string(bytes);
  queue_bytes_ += framed.size();
  queue_.push_back(Buffer::take(std::move(framed).take()));
  queued_.notify_all();
}

void PeerLink::stop() {
  is_stopping_ = true;
  queued_.notify_all();
  load_queued_.notify_all();
  if (stream_ != nullptr) stream_->reset();
}

void PeerLink::drop_all() {
  queue_.clear();
  queue_bytes_ = 0;
  to_load_.clear();
}

Task<void> PeerLink::run() {
  tasks_.spawn(send_loop());
  tasks_.spawn(load_loop());
  (void)co_await tasks_.join();
  drop_all();
}

Task<void> PeerLink::send_loop() {
  while (!is_stopping_) {
    if (queue_.empty()) {
      const Instant idle_at = env_.clock.now() + kLinkIdleTimeout / 2;
      const bool is_notified = co_await queued_.wait_until(idle_at);
      if (!is_notified && queue_.empty() && stream_ != nullptr) {
        (void)co_await stream_->finish();
        stream_.reset();
      }
      continue;
    }
    const auto written = co_await write_queued();
    if (written.has_value()) continue;
    stream_.reset();
    drop_all();
    retry_at_ = env_.clock.now() + options_.retry_interval;
    if (!is_stopping_) owner_.on_lost(options_.peer);
  }
  stream_.reset();
}

Task<Result<void>> PeerLink::write_queued() {
  if (stream_ == nullptr) {
    const Instant open_by = env_.clock.now() + options_.timeout;
    BufferChain head{encode_stream_head(options_.group)};
    PREDA_CO_TRY(auto opened, co_await client_.begin(options_.peer, rpc::MessageType::raft,
                                                     std::move(head), open_by, net::Lane::raft));
    stream_ = std::move(opened);
    if (is_stopping_) co_return make_error(ErrorCode::Cancelled);
  }
  BufferChain chain;
  while (!queue_.empty() && chain.size() < kWriteBytesGoal) {
    queue_bytes_ -= queue_.front().size();
    chain.append(std::move(queue_.front()));
    queue_.pop_front();
  }
  const Instant write_by = env_.clock.now() + options_.timeout;
  co_return co_await stream_->write(std::move(chain), write_by);
}

Task<void> PeerLink::load_loop() {
  while (!is_stopping_) {
    if (to_load_.empty()) {
      co_await load_queued_.wait();
      continue;
    }
    Message message = std::move(to_load_.front());
    to_load_.pop_front();
    is_loading_ = true;
    auto loaded = co_await load_append(std::move(message));
    is_loading_ = false;
    if (loaded.has_value() || is_stopping_) continue;
    if (loaded.error().code == ErrorCode::NotFound) {
      owner_.on_lost(options_.peer);  // trimmed meanwhile
      continue;
    }
    owner_.on_damage(std::move(loaded).error());
  }
}

// While it leads in the message's term the log only grows, so that what is read belongs to it;
// otherwise the message is of no use to anybody.
Task<Result<void>> PeerLink::load_append(Message message) {
  const std::uint64_t last_index = message.index + message.count;
  while (message.index < last_index && !is_stopping_ && has_room()) {
    if (!owner_.leads(message.term)) co_return Result<void>{};
    auto entries = co_await owner_.load(message.index + 1, last_index, kAppendBytesGoal);
    if (!owner_.leads(message.term)) co_return Result<void>{};
    if (!entries.has_value()) co_return entries.error();
    message.entries = std::move(*entries);
    enqueue(message);
    message.index = message.entries.back().index;
    message.index_term = message.entries.back().term;
  }
  if (message.index < last_index && !is_stopping_) owner_.on_lost(options_.peer);
  co_return Result<void>{};
}

}  // namespace predastore::raft
