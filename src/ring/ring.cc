#include "ring/ring.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "base/codec.h"
#include "digest/hash.h"

namespace predastore::ring {
namespace {

std::uint64_t first8(std::string_view text) {
  const std::string hash = digest::sha256(text);
  return Decoder{as_bytes(hash)}.be<std::uint64_t>();
}

std::uint32_t vnode_count(const RingRecord& record, const RingSlot& slot) {
  if (slot.weight == 0) return 0;
  const std::uint64_t scaled = std::uint64_t{record.vnodes_per_slot} * slot.weight / 100;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(scaled, 1));
}

Result<void> check(const RingRecord& record) {
  if (record.algorithm_version != kAlgorithmVersion)
    return make_error(ErrorCode::Unsupported, "a ring of another algorithm");
  if (record.vnodes_per_slot == 0 || record.vnodes_per_slot > kVnodesPerSlotMax)
    return make_error(ErrorCode::InvalidArgument, "vnodes of a slot");
  if (record.slots.size() > kSlotsMax)
    return make_error(ErrorCode::InvalidArgument, "slots of a ring");
  std::set<SlotId> seen;
  for (const RingSlot& slot : record.slots) {
    if (slot.weight > kWeightMax) return make_error(ErrorCode::InvalidArgument, "weight of a slot");
    if (!seen.insert(slot.slot).second)
      return make_error(ErrorCode::InvalidArgument, "a slot twice in a ring");
  }
  return {};
}

}  // namespace

std::uint64_t placement_hash(std::string_view bucket, std::string_view key,
                             ChunkIndex chunk_index) {
  std::string text;
  text.reserve(bucket.size() + key.size() + 12);
  text.append(bucket).append("/").append(key).append(":").append(
      std::to_string(chunk_index.value()));
  return first8(text);
}

std::uint64_t token(SlotId slot, std::uint32_t vnode) {
  return first8(std::to_string(slot.value()) + ":" + std::to_string(vnode));
}

Result<Ring> Ring::make(const RingRecord& record) {
  PREDA_CHECK(check(record));
  Ring ring;
  ring.epoch_ = record.epoch;
  std::map<NodeId, std::uint32_t> node_indexes;
  std::map<std::string, std::uint32_t> zone_indexes;
  for (const RingSlot& slot : record.slots) {
    const std::uint32_t vnodes = vnode_count(record, slot);
    if (vnodes == 0) continue;
    const auto [node, is_new] =
        node_indexes.emplace(slot.node, static_cast<std::uint32_t>(ring.nodes_.size()));
    if (is_new) {
      std::uint32_t zone_index = ring.zone_count_;
      if (!slot.zone.empty())
        zone_index = zone_indexes.emplace(slot.zone, ring.zone_count_).first->second;
      if (zone_index == ring.zone_count_) ++ring.zone_count_;
      ring.nodes_.push_back({slot.node, zone_index});
    }
    for (std::uint32_t vnode = 0; vnode < vnodes; ++vnode)
      ring.tokens_.push_back({token(slot.slot, vnode), slot.slot.value(), node->second});
  }
  std::sort(ring.tokens_.begin(), ring.tokens_.end(), [](const Token& a, const Token& b) {
    return a.position != b.position ? a.position < b.position : a.slot < b.slot;
  });
  return ring;
}

std::vector<NodeId> Ring::candidates(std::uint64_t hash, std::size_t count_max) const {
  count_max = std::min(count_max, nodes_.size());
  std::vector<NodeId> chosen;
  chosen.reserve(count_max);
  if (count_max == 0) return chosen;
  // With as many zones as nodes every node is the first of its own.
  const std::size_t walk_max = zone_count_ == nodes_.size() ? count_max : nodes_.size();
  const auto begin = std::lower_bound(
      tokens_.begin(), tokens_.end(), hash,
      [](const Token& t, std::uint64_t position) { return t.position < position; });
  auto at = static_cast<std::size_t>(begin - tokens_.begin());
  std::vector<bool> is_seen(nodes_.size(), false);
  std::vector<std::size_t> seen_in_zone(zone_count_, 0);
  std::vector<std::vector<NodeId>> by_rank;  // those that are the first, second, ... of their zone
  std::size_t seen_count = 0;
  for (std::size_t i = 0; i < tokens_.size() && seen_count < walk_max; ++i, ++at) {
    const std::uint32_t index = tokens_[at % tokens_.size()].node_index;
    if (is_seen[index]) continue;
    is_seen[index] = true;
    ++seen_count;
    const std::size_t rank = seen_in_zone[nodes_[index].zone_index]++;
    if (rank == by_rank.size()) by_rank.emplace_back();
    by_rank[rank].push_back(nodes_[index].id);
  }
  for (const auto& nodes : by_rank) {
    for (const NodeId node : nodes) {
      if (chosen.size() < count_max) chosen.push_back(node);
    }
  }
  return chosen;
}

std::vector<NodeId> assign_roles(const std::vector<NodeId>& current,
                                 const std::vector<NodeId>& wanted) {
  PREDA_ASSERT(current.size() == wanted.size());
  std::vector<NodeId> newcomers;
  for (const NodeId node : wanted) {
    if (std::find(current.begin(), current.end(), node) == current.end()) newcomers.push_back(node);
  }
  std::vector<NodeId> assigned;
  auto newcomer = newcomers.begin();
  for (const NodeId node : current) {
    const bool stays = std::find(wanted.begin(), wanted.end(), node) != wanted.end() &&
                       std::find(assigned.begin(), assigned.end(), node) == assigned.end();
    PREDA_ASSERT(stays || newcomer != newcomers.end());
    assigned.push_back(stays ? node : *newcomer++);
  }
  return assigned;
}

}  // namespace predastore::ring
