#include "repair/own_shards.h"

#include <limits>

namespace predastore::repair {

std::optional<ShardKey> key_before(ShardKey key) {
  if (key.role.value() > 0) {
    key.role = ShardRole{static_cast<std::uint8_t>(key.role.value() - 1)};
    return key;
  }
  key.role = ShardRole{std::numeric_limits<std::uint8_t>::max()};
  if (key.chunk_index.value() > 0) {
    key.chunk_index = ChunkIndex{key.chunk_index.value() - 1};
    return key;
  }
  key.chunk_index = ChunkIndex{std::numeric_limits<std::uint32_t>::max()};
  for (std::size_t i = key.object_id.bytes.size(); i-- > 0;) {
    std::byte& byte = key.object_id.bytes[i];
    const bool is_zero = byte == std::byte{0};
    byte = static_cast<std::byte>(std::to_integer<unsigned>(byte) - 1U);
    if (!is_zero) return key;
  }
  return std::nullopt;
}

Task<Result<std::optional<shard::ShardInfo>>> InventoryWalk::find(ShardKey key) {
  std::optional<shard::ShardInfo> found;
  for (;;) {
    for (; at_ < page_.size() && page_[at_].key <= key; ++at_) {
      const shard::ShardInfo& info = page_[at_];
      if (info.key == key && (!found || found->stamp.generation < info.stamp.generation))
        found = info;
    }
    if (at_ < page_.size() || is_last_) co_return found;
    // The next page begins where this one ended, or, when that is far behind, at the key.
    const std::optional<ShardKey> near = key_before(key);
    std::optional<ShardKey> after = page_.empty() ? near : page_.back().key;
    if (is_begun_ && near && *after < *near) after = near;
    is_begun_ = true;
    PREDA_CO_TRY(page_, co_await shards_.inventory(after, page_size_));
    at_ = 0;
    is_last_ = page_.size() < page_size_;
  }
}

}  // namespace predastore::repair
