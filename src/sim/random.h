#pragma once

#include <cstdint>
#include <string_view>

#include "env/clock.h"
#include "env/random.h"

namespace predastore::sim {

// xoshiro256**, seeded. Every part of a simulation draws from a stream of its own, so that one more
// draw in one of them does not change what the others see.
class SimRandom final : public Random {
 public:
  explicit SimRandom(std::uint64_t seed);

  void fill(MutableByteSpan bytes) override;
  std::uint64_t next();
  // Uniform in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high);
  Duration between(Duration low, Duration high);
  bool chance(double probability);
  // The seed of another stream.
  static std::uint64_t derive(std::uint64_t seed, std::string_view name, std::uint64_t number = 0);

 private:
  std::uint64_t state_[4];
};

}  // namespace predastore::sim
