#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/buffer.h"

namespace predastore {

// Memory that is used again instead of given to the system and touched anew, which costs more than
// reading into it. Any thread: the last slice of a buffer may go anywhere. Memory in use keeps the
// pool alive. How much is in use is for its users to bound.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  // Keeps at most `keep_bytes` that nobody uses. Blocks are multiples of `step_bytes` (of 4096).
  explicit BufferPool(std::size_t keep_bytes, std::size_t step_bytes = 64 * 1024);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Not zeroed, aligned to 4096. Less than a step comes from the heap.
  MutableBuffer take(std::size_t size_bytes);
  // Has `count` blocks of this size ready whose pages are there, within what is kept.
  void prefault(std::size_t size_bytes, std::size_t count);
  std::size_t free_bytes() const;

 private:
  std::size_t block_bytes(std::size_t size_bytes) const;
  void* take_free(std::size_t block_bytes);
  void give_back(void* memory, std::size_t block_bytes);

  mutable std::mutex mutex_;
  const std::size_t keep_bytes_;
  const std::size_t step_bytes_;
  std::size_t free_bytes_ = 0;
  std::map<std::size_t, std::vector<void*>> free_;  // by size; no list is empty
};

}  // namespace predastore
