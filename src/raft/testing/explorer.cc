#include "raft/testing/explorer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "raft/message_codec.h"
#include "raft/testing/core_cluster.h"
#include "raft/testing/core_inspector.h"
#include "raft/testing/explorer_state.h"

namespace predastore::raft {
namespace testing {
namespace {

class Explorer {
 public:
  explicit Explorer(const ExploreOptions& options) : options_(options) {
    const std::size_t count = std::max(options_.voter_count, options_.replica_count);
    for (std::size_t i = 0; i < count; ++i) ids_.push_back(VoterId{i + 1});
  }

  ExploreResult run() {
    State start = first_state();
    if (options_.has_leader) elect_first(start);
    check(start);
    visited_.insert(hash_state(start));
    push(std::move(start), "start");
    while (!stack_.empty() && result_.violation.empty() && visited_.size() < options_.states_max) {
      Frame& frame = stack_.back();
      if (frame.next == frame.actions.size()) {
        stack_.pop_back();
        continue;
      }
      const Action action = frame.actions[frame.next++];
      State next = frame.state;
      ++result_.transitions;
      perform(next, action);
      if (!result_.violation.empty()) {
        note_trace(frame.state, action);
        break;
      }
      if (!visited_.insert(hash_state(next)).second) continue;
      check(next);
      if (!result_.violation.empty()) {
        note_trace(frame.state, action);
        break;
      }
      push(std::move(next), describe(frame.state, action));
    }
    result_.is_complete = stack_.empty();
    result_.states = visited_.size();
    return result_;
  }

 private:
  struct Frame {
    State state;
    std::vector<Action> actions;
    std::size_t next = 0;
    std::string how;
  };

  State first_state() {
    State state;
    state.budget = options_.budget;
    Ghost ghost;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      Voter voter;
      if (i < options_.start_states.size()) voter.disk_state = options_.start_states[i];
      if (i < options_.start_logs.size()) {
        for (const std::uint64_t term : options_.start_logs[i]) {
          // Entries of one index and term are the same everywhere.
          const std::uint64_t index = voter.disk_log.size() + 1;
          voter.disk_log.push_back({index, term, "s" + std::to_string(term)});
        }
      }
      voter.applied = std::min<std::uint64_t>(options_.start_committed, voter.disk_log.size());
      if (i < options_.voter_count)
        voter.first_configuration = {0, voters_up_to(options_.voter_count)};
      if (i == 0) {
        ghost.committed.assign(
            voter.disk_log.begin(),
            voter.disk_log.begin() + static_cast<std::ptrdiff_t>(options_.start_committed));
        ghost.committed_in.assign(options_.start_committed, 0);
      }
      begin(voter, i);
      rehash(voter);
      state.voters[i] = std::make_shared<const Voter>(std::move(voter));
    }
    state.ghost = std::make_shared<const Ghost>(std::move(ghost));
    return state;
  }

  void elect_first(State& state) {
    perform(state, {Kind::timeout, 0});
    const auto settles = [](const Action& action) {
      return action.kind == Kind::save || action.kind == Kind::deliver;
    };
    for (;;) {
      const std::vector<Action> actions = actions_of(state);
      const auto next = std::ranges::find_if(actions, settles);
      if (next == actions.end()) break;
      perform(state, *next);
    }
    state.budget = options_.budget;
  }

  void begin(Voter& voter, std::size_t which) {
    CoreOptions core;
    core.self = ids_[which];
    core.append_entries_max = 2;
    core.appends_in_flight_max = 2;
    TermLog terms;
    for (const Entry& entry : voter.disk_log) terms.append(entry.term);
    if (voter.disk_base > 0) terms.trim_to(voter.disk_base);
    voter.memory_log = voter.disk_log;
    voter.saves.clear();
    voter.needed.reset();
    voter.core.emplace(
        core,
        StoredState{voter.disk_state, terms, voter.applied,
                    configurations_in(voter.disk_log, voter.disk_base, voter.first_configuration)},
        kFrozen);
    CoreInspector::freeze(*voter.core);
  }

  void push(State state, std::string how) {
    Frame frame;
    frame.actions = actions_of(state);
    frame.state = std::move(state);
    frame.how = std::move(how);
    stack_.push_back(std::move(frame));
  }

  std::vector<Action> actions_of(const State& state) const {
    std::vector<Action> actions;
    const Budget& budget = state.budget;
    for (std::size_t i = 0; i < state.network.size(); ++i) {
      if (i > 0 && state.network[i]->hash == state.network[i - 1]->hash) continue;
      if (!state.voters[to_of(state, i)]->core.has_value()) continue;
      actions.push_back({Kind::deliver, i});
      if (budget.doubles > 0) actions.push_back({Kind::duplicate, i});
    }
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const Voter& voter = *state.voters[i];
      if (!voter.core.has_value()) {
        actions.push_back({Kind::restart, i});
        continue;
      }
      if (!voter.saves.empty()) actions.push_back({Kind::save, i});
      if (budget.crashes > 0) {
        for (std::size_t kept = 0; kept <= voter.saves.size(); ++kept) {
          actions.push_back({Kind::crash, i, kept * 2});
          if (kept < voter.saves.size() && voter.saves[kept].hard_state.has_value() &&
              !voter.saves[kept].entries.empty())
            actions.push_back({Kind::crash, i, kept * 2 + 1});
        }
      }
      if (budget.trims > 0 && voter.applied > voter.core->log().base_index())
        actions.push_back({Kind::trim, i});
      if (can_fetch(state, voter)) actions.push_back({Kind::fetch, i});
      for (std::size_t which = 0; which < state.read_points.size(); ++which)
        actions.push_back({Kind::tell, i, which});
      if (voter.core->role() != ReplicaRole::leader) {
        if (budget.timeouts > 0 && voter.core->term() < budget.term_max)
          actions.push_back({Kind::timeout, i});
        continue;
      }
      if (budget.heartbeats > 0) actions.push_back({Kind::heartbeat, i});
      if (budget.quorum_losses > 0) actions.push_back({Kind::quorum_loss, i});
      if (budget.proposals > 0) actions.push_back({Kind::propose, i});
      if (budget.reads > 0) actions.push_back({Kind::read, i});
      for (std::size_t which = 0; which < options_.changes.size() && budget.changes > 0; ++which)
        actions.push_back({Kind::change, i, which});
      for (std::size_t peer = 0; peer < ids_.size() && budget.transfers > 0; ++peer) {
        if (peer != i) actions.push_back({Kind::transfer, i, peer});
      }
      if (budget.unreachables > 0) {
        for (std::size_t peer = 0; peer < ids_.size(); ++peer) {
          if (peer != i) actions.push_back({Kind::unreachable, i, peer});
        }
      }
    }
    return actions;
  }

  static const Voter* source_of(const State& state, const Voter& voter) {
    return state.voters[voter.needed->from.value() - 1].get();
  }
  static bool can_fetch(const State& state, const Voter& voter) {
    if (!voter.needed.has_value()) return false;
    const Voter* source = source_of(state, voter);
    return source->core.has_value() && source->applied >= voter.needed->index;
  }

  void fetch(const State& state, Voter& voter) {
    const Voter& source = *source_of(state, voter);
    voter.needed.reset();
    if (source.applied <= voter.applied) return;
    Snapshot snapshot;
    snapshot.index = source.applied;
    snapshot.term = source.memory_log[source.applied - 1].term;
    snapshot.configuration = source.core->configuration_at(snapshot.index);
    voter.incoming.assign(source.memory_log.begin(),
                          source.memory_log.begin() + static_cast<std::ptrdiff_t>(source.applied));
    if (!voter.core->install(snapshot, kFrozen)) return;
    ++result_.snapshots;
    if (voter.core->log().base_index() != snapshot.index) voter.applied = snapshot.index;
  }

  void change(State& state, Voter& voter, const MemberChange& change) {
    --state.budget.changes;
    const std::uint64_t before = voter.core->configuration_index();
    (void)voter.core->change_members(change, kFrozen);
    result_.changes += voter.core->configuration_index() != before ? 1 : 0;
  }

  std::size_t to_of(const State& state, std::size_t letter) const {
    return state.network[letter]->message.to.value() - 1;
  }

  void perform(State& state, const Action& action) {
    std::size_t which = action.which;
    Message message;
    if (action.kind == Kind::deliver || action.kind == Kind::duplicate) {
      which = to_of(state, action.which);
      message = state.network[action.which]->message;
      if (action.kind == Kind::deliver) {
        state.network.erase(state.network.begin() + static_cast<std::ptrdiff_t>(action.which));
      } else {
        --state.budget.doubles;
      }
    }
    Voter voter = *state.voters[which];
    const std::uint64_t commit_before = voter.core.has_value() ? voter.core->commit_index() : 0;
    voter.was_leader = voter.core.has_value() && voter.core->role() == ReplicaRole::leader;
    const std::uint64_t term_before = voter.core.has_value() ? voter.core->term() : 0;
    switch (action.kind) {
      case Kind::deliver:
      case Kind::duplicate: voter.core->receive(std::move(message), kFrozen); break;
      case Kind::save: {
        const Save save = voter.saves.front();
        voter.saves.erase(voter.saves.begin());
        store(voter, save);
        voter.core->saved(save.number, kFrozen);
        break;
      }
      case Kind::timeout:
        --state.budget.timeouts;
        CoreInspector::expire_election(*voter.core);
        voter.core->tick(kFrozen);
        if (options_.has_instant_pre_votes) grant_pre_votes(voter, which);
        break;
      case Kind::heartbeat:
        --state.budget.heartbeats;
        CoreInspector::expire_heartbeat(*voter.core);
        voter.core->tick(kFrozen);
        break;
      case Kind::quorum_loss:
        --state.budget.quorum_losses;
        CoreInspector::expire_quorum(*voter.core);
        voter.core->tick(kFrozen);
        break;
      case Kind::propose:
        --state.budget.proposals;
        (void)voter.core->propose("c" + std::to_string(++state.last_command), kFrozen);
        break;
      case Kind::read: begin_read(state, voter); break;
      case Kind::unreachable:
        --state.budget.unreachables;
        voter.core->unreachable(ids_[action.detail]);
        break;
      case Kind::transfer:
        --state.budget.transfers;
        (void)voter.core->transfer(ids_[action.detail], kFrozen);
        break;
      case Kind::change: change(state, voter, options_.changes[action.detail]); break;
      case Kind::trim:
        --state.budget.trims;
        voter.core->trim_to(voter.applied);
        voter.disk_base = voter.applied;
        break;
      case Kind::fetch: fetch(state, voter); break;
      case Kind::tell: {
        const auto& [term, index] =
            *std::next(state.read_points.begin(), static_cast<std::ptrdiff_t>(action.detail));
        voter.core->learn_commit(term, index);
        break;
      }
      case Kind::crash: crash(state, voter, action.detail); break;
      case Kind::restart: begin(voter, which); break;
    }
    if (voter.core.has_value()) {
      CoreInspector::freeze(*voter.core);
      if (voter.core->term() < term_before) return violate("a term went back");
      drain(state, voter, which);
      if (voter.core->commit_index() < commit_before && action.kind != Kind::restart)
        violate("the commit index went back");
    }
    forget_late_answers(state, voter, which);
    rehash(voter);
    state.voters[which] = std::make_shared<const Voter>(std::move(voter));
  }

  void grant_pre_votes(Voter& voter, std::size_t which) {
    for (const VoterId peer : ids_) {
      if (peer == ids_[which] || voter.core->role() != ReplicaRole::candidate) continue;
      Message grant;
      grant.kind = MessageKind::pre_vote_answer;
      grant.from = peer;
      grant.to = ids_[which];
      grant.term = voter.core->term() + 1;
      if (peer != ids_[which]) voter.core->receive(grant, kFrozen);
    }
  }

  void begin_read(State& state, Voter& voter) {
    --state.budget.reads;
    const std::uint64_t id = ++state.last_read;
    Ghost ghost = *state.ghost;
    ghost.floors[id] = ghost.committed.size();
    state.ghost = std::make_shared<const Ghost>(std::move(ghost));
    (void)voter.core->read(id, kFrozen);
  }

  void crash(State& state, Voter& voter, std::size_t detail) {
    --state.budget.crashes;
    const std::size_t kept = detail / 2;
    for (std::size_t i = 0; i < kept; ++i) store(voter, voter.saves[i]);
    if (detail % 2 == 1) voter.disk_state = *voter.saves[kept].hard_state;
    if (options_.sabotage == Sabotage::forgets_votes) voter.disk_state.vote.reset();
    voter.saves.clear();
    voter.memory_log.clear();
    voter.core.reset();
  }

  void drain(State& state, Voter& voter, std::size_t which) {
    while (voter.core->has_output()) {
      Output output = voter.core->take_output();
      CoreInspector::freeze(*voter.core);
      std::vector<Entry> reset;
      StoredConfiguration reset_configuration;
      if (output.reset.has_value()) {
        reset = voter.incoming;
        reset_configuration = voter.core->configuration_at(output.reset->index);
        voter.memory_log = reset;
      }
      if (output.needed_snapshot.has_value()) voter.needed = output.needed_snapshot;
      if (!output.entries.empty()) {
        voter.memory_log.resize(output.entries.front().index - 1);
        voter.memory_log.insert(voter.memory_log.end(), output.entries.begin(),
                                output.entries.end());
      }
      if (output.save_number != 0) {
        voter.saves.push_back({output.save_number, output.hard_state, std::move(output.entries),
                               std::move(reset), std::move(reset_configuration)});
        if (options_.sabotage == Sabotage::acknowledges_before_storing)
          voter.core->saved(output.save_number, kFrozen);
        if (options_.has_instant_saves) {
          store(voter, voter.saves.back());
          voter.saves.pop_back();
        }
      }
      if (options_.has_instant_saves && output.save_number != 0)
        voter.core->saved(output.save_number, kFrozen);
      for (Message& message : output.messages) send(state, voter, std::move(message));
      for (const ReleasedRead& read : output.reads) {
        ++result_.reads;
        if (read.index < state.ghost->floors.at(read.id)) violate("a stale read");
        state.read_points.emplace(voter.core->term(), read.index);
      }
    }
    (void)voter.core->take_output();
    note_commit(state, voter, which);
    const std::uint64_t apply_to =
        std::min(voter.core->commit_index(), voter.core->durable_index());
    if (apply_to > voter.disk_log.size()) violate("applied before it was stored");
    if (apply_to > voter.applied && voter.applied < voter.core->log().base_index())
      violate("applied what is gone");
    voter.applied = std::max(voter.applied, apply_to);
  }

  void send(State& state, const Voter& voter, Message message) {
    if (message.count > 0 && message.index < voter.core->log().base_index())
      violate("sent what is gone");
    for (std::uint64_t i = 1; i <= message.count; ++i)
      message.entries.push_back(voter.memory_log.at(message.index + i - 1));
    message.count = 0;
    if (message.kind == MessageKind::vote_answer && !message.is_rejected) {
      const std::pair key{message.term, message.from.value()};
      const auto found = state.ghost->votes.find(key);
      if (found == state.ghost->votes.end()) {
        Ghost ghost = *state.ghost;
        ghost.votes[key] = message.to;
        state.ghost = std::make_shared<const Ghost>(std::move(ghost));
      } else if (found->second != message.to) {
        violate("two votes in one term");
      }
    }
    const bool is_heartbeat =
        message.kind == MessageKind::heartbeat || message.kind == MessageKind::heartbeat_answer;
    if (is_heartbeat && !options_.has_heartbeats) return;
    if (message.kind == MessageKind::pre_vote && options_.has_instant_pre_votes) return;
    auto letter = std::make_shared<Letter>();
    letter->hash = hash_of(encode_message(message));
    letter->message = std::move(message);
    const auto place = std::ranges::lower_bound(state.network, letter->hash.a, {},
                                                [](const auto& other) { return other->hash.a; });
    // The same message twice is what doubling is for.
    if (place != state.network.end() && (*place)->hash == letter->hash) return;
    state.network.insert(place, std::move(letter));
  }

  // An answer of a term that is over for whom it is to is ignored whenever it comes.
  void forget_late_answers(State& state, const Voter& voter, std::size_t which) {
    std::erase_if(state.network, [&](const auto& letter) {
      const Message& message = letter->message;
      const bool is_answer = message.kind == MessageKind::vote_answer ||
                             message.kind == MessageKind::append_answer ||
                             message.kind == MessageKind::heartbeat_answer;
      return is_answer && message.to == ids_[which] && message.term < voter.disk_state.term;
    });
  }

  // Whatever anybody believes to be committed is what everybody ever believes to be at that index,
  // and a majority has it on disk.
  void note_commit(State& state, const Voter& voter, std::size_t which) {
    const std::uint64_t commit = voter.core->commit_index();
    std::shared_ptr<Ghost> grown;
    for (std::uint64_t index = 1; index <= commit; ++index) {
      const Entry& entry = voter.memory_log.at(index - 1);
      const Ghost& ghost = grown != nullptr ? *grown : *state.ghost;
      if (index <= ghost.committed.size()) {
        if (ghost.committed[index - 1] != entry)
          return violate("two entries committed at an index");
        continue;
      }
      if (grown == nullptr) grown = std::make_shared<Ghost>(*state.ghost);
      grown->committed.push_back(entry);
      grown->committed_in.push_back(voter.core->term());
      // Of the configuration that its leader goes by; others hear of it later.
      const Configuration& configuration = voter.core->configuration();
      if (voter.core->role() != ReplicaRole::leader && !voter.was_leader) continue;
      std::size_t holders = 0;
      for (std::size_t i = 0; i < ids_.size(); ++i) {
        if (!configuration.is_voter(ids_[i])) continue;
        const Voter& holder = i == which ? voter : *state.voters[i];
        holders += holder.disk_log.size() >= index && holder.disk_log[index - 1] == entry ? 1 : 0;
      }
      if (holders < configuration.majority())
        return violate("committed without a majority that has it");
    }
    if (grown == nullptr) return;
    ++result_.commits;
    state.ghost = std::move(grown);
  }

  void check(State& state) {
    bool has_leader = false;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const Voter& voter = *state.voters[i];
      if (!voter.core.has_value() || voter.core->role() != ReplicaRole::leader) continue;
      has_leader = true;
      const std::uint64_t term = voter.core->term();
      const auto found = state.ghost->leaders.find(term);
      if (found == state.ghost->leaders.end()) {
        Ghost ghost = *state.ghost;
        ghost.leaders[term] = ids_[i];
        state.ghost = std::make_shared<const Ghost>(std::move(ghost));
      } else if (found->second != ids_[i]) {
        return violate("two leaders in one term");
      }
      const Ghost& ghost = *state.ghost;
      for (std::size_t at = 0; at < ghost.committed.size(); ++at) {
        if (ghost.committed_in[at] > term) break;
        if (voter.memory_log.size() <= at || voter.memory_log[at] != ghost.committed[at])
          return violate("a leader without a committed entry");
      }
    }
    result_.leaders += has_leader ? 1 : 0;
    check_log_matching(state);
  }

  void check_log_matching(const State& state) {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      for (std::size_t j = i + 1; j < ids_.size(); ++j) {
        const auto& one = log_of(*state.voters[i]);
        const auto& other = log_of(*state.voters[j]);
        std::size_t same_term = std::min(one.size(), other.size());
        while (same_term > 0 && one[same_term - 1].term != other[same_term - 1].term) --same_term;
        if (!std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(same_term),
                        other.begin()))
          return violate("logs that agree in a term differ before it");
      }
    }
  }
  static const std::vector<Entry>& log_of(const Voter& voter) {
    return voter.core.has_value() ? voter.memory_log : voter.disk_log;
  }

  Hash128 hash_state(const State& state) const {
    Hash128 hash;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      feed(hash, state.voters[i]->hash.a);
      feed(hash, state.voters[i]->hash.b);
    }
    for (const auto& letter : state.network) {
      feed(hash, letter->hash.a);
      feed(hash, letter->hash.b);
    }
    const Budget& budget = state.budget;
    for (const int left : {budget.timeouts, budget.proposals, budget.reads, budget.heartbeats,
                           budget.crashes, budget.doubles, budget.quorum_losses, budget.transfers,
                           budget.unreachables, budget.changes, budget.trims})
      feed(hash, static_cast<std::uint64_t>(left));
    const Ghost& ghost = *state.ghost;
    for (const auto& [term, leader] : ghost.leaders) feed(hash, term * 16 + leader.value());
    for (const auto& [key, vote] : ghost.votes) {
      feed(hash, key.first * 256 + key.second * 16 + vote.value());
    }
    for (std::size_t i = 0; i < ghost.committed.size(); ++i)
      feed(hash, ghost.committed[i].term * 64 + ghost.committed_in[i]);
    for (const auto& [read, floor] : ghost.floors) feed(hash, read * 64 + floor);
    for (const auto& [term, index] : state.read_points) feed(hash, term * 64 + index);
    return hash;
  }

  void violate(const char* what) {
    if (result_.violation.empty()) result_.violation = what;
  }

  void note_trace(const State& state, const Action& action) {
    const std::string last = describe(state, action);
    for (const Frame& frame : stack_) result_.trace.push_back(frame.how);
    result_.trace.push_back(last);
  }

  std::string describe(const State& state, const Action& action) const {
    static constexpr const char* kNames[] = {
        "deliver",     "deliver a copy of", "save",    "timeout",
        "heartbeat",   "quorum loss",       "propose", "read",
        "unreachable", "transfer",          "change",  "trim",
        "fetch",       "tell of a read",    "crash",   "restart"};
    std::string text = kNames[static_cast<std::size_t>(action.kind)];
    if (action.kind == Kind::deliver || action.kind == Kind::duplicate) {
      const Message& m = state.network[action.which]->message;
      return text + " kind " + std::to_string(static_cast<int>(m.kind)) + " " +
             std::to_string(m.from.value()) + ">" + std::to_string(m.to.value()) + " term " +
             std::to_string(m.term) + " index " + std::to_string(m.index) + "/" +
             std::to_string(m.index_term) + " commit " + std::to_string(m.commit) + " round " +
             std::to_string(m.round) + " entries " + std::to_string(m.entries.size()) +
             (m.is_rejected ? " rejected" : "");
    }
    return text + " at " + std::to_string(action.which + 1) + " (" + std::to_string(action.detail) +
           ")";
  }

  const ExploreOptions& options_;
  std::vector<VoterId> ids_;
  ExploreResult result_;
  std::unordered_set<Hash128, HashOfHash> visited_;
  std::vector<Frame> stack_;
};

}  // namespace

ExploreResult explore(const ExploreOptions& options) { return Explorer(options).run(); }

}  // namespace testing
}  // namespace predastore::raft
