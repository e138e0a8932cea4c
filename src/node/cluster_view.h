#pragma once

#include <optional>

#include "admin/status.h"
#include "env/environment.h"
#include "node/node.h"
#include "raft/replica.h"

namespace predastore::node {

// The cluster as this node sees it: what every node answers to ping, and what the metadata says.
class NodeClusterView final : public admin::ClusterView {
 public:
  NodeClusterView(Environment env, Node& node) : env_(env), node_(node) {}
  Task<admin::ClusterReport> look(Instant deadline) override;

 private:
  Task<void> ask(admin::NodeReport* entry, admin::ClusterReport* report, Instant deadline);
  Task<void> read_metadata(admin::ClusterReport* report, Instant deadline);
  Task<void> read_members(std::optional<raft::GroupStatus>* group, Instant deadline);

  Environment env_;
  Node& node_;
};

}  // namespace predastore::node
