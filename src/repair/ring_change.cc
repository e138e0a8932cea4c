#include "repair/ring_change.h"

#include <algorithm>
#include <set>

#include "repair/placement.h"

namespace predastore::repair {

bool names(const RingRecord& ring, NodeId node) {
  return std::ranges::any_of(ring.slots,
                             [node](const RingSlot& slot) { return slot.node == node; });
}

Result<RingRecord> with_node(RingRecord ring, NodeId node, std::uint32_t weight, std::string zone) {
  if (weight == 0 || weight > ring::kWeightMax)
    return make_error(ErrorCode::InvalidArgument,
                      "a weight is 1 to " + std::to_string(ring::kWeightMax));
  bool is_known = false;
  std::set<SlotId> used;
  for (RingSlot& slot : ring.slots) {
    used.insert(slot.slot);
    if (slot.node != node) continue;
    slot.weight = weight;
    slot.zone = zone;
    is_known = true;
  }
  if (is_known) return ring;
  RingSlot slot;
  while (used.contains(slot.slot)) slot.slot = next(slot.slot);
  slot.node = node;
  slot.weight = weight;
  slot.zone = std::move(zone);
  ring.slots.push_back(std::move(slot));
  return ring;
}

Result<RingRecord> without_node(RingRecord ring, NodeId node) {
  if (!names(ring, node)) return make_error(ErrorCode::NotFound, "the ring does not name the node");
  std::erase_if(ring.slots, [node](const RingSlot& slot) { return slot.node == node; });
  return ring;
}

Result<RingRecord> with_replaced(RingRecord ring, NodeId before, NodeId after) {
  if (!names(ring, before))
    return make_error(ErrorCode::NotFound, "the ring does not name the node");
  if (names(ring, after))
    return make_error(ErrorCode::AlreadyExists, "the new node has slots of its own");
  for (RingSlot& slot : ring.slots) {
    if (slot.node == before) slot.node = after;
  }
  return ring;
}

void RingPreview::add(const ChunkLayout& layout) {
  ++counts_.chunks;
  for (const ShardPlace& place : layout.places) {
    if (place.is_stored && !place.is_missing) ++counts_.shards_before[place.node];
  }
  const std::vector<NodeId> wanted = wanted_nodes(layout, ring_);
  if (wanted.empty()) {
    ++counts_.chunks_stuck;
    return;
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (layout.places[i].is_stored) ++counts_.shards_after[wanted[i]];
  }
  const auto moves = moves_to(layout, wanted);
  if (moves.empty()) return;
  ++counts_.chunks_moving;
  counts_.shards_moving += moves.size();
  const std::uint64_t k = layout.rs.data_shards;
  counts_.bytes_moving += moves.size() * ((layout.size_bytes + k - 1) / k);
}

}  // namespace predastore::repair
