#include "shard/file_usage.h"

namespace predastore::shard {

void FileUsage::forget(ShardFileId id) {
  const auto found = files_.find(id);
  if (found == files_.end()) return;
  live_bytes_ -= found->second.live_bytes;
  files_.erase(found);
}

// An entry may name a file that is gone (damage that repair has not got to); it counts nowhere.
void FileUsage::count(const IndexEntry& entry, std::int64_t sign) {
  const auto add = [&](ShardFileId id, std::uint64_t bytes) {
    const auto found = files_.find(id);
    if (found == files_.end()) return;
    if (sign > 0) {
      found->second.live_bytes += bytes;
      live_bytes_ += bytes;
    } else {
      PREDA_ASSERT(found->second.live_bytes >= bytes && live_bytes_ >= bytes);
      found->second.live_bytes -= bytes;
      live_bytes_ -= bytes;
    }
  };
  for (const Extent& extent : entry.extents)
    add(extent.file_id, extent.count * extent.record_size_bytes());
  add(entry.commit_file_id, segment::kRecordHeaderSizeBytes);
}

std::optional<ShardFileId> FileUsage::most_wasteful(double share_min,
                                                    const std::set<ShardFileId>& excluded) const {
  std::optional<ShardFileId> best;
  double best_share = share_min;
  for (const auto& [id, file] : files_) {
    if (!file.is_sealed || file.size_bytes == 0 || excluded.contains(id)) continue;
    const double share =
        static_cast<double>(file.garbage_bytes()) / static_cast<double>(file.size_bytes);
    if (share < best_share || (best && share == best_share && *best < id)) continue;
    best = id;
    best_share = share;
  }
  return best;
}

}  // namespace predastore::shard
