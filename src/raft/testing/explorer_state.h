#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/testing/core_inspector.h"
#include "raft/testing/explorer.h"

// What the exploration goes through: states, and the actions that lead from one to the next.
namespace predastore::raft::testing {

inline constexpr std::size_t kVotersMax = 5;

struct HashOfHash {
  std::size_t operator()(const Hash128& hash) const { return hash.a; }
};

struct Save {
  std::uint64_t number = 0;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  std::vector<Entry> reset;  // the snapshot that takes the place of the log
  StoredConfiguration reset_configuration;
};

struct Voter {
  std::optional<Core> core;
  HardState disk_state;
  std::vector<Entry> disk_log;  // whole; what is before the base must not be used
  std::uint64_t disk_base = 0;
  StoredConfiguration first_configuration;
  std::vector<Save> saves;
  std::optional<NeededSnapshot> needed;
  std::vector<Entry> memory_log;
  std::vector<Entry> incoming;  // a snapshot that was fetched
  std::uint64_t applied = 0;
  bool was_leader = false;  // when this step began
  Hash128 hash;
};

struct Letter {
  Message message;
  Hash128 hash;
};

// What an observer who sees everything knows.
struct Ghost {
  std::map<std::uint64_t, VoterId> leaders;                          // by term
  std::map<std::pair<std::uint64_t, std::uint64_t>, VoterId> votes;  // (term, voter)
  std::vector<Entry> committed;
  std::vector<std::uint64_t> committed_in;        // the term of whoever committed it first
  std::map<std::uint64_t, std::uint64_t> floors;  // read id: what was committed when it began
};

struct State {
  std::array<std::shared_ptr<const Voter>, kVotersMax> voters;
  std::vector<std::shared_ptr<const Letter>> network;  // sorted by hash
  std::shared_ptr<const Ghost> ghost;
  std::set<std::pair<std::uint64_t, std::uint64_t>> read_points;  // (term, index) of released reads
  Budget budget;
  std::uint64_t last_read = 0;
  std::uint64_t last_command = 0;
};

enum class Kind {
  deliver,
  duplicate,
  save,
  timeout,
  heartbeat,
  quorum_loss,
  propose,
  read,
  unreachable,
  transfer,
  change,
  trim,
  fetch,
  tell,
  crash,
  restart,
};
struct Action {
  Kind kind;
  std::size_t which = 0;  // voter, or place in the network
  std::size_t detail =
      0;  // change, tell: which · crash: saves kept, doubled, plus one if a hard state goes ahead
};

inline void store(Voter& voter, const Save& save) {
  if (save.hard_state.has_value()) voter.disk_state = *save.hard_state;
  if (!save.reset.empty()) {
    voter.disk_log = save.reset;
    voter.disk_base = save.reset.size();
    voter.first_configuration = save.reset_configuration;
    voter.applied = std::max<std::uint64_t>(voter.applied, save.reset.size());
  }
  if (save.entries.empty()) return;
  voter.disk_log.resize(save.entries.front().index - 1);
  voter.disk_log.insert(voter.disk_log.end(), save.entries.begin(), save.entries.end());
}

inline void rehash(Voter& voter) {
  std::string bytes;
  const auto add = [&bytes](std::uint64_t number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  const auto add_entries = [&](const std::vector<Entry>& entries) {
    add(entries.size());
    for (const Entry& entry : entries) {
      add(entry.index);
      add(entry.term);
      bytes += entry.command;
      bytes += '/';
    }
  };
  add(voter.core.has_value() ? 1 : 0);
  add(voter.disk_state.term);
  add(voter.disk_state.vote.value_or(VoterId{}).value());
  add_entries(voter.disk_log);
  add(voter.disk_base);
  if (voter.needed.has_value()) add(voter.needed->from.value() * 64 + voter.needed->index);
  add(voter.saves.size());
  for (const Save& save : voter.saves) {
    add(save.hard_state.has_value() ? 1 : 0);
    if (save.hard_state.has_value()) {
      add(save.hard_state->term);
      add(save.hard_state->vote.value_or(VoterId{}).value());
    }
    add_entries(save.entries);
    add_entries(save.reset);
  }
  add_entries(voter.memory_log);
  add(voter.applied);
  if (voter.core.has_value()) CoreInspector::describe(*voter.core, bytes);
  voter.hash = hash_of(bytes);
}

}  // namespace predastore::raft::testing
