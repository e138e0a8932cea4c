#pragma once

#include <vector>

#include "base/result.h"
#include "model/layout.h"
#include "ring/ring.h"

namespace predastore::repair {

// One role of a chunk that is to be on another node than it is.
struct ShardMove {
  ShardRole role;
  NodeId from;
  NodeId to;
  bool is_missing = false;  // there is nothing to copy
  friend bool operator==(const ShardMove&, const ShardMove&) = default;
};

// The node of every role of a chunk by `ring`: who stays keeps its role, newcomers take the vacated
// ones. Empty when the ring has too few nodes for its scheme.
std::vector<NodeId> wanted_nodes(const ChunkLayout& layout, const ring::Ring& ring);
// What has to move for a chunk to be where `wanted` says: shards with bytes, and those that are
// missing. `wanted` has a node for every role.
std::vector<ShardMove> moves_to(const ChunkLayout& layout, const std::vector<NodeId>& wanted);
// The layout with its places by `wanted` and no shard moved: what a swap starts from. Places of
// roles without bytes are those of `wanted`, all others stay.
ChunkLayout in_epoch(ChunkLayout layout, RingEpoch epoch, const std::vector<NodeId>& wanted);

}  // namespace predastore::repair
