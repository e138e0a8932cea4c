#pragma once

#include <memory>
#include <set>

#include "meta/packer.h"
#include "rpc/rpc.h"

namespace predastore::meta {

struct ProposerOptions {
  NodeId self;
  Duration attempt_timeout = 4s;  // of one try at one leader
  Duration retry_delay = 30ms;    // doubled up to ten times this, with jitter
};

// Has commands executed exactly once, wherever the leader is: every try of a command carries the
// same session and number. Used on the loop of `env`.
class Proposer {
 public:
  // `client` may be null: then nothing is forwarded. All outlive this.
  Proposer(Environment env, raft::Replica& replica, Packer& packer, rpc::Client* client,
           ProposerOptions options);

  // The answer of apply, its error as an Error. Unavailable: it was not executed and will not be.
  // TimedOut, Internal: unknown.
  Task<Result<pb::Answer>> propose(pb::Command command, Instant deadline);
  // For commands that compare what they change: no session, one try at the local leader.
  Task<Result<pb::Answer>> propose_here(pb::Command command, Instant deadline);
  // Keeps the session from expiring; nothing when there is none or it was used since
  // `unused_since`.
  Task<void> keep_alive(Instant unused_since, Instant deadline);

 private:
  struct Session {
    std::uint64_t id = 0;
    std::uint64_t next_number = 1;
    std::set<std::uint64_t> open;  // numbers that may still be tried
  };
  class OpenNumber;

  Task<Result<std::shared_ptr<Session>>> session(Instant deadline);
  Task<Result<std::uint64_t>> open_session(Instant deadline);
  // `session` is null for a command that needs none.
  Task<Result<pb::Answer>> execute(std::shared_ptr<Session> session, pb::Proposal proposal,
                                   Instant deadline);
  Task<ProposeOutcome> attempt(pb::Proposal proposal, Instant deadline);
  Task<ProposeOutcome> forward(NodeId leader, pb::Proposal proposal, Instant deadline);

  Environment env_;
  raft::Replica& replica_;
  Packer& packer_;
  rpc::Client* client_;
  ProposerOptions options_;
  std::shared_ptr<Session> session_;  // null: none
  bool is_opening_ = false;
  Signal opened_;
  Instant last_used_{};
};

// The waits between tries.
class Backoff {
 public:
  Backoff(Environment env, Duration first) : env_(env), first_(first), delay_(first) {}
  // False when the deadline comes first.
  Task<bool> wait(Instant deadline);

 private:
  Environment env_;
  Duration first_;
  Duration delay_;
};

}  // namespace predastore::meta
