#include "shard/shard_server.h"

#include "segment/record.h"
#include "shard/shard_messages.h"

namespace predastore::shard {
namespace {

constexpr Duration kDrainTimeout = 5s;

// So that an error is read before the stream goes away: what the peer still sends is thrown away
// until it stops.
Task<void> drain(net::Stream& stream, Instant deadline) {
  for (;;) {
    auto bytes = co_await stream.read(64 * 1024, deadline);
    if (!bytes || bytes->empty()) co_return;
  }
}

}  // namespace

void ShardServer::attach(rpc::Server& server) {
  server.handle(rpc::MessageType::fetch_shard,
                [this](rpc::Call call) { return serve_fetch(std::move(call)); });
  server.handle(rpc::MessageType::store_shard,
                [this](rpc::Call call) { return serve_store(std::move(call)); });
  server.handle(rpc::MessageType::delete_shards,
                [this](rpc::Call call) { return serve_delete(std::move(call)); });
  server.handle(rpc::MessageType::stat_shards,
                [this](rpc::Call call) { return serve_stat(std::move(call)); });
}

Task<void> ShardServer::serve_fetch(rpc::Call call) {
  const auto request = decode_fetch_request(call.body());
  if (!request) {
    co_await call.answer(request.error());
    co_return;
  }
  auto records = co_await store_.fetch_records(request->key, request->write_id, request->first,
                                               request->count, call.deadline());
  if (!records) {
    co_await call.answer(records.error());
    co_return;
  }
  BufferChain body{Buffer::take(
      encode_fetch_head(records->crc32, static_cast<std::uint32_t>(records->bytes.size())))};
  body.append(records->bytes);
  // The peer made room before it asked, but may be gone: the budget is not held for longer than a
  // stalled stream is.
  call.set_deadline(std::min(call.deadline(), env_.clock.now() + idle_timeout_));
  co_await call.answer(std::move(body));
}

Task<void> ShardServer::serve_store(rpc::Call call) {
  const auto request = decode_store_request(call.body());
  Result<void> stored;
  if (request) {
    stored = co_await receive_shard(call, request->key, request->stamp);
  } else {
    stored = request.error();
  }
  call.set_deadline(env_.clock.now() + idle_timeout_);
  if (stored) {
    co_await call.answer(BufferChain{});
    co_return;
  }
  co_await call.answer(stored.error());
  co_await drain(call.stream(), env_.clock.now() + kDrainTimeout);
}

Task<Result<void>> ShardServer::receive_shard(rpc::Call& call, ShardKey key, ShardStamp stamp) {
  PREDA_CO_TRY(auto writer, co_await store_.begin(key, stamp, env_.clock.now() + idle_timeout_));
  net::Stream& stream = call.stream();
  std::uint32_t segment_count = 0;
  std::uint32_t crc = 0;
  for (;;) {
    const Instant idle_deadline = env_.clock.now() + idle_timeout_;
    PREDA_CO_TRY(const Buffer kind, co_await rpc::read_exactly(stream, 1, idle_deadline));
    if (kind.bytes()[0] == std::byte{kCommitFrame}) {
      PREDA_CO_TRY(const Buffer bytes,
                   co_await rpc::read_exactly(stream, kCommitFrameSizeBytes, idle_deadline));
      PREDA_CO_TRY(const CommitFrame frame, decode_commit_frame(bytes));
      if (frame.segment_count != segment_count || frame.crc32 != crc) {
        co_return make_error(ErrorCode::Corruption, "a commit of other segments than arrived");
      }
      const auto left =
          std::min<Duration>(std::chrono::milliseconds{frame.remaining_ms}, std::chrono::hours{1});
      co_return co_await writer->commit(env_.clock.now() + left);
    }
    if (kind.bytes()[0] != std::byte{kSegmentFrame})
      co_return make_error(ErrorCode::InvalidArgument, "a frame of no known kind");
    PREDA_CO_TRY(const Buffer bytes,
                 co_await rpc::read_exactly(stream, kSegmentFrameSizeBytes, idle_deadline));
    PREDA_CO_TRY(SegmentFrame frame, decode_segment_frame(bytes));
    PREDA_CO_TRY(frame.segment.stored,
                 co_await rpc::read_exactly(stream, frame.stored_size_bytes, idle_deadline));
    ++segment_count;
    crc = segment::extend_commit_crc(crc, frame.segment.crc32);
    std::vector<Segment> segments;
    segments.push_back(std::move(frame.segment));
    PREDA_CO_CHECK(co_await writer->append(std::move(segments), env_.clock.now() + idle_timeout_));
  }
}

Task<void> ShardServer::serve_delete(rpc::Call call) {
  auto removals = decode_delete_request(call.body());
  Result<void> removed;
  if (removals) {
    removed = co_await store_.remove(std::move(*removals), call.deadline());
  } else {
    removed = removals.error();
  }
  if (removed) {
    co_await call.answer(BufferChain{});
  } else {
    co_await call.answer(removed.error());
  }
}

Task<void> ShardServer::serve_stat(rpc::Call call) {
  const auto keys = decode_stat_request(call.body());
  if (!keys) {
    co_await call.answer(keys.error());
    co_return;
  }
  Encoder body;
  for (const ShardKey& key : *keys) {
    const auto info = co_await store_.stat(key, call.deadline());
    encode_stat_answer(body, info);
  }
  co_await call.answer(BufferChain{Buffer::take(std::move(body).take())});
}

}  // namespace predastore::shard
