#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "env/sync.h"

namespace predastore::object {

// The memory of all uploads, or of all downloads. Who is under way waits for more of it; who comes
// new waits only behind few others and not for long, so that a crowd is told at once, while it has
// cost nothing, and what is served is served in time. First come, first served. On one loop.
class MemoryBudget {
 public:
  struct Patience {
    Duration under_way;         // of who has begun
    Duration newcomer;          // of who has not
    std::size_t newcomers_max;  // that wait at a time
  };
  enum class Caller : std::uint8_t { newcomer, under_way };

  MemoryBudget(Clock& clock, std::uint64_t size_bytes, Patience patience);

  // Unavailable when it is not to be had in time, or, for a newcomer, at once when too many wait.
  Task<Result<SemaphoreHold>> acquire(std::uint64_t bytes, Caller caller);
  // None when it is not there at this moment, or others wait for it.
  std::optional<SemaphoreHold> try_acquire(std::uint64_t bytes);
  // Whether a newcomer would be refused at once.
  bool is_crowded() const { return newcomer_count_ >= patience_.newcomers_max; }

  // Whether somebody waits.
  bool is_short() const { return waiting_count_ > 0; }

  std::uint64_t in_use_bytes() const { return size_bytes_ - memory_.available(); }
  std::uint64_t available_bytes() const { return memory_.available(); }
  std::uint64_t refused_count() const { return refused_count_; }

 private:
  Clock& clock_;
  std::uint64_t size_bytes_;
  Patience patience_;
  Semaphore memory_;
  std::size_t newcomer_count_ = 0;  // of those that wait
  std::size_t waiting_count_ = 0;
  std::uint64_t refused_count_ = 0;
};

}  // namespace predastore::object
