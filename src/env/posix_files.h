#pragma once

#include "env/blocking.h"
#include "env/buffer_pool.h"
#include "env/file.h"

namespace predastore {

class IoRing;

// The files of this machine. Every call runs on `blocking`, which outlives this and all files; with
// a ring, which outlives them too, reads, writes and syncs go to it instead. Direct files are
// written past the page cache (where the file system can) and read through it. What is read comes
// in memory that is used again; at most `keep_bytes` of it are kept while nobody reads.
class PosixFiles final : public FileSystem {
 public:
  explicit PosixFiles(Blocking& blocking, std::size_t keep_bytes = kKeepBytes)
      : blocking_(blocking), pool_(std::make_shared<BufferPool>(keep_bytes, kStepBytes)) {}
  void use_ring(IoRing& ring) { ring_ = &ring; }  // for files that are opened from now on
  // Has memory ready for so many reads of this size.
  void prefault(std::size_t read_bytes, std::size_t count) { pool_->prefault(read_bytes, count); }

  Task<Result<std::shared_ptr<File>>> open(std::string path, FileMode mode) override;
  Task<Result<void>> rename(std::string from, std::string to) override;
  Task<Result<void>> remove(std::string path) override;
  Task<Result<void>> remove_tree(std::string path) override;
  Task<Result<std::vector<std::string>>> list(std::string directory) override;
  Task<Result<void>> create_directories(std::string path) override;
  Task<Result<void>> sync_directory(std::string path) override;
  Task<Result<SpaceInfo>> space(std::string path) override;

 private:
  static constexpr std::size_t kKeepBytes = 16 * 1024 * 1024;
  static constexpr std::size_t kStepBytes = 16 * 1024;

  Blocking& blocking_;
  std::shared_ptr<BufferPool> pool_;
  IoRing* ring_ = nullptr;
};

}  // namespace predastore
