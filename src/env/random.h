#pragma once

#include <cstdint>

#include "base/buffer.h"

namespace predastore {

// Ids and jitter; seeded in the simulator. Keys and other secrets come from crypto/. Any thread.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableByteSpan bytes) = 0;

  std::uint64_t next_u64();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

}  // namespace predastore
