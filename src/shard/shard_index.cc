#include "shard/shard_index.h"

#include "base/codec.h"
#include "segment/checksum.h"

namespace predastore::shard {
namespace {

constexpr std::uint8_t kEntryVersion = 1;
constexpr std::size_t kExtentSizeBytes = 8 + 8 + 4 * 4;

// Appends the CRC of what is there already.
std::string seal(Encoder encoder) {
  encoder.le(segment::crc32(as_bytes(encoder.str())));
  return std::move(encoder).take();
}

Result<ByteSpan> unseal(std::string_view value) {
  if (value.size() < 4) return make_error(ErrorCode::Corruption, "an index value is cut off");
  const ByteSpan body = as_bytes(value.substr(0, value.size() - 4));
  if (Decoder{as_bytes(value.substr(value.size() - 4))}.le<std::uint32_t>() !=
      segment::crc32(body)) {
    return make_error(ErrorCode::Corruption, "the CRC of an index value");
  }
  return body;
}

}  // namespace

void add_segment(std::vector<Extent>& extents, const segment::RecordHeader& header) {
  if (!extents.empty()) {
    Extent& last = extents.back();
    const bool follows =
        last.file_id == header.file_id && last.first + last.count == header.segment_index.value() &&
        last.offset_bytes + last.count * last.record_size_bytes() == header.own_offset_bytes;
    if (follows && last.stored_size_bytes == header.stored_size_bytes &&
        last.logical_size_bytes == header.logical_size_bytes) {
      ++last.count;
      return;
    }
  }
  extents.push_back({header.file_id, header.own_offset_bytes, header.segment_index.value(), 1,
                     header.stored_size_bytes,
                     static_cast<std::uint32_t>(header.logical_size_bytes)});
}

std::string encode_shard_key(const ShardKey& key) {
  return chunk_key(key.object_id, key.chunk_index) + static_cast<char>(key.role.value());
}

Result<ShardKey> decode_shard_key(std::string_view key) {
  Decoder decoder{as_bytes(key)};
  const ByteSpan object_id = decoder.raw(32);
  const auto chunk = decoder.be<std::uint32_t>();
  const auto role = decoder.le<std::uint8_t>();
  if (!decoder.finished()) return make_error(ErrorCode::Corruption, "a key of the index");
  return ShardKey{ObjectId::from(object_id), ChunkIndex{chunk}, ShardRole{role}};
}

std::string encode_entry(const IndexEntry& entry) {
  Encoder encoder;
  encoder.le(kEntryVersion)
      .le(entry.stamp.write_id.value())
      .le(entry.stamp.generation.value())
      .le(entry.stamp.write_epoch.value());
  encoder.le(entry.stamp.incarnation.value())
      .le(entry.sequence.value())
      .le(entry.commit_file_id.value())
      .le(entry.segment_count)
      .le(entry.logical_size_bytes);
  encoder.le(entry.commit_crc32).le(static_cast<std::uint32_t>(entry.extents.size()));
  for (const Extent& extent : entry.extents) {
    encoder.le(extent.file_id.value()).le(extent.offset_bytes).le(extent.first).le(extent.count);
    encoder.le(extent.stored_size_bytes).le(extent.logical_size_bytes);
  }
  return seal(std::move(encoder));
}

Result<IndexEntry> decode_entry(std::string_view value) {
  PREDA_TRY(const ByteSpan body, unseal(value));
  Decoder decoder{body};
  const auto version = decoder.le<std::uint8_t>();
  IndexEntry entry;
  entry.stamp.write_id = WriteId{decoder.le<std::uint64_t>()};
  entry.stamp.generation = Generation{decoder.le<std::uint32_t>()};
  entry.stamp.write_epoch = WriteEpoch{decoder.le<std::uint64_t>()};
  entry.stamp.incarnation = Incarnation{decoder.le<std::uint64_t>()};
  entry.sequence = Sequence{decoder.le<std::uint64_t>()};
  entry.commit_file_id = ShardFileId{decoder.le<std::uint64_t>()};
  entry.segment_count = decoder.le<std::uint32_t>();
  entry.logical_size_bytes = decoder.le<std::uint64_t>();
  entry.commit_crc32 = decoder.le<std::uint32_t>();
  const auto extent_count = decoder.le<std::uint32_t>();
  if (!decoder.ok() || version != kEntryVersion || entry.segment_count > kShardSegmentsMax ||
      decoder.remaining() != std::uint64_t{extent_count} * kExtentSizeBytes) {
    return make_error(ErrorCode::Corruption, "an index entry");
  }
  std::uint64_t next_index = 0;
  for (std::uint32_t i = 0; i < extent_count; ++i) {
    Extent extent;
    extent.file_id = ShardFileId{decoder.le<std::uint64_t>()};
    extent.offset_bytes = decoder.le<std::uint64_t>();
    extent.first = decoder.le<std::uint32_t>();
    extent.count = decoder.le<std::uint32_t>();
    extent.stored_size_bytes = decoder.le<std::uint32_t>();
    extent.logical_size_bytes = decoder.le<std::uint32_t>();
    const bool is_sane = extent.first == next_index && extent.count > 0 &&
                         extent.count <= kShardSegmentsMax &&
                         extent.stored_size_bytes <= kSegmentSizeBytes &&
                         extent.logical_size_bytes <= kSegmentSizeBytes;
    if (!is_sane) return make_error(ErrorCode::Corruption, "an extent of the index");
    next_index += extent.count;
    entry.extents.push_back(extent);
  }
  if (next_index != entry.segment_count)
    return make_error(ErrorCode::Corruption, "the extents of an index entry");
  return entry;
}

void put_state(kv::Batch& batch, const IndexState& state) {
  Encoder encoder;
  encoder.le(kEntryVersion).raw(state.drive.span()).le(state.last_decision.value());
  batch.put(kStateFamily, std::string{kStateKey}, seal(std::move(encoder)));
}

Result<std::optional<IndexState>> get_state(kv::KeyValueStore& index) {
  PREDA_TRY(const auto value, index.get(kStateFamily, kStateKey));
  if (!value) return std::optional<IndexState>{};
  const auto body = unseal(*value);
  if (!body) return std::optional<IndexState>{};
  Decoder decoder{*body};
  const auto version = decoder.le<std::uint8_t>();
  const ByteSpan drive = decoder.raw(16);
  const Sequence last{decoder.le<std::uint64_t>()};
  if (!decoder.finished() || version != kEntryVersion) return std::optional<IndexState>{};
  return std::optional<IndexState>{IndexState{DriveId::from(drive), last}};
}

std::string encode_dead(const std::vector<ShardFileId>& files) {
  Encoder encoder;
  encoder.le(kEntryVersion).le(static_cast<std::uint32_t>(files.size()));
  for (const ShardFileId file : files) encoder.le(file.value());
  return seal(std::move(encoder));
}

Result<std::vector<ShardFileId>> decode_dead(std::string_view value) {
  PREDA_TRY(const ByteSpan body, unseal(value));
  Decoder decoder{body};
  const auto version = decoder.le<std::uint8_t>();
  const auto count = decoder.le<std::uint32_t>();
  if (!decoder.ok() || version != kEntryVersion || decoder.remaining() != std::uint64_t{count} * 8)
    return make_error(ErrorCode::Corruption, "a list of dead records of the index");
  std::vector<ShardFileId> files;
  for (std::uint32_t i = 0; i < count; ++i)
    files.push_back(ShardFileId{decoder.le<std::uint64_t>()});
  return files;
}

}  // namespace predastore::shard
