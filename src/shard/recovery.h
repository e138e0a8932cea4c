#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "segment/record.h"
#include "shard/shard_file.h"
#include "shard/shard_store.h"

namespace predastore::shard {

struct FoundFile {
  ShardFileId id;
  std::uint64_t size_bytes = 0;
  Trailer trailer;
  bool has_trailer = true;  // a good one
};

struct FoundFiles {
  std::vector<FoundFile> files;  // all sealed, by first sequence
  Sequence last_sequence;
  Sequence last_decision;
  std::uint64_t used_bytes = 0;
  std::vector<Damage> damage;
};

// What a crash left of the shard files of one drive. Order of writes: a file without a good trailer
// is scanned, a footer with what is good in it is written behind its end and synced, so that what
// was found stays found; nothing that was written before is touched.
class FileRecovery {
 public:
  FileRecovery(Environment env, std::shared_ptr<const ShardStoreOptions> options)
      : env_(env), options_(std::move(options)) {}
  Task<Result<FoundFiles>> run();
  // One file that was sealed; nothing is written. What its frame has of damage is in take_damage().
  Task<Result<FoundFile>> find(ShardFileId id);
  // The headers of all good records of a file: from its index, or by a scan when that is damaged.
  Task<Result<std::vector<segment::RecordHeader>>> load(FoundFile found);
  // The same by reading the whole file, payloads and all; damaged segments are in take_damage().
  Task<Result<std::vector<segment::RecordHeader>>> scan_file(FoundFile found);
  std::vector<Damage> take_damage() { return std::move(damage_); }

 private:
  Task<Result<FoundFile>> examine(ShardFileId id);
  Task<Result<std::optional<Trailer>>> read_trailer(std::shared_ptr<File> file, ShardFileId id,
                                                    std::uint64_t size_bytes);
  Task<Result<void>> check_header(std::shared_ptr<File> file, ShardFileId id);
  Task<Result<std::vector<segment::RecordHeader>>> scan(std::shared_ptr<File> file, ShardFileId id,
                                                        std::uint64_t end_bytes);
  Task<Result<Buffer>> read_what_can_be(std::shared_ptr<File> file, std::uint64_t offset_bytes,
                                        std::size_t size_bytes);
  Task<Result<FoundFile>> seal(ShardFileId id, std::shared_ptr<File> file,
                               std::uint64_t size_bytes);
  void report(ShardFileId id, std::uint64_t offset_bytes, std::string detail);
  std::string path_of(ShardFileId id) const;

  Environment env_;
  std::shared_ptr<const ShardStoreOptions> options_;
  std::vector<Damage> damage_;
};

}  // namespace predastore::shard
