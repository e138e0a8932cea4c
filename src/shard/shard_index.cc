#include "shard/shard_index.h"

#include "base/codec.h"
#include "segment/checksum.h"

namespace predastore::shard {
namespace {

constexpr std::uint8_t kEntryVersion = 1;
constexpr std::size_t kExtentSizeBytes = 8 + 8 + 4 * 4;
constexpr std::size_t kReplayBatchMax = 1000;

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

Result<void> IndexReplay::clear() {
  kv::Batch batch;
  batch.erase(kStateFamily, std::string{kStateKey});
  batch.erase_range(kShardFamily, std::string{}, std::string(64, '\xff'));
  return index_.write(batch);
}

Result<void> IndexReplay::apply(const std::vector<segment::RecordHeader>& records) {
  for (const segment::RecordHeader& record : records) {
    Result<void> applied;
    switch (record.kind) {
      case segment::RecordKind::segment: apply_segment(record); break;
      case segment::RecordKind::commit: applied = apply_commit(record); break;
      case segment::RecordKind::tombstone: applied = apply_tombstone(record); break;
    }
    PREDA_CHECK(std::move(applied));
    PREDA_CHECK(write_out(false));
  }
  return {};
}

void IndexReplay::apply_segment(const segment::RecordHeader& record) {
  Try& attempt = tries_[{record.key, record.write_id}];
  if (record.segment_index.value() == 0) attempt = Try{};  // begun anew
  if (record.segment_index.value() != attempt.count) {
    attempt.is_broken = true;
    return;
  }
  add_segment(attempt.extents, record);
  ++attempt.count;
  attempt.logical_size_bytes += record.logical_size_bytes;
  attempt.crc32 = segment::extend_commit_crc(attempt.crc32, record.payload_crc32);
}

Result<void> IndexReplay::apply_commit(const segment::RecordHeader& record) {
  Try attempt;
  const auto found = tries_.find({record.key, record.write_id});
  if (found != tries_.end()) {
    attempt = std::move(found->second);
    tries_.erase(found);
  }
  if (attempt.is_broken || attempt.count != record.segment_index.value() ||
      attempt.logical_size_bytes != record.logical_size_bytes ||
      attempt.crc32 != record.payload_crc32) {
    damage_.push_back({drive_, record.key, record.write_id, record.file_id, record.own_offset_bytes,
                       "segments of a committed shard are missing"});
    return {};
  }
  PREDA_TRY(const auto held, current(record.key));
  if (held && held->generation > record.generation) return {};
  IndexEntry entry;
  entry.stamp = {record.write_id, record.generation, record.write_epoch, record.incarnation};
  entry.sequence = record.sequence;
  entry.segment_count = attempt.count;
  entry.logical_size_bytes = attempt.logical_size_bytes;
  entry.commit_crc32 = attempt.crc32;
  entry.extents = std::move(attempt.extents);
  changes_[record.key] = std::move(entry);
  return {};
}

Result<void> IndexReplay::apply_tombstone(const segment::RecordHeader& record) {
  PREDA_TRY(const auto held, current(record.key));
  if (held && is_taken(*held, record)) changes_[record.key] = std::nullopt;
  return {};
}

Result<std::optional<HeldTry>> IndexReplay::current(const ShardKey& key) {
  const auto change = changes_.find(key);
  if (change != changes_.end()) {
    if (!change->second) return std::optional<HeldTry>{};
    const ShardStamp& stamp = change->second->stamp;
    return std::optional{HeldTry{stamp.generation, stamp.write_id}};
  }
  PREDA_TRY(const auto value, index_.get(kShardFamily, encode_shard_key(key)));
  if (!value) return std::optional<HeldTry>{};
  PREDA_TRY(const IndexEntry entry, decode_entry(*value));
  return std::optional{HeldTry{entry.stamp.generation, entry.stamp.write_id}};
}

Result<void> IndexReplay::write_out(bool at_end) {
  if (!at_end && changes_.size() < kReplayBatchMax) return {};
  kv::Batch batch;
  for (const auto& [key, entry] : changes_) {
    if (entry) {
      batch.put(kShardFamily, encode_shard_key(key), encode_entry(*entry));
    } else {
      batch.erase(kShardFamily, encode_shard_key(key));
    }
  }
  changes_.clear();
  return batch.empty() ? Result<void>{} : index_.write(batch);
}

Result<void> IndexReplay::finish(Sequence last_decision) {
  PREDA_CHECK(write_out(true));
  kv::Batch batch;
  put_state(batch, {drive_, last_decision});
  PREDA_CHECK(index_.write(batch));
  return index_.flush();
}

}  // namespace predastore::shard
