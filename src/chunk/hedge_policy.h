#pragma once

#include <algorithm>

#include "env/clock.h"

namespace predastore::chunk {

// When a fetch takes so long that others are asked as well: three times what nineteen of twenty
// take, as learned, and only as long as it stays the exception, so that an overloaded cluster is
// not made to work twice.
class HedgePolicy {
 public:
  HedgePolicy(Duration delay_min, Duration delay_max)
      : delay_min_(delay_min), delay_max_(delay_max), quantile_(delay_max / 3) {}

  Duration delay() const { return std::clamp<Duration>(quantile_ * 3, delay_min_, delay_max_); }
  void observed(Duration took) {
    tokens_ = std::min(tokens_ + kShare, kTokensMax);
    // Stochastic descent: in balance when one in twenty is above.
    const Duration step = std::max<Duration>(quantile_ / 8, 10us);
    quantile_ += took > quantile_ ? step * 19 / 20 : -step / 20;
    quantile_ = std::clamp<Duration>(quantile_, Duration{1}, delay_max_);
  }
  bool try_take() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kShare = 0.05;
  static constexpr double kTokensMax = 10;

  Duration delay_min_;
  Duration delay_max_;
  Duration quantile_;
  double tokens_ = kTokensMax;
};

}  // namespace predastore::chunk
