#pragma once

#include "shard/local_shards.h"

namespace predastore::shard {

// The shards of this node as readers see them. While the gate is closed nothing is read from them
// (Unavailable, never NotFound): it is known that they are not what they were, and not yet what of
// them is good. Writes and deletes go on, and so does the inventory. On the loop of its owner.
class GatedShards final : public LocalShards {
 public:
  // `shards` outlives this.
  explicit GatedShards(LocalShards& shards) : shards_(shards) {}

  void close() { is_closed_ = true; }
  void open() { is_closed_ = false; }
  bool is_closed() const { return is_closed_; }

  Task<Result<std::unique_ptr<ShardWriter>>> begin(ShardKey key, ShardStamp stamp,
                                                   Instant deadline) override {
    return shards_.begin(key, stamp, deadline);
  }
  Task<Result<std::vector<Segment>>> fetch(ShardKey key, WriteId write_id, SegmentIndex first,
                                           std::uint16_t count, Instant deadline) override {
    if (is_closed_) return refuse<std::vector<Segment>>();
    return shards_.fetch(key, write_id, first, count, deadline);
  }
  Task<Result<Records>> fetch_records(ShardKey key, WriteId write_id, SegmentIndex first,
                                      std::uint16_t count, Instant deadline) override {
    if (is_closed_) return refuse<Records>();
    return shards_.fetch_records(key, write_id, first, count, deadline);
  }
  Task<Result<ShardInfo>> stat(ShardKey key, Instant deadline) override {
    if (is_closed_) return refuse<ShardInfo>();
    return shards_.stat(key, deadline);
  }
  Task<Result<void>> remove(std::vector<ShardRemoval> removals, Instant deadline) override {
    return shards_.remove(std::move(removals), deadline);
  }
  Task<Result<std::vector<ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                 std::size_t count_max) override {
    return shards_.inventory(after, count_max);
  }

 private:
  template <class T>
  static Task<Result<T>> refuse() {
    co_return make_error(ErrorCode::Unavailable,
                         "a drive is behind what it was, and is being reconciled");
  }

  LocalShards& shards_;
  bool is_closed_ = false;
};

}  // namespace predastore::shard
