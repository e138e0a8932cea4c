#include "shard/drive_writer.h"

#include <algorithm>
#include <cstring>

#include "env/blocking.h"
#include "segment/checksum.h"
#include "segment/codec.h"

namespace predastore::shard {
namespace {

using segment::kRecordHeaderSizeBytes;
using segment::RecordHeader;
using segment::RecordKind;

constexpr std::uint64_t kHoldBackBytes = 256 * 1024;
constexpr std::uint64_t kRecordMaxBytes = kRecordHeaderSizeBytes + kSegmentSizeBytes;
// Sequences are not given out twice even if the last ones that were used cannot be read at the
// moment.
constexpr std::uint64_t kSequenceGap = 1 << 16;

class DriveShardWriter final : public ShardWriter {
 public:
  DriveShardWriter(std::shared_ptr<DriveWriter> drive, std::shared_ptr<ShardTry> attempt)
      : drive_(std::move(drive)), attempt_(std::move(attempt)) {
    drive_->begin(attempt_);
  }
  ~DriveShardWriter() override { drive_->purge(attempt_); }

  Task<Result<void>> append(std::vector<Segment> segments, Instant deadline) override {
    auto drive = drive_;
    auto attempt = attempt_;
    for (Segment& segment : segments) {
      PREDA_CO_CHECK(co_await drive->append(attempt, std::move(segment), deadline));
    }
    co_return Result<void>{};
  }
  Task<Result<void>> commit(Instant deadline) override {
    return drive_->commit(attempt_, deadline);
  }

 private:
  std::shared_ptr<DriveWriter> drive_;
  std::shared_ptr<ShardTry> attempt_;
};

}  // namespace

DriveWriter::DriveWriter(Environment env, std::shared_ptr<const ShardStoreOptions> options,
                         std::shared_ptr<kv::KeyValueStore> index, Start start)
    : env_(env),
      options_(std::move(options)),
      index_(std::move(index)),
      budget_(env.clock, options_->write_budget_bytes),
      // Whoever waits for a window or the budget must see it written, so what is held back leaves
      // room for one more record.
      hold_back_bytes_(std::min({kHoldBackBytes, options_->shard_window_bytes - kRecordMaxBytes,
                                 options_->write_budget_bytes - kRecordMaxBytes})),
      work_(env.clock),
      next_sequence_(start.last_sequence.value() == 0 ? 1
                                                      : start.last_sequence.value() + kSequenceGap),
      last_decision_(start.last_decision),
      used_bytes_(start.used_bytes),
      index_lock_(env.clock, 1),
      usage_(std::move(start.usage)) {
  counters_.shard_file_count = usage_.files().size();
}

std::unique_ptr<ShardWriter> make_shard_writer(std::shared_ptr<DriveWriter> drive,
                                               std::shared_ptr<ShardTry> attempt) {
  return std::make_unique<DriveShardWriter>(std::move(drive), std::move(attempt));
}

Task<void> DriveWriter::run() {
  for (;;) {
    while (!is_worth_writing()) {
      if (stopping_ && queue_.empty()) co_return;
      co_await work_.wait();
    }
    co_await write_next();
  }
}

void DriveWriter::stop() {
  stopping_ = true;
  work_.notify_all();
}

bool DriveWriter::is_worth_writing() const {
  return !queue_.empty() &&
         (queued_decisions_ > 0 || queued_bytes_ >= hold_back_bytes_ || stopping_);
}

Task<void> DriveWriter::write_next() {
  Result<void> room = available();
  if (room) {
    room = co_await ensure_room();
    if (!room) note_error(room.error());
  }
  Group group = take_group();
  if (!room) {
    answer(group, room);
    co_return;
  }
  (void)co_await index_lock_.acquire(1, kNever);
  const SemaphoreHold lock{index_lock_, 1};
  co_await write_group(group);
}

Task<void> DriveWriter::write_group(Group& group) {
  auto states = co_await look_up(group);
  if (!states) {
    failed_ = states.error();
    co_await doubt_index();
    answer(group, make_error(ErrorCode::Unavailable, "the drive's index cannot be read"));
    co_return;
  }
  refuse_conflicts(group, *states);
  const auto stored = co_await store_group(group);
  if (!stored) {
    note_error(stored.error());
    const ShardFileId file_id = open_->id;
    co_await abandon_file();
    co_await note_failed_commits(group, std::move(*states), file_id);
    answer(group, stored);
    co_return;
  }
  const auto updated = co_await update_index(group, std::move(*states));
  if (!updated) failed_ = updated.error();
  answer(group, updated);
}

// ---- what others ask for

Result<void> DriveWriter::available() const {
  if (failed_)
    return make_error(ErrorCode::Unavailable, "the drive is out of order: " + failed_->to_string());
  return {};
}

std::uint64_t DriveWriter::bytes_used_with(std::uint64_t size_bytes) const {
  const std::uint64_t footer_bytes =
      open_ ? open_->footer.size_bytes(queue_.size()) : kDiskBlockBytes;
  return used_bytes_ + queued_bytes_ + footer_bytes + size_bytes;
}

std::uint64_t DriveWriter::full_at_bytes() const {
  const auto by_share =
      static_cast<std::uint64_t>(options_->full_share * static_cast<double>(capacity_bytes_));
  const std::uint64_t by_reserve =
      capacity_bytes_ - std::min(capacity_bytes_, options_->reserve_bytes);
  return std::min(by_share, by_reserve);
}

Result<void> DriveWriter::has_room(std::uint64_t size_bytes) const {
  if (bytes_used_with(size_bytes) > full_at_bytes())
    return make_error(ErrorCode::NoSpace, "the drive is full");
  return {};
}

// A full disk is no fault of the drive.
void DriveWriter::note_error(const Error& error) {
  if (error.code != ErrorCode::Io) return;
  ++counters_.write_error_count;
  if (options_->on_drive_error) options_->on_drive_error(DriveErrorKind::write, error);
}

Result<void> DriveWriter::check_segment(const ShardTry& attempt, const Segment& segment) const {
  if (attempt.is_closed || segment.index.value() != attempt.segment_count ||
      attempt.segment_count >= kShardSegmentsMax) {
    return make_error(ErrorCode::InvalidArgument, "a segment out of order");
  }
  const bool is_sized = segment.logical_size_bytes > 0 &&
                        segment.logical_size_bytes <= kSegmentSizeBytes &&
                        !segment.stored.empty() && segment.stored.size() <= kSegmentSizeBytes &&
                        (segment.codec != 0 || segment.stored.size() == segment.logical_size_bytes);
  if (!is_sized || !segment::is_known_codec(segment.codec))
    return make_error(ErrorCode::InvalidArgument, "a segment of no allowed size");
  if (segment::crc32(segment.stored) != segment.crc32)
    return make_error(ErrorCode::Corruption, "a segment arrived damaged");
  return has_room(kRecordMaxBytes);
}

Task<Result<void>> DriveWriter::append(std::shared_ptr<ShardTry> attempt, Segment segment,
                                       Instant deadline) {
  const auto fail = [&attempt](Error error) {
    attempt->error = error;
    return Result<void>{std::move(error)};
  };
  PREDA_CO_CHECK(available());
  if (attempt->error) co_return *attempt->error;
  if (stopping_) co_return make_error(ErrorCode::Unavailable, "the drive is being closed");
  const auto checked = check_segment(*attempt, segment);
  if (!checked) co_return fail(checked.error());
  const std::uint64_t size_bytes = kRecordHeaderSizeBytes + segment.stored.size();
  const auto within_window = co_await attempt->window.acquire(size_bytes, deadline);
  if (!within_window) co_return fail(within_window.error());
  SemaphoreHold window{attempt->window, size_bytes};
  const auto within_budget = co_await budget_.acquire(size_bytes, deadline);
  if (!within_budget) co_return fail(within_budget.error());
  SemaphoreHold budget{budget_, size_bytes};
  if (attempt->error) co_return *attempt->error;
  if (stopping_ || failed_)
    co_return fail(make_error(ErrorCode::Unavailable, "the drive is being closed"));
  if (attempt->is_closed || segment.index.value() != attempt->segment_count) {
    co_return fail(make_error(ErrorCode::InvalidArgument, "two segments at a time"));
  }
  QueuedRecord record;
  record.header.kind = RecordKind::segment;
  record.header.codec = segment.codec;
  record.header.segment_index = segment.index;
  record.header.logical_size_bytes = segment.logical_size_bytes;
  record.header.stored_size_bytes = static_cast<std::uint32_t>(segment.stored.size());
  record.header.payload_crc32 = segment.crc32;
  record.payload = std::move(segment.stored);
  record.attempt = attempt;
  record.window = std::move(window);
  record.budget = std::move(budget);
  ++attempt->segment_count;
  attempt->logical_size_bytes += segment.logical_size_bytes;
  attempt->crc32 = segment::extend_commit_crc(attempt->crc32, segment.crc32);
  enqueue(std::move(record));
  co_return Result<void>{};
}

Task<Result<void>> DriveWriter::commit(std::shared_ptr<ShardTry> attempt, Instant deadline) {
  PREDA_CO_CHECK(available());
  if (attempt->error) co_return *attempt->error;
  if (stopping_) co_return make_error(ErrorCode::Unavailable, "the drive is being closed");
  if (attempt->is_closed)
    co_return make_error(ErrorCode::InvalidArgument, "a shard is committed once");
  attempt->is_closed = true;
  QueuedRecord record;
  record.header.kind = RecordKind::commit;
  record.header.segment_index = SegmentIndex{attempt->segment_count};
  record.header.logical_size_bytes = attempt->logical_size_bytes;
  record.header.payload_crc32 = attempt->crc32;
  record.attempt = attempt;
  record.decision = std::make_shared<Decision>(env_.clock);
  auto decision = record.decision;
  enqueue(std::move(record));
  co_return co_await await_decision(std::move(decision), deadline);
}

Task<Result<void>> DriveWriter::remove(std::vector<ShardRemoval> removals, Instant deadline) {
  constexpr std::size_t kAtOnce = 1024;
  for (std::size_t begin = 0; begin < removals.size(); begin += kAtOnce) {
    PREDA_CO_CHECK(available());
    if (stopping_) co_return make_error(ErrorCode::Unavailable, "the drive is being closed");
    const std::size_t end = std::min(removals.size(), begin + kAtOnce);
    const std::uint64_t footer_bytes =
        open_ ? open_->footer.size_bytes(queue_.size() + kAtOnce) : kDiskBlockBytes;
    if (used_bytes_ + queued_bytes_ + (end - begin) * kRecordHeaderSizeBytes + kDiskBlockBytes +
            footer_bytes >
        capacity_bytes_) {
      co_return make_error(ErrorCode::NoSpace, "the drive is full to the last");
    }
    std::vector<std::shared_ptr<Decision>> decisions;
    for (std::size_t i = begin; i < end; ++i) {
      QueuedRecord record;
      record.header.kind = RecordKind::tombstone;
      record.header.key = removals[i].key;
      record.header.generation = removals[i].generation;
      record.header.write_id = removals[i].write_id;
      record.decision = decisions.emplace_back(std::make_shared<Decision>(env_.clock));
      enqueue(std::move(record));
    }
    for (auto& decision : decisions) {
      PREDA_CO_CHECK(co_await await_decision(decision, deadline));
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> DriveWriter::await_decision(std::shared_ptr<Decision> decision,
                                               Instant deadline) {
  while (!decision->result) {
    const bool was_notified = co_await decision->changed.wait_until(deadline);
    if (!was_notified && !decision->result)
      co_return make_error(ErrorCode::TimedOut, "waiting for the drive");
  }
  co_return *decision->result;
}

void DriveWriter::purge(const std::shared_ptr<ShardTry>& attempt) {
  open_tries_.erase(attempt.get());
  if (!attempt->error) attempt->error = make_error(ErrorCode::Cancelled, "the shard was given up");
  if (attempt->queued_count == 0) return;
  std::deque<QueuedRecord> kept;
  for (QueuedRecord& record : queue_) {
    if (record.attempt != attempt) {
      kept.push_back(std::move(record));
      continue;
    }
    account_removal(record);
    if (record.decision) {
      record.decision->result = *attempt->error;
      record.decision->changed.notify_all();
    }
  }
  queue_ = std::move(kept);
}

void DriveWriter::enqueue(QueuedRecord record) {
  if (record.attempt) {
    RecordHeader& header = record.header;
    header.key = record.attempt->key;
    header.write_id = record.attempt->stamp.write_id;
    header.generation = record.attempt->stamp.generation;
    header.write_epoch = record.attempt->stamp.write_epoch;
    header.incarnation = record.attempt->stamp.incarnation;
    ++record.attempt->queued_count;
  }
  queued_bytes_ += record.header.record_size_bytes();
  if (record.decision) ++queued_decisions_;
  queue_.push_back(std::move(record));
  if (is_worth_writing()) work_.notify_all();
}

void DriveWriter::account_removal(const QueuedRecord& record) {
  queued_bytes_ -= record.header.record_size_bytes();
  if (record.decision) --queued_decisions_;
  if (record.attempt) --record.attempt->queued_count;
}

Task<void> DriveWriter::doubt_index() {
  is_index_doubtful_ = true;
  auto erase = [index = index_] {
    kv::Batch batch;
    batch.erase(kStateFamily, std::string{kStateKey});
    return index->write(batch);
  };
  (void)co_await run_blocking(env_.blocking,
                              std::move(erase));  // else with the next group, or at the end
}

void DriveWriter::fill(DriveStatus& status) const {
  status = counters_;
  status.is_available = !failed_;
  status.capacity_bytes = capacity_bytes_;
  status.used_bytes = used_bytes_;
  status.queued_bytes = queued_bytes_;
  status.durable_sequence = last_decision_.value();
  status.live_bytes = usage_.live_bytes();
  status.is_full = !has_room(kRecordMaxBytes);
  // A drive whose reserve is large (it is small) is near full below its share as well.
  const auto near_full = static_cast<std::uint64_t>(
      options_->near_full_share / std::max(options_->full_share, options_->near_full_share) *
      static_cast<double>(full_at_bytes()));
  status.is_near_full = status.is_full || (options_->near_full_share < options_->full_share &&
                                           bytes_used_with(kRecordMaxBytes) > near_full);
}

std::set<ShardFileId> DriveWriter::files_in_use() const {
  std::set<ShardFileId> files = abandoned_;
  if (open_) files.insert(open_->id);
  for (const ShardTry* attempt : open_tries_) {
    for (const Extent& extent : attempt->extents) files.insert(extent.file_id);
  }
  return files;
}

void DriveWriter::file_added(ShardFileId id, std::uint64_t size_bytes) {
  usage_.set_size(id, size_bytes);
  usage_.seal(id);
  used_bytes_ += size_bytes;
  ++counters_.shard_file_count;
}

void DriveWriter::file_removed(ShardFileId id) {
  const auto found = usage_.files().find(id);
  if (found == usage_.files().end()) return;
  used_bytes_ -= std::min(used_bytes_, found->second.size_bytes);
  usage_.forget(id);
  --counters_.shard_file_count;
}

}  // namespace predastore::shard
