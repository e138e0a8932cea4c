#include "segment/record.h"

#include "base/codec.h"
#include "model/limits.h"
#include "segment/checksum.h"
#include "segment/codec.h"

namespace predastore::segment {
namespace {

constexpr std::size_t kCrcOffset = kRecordHeaderSizeBytes - 4;

bool is_within_limits(const RecordHeader& header) {
  if (header.key.role.value() >= kDataShardsMax + kParityShardsMax) return false;
  switch (header.kind) {
    case RecordKind::segment:
      if (header.logical_size_bytes == 0 || header.logical_size_bytes > kSegmentSizeBytes)
        return false;
      if (header.stored_size_bytes == 0 || header.stored_size_bytes > kSegmentSizeBytes)
        return false;
      if (!is_known_codec(header.codec)) return false;
      return header.codec != 0 || header.stored_size_bytes == header.logical_size_bytes;
    case RecordKind::commit:
      if (header.stored_size_bytes != 0 || header.codec != 0) return false;
      return header.logical_size_bytes <=
             std::uint64_t{header.segment_index.value()} * kSegmentSizeBytes;
    case RecordKind::tombstone:
      return header.stored_size_bytes == 0 && header.logical_size_bytes == 0 &&
             header.payload_crc32 == 0 && header.codec == 0;
  }
  return false;
}

}  // namespace

void encode_record_header(const RecordHeader& header, MutableByteSpan out) {
  PREDA_ASSERT(out.size() == kRecordHeaderSizeBytes);
  PREDA_ASSERT(is_within_limits(header));
  Encoder encoder;
  encoder.le(kRecordMagic)
      .le(kRecordVersion)
      .le(static_cast<std::uint8_t>(header.kind))
      .le(header.codec);
  encoder.le(header.key.role.value())
      .raw(header.key.object_id.span())
      .le(header.key.chunk_index.value());
  encoder.le(header.segment_index.value())
      .le(header.logical_size_bytes)
      .le(header.stored_size_bytes)
      .le(header.payload_crc32);
  encoder.le(header.file_id.value())
      .le(header.own_offset_bytes)
      .le(header.write_id.value())
      .le(header.generation.value());
  encoder.le(header.write_epoch.value()).le(header.sequence.value()).le(header.incarnation.value());
  PREDA_ASSERT(encoder.size() == kCrcOffset);
  encoder.le(crc32(as_bytes(encoder.str())));
  std::memcpy(out.data(), encoder.str().data(), kRecordHeaderSizeBytes);
}

Result<RecordHeader> decode_record_header(ByteSpan bytes) {
  if (bytes.size() < kRecordHeaderSizeBytes)
    return make_error(ErrorCode::Corruption, "record header is cut off");
  Decoder decoder{bytes.first(kRecordHeaderSizeBytes)};
  if (decoder.le<std::uint32_t>() != kRecordMagic)
    return make_error(ErrorCode::Corruption, "no record magic");
  const auto version = decoder.le<std::uint8_t>();
  RecordHeader header;
  const auto kind = decoder.le<std::uint8_t>();
  header.kind = static_cast<RecordKind>(kind);
  header.codec = decoder.le<std::uint8_t>();
  header.key.role = ShardRole{decoder.le<std::uint8_t>()};
  header.key.object_id = ObjectId::from(decoder.raw(32));
  header.key.chunk_index = ChunkIndex{decoder.le<std::uint32_t>()};
  header.segment_index = SegmentIndex{decoder.le<std::uint32_t>()};
  header.logical_size_bytes = decoder.le<std::uint64_t>();
  header.stored_size_bytes = decoder.le<std::uint32_t>();
  header.payload_crc32 = decoder.le<std::uint32_t>();
  header.file_id = ShardFileId{decoder.le<std::uint64_t>()};
  header.own_offset_bytes = decoder.le<std::uint64_t>();
  header.write_id = WriteId{decoder.le<std::uint64_t>()};
  header.generation = Generation{decoder.le<std::uint32_t>()};
  header.write_epoch = WriteEpoch{decoder.le<std::uint64_t>()};
  header.sequence = Sequence{decoder.le<std::uint64_t>()};
  header.incarnation = Incarnation{decoder.le<std::uint64_t>()};
  const auto expected = decoder.le<std::uint32_t>();
  if (!decoder.finished() || crc32(bytes.first(kCrcOffset)) != expected) {
    return make_error(ErrorCode::Corruption, "record header CRC");
  }
  if (version != kRecordVersion)
    return make_error(ErrorCode::Unsupported, "record version " + std::to_string(version));
  if (kind < 1 || kind > 3 || !is_within_limits(header))
    return make_error(ErrorCode::Corruption, "record field out of range");
  return header;
}

std::uint32_t extend_commit_crc(std::uint32_t crc, std::uint32_t payload_crc32) {
  Encoder encoder;
  encoder.le(payload_crc32);
  return crc32(as_bytes(encoder.str()), crc);
}

bool is_payload_good(const RecordHeader& header, ByteSpan payload) {
  return header.kind == RecordKind::segment && payload.size() == header.stored_size_bytes &&
         crc32(payload) == header.payload_crc32;
}

}  // namespace predastore::segment
