#pragma once

#include <string>

#include "meta/proposer.h"
#include "meta/queries.h"
#include "meta/state_machine.h"

namespace predastore::meta {

// Linearizable reads: from the own state once it is known to be new enough, or at whichever replica
// leads when there is none here or it lags. Used on the loop of `env`.
class QueryClient {
 public:
  // `client` may be null: then nothing is forwarded. All outlive this.
  QueryClient(Environment env, StateMachine& state, raft::Replica& replica, rpc::Client* client,
              ProposerOptions options);

  // The answer, its error as an Error. Tried again until the deadline while there is no leader.
  Task<Result<pb::QueryAnswer>> query(pb::Query query, Instant deadline);
  // The same; `answer`, which may be in an arena, outlives the task.
  Task<Result<void>> query_into(pb::Query query, Instant deadline, pb::QueryAnswer& answer);
  // The answer to a serialised query, from the state of this replica once it has all that was
  // committed before. NotLeader, Unavailable, TimedOut: ask elsewhere.
  Task<Result<std::string>> query_here(std::string request, Instant deadline);

 private:
  Task<Result<std::string>> attempt(std::string request, Instant deadline);
  Task<Result<std::string>> ask_leader(std::string request, Instant deadline);

  Environment env_;
  StateMachine& state_;
  raft::Replica& replica_;
  rpc::Client* client_;
  ProposerOptions options_;
  Instant local_again_at_{};
};

}  // namespace predastore::meta
