#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "kv/kv.h"
#include "shard/compaction_output.h"
#include "shard/drive_writer.h"
#include "shard/recovery.h"
#include "shard/shard_store.h"

namespace predastore::shard {

// Gives space back: copies what is live out of files that are mostly garbage and removes them, one
// round at a time. Used on the loop of one drive.
//
// Order of writes of a round, so that it can be killed anywhere:
// 1. the index is told of the output's id, and flushed: at the next open such a file is removed,
//    because nothing can refer to it;
// 2. the output is written, sealed and synced, its name too;
// 3. alone with the index (no group is decided meanwhile): every entry that still names an old
//    place gets the new one, the old files are noted as holders of dead commit records, and the
//    mark of step 1 goes, all in one batch; then the index is flushed;
// 4. the old files are removed and the directory is synced;
// 5. the removed files are struck from the notes of dead records.
//
// It gives way: while others use the drive it copies at a quarter of its rate, faster as garbage
// grows, and without any limit when room is short.
//
// Commits and tombstones keep their sequences. A tombstone is copied as long as another file exists
// that holds a dead commit record of its key, and when it is the drive's last decision (the mark by
// which an index is known to be current).
class Compactor {
 public:
  struct Hooks {
    std::function<void(const Damage&)> report;
    std::function<void(ShardFileId)> file_removed;
    std::function<bool()> is_in_use;  // others read or write shards; may be empty
  };
  Compactor(Environment env, std::shared_ptr<const ShardStoreOptions> options,
            std::shared_ptr<kv::KeyValueStore> index, std::shared_ptr<DriveWriter> writer,
            Hooks hooks);

  Task<void> run();  // until stop()
  void stop();
  // A file to be written anew even if little of it is garbage: something of its frame is damaged.
  void request(ShardFileId id);
  // One round when there is enough to gain; how many files it removed.
  Task<Result<std::size_t>> run_once();

  // At open, before anything else is written: removes outputs of a round that was cut off.
  // Only with an index that is current: an older one could name what has become of use since.
  static Task<Result<std::vector<ShardFileId>>> remove_leftovers(
      Environment env, std::shared_ptr<const ShardStoreOptions> options,
      std::shared_ptr<kv::KeyValueStore> index);

 private:
  struct Victim {
    FoundFile file;
    std::vector<segment::RecordHeader> records;
  };
  // A record that was copied: where from, and the header with which it is stored now.
  struct Moved {
    ShardFileId from;
    std::uint64_t from_offset_bytes = 0;
    segment::RecordHeader header;
  };
  struct Round {
    std::vector<Victim> victims;
    std::vector<std::unique_ptr<CompactionOutput>> outputs;
    std::map<ShardKey, std::vector<Moved>> moved;
    std::set<ShardFileId> given_up;  // victims that stay: their copies are garbage
  };
  struct Situation {
    Sequence last_decision;
    std::set<ShardFileId> files;
  };
  using Changes = std::vector<std::pair<IndexEntry, IndexEntry>>;  // before, after

  bool is_pressed() const;
  double garbage_bytes() const;
  double rate() const;  // bytes a second at this moment; 0: without a limit
  std::vector<ShardFileId> pick() const;
  Task<Result<Victim>> load(ShardFileId id);
  Task<Result<std::size_t>> compact(Round& round);
  Task<void> discard_outputs(Round& round);
  Task<Result<std::vector<bool>>> find_kept(const Victim& victim);
  Result<bool> is_tombstone_needed(const segment::RecordHeader& record,
                                   const Situation& situation) const;
  Task<Result<void>> copy(Round& round, const Victim& victim);
  Task<Result<void>> copy_run(Round& round, std::shared_ptr<File> file,
                              std::vector<segment::RecordHeader> run);
  Task<Result<CompactionOutput*>> output_for(Round& round, segment::RecordHeader header);
  Task<Result<void>> switch_over(Round& round);
  Result<void> move_entry(const Round& round, const ShardKey& key, kv::Batch& batch,
                          Changes& changes) const;
  Task<Result<std::size_t>> remove_victims(Round& round);
  Task<Result<void>> strike_out(const std::vector<Victim>& victims);
  Task<void> pace(std::uint64_t size_bytes);
  Task<Result<void>> flush_index();

  Environment env_;
  std::shared_ptr<const ShardStoreOptions> options_;
  std::shared_ptr<kv::KeyValueStore> index_;
  std::shared_ptr<DriveWriter> writer_;
  Hooks hooks_;
  Signal wake_;
  bool stopping_ = false;
  bool is_running_ = false;
  std::set<ShardFileId> requested_;
  std::map<ShardFileId, Instant> held_back_;  // until when: nothing to gain, or damaged
};

}  // namespace predastore::shard
