#include "repair/placement.h"

namespace predastore::repair {

std::vector<NodeId> wanted_nodes(const ChunkLayout& layout, const ring::Ring& ring) {
  const std::vector<NodeId> wanted = ring.candidates(layout.placement_hash, layout.places.size());
  if (wanted.size() < layout.places.size()) return {};
  std::vector<NodeId> current;
  for (const ShardPlace& place : layout.places) current.push_back(place.node);
  return ring::assign_roles(current, wanted);
}

std::vector<ShardMove> moves_to(const ChunkLayout& layout, const std::vector<NodeId>& wanted) {
  PREDA_ASSERT(wanted.size() == layout.places.size());
  std::vector<ShardMove> moves;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const ShardPlace& place = layout.places[i];
    if (!place.is_stored || (place.node == wanted[i] && !place.is_missing)) continue;
    moves.push_back(
        {ShardRole{static_cast<std::uint8_t>(i)}, place.node, wanted[i], place.is_missing});
  }
  return moves;
}

ChunkLayout in_epoch(ChunkLayout layout, RingEpoch epoch, const std::vector<NodeId>& wanted) {
  PREDA_ASSERT(wanted.size() == layout.places.size());
  layout.ring_epoch = epoch;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!layout.places[i].is_stored) layout.places[i].node = wanted[i];
  }
  return layout;
}

}  // namespace predastore::repair
