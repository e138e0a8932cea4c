#pragma once

#include <set>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/proposer.h"
#include "meta/replicated_meta_service.h"

namespace predastore::meta {

// What a replica does without being asked, see ReplicatedMetaService::run().
class Duties {
 public:
  Duties(Environment env, const MetaOptions& options, StateMachine& state, raft::Replica& replica,
         Proposer& proposer);

  Task<void> run();
  Task<void> stop();
  Task<Result<void>> initialise(Instant deadline);
  Task<Result<void>> tick(Instant deadline);

 private:
  Task<void> lead();  // initialise, write epochs, the record of who votes
  Task<void> record_voters();
  Task<void> flush();
  Task<void> keep_session();
  bool is_leader() const { return replica_.status().role == raft::ReplicaRole::leader; }

  Environment env_;
  const MetaOptions& options_;
  StateMachine& state_;
  raft::Replica& replica_;
  Proposer& proposer_;
  std::set<NodeId> recorded_voters_;  // by this node, since it leads
  bool is_running_ = false;
  bool is_stopping_ = false;
  Signal changed_;
  TaskGroup tasks_;
};

}  // namespace predastore::meta
