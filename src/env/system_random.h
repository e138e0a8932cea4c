#pragma once

#include "env/random.h"

namespace predastore {

// The kernel's generator, a few KiB at a time and thread.
class SystemRandom final : public Random {
 public:
  void fill(MutableByteSpan bytes) override;
};

}  // namespace predastore
