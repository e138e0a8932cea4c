#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "env/clock.h"
#include "raft/core/configuration.h"
#include "raft/core/term_log.h"
#include "raft/replica.h"

namespace predastore::raft {

// Consensus without the world: events go in, and what to store, send, apply and answer comes out.
// After Ongaro's thesis "Consensus: Bridging Theory and Practice" (2014; chapters 3, 6.4, 9.6) and
// the shape of etcd's RawNode. No I/O, threads, clock or randomness of its own: time comes with the
// events, the seed with the options. It keeps terms of entries, not entries; whoever drives it
// keeps those from Output::entries on and fills messages with them.

struct Entry {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::string command;  // empty: the entry with which a leader begins its term; never applied
  bool is_configuration = false;  // the command is encode_configuration(); never applied either
  friend bool operator==(const Entry&, const Entry&) = default;
};

struct HardState {
  std::uint64_t term = 0;
  std::optional<VoterId> vote;
  friend bool operator==(const HardState&, const HardState&) = default;
};

enum class MessageKind : std::uint8_t {
  pre_vote = 1,
  pre_vote_answer,
  vote,
  vote_answer,
  append,
  append_answer,
  heartbeat,
  heartbeat_answer,
  timeout_now,  // the leader wants this one, which has all of its log, to take its place
  snapshot,     // what this one lacks is not in the leader's log any more
};

// One flat struct for all kinds; a member that a kind does not use is zero.
struct Message {
  MessageKind kind = MessageKind::heartbeat;
  VoterId from;
  VoterId to;
  std::uint64_t term = 0;   // the sender's; of pre_vote: the one it would begin
  std::uint64_t index = 0;  // vote: last entry · append: the entry before · append_answer: how far
                            // the log agrees (rejected: what was asked) · heartbeat: the last one
                            // that is known to be stored there · snapshot: the last one that is
                            // gone
  std::uint64_t index_term = 0;  // the term of that entry
  std::uint64_t commit = 0;      // append, heartbeat
  std::uint64_t round = 0;       // heartbeat and its answer
  std::uint64_t hint = 0;        // rejected append: from where to try next · heartbeat: up to where
                                 // all voters have stored the log · vote: 1 if the leader wants it
  bool is_rejected = false;      // answers
  std::uint64_t count = 0;  // append, going out: entries index+1 .. index+count are to be filled in
  std::vector<Entry> entries;  // append, coming in
};

struct CoreOptions {
  VoterId self;
  Duration election_timeout = 1000ms;
  Duration heartbeat_interval = 150ms;
  std::uint64_t seed = 0;                 // of the election time-outs
  std::uint64_t append_entries_max = 64;  // in one message
  std::size_t appends_in_flight_max = 8;  // a follower
};

// What a restart finds on disk.
struct StoredState {
  HardState hard_state;
  TermLog log;
  std::uint64_t applied_index = 0;  // known to be committed
  // All that are in the log, and the one before it, in their order. None: it does not know yet who
  // belongs to its group, and will be told by a leader.
  std::vector<StoredConfiguration> configurations;
};

// The state at an entry, from a replica that has applied it: in place of the log up to there.
struct Snapshot {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  StoredConfiguration configuration;  // the last one up to there
};
struct NeededSnapshot {
  VoterId from;             // a leader that has one, or can make it
  std::uint64_t index = 0;  // or later
};
struct LogReset {  // nothing is in the log any more, and it goes on after this entry
  std::uint64_t index = 0;
  std::uint64_t term = 0;
};

struct ReleasedRead {
  std::uint64_t id = 0;
  std::uint64_t index = 0;  // to be applied before the read
};

struct Output {
  // To be stored, in the order of the outputs: entries from entries.front() on replace whatever the
  // log holds from there, and the hard state is durable before saved(save_number) is called. Zero:
  // nothing to store. A reset comes before the entries of the same output.
  std::uint64_t save_number = 0;
  std::optional<HardState> hard_state;
  std::optional<LogReset> reset;
  std::vector<Entry> entries;
  std::vector<Message> messages;  // may leave at once
  std::uint64_t apply_index = 0;  // committed and stored here: apply up to this one
  std::vector<ReleasedRead> reads;
  std::vector<std::uint64_t> refused_reads;  // no longer the leader
  // Said again and again for as long as it is so; answered by install(), or not at all.
  std::optional<NeededSnapshot> needed_snapshot;
};

class Core {
 public:
  Core(CoreOptions options, StoredState stored, Instant now);

  void tick(Instant now);  // at next_tick(), and at least every heartbeat interval
  Instant next_tick() const;
  void receive(Message message, Instant now);
  std::optional<std::uint64_t> propose(std::string command,
                                       Instant now);  // its index; none when not the leader
  // All at once; the first one's index.
  std::optional<std::uint64_t> propose(std::vector<std::string> commands, Instant now);
  bool read(std::uint64_t id,
            Instant now);  // false when not the leader; else it comes out in reads or refused_reads
  void saved(std::uint64_t save_number,
             Instant now);  // everything of that output, and of those before, is durable
  // What a leader of `term` says is committed, with the answer to a read. Counts up to where this
  // log is known to be that leader's, and later as far as it becomes so.
  void learn_commit(std::uint64_t term, std::uint64_t index);
  // Hands the leadership to a voter as soon as it has the whole log; takes no proposals meanwhile,
  // and gives it up after an election timeout. False when not the leader, or when it is the target.
  bool transfer(VoterId to, Instant now);
  bool is_transferring() const { return transfer_to_.has_value(); }
  // Leader: one change of members, into the log. The index of its entry: it is done when that is
  // committed. Refused with the reason: NotLeader; Unavailable: not now (another change is under
  // way, a learner lags, too few voters of the new configuration are heard); InvalidArgument:
  // never.
  Result<std::uint64_t> change_members(const MemberChange& change, Instant now);
  const Configuration& configuration() const { return configurations_.back().configuration; }
  std::uint64_t configuration_index() const { return configurations_.back().index; }
  bool is_configuration_committed() const { return configuration_index() <= commit_index_; }
  // The one in force at `index`, which is not before the log's base.
  const StoredConfiguration& configuration_at(std::uint64_t index) const;
  // How far the members are known to have stored the log, and when they were last heard; leader
  // only.
  struct MemberProgress {
    std::uint64_t match = 0;
    bool is_heard = false;
    bool needs_snapshot = false;
  };
  MemberProgress progress_of(VoterId id, Instant now) const;
  // The state of `snapshot` is on the disk here and takes the place of what is in the log up to it.
  // False, and nothing has changed: as much is committed here already.
  bool install(const Snapshot& snapshot, Instant now);
  // Whoever lacks the state that belongs to its log must not lead: it could not apply anything.
  void set_may_lead(bool may_lead) { may_lead_ = may_lead; }
  // Up to here every member has stored the log, as far as is known; nobody will ask for it again.
  std::uint64_t stored_everywhere() const { return stored_everywhere_; }
  void trim_to(std::uint64_t index);  // the log begins after it now; index <= commit_index()
  void unreachable(VoterId peer);     // messages to it may have been lost
  Output take_output();
  bool has_output() const;

  ReplicaRole role() const {
    return role_ == Role::pre_candidate ? ReplicaRole::candidate : static_cast<ReplicaRole>(role_);
  }
  std::optional<VoterId> leader() const { return leader_; }
  std::uint64_t term() const { return hard_state_.term; }
  std::uint64_t commit_index() const { return commit_index_; }
  std::uint64_t durable_index() const { return durable_index_; }
  const TermLog& log() const { return log_; }

  friend struct CoreInspector;  // of the exploration in the tests

 private:
  enum class Role : std::uint8_t { follower = 0, candidate = 1, leader = 2, pre_candidate = 3 };

  // What the leader knows of one follower. Probing: one append at a time, until one is accepted;
  // then a window of them.
  struct Progress {
    std::uint64_t match = 0;  // stored there, as far as is known
    std::uint64_t next = 1;
    bool is_probing = true;
    bool has_probe_in_flight = false;
    std::uint64_t probe_last = 0;         // the last entry of that one
    std::deque<std::uint64_t> in_flight;  // the last index of each append
    Instant last_answer;                  // of any kind: it is alive and follows
    Instant last_progress;
    std::uint64_t round = 0;      // the latest heartbeat round it answered
    bool has_answered = false;    // in this term
    bool needs_snapshot = false;  // what it lacks is not in the log any more
  };
  struct PendingSave {
    std::uint64_t number = 0;
    std::uint64_t last_index = 0;
    std::uint64_t term = 0;         // the hard state's
    std::vector<Message> messages;  // that may leave only when it is durable
  };
  struct PendingRead {
    std::uint64_t id = 0;
    std::uint64_t index = 0;
    std::uint64_t round = 0;  // zero: waits for the first commit of this term
  };

  // core.cc: roles and elections
  void become_follower(std::uint64_t term, std::optional<VoterId> leader, Instant now);
  void begin_pre_vote(Instant now);
  void begin_vote(Instant now, bool is_wanted_by_leader);
  void receive_timeout_now(const Message& message, Instant now);
  void send_timeout_now();
  void become_leader(Instant now);
  void receive_vote_request(const Message& message, Instant now);
  void receive_vote_answer(const Message& message, Instant now);
  bool is_up_to_date(const Message& message) const;
  bool hears_a_leader(Instant now) const;
  void reset_election_deadline(Instant now);
  void set_hard_state(HardState state);
  void send_after_save(Message message);
  Message message_to(VoterId to, MessageKind kind) const;
  std::size_t majority() const { return configuration().majority(); }
  bool is_voter(VoterId id) const { return configuration().is_voter(id); }
  bool may_stand() const;
  std::size_t granted_votes() const;
  std::vector<VoterId> other_voters() const;
  void stage_save();

  // replication.cc: appends, commit, reads
  void append_own(std::string command, bool is_configuration = false);
  void receive_append(Message message, Instant now);
  void receive_append_answer(const Message& message, Instant now);
  void receive_heartbeat(const Message& message, Instant now);
  void receive_heartbeat_answer(const Message& message, Instant now);
  void store_entries(std::vector<Entry> entries);
  void answer_append();
  void send_appends(VoterId to, Instant now);
  void send_appends_to_all(Instant now);
  void send_heartbeats(Instant now);
  void begin_read_round(Instant now);
  void release_reads();
  void refuse_reads();
  void advance_commit(Instant now);
  void commit_to(std::uint64_t index);
  void check_quorum(Instant now);
  std::uint64_t reached_by_majority(std::uint64_t own, std::uint64_t Progress::* of_others) const;

  // membership.cc: configurations, snapshots
  void set_configuration(std::uint64_t index, Configuration configuration);
  void drop_configurations_from(std::uint64_t index);
  void add_missing_progress(Instant now);
  bool is_heard(const Progress& progress, Instant now) const;
  Result<void> check_change(const MemberChange& change, const Configuration& next,
                            Instant now) const;
  void step_down_if_removed(Instant now);
  void receive_snapshot(const Message& message, Instant now);
  bool begin_leader_message(const Message& message, Instant now);

  CoreOptions options_;
  std::uint64_t random_state_;
  HardState hard_state_;
  TermLog log_;
  std::deque<StoredConfiguration> configurations_;  // never empty; the last one is in force
  bool may_lead_ = true;
  std::uint64_t commit_index_;
  std::uint64_t durable_index_;
  std::uint64_t durable_term_;  // of the hard state
  std::uint64_t stored_everywhere_ = 0;
  std::optional<VoterId> transfer_to_;
  Instant transfer_until_{};
  Role role_ = Role::follower;
  std::optional<VoterId> leader_;
  std::optional<Instant> leader_heard_;
  Instant election_deadline_;
  Instant next_heartbeat_;
  Instant quorum_checked_;
  std::map<VoterId, bool> votes_;
  std::map<VoterId, Progress> progress_;  // leader: of the others
  std::uint64_t verified_index_ = 0;      // follower: up to here the log is this leader's
  std::uint64_t told_commit_ = 0;         // follower: what this leader has committed, at least
  std::uint64_t round_ = 0;
  std::deque<PendingRead> reads_;
  std::uint64_t term_start_index_ = 0;  // leader: its first entry
  std::uint64_t next_save_number_ = 1;
  std::deque<PendingSave> saves_;
  std::vector<Message> after_save_;  // go with the save that is being staged
  bool is_hard_state_changed_ = false;
  Output output_;
};

}  // namespace predastore::raft
