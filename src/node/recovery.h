#pragma once

#include "env/environment.h"
#include "node/config.h"
#include "node/member_replica.h"
#include "node/node.h"
#include "raft/identity.h"

namespace predastore::node {

struct Recovered {
  raft::ReplicaIdentity identity;   // who the replica is from now on
  std::uint64_t last_index = 0;     // of its log; what it did not have is lost
  std::uint64_t applied_index = 0;  // of its state
};

// After the majority of the voters is lost for good: the replica of this node, which is not
// running, becomes the only voter of a new group that goes on from what it has. What it has not
// seen, although it was acknowledged, is lost; the other replicas of the old group are not heard
// any more. The first thing that the new group does is to switch the sweep off.
//
// Order of writes: a copy of log and vote under the new id, with the new configuration and the new
// term; who the replica is; then the old log goes. A crash before the second leaves everything as
// it was. NotFound: there is no replica here. Corruption: it is damaged, and cannot be the one.
Task<Result<Recovered>> recover_metadata(Environment env, Config config, OpenKv open_kv);

}  // namespace predastore::node
