#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "model/ids.h"
#include "raft/core/configuration.h"
#include "rpc/rpc.h"

namespace predastore::raft {

struct CommittedEntry {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::string command;
};

// The entry that a state is at: the last one with a command that was applied.
struct StatePoint {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
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
  // The state as it is now, as files in `directory`, which is made (its parent is there); durable
  // when it returns. Never beside an apply. Unsupported: it cannot be copied.
  virtual Task<Result<StatePoint>> checkpoint(std::string directory);
  // The state becomes what checkpoint() made, on another node perhaps: `directory` is moved from.
  // Durable when it returns; after a crash it is the old one or the new one.
  virtual Task<Result<void>> install(std::string directory);
};

enum class ReplicaRole : std::uint8_t { follower, candidate, leader };
struct ReplicaStatus {
  ReplicaRole role = ReplicaRole::follower;
  std::optional<NodeId> leader;
  std::uint64_t term = 0;
  std::uint64_t commit_index = 0;
  std::uint64_t applied_index = 0;
  std::string failure;      // not empty: this voter has stopped for good, and why
  bool is_damaged = false;  // with it: what is on the disk is not what was written
  bool is_voter = false;    // in its own view, which may be behind
};

// The group as its leader sees it.
struct MemberStatus {
  Member member;
  std::uint64_t stored_index = 0;  // known to be stored there
  bool is_heard = false;
  bool needs_snapshot = false;
};
struct GroupStatus {
  std::uint64_t group = 0;
  VoterId self;
  std::uint64_t last_index = 0;  // of the leader's log
  std::vector<MemberStatus> members;
};

struct ReplicaOptions {
  std::string directory;  // of the log and the vote
  NodeId self;
  std::uint64_t group = 0;  // messages of another group are not heard
  VoterId id{};             // zero: the first one of this node
  // The nodes of the first configuration, of which this is one; empty: a leader will tell. Counts
  // until the log has a configuration.
  std::vector<NodeId> voters;
  Duration election_timeout = 1000ms;  // randomised up to twice this
  Duration heartbeat_interval = 150ms;
  std::size_t pending_max = 4096;           // proposals waiting; more are refused with Unavailable
  std::uint64_t log_file_bytes = 8u << 20;  // the log goes in whole files
  std::size_t cache_bytes_max = 16u << 20;  // the end of the log in memory, for those who keep up
  // So much of the log is kept for those who are away; who was away for longer fetches a snapshot.
  std::uint64_t log_bytes_max = 256u << 20;
  std::uint32_t snapshot_piece_bytes = 1u << 20;                 // one is on its way at a time
  std::uint64_t snapshot_bytes_per_second = 128u * 1024 * 1024;  // that a fetch asks for, at most
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
  // A read of this replica begun after this returns sees everything committed before the call: up
  // to the index that the leader, whom another asks, gives after a majority round begun after it
  // was asked, shared by all that wait. TimedOut, Unavailable, NotLeader: ask again, perhaps
  // elsewhere.
  virtual Task<Result<std::uint64_t>> read_barrier(Instant deadline) = 0;
  // Leader only: hands the leadership to another voter, so that this one can be stopped without the
  // group waiting for an election timeout. Unavailable: it did not come to it, and this one leads
  // on.
  virtual Task<Result<void>> transfer_leadership(NodeId to, Instant deadline);
  // Leader only (else NotLeader): one change of members; returns when it is committed. Unavailable
  // and InvalidArgument: not done, and why. TimedOut: outcome unknown.
  virtual Task<Result<void>> change_members(MemberChange change, Instant deadline);
  virtual GroupStatus group() const { return {}; }  // leader only
  virtual ReplicaStatus status() const = 0;
};

// Opens the log (recovering it) and registers the handlers of raft's messages, of read_index and of
// snapshots with `server`. `client` carries the first two on Lane::raft. Corruption: this replica
// must not go on. In options.directory are log and vote, beside it (its name and a suffix)
// checkpoints and what is fetched.
Task<Result<std::unique_ptr<Replica>>> open_replica(Environment env, ReplicaOptions options,
                                                    rpc::Server& server, rpc::Client& client,
                                                    StateMachine& state_machine);

}  // namespace predastore::raft
