#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "raft/core/core.h"

namespace predastore::raft {

namespace testing {

// How often each kind of event may happen in one history. Messages may always be delayed for ever
// (which is loss), delivered in any order, and doubled as often as is said here.
struct Budget {
  int timeouts = 0;
  std::uint64_t term_max = 3;
  int proposals = 0;
  int reads = 0;
  int heartbeats = 0;
  int crashes = 0;
  int doubles = 0;
  int quorum_losses = 0;
  int unreachables = 0;
  int transfers = 0;
  int changes = 0;  // of members, out of ExploreOptions::changes
  int trims = 0;    // of a log, up to what its replica has applied
};

// A way to be wrong on purpose: so that the exploration itself is tested.
enum class Sabotage { none, forgets_votes, acknowledges_before_storing };

struct ExploreOptions {
  std::size_t voter_count = 3;        // the first ones
  std::size_t replica_count = 0;      // with those that know nothing yet; zero: there are none
  std::vector<MemberChange> changes;  // that a leader may be asked for
  std::vector<std::vector<std::uint64_t>> start_logs;  // terms of the entries on each disk
  std::vector<HardState> start_states;
  std::uint64_t start_committed = 0;  // entries that are known to be committed, in all logs
  bool has_leader = false;            // voter 1 leads already, and everything has been delivered
  Budget budget;
  // Each leaves out histories in which these things take their time, so that others can be longer.
  // A pre-vote that is granted without being asked for is more than can happen, and safe as well.
  bool has_instant_pre_votes = true;
  bool has_instant_saves = false;
  bool has_heartbeats = false;
  Sabotage sabotage = Sabotage::none;
  std::uint64_t states_max = 1'500'000;
};

struct ExploreResult {
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  bool is_complete = false;
  std::string violation;           // empty: none
  std::vector<std::string> trace;  // that led to it
  std::uint64_t leaders = 0;       // distinct states in which somebody leads
  std::uint64_t commits = 0;       // transitions that committed something
  std::uint64_t reads = 0;         // that released a read
  std::uint64_t changes = 0;       // that changed the configuration
  std::uint64_t snapshots = 0;     // that took a state in place of a log
};

// Every history of the real core within the budget: each state is visited once, and in each the
// invariants of the thesis (figure 3.2) and of linearizable reads are checked.
ExploreResult explore(const ExploreOptions& options);

}  // namespace testing
}  // namespace predastore::raft
