#include "shard/index_replay.h"

#include <algorithm>
#include <array>

#include "base/codec.h"

namespace predastore::shard {
namespace {

using segment::RecordHeader;
using segment::RecordKind;

constexpr std::size_t kBatchMax = 1000;

// Shard by shard; which record of a shard comes first does not matter.
std::string scratch_key(const RecordHeader& record) {
  Encoder encoder;
  encoder.raw(as_bytes(encode_shard_key(record.key)));
  encoder.be(record.file_id.value()).be(record.own_offset_bytes);
  return std::move(encoder).take();
}

std::string scratch_value(const RecordHeader& record) {
  std::array<std::byte, segment::kRecordHeaderSizeBytes> bytes;
  segment::encode_record_header(record, bytes);
  return std::string(as_text(bytes));
}

kv::Batch emptied(std::initializer_list<kv::Family> families) {
  kv::Batch batch;
  for (const kv::Family family : families)
    batch.erase_range(family, std::string{}, std::string(64, '\xff'));
  return batch;
}

}  // namespace

Result<void> IndexReplay::clear() {
  PREDA_CHECK(index_.write(emptied({kStateFamily})));  // the mark first of all
  return index_.write(emptied({kShardFamily, kDeadFamily, kReplayFamily}));
}

Result<void> IndexReplay::add(const std::vector<RecordHeader>& records) {
  kv::Batch batch;
  for (const RecordHeader& record : records) {
    batch.put(kReplayFamily, scratch_key(record), scratch_value(record));
    if (batch.operations().size() < kBatchMax) continue;
    PREDA_CHECK(index_.write(batch));
    batch = kv::Batch{};
  }
  return batch.empty() ? Result<void>{} : index_.write(batch);
}

Result<void> IndexReplay::finish(Sequence last_decision) {
  const auto scratch = index_.iterate(kReplayFamily);
  kv::Batch batch;
  Records records;
  for (scratch->seek({}); scratch->valid(); scratch->next()) {
    PREDA_TRY(const RecordHeader record, segment::decode_record_header(as_bytes(scratch->value())));
    if (!records.empty() && records.front().key != record.key) {
      PREDA_CHECK(decide(records, batch));
      records.clear();
    }
    records.push_back(record);
    if (batch.operations().size() < kBatchMax) continue;
    PREDA_CHECK(index_.write(batch));
    batch = kv::Batch{};
  }
  PREDA_CHECK(scratch->status());
  PREDA_CHECK(decide(records, batch));
  PREDA_CHECK(index_.write(batch));
  PREDA_CHECK(index_.write(emptied({kReplayFamily})));
  kv::Batch mark;
  put_state(mark, {drive_, last_decision});
  PREDA_CHECK(index_.write(mark));
  return index_.flush();
}

// All records of one shard.
Result<void> IndexReplay::decide(const Records& records, kv::Batch& batch) {
  std::vector<const RecordHeader*> decisions;
  for (const RecordHeader& record : records) {
    if (record.kind != RecordKind::segment) decisions.push_back(&record);
  }
  if (decisions.empty()) return {};
  std::ranges::stable_sort(decisions, {}, [](const RecordHeader* r) { return r->sequence; });

  std::optional<IndexEntry> held;
  const RecordHeader* broken = nullptr;  // the commit that would be held if it were whole
  for (const RecordHeader* decision : decisions) {
    const std::optional<Generation> generation =
        held ? std::optional{held->stamp.generation} : std::nullopt;
    if (decision->kind == RecordKind::tombstone) {
      // It was written because it took what was held then, whichever try that was.
      if (generation && *generation <= decision->generation) held.reset();
      if (broken != nullptr && broken->generation <= decision->generation) broken = nullptr;
      continue;
    }
    if (held && held->sequence == decision->sequence) continue;  // a copy
    if (generation && *generation > decision->generation) continue;
    auto entry = entry_of(*decision, records);
    if (entry) {
      held = std::move(entry);
      broken = nullptr;
    } else if (broken == nullptr || broken->generation <= decision->generation) {
      broken = decision;
    }
  }
  if (broken != nullptr) {
    damage_.push_back({drive_, broken->key, broken->write_id, broken->file_id,
                       broken->own_offset_bytes, "segments of a committed shard are missing"});
  }
  const std::string key = encode_shard_key(decisions.front()->key);
  std::vector<ShardFileId> dead;
  for (const RecordHeader* decision : decisions) {
    if (decision->kind != RecordKind::commit) continue;
    const bool is_live =
        held && held->sequence == decision->sequence && held->commit_file_id == decision->file_id;
    if (!is_live && std::ranges::find(dead, decision->file_id) == dead.end())
      dead.push_back(decision->file_id);
  }
  if (held) batch.put(kShardFamily, key, encode_entry(*held));
  if (!dead.empty()) batch.put(kDeadFamily, key, encode_dead(dead));
  return {};
}

// None: segments are missing or are not those that were committed.
std::optional<IndexEntry> IndexReplay::entry_of(const RecordHeader& commit,
                                                const Records& records) const {
  std::map<std::uint32_t, const RecordHeader*> segments;
  for (const RecordHeader& record : records) {
    if (record.kind == RecordKind::segment && record.write_id == commit.write_id)
      segments.emplace(record.segment_index.value(), &record);
  }
  const std::uint32_t count = commit.segment_index.value();
  if (segments.size() < count) return std::nullopt;
  IndexEntry entry;
  entry.stamp = {commit.write_id, commit.generation, commit.write_epoch, commit.incarnation};
  entry.sequence = commit.sequence;
  entry.commit_file_id = commit.file_id;
  entry.segment_count = count;
  std::uint32_t expected = 0;
  for (const auto& [segment_index, record] : segments) {
    if (expected == count) break;
    if (segment_index != expected++) return std::nullopt;
    add_segment(entry.extents, *record);
    entry.logical_size_bytes += record->logical_size_bytes;
    entry.commit_crc32 = segment::extend_commit_crc(entry.commit_crc32, record->payload_crc32);
  }
  if (entry.logical_size_bytes != commit.logical_size_bytes ||
      entry.commit_crc32 != commit.payload_crc32)
    return std::nullopt;
  return entry;
}

}  // namespace predastore::shard
