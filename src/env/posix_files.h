#pragma once

#include "env/blocking.h"
#include "env/file.h"

namespace predastore {

class IoRing;

// The files of this machine. Every call runs on `blocking`, which outlives this and all files; with
// a ring, which outlives them too, reads, writes and syncs go to it instead. Direct files are
// written past the page cache (where the file system can) and read through it.
class PosixFiles final : public FileSystem {
 public:
  explicit PosixFiles(Blocking& blocking) : blocking_(blocking) {}
  void use_ring(IoRing& ring) { ring_ = &ring; }  // for files that are opened from now on

  Task<Result<std::shared_ptr<File>>> open(std::string path, FileMode mode) override;
  Task<Result<void>> rename(std::string from, std::string to) override;
  Task<Result<void>> remove(std::string path) override;
  Task<Result<void>> remove_tree(std::string path) override;
  Task<Result<std::vector<std::string>>> list(std::string directory) override;
  Task<Result<void>> create_directories(std::string path) override;
  Task<Result<void>> sync_directory(std::string path) override;
  Task<Result<SpaceInfo>> space(std::string path) override;

 private:
  Blocking& blocking_;
  IoRing* ring_ = nullptr;
};

}  // namespace predastore
