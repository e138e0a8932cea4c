#pragma once

#include <memory>
#include <string>
#include <vector>

#include "meta/state_machine.h"
#include "node/member_messages.h"
#include "node/remote_replica.h"
#include "raft/identity.h"
#include "raft/replica.h"
#include "rpc/rpc.h"

namespace predastore::node {

inline constexpr char kSettled = 1;  // the answer to a join after which there is nothing to do

// Where the log of a replica is; `directory` is that of the metadata.
std::string raft_directory_of(const std::string& directory, const raft::ReplicaIdentity& identity);

struct MemberReplicaOptions {
  std::string directory;  // of the metadata: in it who the replica is, and its log
  ClusterId cluster;
  NodeId self;
  std::vector<NodeId> first_voters;  // as the configuration says; they make the group
  bool holds_shards = false;         // a node of a new cluster has none
  raft::ReplicaOptions replica;      // but for who it is
};

// The replica of a node in all its lives: there may be none (the node does not vote), one whose
// directory was lost or is damaged and that waits to be added as a new one, one that learns, one
// that votes. Where it has none, or none that hears a leader, it knows who leads by asking others.
// Who a replica is, and why a wiped one never votes as its old self: docs/raft.md.
//
// As the leader it takes members in and out, one change at a time: for operators on any node, and
// for a replica that takes the place of the one that its node has lost. Used on one loop.
class MemberReplica final : public raft::Replica {
 public:
  struct Parts {
    rpc::Server& server;
    rpc::Client& client;
    meta::StateMachine& state;
  };
  // Registers its messages with the server. All outlive this.
  static Task<Result<std::unique_ptr<MemberReplica>>> open(Environment env,
                                                           MemberReplicaOptions options,
                                                           Parts parts, RemoteReplica::Ask ask,
                                                           RemoteReplica::Peers peers);
  ~MemberReplica() override;

  Task<void> run() override;
  Task<void> stop() override;
  Task<Result<std::string>> propose(std::string command, Instant deadline) override;
  Task<Result<std::uint64_t>> read_barrier(Instant deadline) override;
  Task<Result<void>> transfer_leadership(NodeId to, Instant deadline) override;
  Task<Result<void>> change_members(raft::MemberChange change, Instant deadline) override;
  raft::ReplicaStatus status() const override;
  raft::GroupStatus group() const override;

  // By the leader, wherever it is. Errors as of Replica::change_members; Conflict, NotFound: the
  // node has a replica in the group already, or none.
  Task<Result<raft::GroupStatus>> list(Instant deadline);
  Task<Result<void>> change_node(raft::MemberChange::Kind kind, NodeId node, Instant deadline);
  Task<Result<void>> lead_from(NodeId node, Instant deadline);

 private:
  MemberReplica(Environment env, MemberReplicaOptions options, Parts parts, RemoteReplica::Ask ask,
                RemoteReplica::Peers peers);

  // member_replica.cc: what there is, and what is to become of it
  Task<Result<void>> open_what_is_there();
  Task<Result<bool>> has_first_log();
  Task<Result<void>> open_inner(raft::ReplicaIdentity identity);
  Task<void> keep();
  bool is_lost() const;
  Task<void> give_up();
  bool is_to_announce() const;
  Task<void> decide();
  bool is_new() const;
  Task<Result<void>> become(raft::ReplicaIdentity identity);
  Task<Result<void>> become_another(std::uint64_t group);
  Task<Result<void>> remove_old_logs(std::string kept);
  Task<void> announce();

  // member_changes.cc: requests
  Task<void> serve(rpc::Call call);
  Task<Result<std::string>> answer(MemberRequest request, NodeId peer, Instant deadline);
  MemberState state() const;
  Task<Result<void>> prepare(std::uint64_t group);
  Task<Result<bool>> take_place(raft::VoterId replica, NodeId node, Instant deadline);
  Task<Result<void>> change_here(raft::MemberChange::Kind kind, NodeId node, Instant deadline);
  Task<Result<void>> add_here(NodeId node, Instant deadline);
  Task<Result<Buffer>> ask_leader(MemberRequest request, Instant deadline);
  Task<Result<Buffer>> ask(NodeId node, MemberRequest request, Instant deadline);
  bool needs_remote() const;
  bool leads() const { return status().role == raft::ReplicaRole::leader; }

  Environment env_;
  MemberReplicaOptions options_;
  rpc::Server& server_;
  rpc::Client& client_;
  meta::StateMachine& state_machine_;
  RemoteReplica::Peers peers_;
  RemoteReplica remote_;
  std::optional<raft::ReplicaIdentity> identity_;
  std::shared_ptr<raft::Replica> inner_;
  Instant led_at_{};  // when the replica here was last seen to know a leader
  std::optional<Instant> lost_at_;
  std::string problem_;      // why there is none though there was one
  bool is_settled_ = false;  // the leader has nothing left to do for it
  bool is_becoming_ = false;
  bool is_changing_ = false;  // the leader's: one at a time
  bool is_running_ = false;
  bool is_stopping_ = false;
  Signal stopping_;
  TaskGroup tasks_;
};

}  // namespace predastore::node
