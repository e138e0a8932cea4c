#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "kv/kv.h"
#include "segment/record.h"
#include "shard/file_usage.h"
#include "shard/shard_file.h"
#include "shard/shard_index.h"
#include "shard/shard_store.h"

namespace predastore::shard {

// One try at writing one shard, shared by its writer and its records in the queue.
struct ShardTry {
  ShardTry(Clock& clock, ShardKey shard_key, ShardStamp shard_stamp, std::uint64_t window_bytes)
      : key(shard_key), stamp(shard_stamp), window(clock, window_bytes) {}
  ShardKey key;
  ShardStamp stamp;
  Semaphore window;
  std::uint32_t segment_count = 0;  // taken
  std::uint64_t logical_size_bytes = 0;
  std::uint32_t crc32 = 0;
  std::size_t queued_count = 0;
  bool is_closed = false;       // its commit was asked for
  std::vector<Extent> extents;  // of what is written
  std::optional<Error> error;   // final
};

// Somebody who waits for a commit or a tombstone.
struct Decision {
  explicit Decision(Clock& clock) : changed(clock) {}
  std::optional<Result<void>> result;
  Signal changed;
};

struct QueuedRecord {
  segment::RecordHeader header;  // all but file, offset and sequence
  Buffer payload;
  std::shared_ptr<ShardTry> attempt;   // none: a tombstone
  std::shared_ptr<Decision> decision;  // none: a segment
  SemaphoreHold window;                // of attempt, so it goes first
  SemaphoreHold budget;
};

// Takes the records of all shards of one drive and makes them durable in groups, by one task; see
// ShardStore for the order of writes. A group that holds no decision is written but not synced, and
// waits until it is worth a write: nobody waits for it.
class DriveWriter {
 public:
  struct Start {
    Sequence last_sequence;
    Sequence last_decision;
    std::uint64_t used_bytes = 0;
    FileUsage usage;  // of all files, which are sealed
  };
  DriveWriter(Environment env, std::shared_ptr<const ShardStoreOptions> options,
              std::shared_ptr<kv::KeyValueStore> index, Start start);

  Task<void> run();  // until stop() and everything that was queued is written
  void stop();
  // After run() has ended: seals the open file.
  Task<Result<void>> finish();

  Task<Result<void>> append(std::shared_ptr<ShardTry> attempt, Segment segment, Instant deadline);
  Task<Result<void>> commit(std::shared_ptr<ShardTry> attempt, Instant deadline);
  Task<Result<void>> remove(std::vector<ShardRemoval> removals, Instant deadline);
  void begin(const std::shared_ptr<ShardTry>& attempt) { open_tries_.insert(attempt.get()); }
  void purge(const std::shared_ptr<ShardTry>& attempt);

  void release_index() { index_.reset(); }  // after finish()

  Result<void> available() const;  // an error: why nothing goes any more
  Result<void> has_room(std::uint64_t size_bytes) const;
  Task<Result<void>> refresh_capacity();  // from the file system
  Task<void> doubt_index();               // so that the next open rebuilds it
  void fill(DriveStatus& status) const;

  // For compaction. Whoever holds the lock is alone with index and usage: no group is decided
  // meanwhile.
  Semaphore& index_lock() { return index_lock_; }
  FileUsage& usage() { return usage_; }
  Sequence last_decision() const { return last_decision_; }
  std::uint64_t used_bytes() const { return used_bytes_; }
  std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  // Files that hold segments of shards without a commit so far: they look like garbage and are not.
  std::set<ShardFileId> files_in_use() const;
  const std::set<ShardFileId>& abandoned_files() const { return abandoned_; }
  void file_added(ShardFileId id, std::uint64_t size_bytes);  // sealed
  void file_removed(ShardFileId id);
  // The drive refuses everything from now on; the first reason stays.
  void fail_index(Error error) {
    if (!failed_) failed_ = std::move(error);
  }
  bool is_index_failed() const { return failed_.has_value() || is_index_doubtful_; }

 private:
  // What the index holds of a key, and what the group makes of it.
  struct KeyState {
    std::optional<IndexEntry> held;
    std::vector<ShardFileId> dead;
  };
  using KeyStates = std::map<ShardKey, KeyState>;
  using HeldTries = std::map<ShardKey, std::optional<HeldTry>>;
  struct Placed {
    QueuedRecord record;
    bool is_refused = false;  // not written; `outcome` is its answer
    Result<void> outcome;
  };
  struct OpenFile {
    ShardFileId id;
    std::shared_ptr<File> file;
    std::uint64_t end_bytes = 0;          // all before it is written
    std::uint64_t durable_end_bytes = 0;  // all before it was synced
    FooterBuilder footer;
  };
  using Group = std::vector<Placed>;

  bool is_worth_writing() const;
  std::uint64_t bytes_used_with(std::uint64_t size_bytes) const;
  std::uint64_t full_at_bytes() const;
  void note_error(const Error& error);
  Result<void> check_segment(const ShardTry& attempt, const Segment& segment) const;
  Task<void> write_next();
  Task<Result<void>> ensure_room();
  Task<Result<void>> begin_file();
  Task<Result<void>> seal_file();
  Task<void> abandon_file();
  bool fits(std::uint64_t group_bytes, std::uint64_t group_records) const;
  MutableByteSpan group_memory(std::size_t size_bytes);
  Group take_group();
  Task<void> write_group(Group& group);
  Task<Result<KeyStates>> look_up(const Group& group);
  void refuse_conflicts(Group& group, const KeyStates& states) const;
  void decide(Placed& placed, HeldTries& held) const;
  Buffer lay_out(Group& group);
  Task<Result<void>> store_group(Group& group);
  Task<Result<void>> update_index(const Group& group, KeyStates states);
  Task<void> note_failed_commits(const Group& group, KeyStates states, ShardFileId file_id);
  void answer(Group& group, const Result<void>& result);
  void enqueue(QueuedRecord record);
  void account_removal(const QueuedRecord& record);
  Task<Result<void>> await_decision(std::shared_ptr<Decision> decision, Instant deadline);

  Environment env_;
  std::shared_ptr<const ShardStoreOptions> options_;
  std::shared_ptr<kv::KeyValueStore> index_;
  Semaphore budget_;
  std::uint64_t hold_back_bytes_;
  std::deque<QueuedRecord> queue_;
  std::uint64_t queued_bytes_ = 0;
  std::size_t queued_decisions_ = 0;
  Signal work_;
  bool stopping_ = false;
  std::optional<Error> failed_;  // the index is gone: nothing more until a restart
  bool is_index_doubtful_ = false;
  std::shared_ptr<void> memory_;  // of the last group, used again unless somebody still holds it
  std::size_t memory_bytes_ = 0;
  std::optional<OpenFile> open_;
  std::set<ShardFileId> abandoned_;
  std::uint64_t next_sequence_;
  Sequence last_decision_;
  std::uint64_t used_bytes_;
  std::uint64_t capacity_bytes_ = 0;
  Semaphore index_lock_;
  FileUsage usage_;
  std::set<const ShardTry*> open_tries_;
  DriveStatus counters_;
};

std::unique_ptr<ShardWriter> make_shard_writer(std::shared_ptr<DriveWriter> drive,
                                               std::shared_ptr<ShardTry> attempt);

}  // namespace predastore::shard
