#pragma once

#include <cstdint>
#include <string>

#include "raft/core/core.h"

namespace predastore::raft {

// Sets a core's times to one fixed moment, so that states differ only in what matters: time passing
// is an event of its own in the exploration.
struct CoreInspector {
  static void freeze(Core& core);
  static void expire_election(Core& core);
  static void expire_heartbeat(Core& core);
  static void expire_quorum(Core& core);
  static void describe(const Core& core, std::string& out);
};

namespace testing {

inline constexpr Instant kFrozen{Duration{std::chrono::hours{1}}};

struct Hash128 {
  std::uint64_t a = 0x9ae16a3b2f90404full;
  std::uint64_t b = 0xc3a5c85c97cb3127ull;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};
void feed(Hash128& hash, std::uint64_t number);
Hash128 hash_of(const std::string& bytes);

}  // namespace testing
}  // namespace predastore::raft
