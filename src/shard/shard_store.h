#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "kv/kv.h"
#include "model/ids.h"
#include "model/limits.h"
#include "shard/local_shards.h"
#include "shard/shard_service.h"

namespace predastore::shard {

class Compactor;
class DriveWriter;
class FileRecovery;
class Scrubber;
struct ScrubReport;
class FileUsage;
struct FoundFiles;
struct Extent;
struct IndexEntry;

// Something on the drive that is not what it must be. A shard with damage is to be repaired; the
// store goes on without it.
struct Damage {
  DriveId drive;
  std::optional<ShardKey> key;  // none: it cannot be told whose it was
  WriteId write_id;             // zero: not known
  ShardFileId file_id;
  std::uint64_t offset_bytes = 0;
  std::string detail;
};

// Of a rebuild of the index while the drive is opened.
struct RebuildProgress {
  DriveId drive;
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;
  std::uint64_t record_count = 0;
};
// Of the files, 0 to 100.
inline std::uint64_t per_cent(const RebuildProgress& progress) {
  return progress.files_total == 0 ? 0 : progress.files_done * 100 / progress.files_total;
}

// What a drive itself did wrong (not what was damaged on it): a call of the operating system that
// failed with an input or output error.
enum class DriveErrorKind : std::uint8_t { read, write };

using OpenIndex = std::function<Result<std::unique_ptr<kv::KeyValueStore>>(kv::RocksOptions)>;

struct ShardStoreOptions {
  std::string directory;  // shard files in directory/shards, the index in directory/kv
  ClusterId cluster;
  NodeId node;
  DriveId drive;
  std::uint64_t capacity_bytes = 0;  // of all shard files; 0: what the file system has
  // The two watermarks. Above `near_full_share` of the capacity new shards go elsewhere if they
  // can; above `full_share`, or when less than `reserve_bytes` is left, they are refused (NoSpace),
  // and what is left is for deletes and compaction.
  double near_full_share = 1.0;
  double full_share = 1.0;
  std::uint64_t reserve_bytes = 64 * 1024 * 1024;
  std::uint64_t shard_file_size_bytes = kShardFileSizeBytes;
  std::uint64_t write_budget_bytes = 24 * 1024 * 1024;  // queued segments of all shards
  std::uint64_t shard_window_bytes = 2 * 1024 * 1024;   // queued segments of one shard
  std::uint64_t read_budget_bytes =
      32 * 1024 * 1024;  // reads under way, remote ones until their answer is handed over
  std::size_t open_files_max = 128;  // for reading
  bool run_compaction = true;
  Duration compaction_interval = 5s;                      // between looks when there was nothing
  double compaction_garbage_share = 0.25;                 // of the drive, from which it copies
  std::uint64_t compaction_bytes_per_second = 64u << 20;  // read; 0: without a limit
  bool run_scrub = true;
  Duration scrub_period = 14 * 24h;                  // in which everything is read once
  std::uint64_t scrub_bytes_per_second = 32u << 20;  // at most
  bool direct_io = true;
  OpenIndex open_index;                          // kv::open_rocks, or what a test has
  std::function<void(const Damage&)> on_damage;  // on the loop; may be empty
  // As on_damage; after every file, and once before the first. It is logged as well, every some
  // seconds.
  std::function<void(const RebuildProgress&)> on_rebuild;
  std::function<void(DriveErrorKind, const Error&)> on_drive_error;  // as on_damage
  bool discard_index = false;  // at open: what is in directory/kv is not to be trusted
  // Asked while the drive is opened, before every file; true: open() ends with Cancelled.
  std::function<bool()> should_stop;
};

struct DriveStatus {
  bool is_available = true;  // false: the index failed, or the drive was taken out; everything is
                             // refused until a restart
  bool was_rebuilt = false;  // the index was rebuilt from the files at open
  std::uint64_t rebuilt_file_count = 0;    // then, from so many files
  std::uint64_t rebuilt_record_count = 0;  // and records
  bool is_near_full = false;
  bool is_full = false;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;    // by shard files, garbage included
  std::uint64_t live_bytes = 0;    // of these, records that count
  std::uint64_t queued_bytes = 0;  // taken, not yet written
  std::uint64_t shard_file_count = 0;
  std::uint64_t durable_sequence = 0;  // highest decision (commit or tombstone) on stable storage
  std::uint64_t damage_count = 0;
  std::uint64_t group_count = 0;  // groups written since open
  std::uint64_t sync_count = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t abandoned_file_count = 0;  // files given up after a failed write or sync
  std::uint64_t read_error_count = 0;      // input/output errors of reads
  std::uint64_t write_error_count = 0;     // and of writes, syncs and new files
};

// The shards of one drive: docs/formats/shard_file.md. Used on the loop of `env` only.
//
// Order of writes of a group: records, sync (for a new file the directory first), index batch,
// answers. The index is never the truth: at open it is rebuilt from the files unless it is exactly
// as far as they are. A crash leaves every answered commit whole, and every other shard whole or
// absent. close() before destruction; a ShardWriter may outlive the store and then fails.
class ShardStore final : public LocalShards {
 public:
  // Recovers what a crash left: unsealed files are scanned and sealed, the index is rebuilt when it
  // is not as far as the files. Refuses (InvalidArgument) a drive with files of another cluster,
  // node or drive.
  static Task<Result<std::unique_ptr<ShardStore>>> open(Environment env, ShardStoreOptions options);
  ~ShardStore() override;
  ShardStore(const ShardStore&) = delete;
  ShardStore& operator=(const ShardStore&) = delete;

  Result<std::unique_ptr<ShardWriter>> create(ShardKey key, ShardStamp stamp);
  Task<Result<std::unique_ptr<ShardWriter>>> begin(ShardKey key, ShardStamp stamp,
                                                   Instant deadline) override;
  Task<Result<std::vector<Segment>>> fetch(ShardKey key, WriteId write_id, SegmentIndex first,
                                           std::uint16_t count, Instant deadline) override;
  Task<Result<ShardInfo>> stat(ShardKey key, Instant deadline) override;
  Task<Result<void>> remove(std::vector<ShardRemoval> removals, Instant deadline) override;
  Task<Result<Records>> fetch_records(ShardKey key, WriteId write_id, SegmentIndex first,
                                      std::uint16_t count, Instant deadline) override;
  // At most `count_max`.
  Task<Result<std::vector<ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                 std::size_t count_max) override;
  // Reads and checks every segment of a shard. Corruption was reported as damage, too.
  Task<Result<void>> verify(ShardKey key, Instant deadline);

  // One round of compaction, when there is enough to gain; how many files it removed.
  Task<Result<std::size_t>> compact_once();
  // Reads everything that counts, now; damage is reported as always.
  Task<Result<ScrubReport>> scrub_once();

  // From now on everything is refused (Unavailable), and nothing more is written of its own accord.
  void take_out(Error reason);
  // Why everything is refused; none while the drive takes part.
  std::optional<Error> failure() const;
  // Whether the index has the shard. An answer on a drive that was taken out, too, as long as its
  // index can be read.
  Task<Result<bool>> is_indexed(ShardKey key);
  // Asks the file system again what room there is: others may have used it or given it back.
  Task<void> refresh_space();
  DriveStatus status() const;
  // Writes what is queued, seals the open file, flushes the index and lets it go: when this returns
  // another store may be opened on the drive. Further calls are refused.
  Task<Result<void>> close();

 private:
  ShardStore(Environment env, std::shared_ptr<const ShardStoreOptions> options);
  Task<Result<void>> recover();
  Task<Result<void>> rebuild_index(FileRecovery& recovery, const FoundFiles& found);
  Task<Result<std::unique_ptr<kv::KeyValueStore>>> open_index(bool afresh);
  Task<Result<bool>> index_is_current(std::uint64_t highest_decision);
  Task<Result<FileUsage>> count_usage(const FoundFiles& found);
  Task<Result<IndexEntry>> find(ShardKey key);
  Task<Result<std::shared_ptr<File>>> file_for_reading(ShardFileId file_id);
  Task<Result<Records>> read_records(ShardKey key, IndexEntry entry, SegmentIndex first,
                                     std::uint16_t count, Instant deadline);
  Task<Result<void>> read_piece(ShardKey key, const IndexEntry& entry, const Extent& extent,
                                Records& records);
  void start_upkeep();
  void note_use() { used_at_ = env_.clock.now(); }
  bool is_in_use() const;  // shards were written or read a moment ago
  void report(const Damage& damage);
  void note_error(DriveErrorKind kind, const Error& error);

  Environment env_;
  std::shared_ptr<const ShardStoreOptions> options_;
  std::shared_ptr<kv::KeyValueStore> index_;
  std::shared_ptr<DriveWriter> writer_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<Scrubber> scrubber_;
  Semaphore read_budget_;
  TaskGroup tasks_;
  Signal idle_;
  std::size_t in_flight_ = 0;
  bool closed_ = false;
  bool was_rebuilt_ = false;
  RebuildProgress rebuilt_;
  std::uint64_t damage_count_ = 0;
  Instant used_at_{};
  std::uint64_t read_bytes_ = 0;
  std::uint64_t read_error_count_ = 0;

  struct OpenFile {
    std::shared_ptr<File> file;
    std::list<ShardFileId>::iterator recency;
  };
  std::list<ShardFileId> recent_files_;  // last used first
  std::unordered_map<ShardFileId, OpenFile> open_files_;

  friend class InFlight;
};

}  // namespace predastore::shard
