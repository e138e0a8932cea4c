#pragma once

#include <deque>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "raft/replica.h"

namespace predastore::meta {

// A replica of one node without a log: what is proposed is committed and applied at once, in order.
// It can be told to fail in the ways a real one does. For tests.
class ImmediateReplica final : public raft::Replica {
 public:
  ImmediateReplica(Environment env, NodeId self, raft::StateMachine& state_machine)
      : turn_(env.clock, 1), self_(self), state_machine_(state_machine) {
    index_ = state_machine.applied_index();
  }

  Task<void> run() override { co_return; }
  Task<void> stop() override { co_return; }

  Task<Result<std::string>> propose(std::string command, Instant deadline) override {
    if (!is_leader) co_return make_error(ErrorCode::NotLeader, "not the leader");
    if (refuse_next > 0) {
      --refuse_next;
      co_return make_error(ErrorCode::Unavailable, "told to refuse");
    }
    PREDA_CO_CHECK(co_await turn_.acquire(1, deadline));
    SemaphoreHold hold{turn_, 1};
    raft::CommittedEntry entry{++index_, 1, std::move(command)};
    log.push_back(entry);
    std::vector<raft::CommittedEntry> entries;
    entries.push_back(std::move(entry));
    PREDA_CO_TRY(auto answers, co_await state_machine_.apply(std::move(entries)));
    if (lose_answers > 0) {
      --lose_answers;
      co_return make_error(ErrorCode::TimedOut, "told to lose the answer");
    }
    co_return std::move(answers.front());
  }

  Task<Result<std::uint64_t>> read_barrier(Instant deadline) override {
    if (!is_leader) co_return make_error(ErrorCode::NotLeader, "not the leader");
    PREDA_CO_CHECK(co_await turn_.acquire(1, deadline));
    SemaphoreHold hold{turn_, 1};
    co_return index_;
  }

  raft::ReplicaStatus status() const override {
    raft::ReplicaStatus status;
    status.role = is_leader ? raft::ReplicaRole::leader : raft::ReplicaRole::follower;
    if (is_leader) status.leader = self_;
    status.term = 1;
    status.commit_index = index_;
    status.applied_index = state_machine_.applied_index();
    return status;
  }

  raft::GroupStatus group() const override { return members; }

  raft::GroupStatus members;  // empty: nothing is known of any
  bool is_leader = true;
  int refuse_next = 0;   // proposals that are answered Unavailable without being done
  int lose_answers = 0;  // proposals that are done and answered TimedOut
  std::vector<raft::CommittedEntry> log;  // everything that was applied

 private:
  Semaphore turn_;
  NodeId self_;
  raft::StateMachine& state_machine_;
  std::uint64_t index_ = 0;
};

}  // namespace predastore::meta
