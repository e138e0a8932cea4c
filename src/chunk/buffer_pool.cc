#include "chunk/buffer_pool.h"

#include <cstdlib>

#include "model/limits.h"

namespace predastore::chunk {
namespace {

constexpr std::size_t kAlignment = 4096;

}  // namespace

BufferPool::~BufferPool() {
  for (const auto& [size, blocks] : free_) {
    for (void* block : blocks) std::free(block);
  }
}

MutableBuffer BufferPool::take(std::size_t size_bytes) {
  if (size_bytes < kSegmentSizeBytes) return MutableBuffer{size_bytes};
  const std::size_t block_bytes =
      (size_bytes + kSegmentSizeBytes - 1) / kSegmentSizeBytes * kSegmentSizeBytes;
  void* memory = nullptr;
  {
    const std::lock_guard lock{mutex_};
    const auto found = free_.find(block_bytes);
    if (found != free_.end() && !found->second.empty()) {
      memory = found->second.back();
      found->second.pop_back();
      free_bytes_ -= block_bytes;
    }
  }
  if (memory == nullptr) memory = std::aligned_alloc(kAlignment, block_bytes);
  PREDA_ASSERT(memory != nullptr);
  std::shared_ptr<void> owner{memory, [pool = shared_from_this(), block_bytes](void* block) {
                                pool->give_back(block, block_bytes);
                              }};
  return MutableBuffer{std::move(owner),
                       MutableByteSpan{static_cast<std::byte*>(memory), size_bytes}};
}

void BufferPool::give_back(void* memory, std::size_t size_bytes) {
  {
    const std::lock_guard lock{mutex_};
    if (free_bytes_ + size_bytes <= keep_bytes_) {
      free_[size_bytes].push_back(memory);
      free_bytes_ += size_bytes;
      return;
    }
  }
  std::free(memory);
}

std::size_t BufferPool::free_bytes() const {
  const std::lock_guard lock{mutex_};
  return free_bytes_;
}

}  // namespace predastore::chunk
