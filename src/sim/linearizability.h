#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace predastore::sim {

// One operation on one key, as its client saw it. Times are of any monotonic clock.
struct RegisterOperation {
  enum class Kind : std::uint8_t { write, erase, read } kind = Kind::read;
  // Write: what it wrote, unique among all writes of the key, never 0. Read: what it returned; 0 is
  // absent.
  std::uint64_t value = 0;
  // A write that only takes effect when nothing is there (If-None-Match: *).
  bool only_if_absent = false;
  std::int64_t begin = 0;
  // kUnknown: no answer, or one that leaves the outcome open. It may take effect at any time after
  // `begin`, or never.
  std::int64_t end = 0;

  static constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();
};

// Whether one order of the operations, each at some moment between its begin and its end, explains
// every read: Lowe's just-in-time linearization over the set of all states that are still possible.
// Nothing when it does; else a line that says where it fails. Operations that certainly did nothing
// are to be left out. Gives up (nothing, `is_inconclusive`) past a bound of states.
std::optional<std::string> find_contradiction(std::vector<RegisterOperation> history,
                                              bool* is_inconclusive = nullptr);

}  // namespace predastore::sim
