#include "shard/live_records.h"

#include <algorithm>

#include "shard/shard_file.h"

namespace predastore::shard {
namespace {

using segment::kRecordHeaderSizeBytes;
using segment::RecordHeader;
using segment::RecordKind;

constexpr std::uint64_t kRunMaxBytes = 1024 * 1024;  // read at a time

}  // namespace

bool refers_to(const IndexEntry& entry, const RecordHeader& record) {
  if (record.kind == RecordKind::tombstone || entry.stamp.write_id != record.write_id) return false;
  if (record.kind == RecordKind::commit)
    return entry.sequence == record.sequence && entry.commit_file_id == record.file_id;
  const std::uint32_t segment = record.segment_index.value();
  return std::ranges::any_of(entry.extents, [&](const Extent& extent) {
    return extent.file_id == record.file_id && segment >= extent.first &&
           segment - extent.first < extent.count &&
           extent.offset_bytes + (segment - extent.first) * extent.record_size_bytes() ==
               record.own_offset_bytes;
  });
}

Result<std::vector<bool>> find_live(kv::KeyValueStore& index,
                                    const std::vector<RecordHeader>& records) {
  std::vector<bool> live(records.size(), false);
  std::optional<ShardKey> key;
  std::optional<IndexEntry> entry;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].kind == RecordKind::tombstone) continue;
    if (key != records[i].key) {
      key = records[i].key;
      entry.reset();
      PREDA_TRY(const auto value, index.get(kShardFamily, encode_shard_key(*key)));
      if (value) {
        PREDA_TRY(entry, decode_entry(*value));
      }
    }
    live[i] = entry && refers_to(*entry, records[i]);
  }
  return live;
}

std::vector<std::vector<RecordHeader>> runs_of(const std::vector<RecordHeader>& records,
                                               const std::vector<bool>& wanted) {
  std::vector<std::vector<RecordHeader>> runs;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!wanted[i]) continue;
    const RecordHeader& record = records[i];
    const std::uint64_t end = record.own_offset_bytes + record.record_size_bytes();
    const bool is_near = !runs.empty() &&
                         record.own_offset_bytes > runs.back().back().own_offset_bytes &&
                         end - runs.back().front().own_offset_bytes <= kRunMaxBytes;
    if (!is_near) runs.emplace_back();
    runs.back().push_back(record);
  }
  return runs;
}

RunPlace place_of(const std::vector<RecordHeader>& run) {
  RunPlace place;
  place.begin_bytes = run.front().own_offset_bytes / kDiskBlockBytes * kDiskBlockBytes;
  place.size_bytes =
      round_up_to_block(run.back().own_offset_bytes + run.back().record_size_bytes()) -
      place.begin_bytes;
  return place;
}

std::optional<Buffer> read_record(const RecordHeader& expected, const RunPlace& place,
                                  const Buffer& bytes) {
  const std::uint64_t at = expected.own_offset_bytes - place.begin_bytes;
  if (at + expected.record_size_bytes() > bytes.size()) return std::nullopt;
  const auto found = segment::decode_record_header(bytes.bytes().subspan(at));
  if (!found || *found != expected) return std::nullopt;
  if (expected.kind != RecordKind::segment) return Buffer{};
  Buffer payload = bytes.slice(at + kRecordHeaderSizeBytes, expected.stored_size_bytes);
  if (!segment::is_payload_good(expected, payload)) return std::nullopt;
  return payload;
}

}  // namespace predastore::shard
