#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "raft/core/core.h"
#include "rpc/rpc.h"

namespace predastore::raft {

// A stream on which nothing was said for half of this is closed by its sender, and for all of it
// by its receiver, so that none is closed while a message is on its way.
inline constexpr Duration kLinkIdleTimeout = 60s;

// Where a link finds the entries of an append, and whom it tells what went wrong.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  // Null when it would have to be read from the disk.
  virtual const Entry* cached(std::uint64_t index) const = 0;
  virtual Task<Result<std::vector<Entry>>> load(std::uint64_t first_index, std::uint64_t last_index,
                                                std::size_t bytes_max) = 0;
  // Still the leader of that term: then its log has only grown since.
  virtual bool leads(std::uint64_t term) const = 0;
  virtual void on_lost(NodeId peer) = 0;    // messages to it were dropped
  virtual void on_damage(Error error) = 0;  // an entry of the log cannot be read
};

// With which a stream of messages begins: their group.
Buffer encode_stream_head(std::uint64_t group);
Result<std::uint64_t> decode_stream_head(ByteSpan bytes);

struct LinkOptions {
  NodeId peer;
  std::uint64_t group = 0;
  Duration timeout;              // of opening a stream and of a write
  Duration retry_interval;       // after a failure; what is sent meanwhile is dropped
  std::size_t queue_max = 1024;  // messages; more are dropped
  std::size_t queue_bytes_max = 16u << 20;
};

// Carries messages to one peer on a stream of its own, in order except that what needs no entries
// from the disk overtakes what does: a heartbeat never waits for a disk. On one loop.
class PeerLink {
 public:
  PeerLink(Environment env, rpc::Client& client, LinkOwner& owner, LinkOptions options);
  void send(Message message);  // never waits
  Task<void> run();            // until stop()
  void stop();

 private:
  Task<void> send_loop();
  Task<void> load_loop();
  Task<Result<void>> load_append(Message message);
  Task<Result<void>> write_queued();
  bool has_room() const {
    return queue_.size() < options_.queue_max && queue_bytes_ < options_.queue_bytes_max;
  }
  bool enqueue_cached(const Message& message);
  void enqueue(const Message& message);
  void drop_all();

  Environment env_;
  rpc::Client& client_;
  LinkOwner& owner_;
  LinkOptions options_;
  std::deque<Buffer> queue_;  // messages with their lengths
  std::size_t queue_bytes_ = 0;
  std::deque<Message> to_load_;
  bool is_loading_ = false;  // later appends queue up behind it
  std::unique_ptr<net::Stream> stream_;
  Instant retry_at_{};
  bool is_stopping_ = false;
  Signal queued_;
  Signal load_queued_;
  TaskGroup tasks_;
};

}  // namespace predastore::raft
