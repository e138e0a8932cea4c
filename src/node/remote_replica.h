#pragma once

#include <functional>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "node/node_status.h"
#include "raft/replica.h"

namespace predastore::node {

// What stands for the replica on a node that is no voter: it knows who leads by asking the other
// nodes, so that proposals and queries find their way, and is itself never the leader. Used on one
// loop.
class RemoteReplica final : public raft::Replica {
 public:
  using Ask = std::function<Task<Result<NodeStatus>>(NodeId node, Instant deadline)>;
  using Peers = std::function<std::vector<NodeId>()>;

  // `ask` and what `peers` gives are used until run() has returned. It looks only while `is_wanted`
  // says so, and knows of no leader otherwise; empty: always.
  RemoteReplica(Environment env, Ask ask, Peers peers, std::function<bool()> is_wanted = {});

  Task<void> run() override;
  Task<void> stop() override;
  Task<Result<std::string>> propose(std::string command, Instant deadline) override;
  Task<Result<std::uint64_t>> read_barrier(Instant deadline) override;
  raft::ReplicaStatus status() const override { return status_; }

 private:
  Task<void> look();
  Task<bool> still_leads(NodeId node);
  Task<void> ask_one(NodeId node, Instant deadline, raft::ReplicaStatus* best);

  Environment env_;
  Ask ask_;
  Peers peers_;
  std::function<bool()> is_wanted_;
  raft::ReplicaStatus status_;
  bool is_stopping_ = false;
  Signal stopped_;
};

}  // namespace predastore::node
