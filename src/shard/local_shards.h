#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "env/sync.h"
#include "shard/shard_service.h"

namespace predastore::shard {

// The shards of this node: one drive (ShardStore) or all of them (DriveSet). On the loop of its
// owner. What a call promises is said at ShardService.
class LocalShards {
 public:
  // Whole records, at most kFetchBodyMaxBytes of them, checked, as they lie on the drive, and the
  // budget they hold.
  struct Records {
    BufferChain bytes;
    WriteId write_id;         // of all of them
    std::uint32_t crc32 = 0;  // of all headers
    SemaphoreHold budget;
  };

  virtual ~LocalShards() = default;
  // NoSpace: no drive has room for more. Unavailable: none takes part.
  virtual Task<Result<std::unique_ptr<ShardWriter>>> begin(ShardKey key, ShardStamp stamp,
                                                           Instant deadline) = 0;
  // At most kFetchSegmentsMax segments; fewer than asked for only at the shard's end; `first` past
  // the end: none.
  virtual Task<Result<std::vector<Segment>>> fetch(ShardKey key, WriteId write_id,
                                                   SegmentIndex first, std::uint16_t count,
                                                   Instant deadline) = 0;
  virtual Task<Result<Records>> fetch_records(ShardKey key, WriteId write_id, SegmentIndex first,
                                              std::uint16_t count, Instant deadline) = 0;
  virtual Task<Result<ShardInfo>> stat(ShardKey key, Instant deadline) = 0;
  virtual Task<Result<void>> remove(std::vector<ShardRemoval> removals, Instant deadline) = 0;
  // What is stored, in the order of the keys, after `after`; about `count_max` (all of a key come
  // together). Drives that are out of order are left out, so that a shard is not in the inventory
  // does not prove that it is not there: stat() tells.
  virtual Task<Result<std::vector<ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                         std::size_t count_max) = 0;
};

}  // namespace predastore::shard
