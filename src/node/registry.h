#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "net/transport.h"
#include "node/config.h"

namespace predastore::node {

// The nodes of the cluster as the metadata name them, kept up to date: the configuration's list is
// what a node begins with. Tells the transport where nodes listen, and who is not let in any more.
// Used on one loop.
class Registry {
 public:
  using Refuse = std::function<void(std::set<NodeId>)>;

  // All outlive this. `refuse` may be empty.
  Registry(Environment env, const Config& config, net::Transport& transport,
           meta::MetaService& meta, meta::Growth& growth, Refuse refuse);

  Task<void> run();  // until stop()
  void stop();

  // Those that have not departed, this one included.
  const std::vector<NodeRecord>& nodes() const { return nodes_; }
  const std::set<NodeId>& draining() const { return draining_; }
  // The fewest parity shards of any chunk that is stored; none before the metadata were read.
  std::optional<std::uint8_t> parity_min() const { return parity_min_; }
  // False for a node that no ring names, of those that are kept: it has not joined yet, or is a
  // spare one.
  bool may_hold_data(NodeId node) const { return !named_ || named_->contains(node); }

 private:
  Task<void> look();
  Task<void> look_at_rings(const meta::Topology* topology);

  Environment env_;
  NodeId self_;
  net::Transport& transport_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  Refuse refuse_;
  std::vector<NodeRecord> nodes_;
  std::set<NodeId> draining_;
  std::optional<std::uint8_t> parity_min_;
  std::map<RingEpoch, std::set<NodeId>> rings_;  // that are kept; a ring of an epoch never changes
  std::optional<std::set<NodeId>> named_;        // by any of them; none as long as one is not known
  bool is_stopping_ = false;
  Signal stopped_;
};

}  // namespace predastore::node
