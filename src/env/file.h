#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "env/task.h"

namespace predastore {

// One open file. Any number of reads may be under way beside one write or sync. Closed by
// destruction (which syncs nothing).
class File {
 public:
  virtual ~File() = default;
  // Fewer bytes than asked for only at the end of the file.
  virtual Task<Result<Buffer>> read(std::uint64_t offset_bytes, std::size_t size_bytes) = 0;
  // Not durable until sync. With FileMode::direct, offset and every buffer must be aligned to 4096.
  virtual Task<Result<void>> write(std::uint64_t offset_bytes, BufferChain chain) = 0;
  // After an error assume nothing about what was written since the last good sync, and never try
  // again on this file.
  virtual Task<Result<void>> sync() = 0;
  virtual Task<Result<void>> preallocate(std::uint64_t size_bytes) = 0;  // may be a no-op
  virtual Task<Result<void>> truncate(std::uint64_t size_bytes) = 0;
  virtual Task<Result<std::uint64_t>> size_bytes() = 0;
};

struct FileMode {
  bool write = false;
  bool create = false;     // make it if it is not there
  bool exclusive = false;  // with create: AlreadyExists when it is there
  bool direct = false;     // O_DIRECT where the file system has it
};

struct SpaceInfo {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t free_bytes = 0;
};

// Files as a seam: every byte that is stored goes through it, so that the simulator can lose, tear
// and corrupt. Names are durable only after sync_directory of the directory that holds them.
// Errors: NotFound, AlreadyExists, NoSpace, Io.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Task<Result<std::shared_ptr<File>>> open(std::string path, FileMode mode) = 0;
  virtual Task<Result<void>> rename(std::string from,
                                    std::string to) = 0;         // replaces `to`, atomically
  virtual Task<Result<void>> remove(std::string path) = 0;       // a file or an empty directory
  virtual Task<Result<void>> remove_tree(std::string path) = 0;  // NotFound is no error
  virtual Task<Result<std::vector<std::string>>> list(
      std::string directory) = 0;  // names, sorted, without . and ..
  virtual Task<Result<void>> create_directories(
      std::string path) = 0;  // with parents; syncs the parents it changed
  virtual Task<Result<void>> sync_directory(std::string path) = 0;
  virtual Task<Result<SpaceInfo>> space(std::string path) = 0;
};

// The whole of a small file (at most `limit_bytes`, else InvalidArgument).
Task<Result<Buffer>> read_file(FileSystem& files, std::string path, std::size_t limit_bytes);
// Replaces `path` so that after a crash it holds the old bytes or the new ones: writes and syncs
// path.new, renames it, syncs the directory.
Task<Result<void>> write_file_durably(FileSystem& files, std::string path, Buffer bytes);

}  // namespace predastore
