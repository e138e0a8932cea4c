#include "cli/bench/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace predastore::cli::bench {

std::size_t LatencyHistogram::bucket_of(std::uint64_t microseconds) {
  if (microseconds < (1u << kSubBits)) return static_cast<std::size_t>(microseconds);
  const auto power = static_cast<std::uint32_t>(std::bit_width(microseconds)) - 1 - kSubBits;
  const std::uint64_t within = (microseconds >> power) - (1u << kSubBits);
  const std::size_t bucket = (static_cast<std::size_t>(power + 1) << kSubBits) + within;
  return std::min(bucket, kBuckets - 1);
}

std::uint64_t LatencyHistogram::upper_end(std::size_t bucket) {
  if (bucket < (1u << kSubBits)) return bucket;
  const std::size_t power = (bucket >> kSubBits) - 1;
  const std::uint64_t within = bucket & ((1u << kSubBits) - 1);
  return ((within + (1u << kSubBits) + 1) << power) - 1;
}

void LatencyHistogram::record(Duration latency) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  ++buckets_[bucket_of(static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0)))];
  ++count_;
  max_ = std::max(max_, latency);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

Duration LatencyHistogram::quantile(double fraction) const {
  if (count_ == 0) return Duration{};
  const double wanted = std::ceil(fraction * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min<Duration>(std::chrono::microseconds(upper_end(i)), max_);
  }
  return max_;
}

}  // namespace predastore::cli::bench
