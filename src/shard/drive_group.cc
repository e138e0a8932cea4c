// The part of DriveWriter that makes one group durable, and the files it goes to.
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "env/blocking.h"
#include "shard/drive_writer.h"

namespace predastore::shard {
namespace {

using segment::kRecordHeaderSizeBytes;
using segment::RecordHeader;
using segment::RecordKind;

constexpr std::uint64_t kGroupMaxBytes = 4 * 1024 * 1024;
constexpr std::size_t kGroupMemoryMinBytes = 256 * 1024;

void add_dead(std::vector<ShardFileId>& dead, ShardFileId file_id) {
  if (std::ranges::find(dead, file_id) == dead.end()) dead.push_back(file_id);
}

}  // namespace

// ---- groups

bool DriveWriter::fits(std::uint64_t group_bytes, std::uint64_t group_records) const {
  PREDA_ASSERT(open_.has_value());
  if (open_->footer.totals().record_count == 0 && group_records == 1) return true;
  const std::uint64_t begin = std::max<std::uint64_t>(open_->end_bytes, kFileHeaderSizeBytes);
  const std::uint64_t footer_bytes = open_->footer.size_bytes(group_records);
  return footer_bytes <= kFooterMaxBytes &&
         round_up_to_block(begin + group_bytes) + footer_bytes <= options_->shard_file_size_bytes;
}

DriveWriter::Group DriveWriter::take_group() {
  Group group;
  std::uint64_t size_bytes = 0;
  while (!queue_.empty()) {
    const std::uint64_t record_bytes = queue_.front().header.record_size_bytes();
    if (!group.empty() && size_bytes + record_bytes > kGroupMaxBytes) break;
    if (!group.empty() && open_ && !fits(size_bytes + record_bytes, group.size() + 1)) break;
    size_bytes += record_bytes;
    account_removal(queue_.front());
    group.push_back(Placed{std::move(queue_.front()), false, Result<void>{}});
    queue_.pop_front();
  }
  return group;
}

// What the index holds of the keys that the group's decisions are about.
Task<Result<DriveWriter::KeyStates>> DriveWriter::look_up(const Group& group) {
  KeyStates states;
  for (const Placed& placed : group) {
    if (placed.record.decision) states.try_emplace(placed.record.header.key);
  }
  if (states.empty()) co_return states;
  auto look = [index = index_, &states]() -> Result<void> {
    for (auto& [key, state] : states) {
      const std::string encoded = encode_shard_key(key);
      PREDA_TRY(const auto value, index->get(kShardFamily, encoded));
      if (value) {
        PREDA_TRY(state.held, decode_entry(*value));
      }
      PREDA_TRY(const auto dead, index->get(kDeadFamily, encoded));
      if (dead) {
        PREDA_TRY(state.dead, decode_dead(*dead));
      }
    }
    return {};
  };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(look)));
  co_return states;
}

// Takes out what must not be written.
void DriveWriter::refuse_conflicts(Group& group, const KeyStates& states) const {
  HeldTries held;
  for (const auto& [key, state] : states) {
    if (state.held) held[key] = HeldTry{state.held->stamp.generation, state.held->stamp.write_id};
  }
  for (Placed& placed : group) decide(placed, held);
}

void DriveWriter::decide(Placed& placed, std::map<ShardKey, std::optional<HeldTry>>& held) const {
  const RecordHeader& header = placed.record.header;
  const auto refuse = [&placed](Result<void> outcome) {
    placed.is_refused = true;
    placed.outcome = std::move(outcome);
  };
  if (header.kind == RecordKind::tombstone) {
    std::optional<HeldTry>& current = held[header.key];
    if (!current || !is_taken(*current, header)) return refuse({});  // nothing to delete
    current.reset();
    return;
  }
  const ShardTry& attempt = *placed.record.attempt;
  if (attempt.error) return refuse(*attempt.error);
  if (header.kind == RecordKind::segment) return;
  for (const Extent& extent : attempt.extents) {
    if (abandoned_.contains(extent.file_id))
      return refuse(make_error(ErrorCode::Io, "a file with segments of the shard failed"));
  }
  std::optional<HeldTry>& current = held[header.key];
  if (current && current->generation > header.generation)
    return refuse(make_error(ErrorCode::Conflict, "a higher generation is stored"));
  current = HeldTry{header.generation, header.write_id};
}

MutableByteSpan DriveWriter::group_memory(std::size_t size_bytes) {
  if (memory_ == nullptr || memory_.use_count() > 1 || memory_bytes_ < size_bytes) {
    // Twice as much each time, so that a drive soon has what its largest group needs and keeps it.
    // Touched now: a group is not to fault its pages in one by one.
    memory_bytes_ = std::bit_ceil(std::max(size_bytes, kGroupMemoryMinBytes));
    void* memory = std::aligned_alloc(kDiskBlockBytes, memory_bytes_);
    PREDA_ASSERT(memory != nullptr);
    std::memset(memory, 0, memory_bytes_);
    memory_ = std::shared_ptr<void>{memory, std::free};
  }
  return {static_cast<std::byte*>(memory_.get()), size_bytes};
}

// Gives every record its place and number. The group begins on a block of its own, since none that
// may be durable is written again.
Buffer DriveWriter::lay_out(Group& group) {
  const std::uint64_t base = open_->end_bytes;
  std::uint64_t size_bytes = base == 0 ? kFileHeaderSizeBytes : 0;
  const std::uint64_t frame_bytes = size_bytes;
  for (const Placed& placed : group) {
    if (!placed.is_refused) size_bytes += placed.record.header.record_size_bytes();
  }
  if (size_bytes == frame_bytes) return Buffer{};
  MutableByteSpan out = group_memory(round_up_to_block(size_bytes));
  if (base == 0) {
    const std::string header =
        encode_file_header({options_->cluster, options_->node, options_->drive, open_->id,
                            options_->shard_file_size_bytes});
    std::memcpy(out.data(), header.data(), header.size());
  }
  std::uint64_t at = frame_bytes;
  for (Placed& placed : group) {
    if (placed.is_refused) continue;
    RecordHeader& header = placed.record.header;
    header.file_id = open_->id;
    header.own_offset_bytes = base + at;
    header.sequence = Sequence{next_sequence_++};
    const MutableByteSpan encoded = out.subspan(at, kRecordHeaderSizeBytes);
    segment::encode_record_header(header, encoded);
    open_->footer.add(header, encoded);
    const ByteSpan payload = placed.record.payload;
    if (!payload.empty())
      std::memcpy(out.data() + at + kRecordHeaderSizeBytes, payload.data(), payload.size());
    at += header.record_size_bytes();
  }
  std::memset(out.data() + at, 0, out.size() - at);
  return Buffer{memory_, out};
}

Task<Result<void>> DriveWriter::store_group(Group& group) {
  Buffer bytes = lay_out(group);
  if (bytes.empty()) co_return Result<void>{};
  const std::size_t size_bytes = bytes.size();
  PREDA_CO_CHECK(co_await open_->file->write(open_->end_bytes, BufferChain{std::move(bytes)}));
  open_->end_bytes += size_bytes;
  usage_.set_size(open_->id, open_->end_bytes);
  used_bytes_ += size_bytes;
  counters_.written_bytes += size_bytes;
  ++counters_.group_count;
  bool has_decisions = false;
  for (Placed& placed : group) {
    if (placed.is_refused) continue;
    if (placed.record.decision) has_decisions = true;
    if (placed.record.header.kind == RecordKind::segment)
      add_segment(placed.record.attempt->extents, placed.record.header);
  }
  if (!has_decisions) co_return Result<void>{};
  PREDA_CO_CHECK(co_await open_->file->sync());
  ++counters_.sync_count;
  open_->durable_end_bytes = open_->end_bytes;
  co_return Result<void>{};
}

Task<Result<void>> DriveWriter::update_index(const Group& group, KeyStates states) {
  Sequence last = last_decision_;
  std::set<ShardKey> changed;
  const auto kill = [this](KeyState& state) {
    if (!state.held) return;
    usage_.subtract(*state.held);
    add_dead(state.dead, state.held->commit_file_id);
    state.held.reset();
  };
  for (const Placed& placed : group) {
    if (placed.is_refused || !placed.record.decision) continue;
    const RecordHeader& header = placed.record.header;
    last = std::max(last, header.sequence);
    KeyState& state = states[header.key];
    changed.insert(header.key);
    kill(state);
    if (header.kind == RecordKind::tombstone) continue;
    const ShardTry& attempt = *placed.record.attempt;
    state.held = IndexEntry{attempt.stamp,
                            header.sequence,
                            header.file_id,
                            attempt.segment_count,
                            attempt.logical_size_bytes,
                            attempt.crc32,
                            attempt.extents};
    usage_.add(*state.held);
  }
  if (changed.empty()) co_return Result<void>{};
  kv::Batch batch;
  for (const ShardKey& key : changed) {
    const KeyState& state = states[key];
    const std::string encoded = encode_shard_key(key);
    if (state.held) {
      batch.put(kShardFamily, encoded, encode_entry(*state.held));
    } else {
      batch.erase(kShardFamily, encoded);
    }
    if (!state.dead.empty()) batch.put(kDeadFamily, encoded, encode_dead(state.dead));
  }
  if (is_index_doubtful_) {
    batch.erase(kStateFamily, std::string{kStateKey});
  } else {
    put_state(batch, {options_->drive, last});
  }
  auto write = [index = index_, &batch] { return index->write(batch); };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(write)));
  last_decision_ = last;
  co_return Result<void>{};
}

// The group failed, but its commit records may be in the file all the same: a tombstone that is
// written for one of their keys later must outlive the file.
Task<void> DriveWriter::note_failed_commits(const Group& group, KeyStates states,
                                            ShardFileId file_id) {
  if (!usage_.contains(file_id)) co_return;
  kv::Batch batch;
  for (const Placed& placed : group) {
    const RecordHeader& header = placed.record.header;
    if (placed.is_refused || header.kind != RecordKind::commit) continue;
    std::vector<ShardFileId>& dead = states[header.key].dead;
    add_dead(dead, file_id);
    batch.put(kDeadFamily, encode_shard_key(header.key), encode_dead(dead));
  }
  if (batch.empty()) co_return;
  auto write = [index = index_, &batch] { return index->write(batch); };
  const auto written = co_await run_blocking(env_.blocking, std::move(write));
  if (!written) failed_ = written.error();
}

void DriveWriter::answer(Group& group, const Result<void>& result) {
  for (Placed& placed : group) {
    const Result<void>& outcome = placed.is_refused ? placed.outcome : result;
    if (!outcome && placed.record.attempt && !placed.record.attempt->error)
      placed.record.attempt->error = outcome.error();
    if (!placed.record.decision) continue;
    placed.record.decision->result = outcome;
    placed.record.decision->changed.notify_all();
  }
}

// ---- files

Task<Result<void>> DriveWriter::ensure_room() {
  PREDA_ASSERT(!queue_.empty());
  if (open_ && !fits(queue_.front().header.record_size_bytes(), 1)) {
    const auto sealed = co_await seal_file();
    if (!sealed) note_error(sealed.error());
    if (!sealed)
      co_await abandon_file();  // what its shards have in it is lost to them; this group goes to a
                                // new one
  }
  if (!open_) {
    PREDA_CO_CHECK(co_await begin_file());
  }
  co_return Result<void>{};
}

Task<Result<void>> DriveWriter::begin_file() {
  PREDA_CO_CHECK(co_await refresh_capacity());
  ShardFileId id{env_.random.next_u64()};
  const std::string directory = options_->directory + "/shards";
  const FileMode mode{
      .write = true, .create = true, .exclusive = true, .direct = options_->direct_io};
  PREDA_CO_TRY(auto file, co_await env_.files.open(directory + "/" + shard_file_name(id), mode));
  PREDA_CO_CHECK(co_await env_.files.sync_directory(directory));
  OpenFile opened;
  opened.id = id;
  opened.file = std::move(file);
  open_ = std::move(opened);
  usage_.set_size(id, 0);
  ++counters_.shard_file_count;
  co_return Result<void>{};
}

Task<Result<void>> DriveWriter::seal_file() {
  const std::string bytes = open_->footer.encode(open_->id, open_->end_bytes);
  MutableBuffer aligned = MutableBuffer::aligned(bytes.size());
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  PREDA_CO_CHECK(
      co_await open_->file->write(open_->end_bytes, BufferChain{std::move(aligned).freeze()}));
  PREDA_CO_CHECK(co_await open_->file->sync());
  ++counters_.sync_count;
  used_bytes_ += bytes.size();
  counters_.written_bytes += bytes.size();
  usage_.set_size(open_->id, open_->end_bytes + bytes.size());
  usage_.seal(open_->id);
  open_.reset();
  co_return Result<void>{};
}

// Nothing more is written to the file. What was acknowledged in it stays readable; what was not
// fails, now or at its commit.
Task<void> DriveWriter::abandon_file() {
  ++counters_.abandoned_file_count;
  const ShardFileId id = open_->id;
  const bool is_needed = open_->durable_end_bytes > 0;
  const std::uint64_t size_bytes = open_->end_bytes;
  const std::uint64_t durable_bytes = open_->durable_end_bytes;
  const std::shared_ptr<File> file = open_->file;
  abandoned_.insert(id);
  open_.reset();
  // After a failed sync the page cache may hold what the drive does not, and call it clean. The
  // next recovery must not find it there, serve it, and lose it with the power.
  if (is_needed) {
    const auto cut = co_await file->truncate(durable_bytes);
    if (cut) used_bytes_ -= size_bytes - durable_bytes;
  }
  if (!is_needed) {  // a full drive must not fill with files that hold nothing
    const auto removed =
        co_await env_.files.remove(options_->directory + "/shards/" + shard_file_name(id));
    if (removed) {
      used_bytes_ -= size_bytes;
      usage_.forget(id);
      --counters_.shard_file_count;
    }
  }
  (void)co_await refresh_capacity();
}

Task<Result<void>> DriveWriter::refresh_capacity() {
  const auto space = co_await env_.files.space(options_->directory);
  if (space) {
    capacity_bytes_ = used_bytes_ + space->free_bytes;
    if (options_->capacity_bytes != 0)
      capacity_bytes_ = std::min(capacity_bytes_, options_->capacity_bytes);
  } else if (capacity_bytes_ == 0) {
    co_return space.error();
  }
  co_return Result<void>{};
}

Task<Result<void>> DriveWriter::finish() {
  PREDA_ASSERT(queue_.empty());
  if (is_index_doubtful_) co_await doubt_index();
  if (!open_) co_return Result<void>{};
  if (open_->end_bytes == 0) {
    co_await abandon_file();
    co_return Result<void>{};
  }
  co_return co_await seal_file();
}

}  // namespace predastore::shard
