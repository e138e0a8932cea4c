#pragma once

#include <array>
#include <cstdint>

#include "env/clock.h"

namespace predastore::cli::bench {

// Counts of durations in buckets that are at most 1/64 wide of what they hold, from 1 microsecond
// to some hours, in constant memory: what is told of it is right within 1.6 %. The buckets are
// those of an HdrHistogram: linear within a power of two.
class LatencyHistogram {
 public:
  void record(Duration latency);
  void merge(const LatencyHistogram& other);

  std::uint64_t count() const { return count_; }
  // The upper end of the bucket of the sample at `fraction` (0..1) of all, never above max(); zero
  // without samples.
  Duration quantile(double fraction) const;
  Duration max() const { return max_; }

 private:
  static constexpr std::uint32_t kSubBits = 6;             // 64 buckets a power of two
  static constexpr std::uint32_t kPowers = 34 - kSubBits;  // up to 2^34 microseconds
  static constexpr std::size_t kBuckets = (kPowers + 1) << kSubBits;
  static std::size_t bucket_of(std::uint64_t microseconds);
  static std::uint64_t upper_end(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  Duration max_{};
};

}  // namespace predastore::cli::bench
