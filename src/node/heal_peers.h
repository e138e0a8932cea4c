#pragma once

#include <functional>
#include <set>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "node/node_status.h"
#include "repair/healer.h"
#include "rpc/rpc.h"

namespace predastore::node {

// A chunk that is to be repaired. The numbers of the messages of the parts of a node are in
// rpc/rpc.h, those of the node itself begin with 32.
inline constexpr rpc::MessageType kRepairChunk{32};

// The nodes of the cluster for whoever leads the background work: who answers, what clients want of
// all of them together, and how one is asked to repair a chunk. On one loop.
class HealPeers final : public repair::HealNodes {
 public:
  struct Access {
    NodeId self;
    std::function<std::vector<NodeId>()> nodes;  // those that have not departed, this one included
    std::function<Task<Result<NodeStatus>>(NodeId node, Instant deadline)> ask;
    std::function<bool()> is_active;  // this node leads
    // What this node does when it asks itself.
    std::function<Task<Result<repair::RepairAnswer>>(repair::RepairOrder order)> repair_here;
  };
  // `client` outlives this, and what `access` refers to.
  HealPeers(Environment env, rpc::Client& client, Access access);

  // Looks after the others while this node leads; until stop().
  Task<void> run();
  void stop();

  Task<std::set<NodeId>> up(Instant deadline) override;
  Task<Result<repair::RepairAnswer>> repair(NodeId worker, repair::RepairOrder order,
                                            Instant deadline) override;
  // Of the last look; of this node alone as long as it does not lead.
  repair::ClientLoad load() const { return load_; }

  // Answers an order of another node.
  Task<void> answer(rpc::Call call);

 private:
  Task<void> look(Instant deadline);
  Task<void> ask(NodeId node, Instant deadline, std::set<NodeId>* up, repair::ClientLoad* load);

  Environment env_;
  rpc::Client& client_;
  Access access_;
  std::set<NodeId> up_;
  repair::ClientLoad load_;
  Instant looked_{};
  bool is_stopping_ = false;
  Signal stopped_;
};

}  // namespace predastore::node
