#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/ids.h"
#include "repair/throttle.h"

namespace predastore::repair {

inline constexpr std::size_t kDamagedChunksMax = 100;  // named in a status; the rest is counted
inline constexpr std::size_t kRedundancyLevels = 10;   // below zero, 0 to 7, and 8

// A chunk with fewer good shards than its data needs. Nothing of it is deleted.
struct DamagedChunk {
  ObjectId object_id;
  ChunkIndex chunk_index;
  std::uint8_t shards_good = 0;
  std::uint8_t shards_needed = 0;
  friend bool operator==(const DamagedChunk&, const DamagedChunk&) = default;
};

// How the healing of the cluster goes, as the node that leads it knows it. Bytes are those of
// chunks, logical.
struct HealProgress {
  bool is_leading = false;  // else the rest is of no meaning
  bool is_paused = false;
  std::uint64_t elapsed_ms = 0;   // since there was something to heal; 0: nothing is
  std::uint64_t chunks_done = 0;  // since then
  std::uint64_t bytes_done = 0;
  std::uint64_t chunks_left = 0;  // those that wait included
  std::uint64_t bytes_left = 0;
  std::uint64_t chunks_waiting = 0;  // for a node, or for the next try
  std::uint64_t chunks_unrepairable = 0;
  std::uint64_t bytes_per_second = 0;        // of the last seconds
  std::uint64_t limit_bytes_per_second = 0;  // 0: none
  // Of what is left: chunks by how many more shards may be lost, see level_of().
  std::array<std::uint64_t, kRedundancyLevels> chunks_by_redundancy{};
  std::vector<DamagedChunk> damaged;  // of the unrepairable ones, at most kDamagedChunksMax
};

// What one node has to do with it.
struct HealStatus {
  HealProgress progress;
  std::uint64_t chunks_repaired = 0;  // by this node, since its process began
  std::uint64_t bytes_repaired = 0;
  ClientLoad clients;  // of this node
};

// The place of a redundancy in chunks_by_redundancy.
inline std::size_t level_of(int redundancy) {
  if (redundancy < 0) return 0;
  return redundancy >= 8 ? kRedundancyLevels - 1 : static_cast<std::size_t>(redundancy) + 1;
}

}  // namespace predastore::repair
