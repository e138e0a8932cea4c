#pragma once

#include <cstdint>
#include <vector>

#include "model/layout.h"

namespace predastore::meta {

// Replicated when the cluster is made; apply reads these and never a node's configuration.
struct Limits {
  std::uint64_t write_epochs = 1440;   // G: a commit this many epochs old is refused
  std::uint64_t garbage_epochs = 2;    // G': how long garbage waits for readers
  std::uint64_t session_epochs = 120;  // a proposer silent for longer has lost its session
  std::uint64_t sessions_max = 4096;
  std::uint64_t part_size_min_bytes = 5u << 20;  // of every part but the last
  std::uint32_t inline_max_bytes = 0;  // objects up to this size go with the metadata; 0: none
};

// What the first leader of an empty cluster makes of the configuration: ring epoch 1, with one slot
// a node in this order.
struct Bootstrap {
  ClusterId cluster_id;
  std::vector<NodeRecord> nodes;
  std::vector<RingSlot> slots;  // empty: one of weight 100 for each node, in order
  std::uint32_t vnodes_per_slot = 256;
  Limits limits;
};

}  // namespace predastore::meta
