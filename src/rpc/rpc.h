#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "env/environment.h"
#include "env/sync.h"
#include "net/transport.h"

namespace predastore::rpc {

// A request is one bidirectional stream: header {type u16, version u16, length u32, remaining_ms
// u32, request_id u64}, all little-endian (remaining_ms 0: no deadline), then `length` bytes of
// body, then (store only) a raw stream of further bytes. The answer begins with {status u8, length
// u32}; with status 0 the body follows, otherwise u8 ErrorCode is the status (code + 1) and the
// body is its detail.
enum class MessageType : std::uint16_t {
  ping = 1,
  fetch_shard = 2,  // the seed's MSG_FETCH_SHARD; its answer has the seed's own head
  store_shard = 3,
  delete_shards = 4,
  stat_shards = 5,
  raft = 16,  // one way: a long-lived stream of length-prefixed messages
  propose = 17,
  read_index = 18,
  query = 19,     // a metadata read at the leader
  snapshot = 20,  // a piece of a replica's state
  members = 21,   // who belongs to the raft group
};
inline constexpr std::uint32_t kBodyMaxBytes = 16 * 1024 * 1024;

// One incoming request on the server. The handler answers exactly once, or destroys the call, which
// resets the stream.
class Call {
 public:
  Call(std::unique_ptr<net::Stream> stream, MessageType type, std::uint64_t request_id,
       Instant deadline, Buffer body);
  NodeId peer() const { return stream_->peer(); }
  MessageType type() const { return type_; }
  std::uint64_t request_id() const { return request_id_; }
  Instant deadline() const { return deadline_; }
  // For a stream that goes on longer than the request that began it: by when the answer must be
  // out.
  void set_deadline(Instant deadline) { deadline_ = deadline; }
  const Buffer& body() const { return body_; }
  net::Stream& stream() { return *stream_; }
  Task<void> answer(BufferChain body);
  Task<void> answer(Error error);

 private:
  std::unique_ptr<net::Stream> stream_;
  MessageType type_;
  std::uint64_t request_id_;
  Instant deadline_;
  Buffer body_;
};

using Handler = std::function<Task<void>(Call)>;

// Accepts streams until the transport stops and hands each request to the handler of its type; at
// most `in_flight_max` at once.
class Server {
 public:
  Server(Environment env, net::Transport& transport, std::size_t in_flight_max = 1024);
  void handle(MessageType type, Handler handler);  // before run()
  Task<void> run();  // until transport.stop(); waits for what is in flight
 private:
  Task<void> serve(std::unique_ptr<net::Stream> stream);
  Environment env_;
  net::Transport& transport_;
  std::map<MessageType, Handler> handlers_;
  Semaphore slots_;
  TaskGroup tasks_;
};

class Client {
 public:
  Client(Environment env, net::Transport& transport);
  // One request, one answer. TimedOut and Unavailable after the request may have arrived both leave
  // the outcome open.
  Task<Result<Buffer>> call(NodeId peer, MessageType type, BufferChain body, Instant deadline,
                            net::Lane lane = net::Lane::data);
  // Sends the request head and body and hands over the stream, for what follows raw.
  Task<Result<std::unique_ptr<net::Stream>>> begin(NodeId peer, MessageType type, BufferChain body,
                                                   Instant deadline,
                                                   net::Lane lane = net::Lane::data);

 private:
  Environment env_;
  net::Transport& transport_;
};

// Exactly `size_bytes` bytes of a stream (Unavailable when it ends before).
Task<Result<Buffer>> read_exactly(net::Stream& stream, std::size_t size_bytes, Instant deadline);
// The answer of a call begun with Client::begin: status, length, body.
Task<Result<Buffer>> read_answer(net::Stream& stream, Instant deadline);

}  // namespace predastore::rpc
