#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/sync.h"
#include "raft/core/core.h"
#include "raft/entry_cache.h"
#include "raft/log/entry_log.h"
#include "raft/log/vote_file.h"
#include "raft/message_codec.h"
#include "raft/peer_link.h"
#include "raft/replica.h"
#include "raft/snapshot_fetch.h"
#include "raft/snapshot_source.h"

namespace predastore::raft {

// A call that waits for the log.
template <class T>
struct Pending {
  explicit Pending(Clock& clock) : changed(clock) {}
  void resolve(Result<T> value) {
    if (result.has_value()) return;
    result.emplace(std::move(value));
    changed.notify_all();
  }
  std::optional<Result<T>> result;
  Signal changed;
};

struct VoterParts {
  ReplicaOptions options;
  std::unique_ptr<EntryLog> log;
  std::unique_ptr<VoteFile> vote;
};

// Beside the log.
inline std::string checkpoint_directory_of(const ReplicaOptions& options) {
  return options.directory + ".checkpoint";
}
inline std::string fetched_directory_of(const ReplicaOptions& options) {
  return options.directory + ".fetched";
}
inline std::string installing_file_of(const ReplicaOptions& options) {
  return options.directory + "/installing";
}

// Drives the core: its outputs to disk, peers, state machine and callers; their answers back to it.
// Everything is on one loop and the core never waits for a disk: the log writer, the applier, and
// each peer's link are tasks of their own.
class Voter final : public LinkOwner {
 public:
  Voter(Environment env, VoterParts parts, rpc::Client& client, StateMachine& state_machine);
  ~Voter() override;

  Task<void> run();
  Task<void> stop();
  Task<Result<std::string>> propose(std::string command, Instant deadline);
  Task<Result<std::uint64_t>> read_barrier(Instant deadline);
  // Answers another replica's question for the index of a read.
  Task<void> answer_read_point(rpc::Call call);
  Task<Result<void>> transfer_leadership(NodeId to, Instant deadline);
  Task<Result<void>> change_members(MemberChange change, Instant deadline);
  ReplicaStatus status() const;
  GroupStatus group() const;
  // A piece of the state for another replica.
  Task<void> serve_snapshot(rpc::Call call);
  // Messages of one peer, until it or we end the stream. The caller keeps this alive until then.
  Task<void> receive(rpc::Call call);

  const Entry* cached(std::uint64_t index) const override;
  Task<Result<std::vector<Entry>>> load(std::uint64_t first_index, std::uint64_t last_index,
                                        std::size_t bytes_max) override;
  bool leads(std::uint64_t term) const override;
  void on_lost(NodeId peer) override;
  void on_damage(Error error) override;

 private:
  struct Proposal {
    std::uint64_t term = 0;
    std::size_t size_bytes = 0;
    std::shared_ptr<Pending<std::string>> pending;
  };
  struct QueuedProposal {
    std::string command;
    std::shared_ptr<Pending<std::string>> pending;
  };
  struct Save {
    std::uint64_t number = 0;
    std::optional<HardState> hard_state;
    std::optional<Snapshot> reset;  // the log begins anew after it, before the entries
    std::vector<Entry> entries;
    std::size_t size_bytes = 0;
  };
  struct Inbound {
    NodeId peer;
    net::Stream* stream;
  };

  // voter.cc: the core and those who wait for it
  void pump();
  void handle(Output output);
  void note_role();
  void fail(Error error);
  void resolve_all(ErrorCode unknown_code, const char* detail);
  void refuse_replaced(std::uint64_t first_index);
  Result<void> admit(std::size_t command_bytes) const;
  void propose_queued();
  std::optional<NodeId> node_of(VoterId id) const;
  PeerLink& link_to(NodeId node);

  // voter_reads.cc
  Task<void> read_loop();
  Task<Result<ReadPoint>> find_read_point(Instant deadline);
  Task<Result<ReadPoint>> own_read_point(Instant deadline);
  Task<Result<ReadPoint>> ask_for_read_point(NodeId leader, Instant deadline);
  void resolve_reads();

  // voter_tasks.cc: the tasks
  Task<void> tick_loop();
  Task<void> propose_loop();
  Task<void> write_loop();
  Task<Result<void>> write_saves();
  Save take_saves();
  Task<Result<void>> tidy_log();
  Task<void> apply_loop();
  Task<Result<void>> apply_some();
  void answer_applied(std::vector<CommittedEntry> entries, std::vector<std::string> answers,
                      std::uint64_t last_index);
  Task<Result<Message>> read_message(net::Stream& stream);
  void accept(Message message);
  bool speaks_for(NodeId peer, const Message& message);
  std::uint64_t index_to_trim() const;

  // voter_snapshot.cc
  Task<void> fetch_snapshot(NeededSnapshot needed);
  Task<Result<void>> install_fetched();
  Task<Result<void>> end_install();
  std::optional<Snapshot> describe(StatePoint point) const;

  Environment env_;
  ReplicaOptions options_;
  std::unique_ptr<EntryLog> log_;
  std::unique_ptr<VoteFile> vote_;
  StateMachine& state_machine_;
  Core core_;
  EntryCache cache_;
  rpc::Client& client_;
  std::map<NodeId, std::unique_ptr<PeerLink>> links_;
  std::map<VoterId, NodeId> heard_from_;  // whom no configuration here names
  SnapshotSource source_;
  SnapshotFetch fetch_;
  bool is_fetching_ = false;
  std::optional<FetchedSnapshot> fetched_;  // to be installed
  bool is_install_pending_ = false;         // the log does not know of it durably yet
  std::set<NodeId> lost_;
  bool is_pumping_ = false;

  std::deque<Save> saves_;
  std::size_t unsaved_bytes_ = 0;
  Instant settle_at_ = kNever;
  Instant trim_at_{};
  std::uint64_t apply_target_ = 0;
  std::uint64_t applied_ = 0;

  std::deque<QueuedProposal> queued_proposals_;
  std::size_t queued_bytes_ = 0;
  std::map<std::uint64_t, Proposal> proposals_;  // by index
  std::size_t proposed_bytes_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Pending<std::uint64_t>>> reads_;  // of the core
  std::uint64_t last_read_id_ = 0;
  // Reads that wait for the next question to the leader, and those for which one is under way.
  std::vector<std::shared_ptr<Pending<std::uint64_t>>> reads_to_ask_;
  std::vector<std::shared_ptr<Pending<std::uint64_t>>> reads_asked_;
  std::size_t read_count_ = 0;       // of callers
  net::Stream* question_ = nullptr;  // to the leader, while it is under way
  std::vector<Inbound> inbound_;

  ReplicaStatus noted_;
  std::optional<Error> failure_;
  bool is_running_ = false;
  bool is_stopping_ = false;
  std::size_t calls_ = 0;
  Signal stopping_;
  Signal idle_;
  Signal save_queued_;
  Signal apply_wanted_;
  Signal applied_changed_;
  Signal role_changed_;
  Signal proposal_queued_;
  Signal read_queued_;
  TaskGroup tasks_;
};

}  // namespace predastore::raft
