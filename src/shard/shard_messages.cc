#include "shard/shard_messages.h"

#include "segment/checksum.h"
#include "segment/codec.h"

namespace predastore::shard {
namespace {

constexpr std::size_t kRemovalSizeBytes = kKeySizeBytes + 12;
constexpr std::size_t kStatAnswerSizeBytes = 1 + kStampSizeBytes + 4 + 8;

void put(Encoder& encoder, const ShardKey& key) {
  encoder.raw(key.object_id.span()).le(key.chunk_index.value()).le(key.role.value());
}

void put(Encoder& encoder, const ShardStamp& stamp) {
  encoder.le(stamp.write_id.value())
      .le(stamp.generation.value())
      .le(stamp.write_epoch.value())
      .le(stamp.incarnation.value());
}

ShardKey take_key(Decoder& decoder) {
  ShardKey key;
  const ByteSpan object_id = decoder.raw(32);
  if (decoder.ok()) key.object_id = ObjectId::from(object_id);
  key.chunk_index = ChunkIndex{decoder.le<std::uint32_t>()};
  key.role = ShardRole{decoder.le<std::uint8_t>()};
  return key;
}

ShardStamp take_stamp(Decoder& decoder) {
  ShardStamp stamp;
  stamp.write_id = WriteId{decoder.le<std::uint64_t>()};
  stamp.generation = Generation{decoder.le<std::uint32_t>()};
  stamp.write_epoch = WriteEpoch{decoder.le<std::uint64_t>()};
  stamp.incarnation = Incarnation{decoder.le<std::uint64_t>()};
  return stamp;
}

Error malformed(const char* what) {
  return make_error(ErrorCode::InvalidArgument, std::string{"malformed "} + what);
}
Error damaged(const char* what) { return make_error(ErrorCode::Corruption, what); }

// The count that a list begins with, if exactly so many items follow.
Result<std::uint32_t> take_count(Decoder& decoder, std::size_t item_size_bytes) {
  const auto count = decoder.le<std::uint32_t>();
  if (!decoder.ok() || count > kItemsMax || decoder.remaining() != count * item_size_bytes)
    return malformed("list of shards");
  return count;
}

}  // namespace

std::string encode_fetch_request(const FetchRequest& request) {
  Encoder encoder;
  put(encoder, request.key);
  encoder.le(request.first.value()).le(request.count).le(request.write_id.value());
  return std::move(encoder).take();
}

Result<FetchRequest> decode_fetch_request(ByteSpan body) {
  Decoder decoder{body};
  FetchRequest request;
  request.key = take_key(decoder);
  request.first = SegmentIndex{decoder.le<std::uint32_t>()};
  request.count = decoder.le<std::uint16_t>();
  request.write_id = WriteId{decoder.le<std::uint64_t>()};
  if (!decoder.finished()) return malformed("fetch_shard");
  return request;
}

std::string encode_fetch_head(std::uint32_t crc32, std::uint32_t total_length) {
  Encoder encoder;
  encoder.le(std::uint8_t{0}).le(crc32).le(total_length);
  return std::move(encoder).take();
}

Result<FetchAnswer> decode_fetch_answer(const FetchRequest& request, Buffer body) {
  Decoder decoder{body};
  const auto status = decoder.le<std::uint8_t>();
  const auto crc = decoder.le<std::uint32_t>();
  const auto total = decoder.le<std::uint32_t>();
  if (!decoder.ok() || status != 0 || total != decoder.remaining() || total > kFetchBodyMaxBytes)
    return damaged("the head of a fetch answer");
  const Buffer records = body.slice(kFetchHeadSizeBytes);
  std::uint32_t headers_crc = 0;
  std::vector<Segment> segments;
  WriteId write_id = request.write_id;
  for (std::size_t at = 0; at < records.size();) {
    PREDA_TRY(const auto header, segment::decode_record_header(records.bytes().subspan(at)));
    if (header.record_size_bytes() > records.size() - at)
      return damaged("a fetched record is cut off");
    Buffer stored = records.slice(at + segment::kRecordHeaderSizeBytes, header.stored_size_bytes);
    if (write_id.value() == 0) write_id = header.write_id;  // any, but only one
    const bool is_asked_for =
        header.kind == segment::RecordKind::segment && header.key == request.key &&
        header.write_id == write_id && segments.size() < request.count &&
        header.segment_index.value() == std::uint64_t{request.first.value()} + segments.size();
    headers_crc =
        segment::crc32(records.bytes().subspan(at, segment::kRecordHeaderSizeBytes), headers_crc);
    if (!is_asked_for) return damaged("a record was fetched that was not asked for");
    if (!segment::is_payload_good(header, stored)) return damaged("a fetched segment is damaged");
    segments.push_back({header.segment_index, static_cast<std::uint32_t>(header.logical_size_bytes),
                        header.codec, header.payload_crc32, std::move(stored)});
    at += header.record_size_bytes();
  }
  if (headers_crc != crc) return damaged("the CRC of a fetch answer");
  return FetchAnswer{std::move(segments), write_id, records.size()};
}

std::string encode_store_request(const StoreRequest& request) {
  Encoder encoder;
  put(encoder, request.key);
  put(encoder, request.stamp);
  return std::move(encoder).take();
}

Result<StoreRequest> decode_store_request(ByteSpan body) {
  Decoder decoder{body};
  StoreRequest request;
  request.key = take_key(decoder);
  request.stamp = take_stamp(decoder);
  if (!decoder.finished()) return malformed("store_shard");
  return request;
}

std::string encode_segment_frame(const Segment& segment) {
  Encoder encoder;
  encoder.le(kSegmentFrame)
      .le(segment.index.value())
      .le(segment.logical_size_bytes)
      .le(segment.codec)
      .le(segment.crc32);
  encoder.le(static_cast<std::uint32_t>(segment.stored.size()));
  return std::move(encoder).take();
}

Result<SegmentFrame> decode_segment_frame(ByteSpan bytes) {
  Decoder decoder{bytes};
  SegmentFrame frame;
  frame.segment.index = SegmentIndex{decoder.le<std::uint32_t>()};
  frame.segment.logical_size_bytes = decoder.le<std::uint32_t>();
  frame.segment.codec = decoder.le<std::uint8_t>();
  frame.segment.crc32 = decoder.le<std::uint32_t>();
  frame.stored_size_bytes = decoder.le<std::uint32_t>();
  if (!decoder.finished() || frame.stored_size_bytes == 0 ||
      frame.stored_size_bytes > kSegmentSizeBytes)
    return malformed("segment frame");
  return frame;
}

std::string encode_commit_frame(const CommitFrame& frame) {
  Encoder encoder;
  encoder.le(kCommitFrame).le(frame.segment_count).le(frame.crc32).le(frame.remaining_ms);
  return std::move(encoder).take();
}

Result<CommitFrame> decode_commit_frame(ByteSpan bytes) {
  Decoder decoder{bytes};
  CommitFrame frame;
  frame.segment_count = decoder.le<std::uint32_t>();
  frame.crc32 = decoder.le<std::uint32_t>();
  frame.remaining_ms = decoder.le<std::uint32_t>();
  if (!decoder.finished()) return malformed("commit frame");
  return frame;
}

std::string encode_delete_request(const std::vector<ShardRemoval>& removals) {
  Encoder encoder;
  encoder.le(static_cast<std::uint32_t>(removals.size()));
  for (const ShardRemoval& removal : removals) {
    put(encoder, removal.key);
    encoder.le(removal.generation.value()).le(removal.write_id.value());
  }
  return std::move(encoder).take();
}

Result<std::vector<ShardRemoval>> decode_delete_request(ByteSpan body) {
  Decoder decoder{body};
  PREDA_TRY(const std::uint32_t count, take_count(decoder, kRemovalSizeBytes));
  std::vector<ShardRemoval> removals(count);
  for (ShardRemoval& removal : removals) {
    removal.key = take_key(decoder);
    removal.generation = Generation{decoder.le<std::uint32_t>()};
    removal.write_id = WriteId{decoder.le<std::uint64_t>()};
  }
  return removals;
}

std::string encode_stat_request(const std::vector<ShardKey>& keys) {
  Encoder encoder;
  encoder.le(static_cast<std::uint32_t>(keys.size()));
  for (const ShardKey& key : keys) put(encoder, key);
  return std::move(encoder).take();
}

Result<std::vector<ShardKey>> decode_stat_request(ByteSpan body) {
  Decoder decoder{body};
  PREDA_TRY(const std::uint32_t count, take_count(decoder, kKeySizeBytes));
  std::vector<ShardKey> keys(count);
  for (ShardKey& key : keys) key = take_key(decoder);
  return keys;
}

void encode_stat_answer(Encoder& encoder, const Result<ShardInfo>& info) {
  encoder.le(info ? std::uint8_t{0}
                  : static_cast<std::uint8_t>(static_cast<int>(info.error().code) + 1));
  const ShardInfo value = info ? *info : ShardInfo{};
  put(encoder, value.stamp);
  encoder.le(value.segment_count).le(value.logical_size_bytes);
}

Result<std::vector<Result<ShardInfo>>> decode_stat_answer(const std::vector<ShardKey>& keys,
                                                          ByteSpan body) {
  if (body.size() != keys.size() * kStatAnswerSizeBytes)
    return damaged("a stat answer of another length");
  Decoder decoder{body};
  std::vector<Result<ShardInfo>> infos;
  for (const ShardKey& key : keys) {
    const auto status = decoder.le<std::uint8_t>();
    ShardInfo info;
    info.key = key;
    info.stamp = take_stamp(decoder);
    info.segment_count = decoder.le<std::uint32_t>();
    info.logical_size_bytes = decoder.le<std::uint64_t>();
    if (status > static_cast<std::uint8_t>(ErrorCode::Internal) + 1)
      return damaged("the status of a stat answer");
    if (status == 0) {
      infos.emplace_back(info);
    } else {
      infos.emplace_back(make_error(static_cast<ErrorCode>(status - 1), "stat of a shard"));
    }
  }
  return infos;
}

}  // namespace predastore::shard
