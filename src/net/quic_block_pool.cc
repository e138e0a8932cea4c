#include "net/quic_block_pool.h"

#include <utility>

namespace predastore::net {

std::shared_ptr<std::byte[]> QuicBlockPool::take() {
  std::unique_ptr<std::byte[]> block;
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      block = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!block) block.reset(new std::byte[kBlockBytes]);
  auto return_block = [pool = weak_from_this()](std::byte* memory) {
    std::unique_ptr<std::byte[]> owned{memory};
    if (auto home = pool.lock()) home->give_back(std::move(owned));
  };
  return {block.release(), std::move(return_block)};
}

void QuicBlockPool::give_back(std::unique_ptr<std::byte[]> block) {
  const std::lock_guard lock{mutex_};
  if (idle_.size() < idle_max_) idle_.push_back(std::move(block));
}

}  // namespace predastore::net
