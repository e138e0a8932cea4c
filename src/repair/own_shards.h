#pragma once

#include <optional>
#include <vector>

#include "shard/shard_service.h"

namespace predastore::repair {

// The shards on the drives of this node, as sweep and reconcile see them: also while they are kept
// from readers. Outlives who uses it.
class OwnShards {
 public:
  virtual ~OwnShards() = default;
  // What is stored, in the order of the keys, after `after`; at most `count_max`.
  virtual Task<Result<std::vector<shard::ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                                std::size_t count_max) = 0;
  // False: some drive is out of order or being opened, so that what is not in the inventory may be
  // there all the same.
  virtual bool is_whole() const = 0;
  // Durable when it returns. A shard that is not there is no error.
  virtual Task<Result<void>> remove(std::vector<shard::ShardRemoval> removals,
                                    Instant deadline) = 0;
};

// The key before this one in their order; none before the first.
std::optional<ShardKey> key_before(ShardKey key);

// A walk over the inventory beside another walk in the same order.
class InventoryWalk {
 public:
  explicit InventoryWalk(OwnShards& shards, std::size_t page_size = 1000)
      : shards_(shards), page_size_(page_size) {}
  // What is stored under the key, of the highest generation. Keys come in ascending order.
  Task<Result<std::optional<shard::ShardInfo>>> find(ShardKey key);

 private:
  OwnShards& shards_;
  std::size_t page_size_;
  std::vector<shard::ShardInfo> page_;
  std::size_t at_ = 0;
  bool is_begun_ = false;
  bool is_last_ = false;
};

}  // namespace predastore::repair
