#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/buffer.h"

namespace predastore::chunk {

// Stripe memory that is used again instead of given to the system and touched anew. Any thread: the
// last slice of a buffer may go anywhere. Memory in use keeps the pool alive.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  // Keeps at most so many bytes that nobody uses.
  explicit BufferPool(std::size_t keep_bytes) : keep_bytes_(keep_bytes) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Not zeroed. Less than a segment comes from the heap.
  MutableBuffer take(std::size_t size_bytes);
  std::size_t free_bytes() const;

 private:
  void give_back(void* memory, std::size_t size_bytes);

  mutable std::mutex mutex_;
  std::size_t keep_bytes_;
  std::size_t free_bytes_ = 0;
  std::map<std::size_t, std::vector<void*>> free_;  // by size
};

}  // namespace predastore::chunk
