#pragma once

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "env/clock.h"
#include "model/ids.h"

namespace predastore::chunk {

// When a fetch takes so long that others are asked as well: three times what nineteen of twenty
// take at a node, as learned, where "a node" is the one in the middle. One that is slow does not
// make slowness ordinary; when most are, the cluster is overloaded and is not made to work twice.
// For the same reason hedges stay the exception: one fetch in twenty, and a few a second besides.
class HedgePolicy {
 public:
  HedgePolicy(Clock& clock, Duration delay_min, Duration delay_max)
      : clock_(clock), delay_min_(delay_min), delay_max_(delay_max), refilled_(clock.now()) {}

  Duration delay() const { return std::clamp<Duration>(typical() * 3, delay_min_, delay_max_); }
  void observed(NodeId node, Duration took) {
    tokens_ = std::min(tokens_ + kShare, kTokensMax);
    const auto [found, is_new] = quantiles_.try_emplace(node, took * 2);
    Duration& quantile = found->second;
    // Stochastic descent: in balance when one in twenty is above.
    const Duration step = std::max<Duration>(quantile / 8, 10us);
    if (!is_new) quantile += took > quantile ? step * 19 / 20 : -step / 20;
    quantile = std::clamp<Duration>(quantile, Duration{1}, delay_max_);
  }
  bool try_take() {
    const Instant now = clock_.now();
    const double seconds = std::chrono::duration<double>(now - refilled_).count();
    refilled_ = now;
    tokens_ = std::min(tokens_ + seconds * kPerSecond, kTokensMax);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kShare = 0.05;
  static constexpr double kPerSecond = 2;
  static constexpr double kTokensMax = 10;

  Duration typical() const {
    if (quantiles_.empty()) return delay_max_ / 3;
    std::vector<Duration> all;
    for (const auto& [node, quantile] : quantiles_) all.push_back(quantile);
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
    std::ranges::nth_element(all, middle);
    return *middle;
  }

  Clock& clock_;
  Duration delay_min_;
  Duration delay_max_;
  Instant refilled_;
  std::unordered_map<NodeId, Duration> quantiles_;  // the order of walking it does not matter
  double tokens_ = kTokensMax;
};

}  // namespace predastore::chunk
