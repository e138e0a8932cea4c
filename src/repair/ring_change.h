#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "model/layout.h"
#include "ring/ring.h"

// Changes of a ring before they are applied. Pure: nothing here is the ring of the cluster.
namespace predastore::repair {

// The node gets a slot (the lowest that is free), or its slots another weight and zone.
Result<RingRecord> with_node(RingRecord ring, NodeId node, std::uint32_t weight, std::string zone);
// NotFound: the ring does not name the node.
Result<RingRecord> without_node(RingRecord ring, NodeId node);
// The slots of `before` go to `after`, so that only their shards move. AlreadyExists: `after` has
// slots of its own.
Result<RingRecord> with_replaced(RingRecord ring, NodeId before, NodeId after);
bool names(const RingRecord& ring, NodeId node);

// What would move, counted over layouts.
class RingPreview {
 public:
  explicit RingPreview(ring::Ring ring) : ring_(std::move(ring)) {}
  void add(const ChunkLayout& layout);

  struct Counts {
    std::uint64_t chunks = 0;
    std::uint64_t chunks_moving = 0;
    std::uint64_t shards_moving = 0;
    std::uint64_t bytes_moving = 0;  // logical, of the shards
    std::uint64_t chunks_stuck = 0;  // wider than the ring
    std::map<NodeId, std::uint64_t> shards_before;
    std::map<NodeId, std::uint64_t> shards_after;
  };
  const Counts& counts() const { return counts_; }

 private:
  ring::Ring ring_;
  Counts counts_;
};

}  // namespace predastore::repair
