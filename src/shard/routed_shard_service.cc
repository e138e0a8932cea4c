#include "shard/routed_shard_service.h"

#include <algorithm>

#include "segment/record.h"
#include "shard/shard_messages.h"

namespace predastore::shard {
namespace {

using rpc::MessageType;

constexpr std::uint64_t kRecordMaxBytes = segment::kRecordHeaderSizeBytes + kSegmentSizeBytes;

// A shard written to another node: frames on the stream of one request, whose answer comes after
// the commit.
class RemoteShardWriter final : public ShardWriter {
 public:
  RemoteShardWriter(Clock& clock, std::unique_ptr<net::Stream> stream)
      : clock_(clock), stream_(std::move(stream)) {}

  Task<Result<void>> append(std::vector<Segment> segments, Instant deadline) override {
    if (failed_) co_return *failed_;
    for (Segment& segment : segments) {
      if (is_committed_ || segment.index.value() != segment_count_ || segment.stored.empty() ||
          segment.stored.size() > kSegmentSizeBytes) {
        co_return fail(
            make_error(ErrorCode::InvalidArgument, "a segment out of order or of no allowed size"));
      }
      ++segment_count_;
      crc32_ = segment::extend_commit_crc(crc32_, segment.crc32);
      BufferChain frame{Buffer::take(encode_segment_frame(segment))};
      frame.append(std::move(segment.stored));
      auto written = co_await stream_->write(std::move(frame), deadline);
      if (!written) {
        auto reason = co_await reason_of(written.error());
        co_return fail(std::move(reason));
      }
    }
    co_return Result<void>{};
  }

  Task<Result<void>> commit(Instant deadline) override {
    if (failed_) co_return *failed_;
    if (is_committed_)
      co_return make_error(ErrorCode::InvalidArgument, "a shard is committed once");
    is_committed_ = true;
    const auto now = clock_.now();
    if (deadline <= now)
      co_return fail(make_error(ErrorCode::TimedOut, "no time was left for the commit"));
    const auto left = std::min<Duration>(deadline - now, std::chrono::hours{1});
    const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    const CommitFrame frame{segment_count_, crc32_,
                            static_cast<std::uint32_t>(std::max<std::int64_t>(left_ms, 1))};
    auto written =
        co_await stream_->write(BufferChain{Buffer::take(encode_commit_frame(frame))}, deadline);
    if (written) written = co_await stream_->finish();
    if (!written) {
      auto reason = co_await reason_of(written.error());
      co_return fail(std::move(reason));
    }
    auto answer = co_await rpc::read_answer(*stream_, deadline);
    if (!answer) co_return fail(answer.error());
    co_return Result<void>{};
  }

 private:
  Result<void> fail(Error error) {
    failed_ = error;
    return error;
  }
  // A store that refuses a shard answers and stops reading: its reason is better than that the
  // stream ended.
  Task<Error> reason_of(Error otherwise) {
    if (otherwise.code == ErrorCode::TimedOut) co_return otherwise;
    auto answer = co_await rpc::read_answer(*stream_, clock_.now() + 1s);
    if (answer || answer.error().code == ErrorCode::TimedOut) co_return otherwise;
    co_return answer.error();
  }

  Clock& clock_;
  std::unique_ptr<net::Stream> stream_;
  std::uint32_t segment_count_ = 0;
  std::uint32_t crc32_ = 0;
  bool is_committed_ = false;
  std::optional<Error> failed_;
};

}  // namespace

Result<LocalShards*> RoutedShardService::local() const {
  if (local_ == nullptr) return make_error(ErrorCode::Unavailable, "this node stores no shards");
  return local_;
}

Task<Result<std::unique_ptr<ShardWriter>>> RoutedShardService::create(NodeId node, ShardKey key,
                                                                      ShardStamp stamp,
                                                                      Instant deadline) {
  if (node == self_) {
    PREDA_CO_TRY(LocalShards* const store, local());
    co_return co_await store->begin(key, stamp, deadline);
  }
  BufferChain body{Buffer::take(encode_store_request({key, stamp}))};
  PREDA_CO_TRY(auto stream,
               co_await client_.begin(node, MessageType::store_shard, std::move(body), deadline));
  std::unique_ptr<ShardWriter> writer =
      std::make_unique<RemoteShardWriter>(env_.clock, std::move(stream));
  co_return std::move(writer);
}

Task<Result<std::vector<Segment>>> RoutedShardService::fetch(NodeId node, ShardKey key,
                                                             WriteId write_id, SegmentIndex first,
                                                             std::uint16_t count,
                                                             Instant deadline) {
  if (node == self_) {
    PREDA_CO_TRY(LocalShards* const store, local());
    co_return co_await store->fetch(key, write_id, first, count, deadline);
  }
  count = std::min(count, kFetchSegmentsMax);
  std::vector<Segment> segments;
  for (;;) {
    FetchRequest request{key,
                         SegmentIndex{static_cast<std::uint32_t>(first.value() + segments.size())},
                         static_cast<std::uint16_t>(count - segments.size()), write_id};
    BufferChain message{Buffer::take(encode_fetch_request(request))};
    PREDA_CO_TRY(Buffer body, co_await client_.call(node, MessageType::fetch_shard,
                                                    std::move(message), deadline));
    PREDA_CO_TRY(FetchAnswer answer, decode_fetch_answer(request, std::move(body)));
    for (Segment& segment : answer.segments) segments.push_back(std::move(segment));
    write_id = answer.write_id;  // the rest of the same try
    // An answer with room for another record was the last.
    const bool is_last =
        answer.segments.empty() || answer.size_bytes + kRecordMaxBytes <= kFetchBodyMaxBytes;
    if (segments.size() >= count || is_last) co_return segments;
  }
}

Task<Result<ShardInfo>> RoutedShardService::stat(NodeId node, ShardKey key, Instant deadline) {
  if (node == self_) {
    PREDA_CO_TRY(LocalShards* const store, local());
    co_return co_await store->stat(key, deadline);
  }
  const std::vector<ShardKey> keys{key};
  BufferChain message{Buffer::take(encode_stat_request(keys))};
  PREDA_CO_TRY(const Buffer body,
               co_await client_.call(node, MessageType::stat_shards, std::move(message), deadline));
  PREDA_CO_TRY(const auto infos, decode_stat_answer(keys, body));
  co_return infos.front();
}

Task<Result<void>> RoutedShardService::remove(NodeId node, std::vector<ShardRemoval> removals,
                                              Instant deadline) {
  if (node == self_) {
    PREDA_CO_TRY(LocalShards* const store, local());
    co_return co_await store->remove(std::move(removals), deadline);
  }
  for (std::size_t begin = 0; begin < removals.size(); begin += kItemsMax) {
    const auto from = removals.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = removals.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                           begin + kItemsMax, removals.size()));
    const std::vector<ShardRemoval> some(from, to);
    BufferChain message{Buffer::take(encode_delete_request(some))};
    PREDA_CO_CHECK(
        co_await client_.call(node, MessageType::delete_shards, std::move(message), deadline));
  }
  co_return Result<void>{};
}

}  // namespace predastore::shard
