#pragma once

#include <map>
#include <memory>
#include <optional>

#include "meta/bootstrap.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "meta/state_machine.h"
#include "raft/replica.h"
#include "rpc/rpc.h"

namespace predastore::meta {

struct MetaOptions {
  NodeId self;
  std::optional<Bootstrap> bootstrap;    // proposed when this node leads an empty cluster
  Duration write_epoch_interval = 60s;   // the leader advances the write epoch so often
  Duration write_context_cache = 500ms;  // how old a WriteContext may be
  Duration attempt_timeout = 4s;         // of one try at one leader, within the caller's deadline
  Duration retry_delay = 30ms;           // between tries; grows to ten times this
  Duration state_check_interval = 10s;   // the states of all replicas are compared so often
  FlushPolicy flush;
  std::size_t waiting_max = 4096;          // proposals at the leader; more are refused
  std::size_t entry_bytes_max = 1u << 20;  // of commands packed into one entry
};

// The metadata service of a node that has a replica. Writes are executed exactly once, through
// whichever replica leads (this one by a direct call, another over rpc); reads are linearizable,
// from the own state. Used on the loop of `env`.
class ReplicatedMetaService : public MetaService {
 public:
  // Registers the propose and query messages with `server`. `server` and `client` may be null when
  // there is one replica only. All outlive this.
  static std::unique_ptr<ReplicatedMetaService> make(Environment env, MetaOptions options,
                                                     StateMachine& state, raft::Replica& replica,
                                                     rpc::Server* server, rpc::Client* client);

  // Jobs, nodes, rings; lives as long as this.
  virtual Growth& growth() = 0;

  // The duties of a replica, until stop(): initialising an empty cluster, write epochs, flushing
  // the state, keeping the session. Reads and writes work without it, once there is a cluster.
  virtual Task<void> run() = 0;
  // Once, while run() is under way; the replica and the rpc server have been stopped before.
  virtual Task<void> stop() = 0;
  // What run() does first at the leader of an empty cluster; no error when it was done before.
  virtual Task<Result<void>> initialise(Instant deadline) = 0;
  // Has the write epoch advanced now, by the leader that this node must be (tests, tools).
  virtual Task<Result<void>> advance_write_epoch(Instant deadline) = 0;
};

}  // namespace predastore::meta
