#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "env/task.h"

namespace predastore {

using Duration = std::chrono::nanoseconds;
struct MonotonicTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTag, duration>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicTag::time_point;  // elapsed time and deadlines
using WallTime = std::chrono::time_point<std::chrono::system_clock,
                                         std::chrono::milliseconds>;  // since 1970, UTC
using namespace std::chrono_literals;  // NOLINT: durations read as 30s

inline constexpr Instant kNever = Instant::max();

// Time as a seam. All members are called on the loop that owns the clock; callbacks run there too,
// never inside call_at.
class Clock {
 public:
  using TimerId = std::uint64_t;

  virtual ~Clock() = default;
  virtual Instant now() const = 0;  // any thread
  virtual WallTime wall_now()
      const = 0;  // any thread; may jump: only for LastModified, signatures, certificates
  // Calls `callback` once at or after `when`. Zero is never a valid id.
  virtual TimerId call_at(Instant when, std::function<void()> callback) = 0;
  // After this returns the callback does not run. Unknown or past ids are ignored.
  virtual void cancel(TimerId id) = 0;
};

Task<void> sleep_until(Clock& clock, Instant when);
inline Task<void> sleep_for(Clock& clock, Duration duration) {
  return sleep_until(clock, clock.now() + duration);
}

}  // namespace predastore
