#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>

#include "shard/shard_index.h"

namespace predastore::shard {

// How much of each shard file still counts: what compaction decides by. Live are the records of
// shards in the index; all else (superseded, removed, of tries that were given up, padding,
// footers, tombstones) is garbage. Kept in memory, counted anew from the index at every open.
class FileUsage {
 public:
  struct File {
    std::uint64_t size_bytes = 0;
    std::uint64_t live_bytes = 0;
    bool is_sealed = false;
    std::uint64_t garbage_bytes() const {
      return size_bytes > live_bytes ? size_bytes - live_bytes : 0;
    }
  };

  void set_size(ShardFileId id, std::uint64_t size_bytes) { files_[id].size_bytes = size_bytes; }
  void seal(ShardFileId id) { files_[id].is_sealed = true; }
  void forget(ShardFileId id);
  bool contains(ShardFileId id) const { return files_.contains(id); }
  void add(const IndexEntry& entry) { count(entry, 1); }
  void subtract(const IndexEntry& entry) { count(entry, -1); }

  const std::unordered_map<ShardFileId, File>& files() const { return files_; }
  std::uint64_t live_bytes() const { return live_bytes_; }
  // The sealed file with the largest share of garbage, at least `share_min` of it; none of
  // `excluded`.
  std::optional<ShardFileId> most_wasteful(double share_min,
                                           const std::set<ShardFileId>& excluded) const;

 private:
  void count(const IndexEntry& entry, std::int64_t sign);

  std::unordered_map<ShardFileId, File> files_;
  std::uint64_t live_bytes_ = 0;
};

}  // namespace predastore::shard
