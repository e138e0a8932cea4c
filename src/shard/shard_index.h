#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kv/kv.h"
#include "model/ids.h"
#include "segment/record.h"
#include "shard/shard_service.h"
#include "shard/shard_store.h"

namespace predastore::shard {

inline constexpr kv::Family kShardFamily = 0;
inline constexpr kv::Family kStateFamily = 1;
inline constexpr kv::Family kDeadFamily = 2;    // shard key -> files, encode_dead
inline constexpr kv::Family kReplayFamily = 3;  // scratch of a rebuild; empty otherwise
inline constexpr std::uint32_t kShardSegmentsMax = 1 << 16;
inline constexpr std::string_view kStateKey = "state";

// A run of records of one shard that follow each other in one file and are equally long.
struct Extent {
  ShardFileId file_id;
  std::uint64_t offset_bytes = 0;  // of the first record's header
  std::uint32_t first = 0;         // segment index
  std::uint32_t count = 0;
  std::uint32_t stored_size_bytes = 0;
  std::uint32_t logical_size_bytes = 0;
  std::uint64_t record_size_bytes() const {
    return segment::kRecordHeaderSizeBytes + stored_size_bytes;
  }
  friend bool operator==(const Extent&, const Extent&) = default;
};

// The index's value for one shard.
struct IndexEntry {
  ShardStamp stamp;
  Sequence sequence;           // of the commit record
  ShardFileId commit_file_id;  // which holds it
  std::uint32_t segment_count = 0;
  std::uint64_t logical_size_bytes = 0;
  std::uint32_t commit_crc32 = 0;
  std::vector<Extent> extents;
};

// Segments come in order; a record is added to the last run where it continues it.
void add_segment(std::vector<Extent>& extents, const segment::RecordHeader& header);

std::string encode_shard_key(const ShardKey& key);  // objectId ‖ chunkIndex (big-endian) ‖ role
Result<ShardKey> decode_shard_key(std::string_view key);
std::string encode_entry(const IndexEntry& entry);
Result<IndexEntry> decode_entry(std::string_view value);

// How far the index is: in the same batch as what it tells of.
struct IndexState {
  DriveId drive;
  Sequence last_decision;
  friend bool operator==(const IndexState&, const IndexState&) = default;
};
void put_state(kv::Batch& batch, const IndexState& state);
Result<std::optional<IndexState>> get_state(
    kv::KeyValueStore& index);  // none too when it cannot be read

// What is stored of a shard's key, as far as later records are decided by it.
struct HeldTry {
  Generation generation;
  WriteId write_id;
};
// Whether a tombstone is about it: its generation or a newer one, and if the tombstone names a try,
// that try. A removal by the sweep must not take a shard that was written since it looked.
inline bool is_taken(const HeldTry& held, const segment::RecordHeader& tombstone) {
  return held.generation <= tombstone.generation &&
         (tombstone.write_id == WriteId{} || tombstone.write_id == held.write_id);
}

// The files with commit records of a shard's key that count no more: superseded, removed, failed or
// copied elsewhere. As long as one of them exists, a rebuild could raise the dead, so the tombstone
// of the key is kept; a file that is gone holds nothing.
std::string encode_dead(const std::vector<ShardFileId>& files);
Result<std::vector<ShardFileId>> decode_dead(std::string_view value);

}  // namespace predastore::shard
