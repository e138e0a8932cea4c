#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "raft/core/core.h"

namespace predastore::raft::testing {

// Replicas 1 to `count`, all voters, on nodes of the same numbers.
inline Configuration voters_up_to(std::size_t count) {
  Configuration configuration;
  for (std::uint64_t i = 1; i <= count; ++i)
    configuration.members.push_back({VoterId{i}, NodeId{i}, true});
  return configuration;
}

// What a log says of the configuration, from the one in force at `base_index` on.
inline std::vector<StoredConfiguration> configurations_in(const std::vector<Entry>& log,
                                                          std::uint64_t base_index,
                                                          const StoredConfiguration& first) {
  std::vector<StoredConfiguration> found{first};
  for (const Entry& entry : log) {
    if (!entry.is_configuration) continue;
    if (entry.index <= base_index) found.clear();
    found.push_back({entry.index, decode_configuration(as_bytes(entry.command)).value()});
  }
  return found;
}

// One replica as a driver would run it, with a disk that loses what was not saved. The logs are
// kept whole, so that what a snapshot holds is known; what is before the base must not be used.
struct CoreReplica {
  std::unique_ptr<Core> core;
  HardState disk_state;
  std::vector<Entry> disk_log;  // index 1..
  std::uint64_t disk_base = 0;
  StoredConfiguration first_configuration;
  struct Save {
    std::uint64_t number;
    std::optional<HardState> state;
    std::vector<Entry> entries;
    std::vector<Entry> reset;  // the snapshot that takes the place of the log
    StoredConfiguration reset_configuration;
  };
  std::deque<Save> saves;
  std::vector<Entry> memory_log;  // what the driver would find: stored and about to be
  std::vector<Entry> applied;     // survives, as a state machine on disk would
  std::vector<Entry> incoming;    // a snapshot that was fetched
  std::optional<NeededSnapshot> needed;
  std::set<std::uint64_t> reads;
};

// Three voters (or more), messages that are delayed, lost, doubled and reordered, crashes at any
// moment; after every step the invariants of the thesis (figure 3.2) are looked at.
class CoreCluster {
 public:
  // Of `replica_count` the first `voter_count` are the group; the others know nothing yet.
  CoreCluster(std::size_t voter_count, unsigned seed, std::size_t replica_count = 0)
      : random_(seed) {
    for (std::size_t i = 0; i < std::max(voter_count, replica_count); ++i) {
      const VoterId id{i + 1};
      voters_.push_back(id);
      if (i < voter_count) replicas_[id].first_configuration = {0, voters_up_to(voter_count)};
    }
    for (const VoterId id : voters_) start(id);
  }

  CoreReplica& at(VoterId id) { return replicas_[id]; }
  const std::vector<VoterId>& voters() const { return voters_; }

  void start(VoterId id) {
    CoreReplica& replica = replicas_[id];
    TermLog terms;
    for (const Entry& entry : replica.disk_log) terms.append(entry.term);
    if (replica.disk_base > 0) terms.trim_to(replica.disk_base);
    CoreOptions options;
    options.self = id;
    options.election_timeout = 10ms;
    options.heartbeat_interval = 2ms;
    options.seed = random_();
    options.append_entries_max = 2;
    options.appends_in_flight_max = 2;
    replica.memory_log = replica.disk_log;
    replica.saves.clear();
    replica.reads.clear();
    replica.incoming.clear();
    replica.needed.reset();
    replica.core = std::make_unique<Core>(
        options,
        StoredState{
            replica.disk_state, terms, replica.applied.size(),
            configurations_in(replica.disk_log, replica.disk_base, replica.first_configuration)},
        now_);
  }

  // Loses what is not on disk, but for a random prefix of the saves that were under way.
  void crash(VoterId id) {
    CoreReplica& replica = replicas_[id];
    const std::size_t kept = replica.saves.empty() ? 0 : random_() % (replica.saves.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) store(replica, replica.saves[i]);
    replica.core.reset();
  }

  void drain(VoterId id) {
    CoreReplica& replica = replicas_[id];
    if (replica.core == nullptr) return;
    Output output = replica.core->take_output();
    CoreReplica::Save save{output.save_number, output.hard_state, output.entries, {}, {}};
    if (output.reset.has_value()) {
      ASSERT_EQ(output.reset->index, replica.incoming.size());
      save.reset = replica.incoming;
      save.reset_configuration = replica.core->configuration_at(output.reset->index);
      replica.memory_log = replica.incoming;
    }
    if (output.needed_snapshot.has_value()) replica.needed = output.needed_snapshot;
    if (!output.entries.empty()) {
      replica.memory_log.resize(output.entries.front().index - 1);
      replica.memory_log.insert(replica.memory_log.end(), output.entries.begin(),
                                output.entries.end());
    }
    if (output.save_number != 0) replica.saves.push_back(std::move(save));
    for (Message& message : output.messages) {
      if (message.count > 0) {
        ASSERT_GE(message.index, replica.core->log().base_index()) << "sent what is gone";
      }
      for (std::uint64_t i = 1; i <= message.count; ++i)
        message.entries.push_back(replica.memory_log.at(message.index + i - 1));
      network_.push_back(std::move(message));
    }
    apply(id, replica, output.apply_index);
    for (const ReleasedRead& read : output.reads) {
      // Linearizable: everything that was committed anywhere when the read was asked for is
      // covered.
      ASSERT_GE(read.index, read_floor_.at(read.id)) << "a stale read";
      replica.reads.erase(read.id);
      read_points_.emplace_back(replica.core->term(), read.index);
      ++released_reads;
    }
    for (const std::uint64_t read : output.refused_reads) replica.reads.erase(read);
  }

  void save_one(VoterId id) {
    CoreReplica& replica = replicas_[id];
    if (replica.core == nullptr || replica.saves.empty() || paused_.contains(id)) return;
    store(replica, replica.saves.front());
    const std::uint64_t number = replica.saves.front().number;
    replica.saves.pop_front();
    replica.core->saved(number, now_);
    drain(id);
  }

  void deliver(std::size_t position, bool is_kept) {
    Message message = network_[position];
    if (paused_.contains(message.to)) return;  // it waits
    if (!is_kept) network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
    CoreReplica& replica = replicas_[message.to];
    if (replica.core == nullptr || cut_.contains(message.to) || cut_.contains(message.from)) return;
    message.count = 0;
    replica.core->receive(std::move(message), now_);
    drain(replica.core == nullptr ? VoterId{} : to_of(replica));
  }

  void tick_all(Duration by) {
    now_ += by;
    for (const VoterId id : voters_) {
      if (replicas_[id].core == nullptr || paused_.contains(id)) continue;
      replicas_[id].core->tick(now_);
      drain(id);
    }
  }

  std::optional<VoterId> leader() {
    std::optional<VoterId> found;
    std::uint64_t term = 0;
    for (const VoterId id : voters_) {
      auto& core = replicas_[id].core;
      if (core == nullptr || core->role() != ReplicaRole::leader || core->term() <= term) continue;
      found = id;
      term = core->term();
    }
    return found;
  }

  bool propose(VoterId id, std::string command) {
    auto& core = replicas_[id].core;
    const bool is_taken = core != nullptr && core->propose(std::move(command), now_).has_value();
    if (is_taken) drain(id);
    return is_taken;
  }

  bool transfer(VoterId id, VoterId to) {
    auto& core = replicas_[id].core;
    const bool is_begun = core != nullptr && core->transfer(to, now_);
    if (is_begun) drain(id);
    return is_begun;
  }

  Result<std::uint64_t> change(VoterId leader, MemberChange::Kind kind, VoterId id) {
    auto& core = replicas_[leader].core;
    if (core == nullptr) return make_error(ErrorCode::Unavailable);
    auto index = core->change_members({kind, id, NodeId{id.value()}}, now_);
    drain(leader);
    return index;
  }

  // The log of one goes up to what it has applied, or a part of it.
  void trim(VoterId id, std::uint64_t index) {
    CoreReplica& replica = replicas_[id];
    index = std::min<std::uint64_t>(index, replica.applied.size());
    if (replica.core == nullptr || index <= replica.core->log().base_index()) return;
    replica.core->trim_to(index);
    replica.disk_base = index;
  }

  // Fetches the state of whoever it was told to, if that one has it.
  void fetch(VoterId id) {
    CoreReplica& replica = replicas_[id];
    if (replica.core == nullptr || !replica.needed.has_value() || paused_.contains(id)) return;
    const CoreReplica& source = replicas_[replica.needed->from];
    if (source.core == nullptr || source.applied.size() < replica.needed->index) return;
    replica.needed.reset();
    install(id, source.applied, *source.core);
  }
  void install(VoterId id, std::vector<Entry> state, const Core& source) {
    CoreReplica& replica = replicas_[id];
    if (state.size() <= replica.applied.size()) return;
    Snapshot snapshot;
    snapshot.index = state.size();
    snapshot.term = state.back().term;
    snapshot.configuration = source.configuration_at(snapshot.index);
    replica.incoming = std::move(state);
    if (replica.core->install(snapshot, now_)) {
      ++installed_snapshots;
      const bool is_reset = replica.core->log().base_index() == snapshot.index;
      if (!is_reset) replica.applied = replica.incoming;
    }
    drain(id);
  }

  // Its disk is lost, and whoever comes in its place is another one.
  void wipe(VoterId id) {
    crash(id);
    replicas_[id] = CoreReplica{};
  }

  void read(VoterId id) {
    CoreReplica& replica = replicas_[id];
    if (replica.core == nullptr) return;
    const std::uint64_t read_id = ++last_read_;
    read_floor_[read_id] = committed_.size();
    if (!replica.core->read(read_id, now_)) return;
    replica.reads.insert(read_id);
    drain(id);
  }

  // Everything is delivered and saved in order until nothing is left to do.
  void settle(int rounds = 50) {
    for (int round = 0; round < rounds; ++round) {
      tick_all(1ms);
      while (!network_.empty()) deliver(0, false);
      for (const VoterId id : voters_) {
        while (replicas_[id].core != nullptr && !replicas_[id].saves.empty()) save_one(id);
        fetch(id);
      }
    }
  }

  void check() {
    std::map<std::uint64_t, VoterId> leaders = leaders_;
    for (const VoterId id : voters_) {
      const CoreReplica& replica = replicas_[id];
      if (replica.core == nullptr || replica.core->role() != ReplicaRole::leader) continue;
      const auto [found, is_new] = leaders_.emplace(replica.core->term(), id);
      ASSERT_EQ(found->second, id) << "two leaders in term " << replica.core->term();
      if (!is_new) continue;
      // Leader completeness: whoever begins a term has everything that was committed before.
      for (const Entry& entry : committed_) {
        ASSERT_GE(replica.memory_log.size(), entry.index);
        ASSERT_EQ(replica.memory_log[entry.index - 1], entry)
            << "a leader without a committed entry";
      }
    }
  }

  std::size_t network_size() const { return network_.size(); }
  // The answer to a read, now or long after, comes to one that may follow that leader or not.
  void tell_of_a_read(VoterId id) {
    CoreReplica& replica = replicas_[id];
    if (replica.core == nullptr || read_points_.empty() || paused_.contains(id)) return;
    const std::size_t late = random_() % std::min<std::size_t>(read_points_.size(), 4);
    const auto [term, index] = read_points_[read_points_.size() - 1 - late];
    replica.core->learn_commit(term, index);
    drain(id);
  }
  void lose(std::size_t position) {
    network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
  }
  void cut(VoterId id) { cut_.insert(id); }
  // Neither time nor messages nor its disk reach it until heal(): a process that is stopped.
  void pause(VoterId id) { paused_.insert(id); }
  void heal() {
    cut_.clear();
    paused_.clear();
  }
  const std::vector<Entry>& committed() const { return committed_; }
  std::mt19937& random() { return random_; }
  int released_reads = 0;
  int installed_snapshots = 0;

 private:
  VoterId to_of(const CoreReplica& replica) {
    for (const auto& [id, other] : replicas_) {
      if (&other == &replica) return id;
    }
    return {};
  }
  void store(CoreReplica& replica, const CoreReplica::Save& save) {
    if (save.state.has_value()) replica.disk_state = *save.state;
    if (!save.reset.empty()) {
      replica.disk_log = save.reset;
      replica.disk_base = save.reset.size();
      replica.first_configuration = save.reset_configuration;
      if (replica.applied.size() < save.reset.size()) replica.applied = save.reset;
    }
    if (save.entries.empty()) return;
    replica.disk_log.resize(save.entries.front().index - 1);
    replica.disk_log.insert(replica.disk_log.end(), save.entries.begin(), save.entries.end());
  }
  void apply(VoterId id, CoreReplica& replica, std::uint64_t index) {
    while (replica.applied.size() < index) {
      ASSERT_GE(replica.applied.size(), replica.core->log().base_index()) << "applied what is gone";
      const Entry& entry = replica.memory_log.at(replica.applied.size());
      ASSERT_LE(entry.index, replica.disk_log.size())
          << "applied before it was stored, node " << id.value();
      if (committed_.size() < entry.index) {
        committed_.push_back(entry);
      }
      ASSERT_EQ(committed_[entry.index - 1], entry) << "two entries were applied at one index";
      replica.applied.push_back(entry);
    }
  }

  std::mt19937 random_;
  Instant now_{};
  std::vector<VoterId> voters_;
  std::map<VoterId, CoreReplica> replicas_;
  std::vector<Message> network_;
  std::set<VoterId> cut_;
  std::set<VoterId> paused_;
  std::vector<Entry> committed_;
  std::map<std::uint64_t, VoterId> leaders_;
  std::map<std::uint64_t, std::uint64_t> read_floor_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> read_points_;  // (term, index) of released
  std::uint64_t last_read_ = 0;
};

}  // namespace predastore::raft::testing
