#include <algorithm>

#include "meta/state/applier.h"

namespace predastore::meta {
namespace {

constexpr std::size_t kNodesMax = 1024;
constexpr std::size_t kNameMaxBytes = 255;

Error refused(const char* why) { return make_error(ErrorCode::InvalidArgument, why); }

std::string scheme_text(const pb::SchemeCount& scheme) {
  return "RS(" + std::to_string(scheme.data_shards()) + "," +
         std::to_string(scheme.parity_shards()) + ")";
}

}  // namespace

// ---- counts of layouts, by epoch and by scheme

void Applier::count_layout(const ChunkLayout& layout, bool is_added) {
  // A state of before there were counts has layouts that were never added.
  const auto change = [is_added](std::uint64_t count) {
    if (is_added) return count + 1;
    return count > 0 ? count - 1 : count;
  };
  pb::LayoutCounts* counts = system_.mutable_layout_counts();
  auto* by_epoch = counts->mutable_epochs();
  auto epoch = std::find_if(by_epoch->begin(), by_epoch->end(), [&](const pb::EpochCount& each) {
    return each.epoch() == layout.ring_epoch.value();
  });
  if (epoch == by_epoch->end()) {
    by_epoch->Add()->set_epoch(layout.ring_epoch.value());
    epoch = by_epoch->end() - 1;
  }
  epoch->set_count(change(epoch->count()));
  if (epoch->count() == 0) by_epoch->erase(epoch);
  auto* by_scheme = counts->mutable_schemes();
  auto scheme =
      std::find_if(by_scheme->begin(), by_scheme->end(), [&](const pb::SchemeCount& each) {
        return each.data_shards() == layout.rs.data_shards &&
               each.parity_shards() == layout.rs.parity_shards;
      });
  if (scheme == by_scheme->end()) {
    pb::SchemeCount* added = by_scheme->Add();
    added->set_data_shards(layout.rs.data_shards);
    added->set_parity_shards(layout.rs.parity_shards);
    scheme = by_scheme->end() - 1;
  }
  scheme->set_count(change(scheme->count()));
  if (scheme->count() == 0) by_scheme->erase(scheme);
}

// ---- nodes

Applier::Refusable Applier::put_node(const pb::PutNode& command) {
  pb::Node node = command.node();
  if (node.node() == 0 || node.name().empty() || node.name().size() > kNameMaxBytes ||
      node.cluster_address().empty() || node.cluster_address().size() > kNameMaxBytes ||
      node.s3_address().size() > kNameMaxBytes || node.admin_address().size() > kNameMaxBytes)
    return refused("a node without id, name or address");
  const std::vector<NodeRecord> nodes = state_.nodes();
  node.set_is_voter(false);
  for (const NodeRecord& other : nodes) {
    if (other.node.value() == node.node()) {
      if (other.is_departed)
        return make_error(ErrorCode::Conflict, "a node that has departed gets a new id");
      node.set_is_voter(other.is_voter);
    } else if (!other.is_departed && other.name == node.name()) {
      return make_error(ErrorCode::AlreadyExists, "a node of that name");
    }
  }
  if (nodes.size() >= kNodesMax) return make_error(ErrorCode::Conflict, "too many nodes");
  node.set_is_departed(false);
  std::string key = keys::node(NodeId{node.node()});
  state_.view().put(kTopology, std::move(key), encode_record(std::move(node)));
  return pb::Answer{};
}

bool Applier::is_closed(NodeId node) const {
  return std::ranges::any_of(system_.closed_nodes(),
                             [node](std::uint64_t id) { return id == node.value(); });
}

// Draining closes a node: nothing is placed there from this entry on. Departing is for ever, and
// only for a node that the ring does not name any more.
Applier::Refusable Applier::set_node_state(const pb::SetNodeState& command) {
  const NodeId id{command.node()};
  auto node = state_.view().get_record<pb::Node>(kTopology, keys::node(id));
  if (!node) return make_error(ErrorCode::NotFound, kNoNode);
  if (node->is_departed()) return make_error(ErrorCode::Conflict, "the node has departed");
  const auto state = static_cast<NodeState>(command.state());
  auto* closed = system_.mutable_closed_nodes();
  if (state == NodeState::active) {
    closed->erase(std::remove(closed->begin(), closed->end(), id.value()), closed->end());
    return pb::Answer{};
  }
  if (state != NodeState::draining && state != NodeState::departed)
    return refused("a state that no node has");
  const auto ring = state_.find_ring(RingEpoch{system_.ring_epoch()});
  const bool is_in_ring = ring && std::ranges::any_of(ring->slots, [id](const RingSlot& slot) {
                            return slot.node == id;
                          });
  if (state == NodeState::departed) {
    if (is_in_ring) return make_error(ErrorCode::Conflict, "the ring still names the node");
    node->set_is_departed(true);
    state_.view().put(kTopology, keys::node(id), encode_record(*std::move(node)));
  }
  if (!is_closed(id)) system_.add_closed_nodes(id.value());
  return pb::Answer{};
}

// Nodes that are not registered (yet) are left out.
Applier::Refusable Applier::set_voters(const pb::SetVoters& command) {
  for (const NodeRecord& record : state_.nodes()) {
    const bool votes =
        std::ranges::find(command.nodes(), record.node.value()) != command.nodes().end();
    if (votes == record.is_voter) continue;
    pb::Node node = to_message(record);
    node.set_is_voter(votes);
    state_.view().put(kTopology, keys::node(record.node), encode_record(std::move(node)));
  }
  return pb::Answer{};
}

// ---- rings

Result<void> Applier::check_ring(const RingRecord& record) {
  PREDA_TRY(const ring::Ring ring, ring::Ring::make(record));
  const std::vector<NodeRecord> nodes = state_.nodes();
  for (const RingSlot& slot : record.slots) {
    if (slot.weight == 0) continue;
    const bool is_known = std::ranges::any_of(
        nodes, [&](const NodeRecord& node) { return node.node == slot.node && !node.is_departed; });
    if (!is_known)
      return make_error(ErrorCode::Conflict, "a slot of a node that is not registered");
    if (is_closed(slot.node))
      return make_error(ErrorCode::Conflict, "a slot of a node that drains");
  }
  const auto count = ring.node_count();
  for (const pb::SchemeCount& scheme : system_.layout_counts().schemes()) {
    if (scheme.data_shards() + scheme.parity_shards() <= count) continue;
    return make_error(ErrorCode::Conflict, "there are chunks of " + scheme_text(scheme) +
                                               ", and the ring would have " +
                                               std::to_string(count) + " nodes");
  }
  Cursor cursor{state_.view(), kBuckets};
  for (cursor.seek({}); cursor.valid(); cursor.next()) {
    const auto bucket = state_.view().decode<pb::Bucket>(cursor.value());
    if (!bucket) break;
    if (bucket->data_shards() + bucket->parity_shards() > count)
      return make_error(ErrorCode::Conflict,
                        "the bucket " + bucket->name() + " needs " +
                            std::to_string(bucket->data_shards() + bucket->parity_shards()) +
                            " nodes, the ring would have " + std::to_string(count));
  }
  return {};
}

Applier::Refusable Applier::new_ring(const pb::NewRing& command) {
  if (command.from() != system_.ring_epoch())
    return make_error(ErrorCode::Conflict, "the ring is at another epoch");
  const RingEpoch before{system_.ring_epoch()};
  PREDA_TRY(RingRecord ring, from_message(command.ring()));
  ring.epoch = next(before);
  PREDA_CHECK(check_ring(ring));
  StateView& view = state_.view();
  auto old = view.get_record<pb::Ring>(kTopology, keys::ring(before));
  if (!old) return make_error(ErrorCode::NotFound, "ring");
  old->set_superseded(system_.write_epoch());
  view.put(kTopology, keys::ring(before), encode_record(*std::move(old)));
  view.put(kTopology, keys::ring(ring.epoch), encode_record(to_message(ring)));
  system_.set_ring_epoch(ring.epoch.value());
  return pb::Answer{};
}

// No layout names it, and none that is on its way can: those that take a write epoch younger than
// this one see a newer ring, and the others are refused by their age.
Applier::Refusable Applier::drop_ring(const pb::DropRing& command) {
  const RingEpoch epoch{command.epoch()};
  const auto ring = state_.view().get_record<pb::Ring>(kTopology, keys::ring(epoch));
  if (!ring) return make_error(ErrorCode::NotFound, "ring");
  if (epoch.value() >= system_.ring_epoch()) return refused("the current epoch of the ring");
  for (const pb::EpochCount& count : system_.layout_counts().epochs()) {
    if (count.epoch() == epoch.value())
      return make_error(ErrorCode::Conflict,
                        std::to_string(count.count()) + " chunks name that epoch");
  }
  if (system_.write_epoch() - ring->superseded() < system_.limits().write_epochs())
    return make_error(ErrorCode::Conflict, "uploads may still name that epoch");
  state_.view().erase(kTopology, keys::ring(epoch));
  return pb::Answer{};
}

// A layout that is new, or places a shard anew, names the current ring, or one that was the current
// one when the oldest upload that is still accepted began.
Result<void> Applier::check_ring_epoch(RingEpoch epoch) {
  if (epoch.value() == system_.ring_epoch()) return {};
  const auto ring = state_.view().get_record<pb::Ring>(kTopology, keys::ring(epoch));
  if (!ring || epoch.value() > system_.ring_epoch() ||
      system_.write_epoch() - ring->superseded() >= system_.limits().write_epochs())
    return make_error(ErrorCode::StaleEpoch, "ring epoch");
  return {};
}

// What was placed on a node that closed meanwhile counts as missing, and is to go where the ring
// has room. Refused later when that leaves less than the write quorum.
void Applier::open_places(ChunkLayout& layout) {
  if (system_.closed_nodes().empty()) return;
  std::vector<NodeId> candidates;
  for (ShardPlace& place : layout.places) {
    if (!is_closed(place.node)) continue;
    if (candidates.empty())
      candidates = state_.ring_candidates(RingEpoch{system_.ring_epoch()}, layout.placement_hash);
    const auto free = std::ranges::find_if(candidates, [&](NodeId node) {
      return std::ranges::none_of(layout.places,
                                  [node](const ShardPlace& other) { return other.node == node; });
    });
    if (place.is_stored) {
      place.is_missing = true;
      place.write_id = WriteId{};
    }
    if (free != candidates.end()) place.node = *free;
  }
}

}  // namespace predastore::meta
