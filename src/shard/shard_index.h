#pragma once

#include <cstdint>
#include <map>
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
  Sequence sequence;  // of the commit record
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

// Rebuilds an index by applying the records of all files in the order of their sequences, by the
// rules of the running store: a commit is refused by a higher generation, a tombstone takes its
// generation and older ones. All calls block.
class IndexReplay {
 public:
  IndexReplay(kv::KeyValueStore& index, DriveId drive) : index_(index), drive_(drive) {}
  Result<void> clear();
  Result<void> apply(const std::vector<segment::RecordHeader>& records);
  // Writes the mark, without which the index counts as lost, last of all.
  Result<void> finish(Sequence last_decision);
  std::vector<Damage> take_damage() { return std::move(damage_); }

 private:
  struct Try {
    std::vector<Extent> extents;
    std::uint32_t count = 0;
    std::uint64_t logical_size_bytes = 0;
    std::uint32_t crc32 = 0;
    bool is_broken = false;  // a segment is missing in the middle
  };
  void apply_segment(const segment::RecordHeader& record);
  Result<void> apply_commit(const segment::RecordHeader& record);
  Result<void> apply_tombstone(const segment::RecordHeader& record);
  Result<std::optional<HeldTry>> current(const ShardKey& key);
  Result<void> write_out(bool at_end);

  kv::KeyValueStore& index_;
  DriveId drive_;
  std::map<std::pair<ShardKey, WriteId>, Try> tries_;      // without a commit so far
  std::map<ShardKey, std::optional<IndexEntry>> changes_;  // not yet written
  std::vector<Damage> damage_;
};

}  // namespace predastore::shard
