#include "env/buffer_pool.h"

#include <cstdlib>
#include <cstring>
#include <iterator>

namespace predastore {
namespace {

constexpr std::size_t kAlignment = 4096;

}  // namespace

BufferPool::BufferPool(std::size_t keep_bytes, std::size_t step_bytes)
    : keep_bytes_(keep_bytes), step_bytes_(step_bytes) {
  PREDA_ASSERT(step_bytes > 0 && step_bytes % kAlignment == 0);
}

BufferPool::~BufferPool() {
  for (const auto& [size, blocks] : free_) {
    for (void* block : blocks) std::free(block);
  }
}

std::size_t BufferPool::block_bytes(std::size_t size_bytes) const {
  return (size_bytes + step_bytes_ - 1) / step_bytes_ * step_bytes_;
}

MutableBuffer BufferPool::take(std::size_t size_bytes) {
  if (size_bytes < step_bytes_) return MutableBuffer{size_bytes};
  const std::size_t block = block_bytes(size_bytes);
  void* memory = take_free(block);
  if (memory == nullptr) memory = std::aligned_alloc(kAlignment, block);
  PREDA_ASSERT(memory != nullptr);
  std::shared_ptr<void> owner{
      memory, [pool = shared_from_this(), block](void* freed) { pool->give_back(freed, block); }};
  return MutableBuffer{std::move(owner),
                       MutableByteSpan{static_cast<std::byte*>(memory), size_bytes}};
}

void* BufferPool::take_free(std::size_t block) {
  const std::lock_guard lock{mutex_};
  const auto found = free_.find(block);
  if (found == free_.end()) return nullptr;
  void* const memory = found->second.back();
  found->second.pop_back();
  if (found->second.empty()) free_.erase(found);
  free_bytes_ -= block;
  return memory;
}

// What comes back is what is asked for at the moment: it takes the place of other sizes.
void BufferPool::give_back(void* memory, std::size_t block) {
  std::vector<void*> dropped;
  {
    const std::lock_guard lock{mutex_};
    while (free_bytes_ + block > keep_bytes_ && !free_.empty()) {
      auto other = std::prev(free_.end());
      if (other->first == block) {
        if (other == free_.begin()) break;
        --other;
      }
      dropped.push_back(other->second.back());
      other->second.pop_back();
      free_bytes_ -= other->first;
      if (other->second.empty()) free_.erase(other);
    }
    if (free_bytes_ + block <= keep_bytes_) {
      free_[block].push_back(memory);
      free_bytes_ += block;
      memory = nullptr;
    }
  }
  for (void* const one : dropped) std::free(one);
  std::free(memory);
}

void BufferPool::prefault(std::size_t size_bytes, std::size_t count) {
  const std::size_t block = block_bytes(size_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    void* const memory = std::aligned_alloc(kAlignment, block);
    PREDA_ASSERT(memory != nullptr);
    std::memset(memory, 0, block);
    give_back(memory, block);
  }
}

std::size_t BufferPool::free_bytes() const {
  const std::lock_guard lock{mutex_};
  return free_bytes_;
}

}  // namespace predastore
