#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "kv/kv.h"

namespace predastore::kv {

// What a MemoryStore has on "disk": outlives the stores that are opened on it, as a directory
// outlives a process. Any thread.
class MemoryDisk {
 public:
  explicit MemoryDisk(std::size_t family_count);

  // What a crash leaves: everything that was flushed, and the first `unflushed_kept` batches after
  // that.
  void crash(std::size_t unflushed_kept = 0);
  std::size_t unflushed_count() const;

  // Everything that is in it now, as bytes, and a disk on which that was flushed. Corruption: they
  // were not made by dump().
  std::string dump() const;
  static Result<std::shared_ptr<MemoryDisk>> of_dump(std::string_view bytes);

 private:
  friend class MemoryStore;
  friend class MemoryIterator;
  using Family = std::map<std::string, std::string, std::less<>>;
  using Families = std::vector<std::shared_ptr<Family>>;
  static void apply(Families& families, const Batch& batch);

  mutable std::mutex mutex_;
  Families
      current_;  // a family that an iterator or `flushed_` shares is copied before it is changed
  Families flushed_;
  std::vector<Batch> unflushed_;
};

std::unique_ptr<KeyValueStore> open_memory(std::shared_ptr<MemoryDisk> disk);

}  // namespace predastore::kv
