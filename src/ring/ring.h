#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/layout.h"

namespace predastore::ring {

inline constexpr std::uint32_t kAlgorithmVersion = 1;
inline constexpr std::uint32_t kVnodesPerSlotMax = 4096;
inline constexpr std::uint32_t kSlotsMax = 4096;
inline constexpr std::uint32_t kWeightMax = 1000;  // per cent

// Where on the ring a chunk of a name belongs: first8(SHA-256("bucket/path:chunkIndex")),
// big-endian, the index in decimal ASCII. Kept in the layout, so that a rename moves no data.
std::uint64_t placement_hash(std::string_view bucket, std::string_view key, ChunkIndex chunk_index);

// Where on the ring the n-th vnode of a slot is: first8(SHA-256("slotId:vnode")), both counted from
// 0 in decimal ASCII.
std::uint64_t token(SlotId slot, std::uint32_t vnode);

// One ring epoch, made for lookups; immutable. Pure: the same record gives the same answers for
// ever, which docs/formats/ring.md and the golden vectors hold it to.
class Ring {
 public:
  // An empty ring: no candidates for anything.
  Ring() = default;
  // Unsupported: a version of the algorithm that this build does not know. InvalidArgument: a slot
  // twice, or a number beyond the limits above. A slot of weight 0 has no vnodes: its node gets no
  // chunks.
  static Result<Ring> make(const RingRecord& record);

  // Nodes in the order in which they are asked to hold a chunk: role 0 first, and after the first
  // K+M the substitutes; at most `count_max`, each node once. Clockwise from `hash`; a node comes
  // after all nodes that are the first of their zone, if it is the second of its own, and so on, so
  // that any first n of them lie in as many zones as there are, and as evenly. A node without a
  // zone is a zone of its own.
  std::vector<NodeId> candidates(std::uint64_t hash, std::size_t count_max) const;

  std::size_t node_count() const { return nodes_.size(); }  // those that have vnodes
  RingEpoch epoch() const { return epoch_; }

 private:
  struct Token {
    std::uint64_t position;
    std::uint32_t slot;
    std::uint32_t node_index;  // in nodes_
  };
  struct Node {
    NodeId id;
    std::uint32_t zone_index;
  };

  RingEpoch epoch_;
  std::vector<Token> tokens_;  // by position, then slot
  std::vector<Node> nodes_;
  std::uint32_t zone_count_ = 0;
};

// Who takes which role when the nodes that should hold a chunk change from `current` (by role) to
// `wanted` (any order, as many): nodes that stay keep their roles, newcomers take the vacated ones
// in ascending order. The answer is by role and holds the same nodes as `wanted`.
std::vector<NodeId> assign_roles(const std::vector<NodeId>& current,
                                 const std::vector<NodeId>& wanted);

}  // namespace predastore::ring
