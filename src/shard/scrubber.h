#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "kv/kv.h"
#include "shard/drive_writer.h"
#include "shard/shard_store.h"

namespace predastore::shard {

struct ScrubReport {
  std::uint64_t file_count = 0;
  std::uint64_t record_count = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t damage_count = 0;
};

// Reads everything that counts on one drive, file by file, and says what is not as it must be: a
// record that is live or a decision, the header, the index of a file, and that all that the local
// index refers to is there. A good record in a wrong place is damage. Damage of a shard goes to
// whoever repairs; a file whose own frame is damaged is written anew by compaction. Used on the
// loop of one drive.
//
// Where it was is kept in the index (not synced), so that a restart goes on and does not begin
// anew.
class Scrubber {
 public:
  struct Hooks {
    std::function<void(const Damage&)> report;
    std::function<void(ShardFileId)> rewrite;
  };
  Scrubber(Environment env, std::shared_ptr<const ShardStoreOptions> options,
           std::shared_ptr<kv::KeyValueStore> index, std::shared_ptr<DriveWriter> writer,
           Hooks hooks);

  Task<void> run();  // until stop(): passes over all files, each within options.scrub_period
  void stop();
  // All sealed files, now and without a pause.
  Task<Result<ScrubReport>> run_once();
  // Of all passes since open.
  const ScrubReport& totals() const { return totals_; }

 private:
  std::vector<ShardFileId> sealed_files() const;
  Task<Result<void>> scrub_file(ShardFileId id, bool is_paced);
  Task<Result<void>> check_records(ShardFileId id,
                                   const std::vector<segment::RecordHeader>& records,
                                   bool is_paced);
  Task<Result<void>> check_run(std::shared_ptr<File> file, std::vector<segment::RecordHeader> run,
                               const std::vector<segment::RecordHeader>& dead_decisions);
  Task<Result<void>> check_index(ShardFileId id, std::vector<segment::RecordHeader> records);
  void report(Damage damage);
  Task<void> pace(std::uint64_t size_bytes);
  Task<Result<std::optional<ShardFileId>>> load_position();
  Task<void> store_position(std::optional<ShardFileId> id);

  Environment env_;
  std::shared_ptr<const ShardStoreOptions> options_;
  std::shared_ptr<kv::KeyValueStore> index_;
  std::shared_ptr<DriveWriter> writer_;
  Hooks hooks_;
  Signal wake_;
  bool stopping_ = false;
  ScrubReport totals_;
};

}  // namespace predastore::shard
