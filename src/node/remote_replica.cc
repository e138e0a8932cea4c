#include "node/remote_replica.h"

#include <algorithm>

namespace predastore::node {
namespace {

constexpr Duration kLookInterval = 300ms;
constexpr Duration kAskTimeout = 1s;

}  // namespace

RemoteReplica::RemoteReplica(Environment env, Ask ask, Peers peers, std::function<bool()> is_wanted)
    : env_(env),
      ask_(std::move(ask)),
      peers_(std::move(peers)),
      is_wanted_(std::move(is_wanted)),
      stopped_(env.clock) {}

Task<void> RemoteReplica::run() {
  while (!is_stopping_) {
    if (!is_wanted_ || is_wanted_()) {
      co_await look();
    } else {
      status_.leader.reset();
    }
    const Instant until = env_.clock.now() + kLookInterval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
  }
}

Task<void> RemoteReplica::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
  co_return;
}

Task<Result<std::string>> RemoteReplica::propose(std::string /*command*/, Instant /*deadline*/) {
  co_return make_error(ErrorCode::NotLeader, "this node is no voter");
}

Task<Result<std::uint64_t>> RemoteReplica::read_barrier(Instant /*deadline*/) {
  co_return make_error(ErrorCode::NotLeader, "this node is no voter");
}

// One question while nothing changes.
Task<void> RemoteReplica::look() {
  if (status_.leader && co_await still_leads(*status_.leader)) co_return;
  if (is_stopping_) co_return;
  raft::ReplicaStatus best;
  best.term = status_.term;
  const Instant deadline = env_.clock.now() + kAskTimeout;
  TaskGroup questions{env_.executor, env_.clock};
  for (const NodeId node : peers_()) questions.spawn(ask_one(node, deadline, &best));
  (void)co_await questions.join();
  status_.leader = best.leader;
  status_.term = std::max(status_.term, best.term);
}

Task<bool> RemoteReplica::still_leads(NodeId node) {
  const auto answer = co_await ask_(node, env_.clock.now() + kAskTimeout);
  if (!answer || answer->replica.role != raft::ReplicaRole::leader) co_return false;
  status_.term = std::max(status_.term, answer->replica.term);
  co_return true;
}

// `best` is the caller's, which waits for this. Who says of itself that it leads is believed before
// others who say it.
Task<void> RemoteReplica::ask_one(NodeId node, Instant deadline, raft::ReplicaStatus* best) {
  const auto answer = co_await ask_(node, deadline);
  if (!answer || !answer->replica.leader || answer->replica.term < best->term) co_return;
  const bool is_newer = answer->replica.term > best->term || !best->leader;
  if (is_newer || *answer->replica.leader == node) {
    best->term = answer->replica.term;
    best->leader = answer->replica.leader;
  }
}

}  // namespace predastore::node
