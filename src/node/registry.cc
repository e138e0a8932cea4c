#include "node/registry.h"

#include <algorithm>

namespace predastore::node {
namespace {

constexpr Duration kLookInterval = 1s;
constexpr Duration kLookTimeout = 5s;

}  // namespace

Registry::Registry(Environment env, const Config& config, net::Transport& transport,
                   meta::MetaService& meta, meta::Growth& growth, Refuse refuse)
    : env_(env),
      self_(config.node_id),
      transport_(transport),
      meta_(meta),
      growth_(growth),
      refuse_(std::move(refuse)),
      stopped_(env.clock) {
  for (const NodeEntry& entry : config.nodes) {
    NodeRecord record;
    record.node = entry.id;
    record.name = entry.name;
    record.cluster_address = entry.cluster_address;
    record.s3_address = entry.s3_address;
    record.admin_address = entry.admin_address;
    record.is_voter = entry.has_meta;
    nodes_.push_back(std::move(record));
  }
}

void Registry::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
}

Task<void> Registry::run() {
  while (!is_stopping_) {
    co_await look();
    const Instant until = env_.clock.now() + kLookInterval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
  }
}

Task<void> Registry::look() {
  const auto topology = co_await growth_.topology(env_.clock.now() + kLookTimeout);
  if (!topology || is_stopping_) co_return;
  std::vector<NodeRecord> nodes;
  std::set<NodeId> departed;
  for (const NodeRecord& node : topology->nodes) {
    if (node.is_departed) {
      departed.insert(node.node);
      continue;
    }
    if (node.node != self_) transport_.set_address(node.node, node.cluster_address);
    nodes.push_back(node);
  }
  nodes_ = std::move(nodes);
  draining_ = topology->draining;
  parity_min_ = topology->parity_min;
  departed.erase(self_);
  if (refuse_) refuse_(std::move(departed));
  co_await look_at_rings(&*topology);
}

// `topology` is the caller's, which waits for this.
Task<void> Registry::look_at_rings(const meta::Topology* topology) {
  std::erase_if(rings_, [topology](const auto& ring) {
    return !topology->layouts_by_epoch.contains(ring.first);
  });
  std::set<NodeId> named;
  for (const RingSlot& slot : topology->ring.slots) named.insert(slot.node);
  for (const auto& [epoch, count] : topology->layouts_by_epoch) {
    if (!rings_.contains(epoch)) {
      const auto ring = co_await meta_.ring(epoch, env_.clock.now() + kLookTimeout);
      if (!ring) {
        named_.reset();
        co_return;
      }
      std::set<NodeId>& nodes = rings_[epoch];
      for (const RingSlot& slot : ring->slots) nodes.insert(slot.node);
    }
    named.insert(rings_[epoch].begin(), rings_[epoch].end());
  }
  named_ = std::move(named);
}

}  // namespace predastore::node
