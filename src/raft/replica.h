#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "model/ids.h"
#include "rpc/rpc.h"

namespace predastore::raft {

struct CommittedEntry {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::string command;
};

// What the log is applied to. Called by one replica, one call at a time, entries in order. Indexes
// skip those entries with which leaders begin their terms: they carry no command.
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  // The answers, one an entry. An error stops the replica (it must not diverge).
  virtual Task<Result<std::vector<std::string>>> apply(std::vector<CommittedEntry> entries) = 0;
  // The last entry that was applied: what is in the state now.
  virtual std::uint64_t applied_index() const = 0;
  // What a restart would find applied, at least; the log up to it may go. Zero keeps all of it.
  virtual std::uint64_t durable_index() const { return 0; }
};

enum class ReplicaRole : std::uint8_t { follower, candidate, leader };
struct ReplicaStatus {
  ReplicaRole role = ReplicaRole::follower;
  std::optional<NodeId> leader;
  std::uint64_t term = 0;
  std::uint64_t commit_index = 0;
  std::uint64_t applied_index = 0;
  std::string failure;  // not empty: this voter has stopped for good, and why
};

struct ReplicaOptions {
  std::string directory;  // of the log and the vote
  NodeId self;
  std::vector<NodeId> voters;          // the first configuration; ignored when the log has one
  Duration election_timeout = 1000ms;  // randomised up to twice this
  Duration heartbeat_interval = 100ms;
  std::size_t pending_max = 4096;           // proposals waiting; more are refused with Unavailable
  std::uint64_t log_file_bytes = 8u << 20;  // the log goes in whole files
  std::size_t cache_bytes_max = 16u << 20;  // the end of the log in memory, for those who keep up
};

// One voter: the pure core (raft/core), its log, its messages and the state machine, on one loop.
class Replica {
 public:
  virtual ~Replica() = default;
  virtual Task<void> run() = 0;   // until stop(), or a failure of the disk or the state machine
  virtual Task<void> stop() = 0;  // what waits is answered, what runs ends; before destruction
  // The answer of apply. NotLeader and Unavailable: nothing was or will be done. TimedOut: outcome
  // unknown. Commands are 1 byte to 8 MiB (else InvalidArgument).
  virtual Task<Result<std::string>> propose(std::string command, Instant deadline) = 0;
  // A read of this replica begun after this returns sees everything committed before the call: up to
  // the index that the leader, whom another asks, gives after a majority round begun after it was
  // asked, shared by all that wait. TimedOut, Unavailable, NotLeader: ask again, perhaps elsewhere.
  virtual Task<Result<std::uint64_t>> read_barrier(Instant deadline) = 0;
  // Leader only: hands the leadership to another voter, so that this one can be stopped without the
  // group waiting for an election timeout. Unavailable: it did not come to it, and this one leads
  // on.
  virtual Task<Result<void>> transfer_leadership(NodeId to, Instant deadline);
  virtual ReplicaStatus status() const = 0;
};

// Opens the log (recovering it) and registers the handlers of raft messages and of read_index with
// `server`. `client` carries both on Lane::raft.
Task<Result<std::unique_ptr<Replica>>> open_replica(Environment env, ReplicaOptions options,
                                                    rpc::Server& server, rpc::Client& client,
                                                    StateMachine& state_machine);

}  // namespace predastore::raft
