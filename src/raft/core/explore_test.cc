#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "raft/testing/explorer.h"

namespace predastore::raft {
namespace {

using raft::testing::ExploreOptions;
using raft::testing::ExploreResult;
using raft::testing::Sabotage;

// PREDASTORE_RAFT_EXPLORE=1, 2, ... allows more of everything, for soaks of hours.
int deeper() {
  const char* text = std::getenv("PREDASTORE_RAFT_EXPLORE");
  return text == nullptr ? 0 : std::atoi(text);
}

ExploreResult run(const char* name, ExploreOptions options) {
  const ExploreResult result = raft::testing::explore(options);
  std::cout << name << ": " << result.states << " states, " << result.transitions
            << " transitions, " << result.leaders << " with a leader, " << result.commits
            << " commits, " << result.reads << " reads, " << result.changes << " changes, "
            << result.snapshots << " snapshots" << std::endl;
  if (!result.violation.empty()) {
    std::cout << "violation: " << result.violation << std::endl;
    for (const std::string& step : result.trace) std::cout << "  " << step << std::endl;
  }
  return result;
}

// Under the sanitizers a state takes many times as long: there it is a sample, and whole in the
// release build.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSampleStates = 20'000;
#else
constexpr std::uint64_t kSampleStates = 0;  // all of them
#endif

void expect_safe(const char* name, ExploreOptions options) {
  options.budget.timeouts += deeper() > 0 ? 1 : 0;
  options.budget.crashes += deeper() > 1 ? 1 : 0;
  options.budget.proposals += deeper() > 2 ? 1 : 0;
  options.budget.doubles += deeper() > 3 ? 1 : 0;
  if (deeper() > 0) options.states_max = 200'000'000;
  if (kSampleStates > 0) options.states_max = kSampleStates;
  const ExploreResult result = run(name, options);
  EXPECT_EQ(result.violation, "");
  if (kSampleStates > 0) return;
  EXPECT_TRUE(result.is_complete || deeper() > 0);
  EXPECT_GT(result.leaders, 0u);
  EXPECT_GT(result.commits, 0u);
  if (options.budget.reads > 0) {
    EXPECT_GT(result.reads, 0u);
  }
  if (options.budget.changes > 0) {
    EXPECT_GT(result.changes, 0u);
  }
  if (options.budget.trims > 0) {
    EXPECT_GT(result.snapshots, 0u);
  }
}

TEST(RaftExplore, a_command_under_every_delay_and_loss) {
  ExploreOptions options;
  options.budget = {.timeouts = 1, .proposals = 1};
  expect_safe("a command", options);
}

TEST(RaftExplore, a_crash_and_a_doubled_message_at_any_moment) {
  ExploreOptions options;
  options.budget = {.timeouts = 1, .crashes = 1, .doubles = 1};
  expect_safe("a crash and a doubled message", options);
}

TEST(RaftExplore, a_command_and_a_crash_at_any_moment) {
  ExploreOptions options;
  options.budget = {.timeouts = 1, .proposals = 1, .crashes = 1};
  options.has_instant_saves = true;
  expect_safe("a command and a crash", options);
}

TEST(RaftExplore, two_candidates_of_one_term) {
  ExploreOptions options;
  options.budget = {.timeouts = 2, .term_max = 1, .crashes = 1};
  expect_safe("two candidates", options);
}

TEST(RaftExplore, two_leaders_one_after_the_other) {
  ExploreOptions options;
  options.budget = {.timeouts = 2};
  options.has_instant_saves = true;
  expect_safe("two leaders", options);
}

TEST(RaftExplore, pre_votes_with_every_delay) {
  ExploreOptions options;
  options.budget = {.timeouts = 1, .crashes = 1};
  options.has_instant_pre_votes = false;
  expect_safe("pre-votes", options);
}

// A read at a leader that may have been deposed without knowing it.
TEST(RaftExplore, a_read_beside_a_change_of_leaders) {
  ExploreOptions options;
  options.has_leader = true;
  options.budget = {.timeouts = 1, .reads = 1};
  options.has_instant_saves = true;
  options.has_heartbeats = true;
  expect_safe("a read", options);
}

// Figure 8 of the paper: an entry of an old term on a majority is not committed by counting.
TEST(RaftExplore, entries_of_earlier_terms_that_a_majority_has) {
  ExploreOptions options;
  options.start_logs = {{1, 2}, {1}, {1, 3}};
  options.start_states = {{2, VoterId{1}}, {2, VoterId{1}}, {3, VoterId{3}}};
  options.start_committed = 1;
  options.budget = {.timeouts = 2, .term_max = 5};
  options.has_instant_saves = true;
  expect_safe("figure 8", options);
}

TEST(RaftExplore, logs_that_went_apart_are_made_one) {
  ExploreOptions options;
  options.start_logs = {{1, 1, 1, 4}, {1, 2, 2, 2, 2}, {1, 1, 3}};
  options.start_states = {{4, VoterId{1}}, {2, VoterId{2}}, {4, VoterId{1}}};
  options.start_committed = 1;
  options.budget = {.timeouts = 1, .term_max = 6, .crashes = 1};
  options.has_instant_saves = true;
  expect_safe("logs that went apart", options);
}

TEST(RaftExplore, a_leader_that_hands_over_beside_another_candidate) {
  ExploreOptions options;
  options.has_leader = true;
  options.budget = {.timeouts = 1, .term_max = 3, .transfers = 1};
  options.has_instant_saves = true;
  expect_safe("a transfer", options);
}

TEST(RaftExplore, two_voters) {
  ExploreOptions options;
  options.voter_count = 2;
  options.budget = {.timeouts = 2, .proposals = 1, .crashes = 1, .doubles = 1};
  expect_safe("two voters", options);
}

MemberChange change_of(MemberChange::Kind kind, std::uint64_t id) {
  return {kind, VoterId{id}, NodeId{id}};
}
using Kind = MemberChange::Kind;

TEST(RaftExplore, a_voter_is_removed_beside_another_candidate) {
  ExploreOptions options;
  options.has_leader = true;
  options.changes = {change_of(Kind::remove, 1)};
  options.budget = {.timeouts = 1, .term_max = 3, .crashes = 1, .changes = 1};
  options.has_instant_saves = true;
  expect_safe("a removal", options);
}

TEST(RaftExplore, the_leader_of_two_goes_and_crashes_at_any_moment) {
  ExploreOptions options;
  options.voter_count = 2;
  options.has_leader = true;
  options.changes = {change_of(Kind::remove, 1), change_of(Kind::remove, 2)};
  options.budget = {.timeouts = 2, .term_max = 3, .crashes = 1, .doubles = 1, .changes = 1};
  expect_safe("from two to one", options);
}

TEST(RaftExplore, a_learner_comes_and_is_promoted) {
  ExploreOptions options;
  options.voter_count = 1;
  options.replica_count = 2;
  options.has_leader = true;
  options.changes = {change_of(Kind::add_learner, 2), change_of(Kind::promote, 2)};
  options.budget = {.timeouts = 2, .term_max = 3, .crashes = 1, .doubles = 1, .changes = 2};
  options.has_instant_saves = true;
  expect_safe("a promotion", options);
}

// Two changes by two leaders, of which the first has gone when the second comes: the published bug
// of changes of one member at a time needs no more than this.
TEST(RaftExplore, two_leaders_change_members) {
  ExploreOptions options;
  options.voter_count = 2;
  options.replica_count = 3;
  options.has_leader = true;
  options.changes = {change_of(Kind::add_learner, 3), change_of(Kind::remove, 1),
                     change_of(Kind::remove, 2)};
  options.budget = {.timeouts = 2, .term_max = 3, .changes = 2};
  options.has_instant_saves = true;
  expect_safe("two changes", options);
}

TEST(RaftExplore, a_log_is_trimmed_beyond_a_peer) {
  ExploreOptions options;
  options.start_logs = {{1, 1}, {1, 1}, {}};
  options.start_states = {{1, VoterId{1}}, {1, VoterId{1}}, {1, VoterId{1}}};
  options.start_committed = 2;
  options.budget = {.timeouts = 1, .term_max = 2, .crashes = 1, .trims = 1};
  options.has_instant_saves = true;
  expect_safe("a snapshot", options);
}

TEST(RaftExplore, a_snapshot_is_stored_beside_appends_and_a_crash) {
  ExploreOptions options;
  options.voter_count = 2;
  options.start_logs = {{1, 1}, {}};
  options.start_states = {{1, VoterId{1}}, {1, VoterId{1}}};
  options.start_committed = 2;
  options.budget = {.timeouts = 2, .term_max = 3, .crashes = 1, .trims = 1};
  expect_safe("a snapshot on a slow disk", options);
}

// The exploration finds what is wrong: else its silence would say nothing.
TEST(RaftExplore, a_voter_that_forgets_its_vote_is_found) {
  ExploreOptions options;
  options.budget = {.timeouts = 2, .term_max = 1, .crashes = 1};
  options.sabotage = Sabotage::forgets_votes;
  EXPECT_NE(raft::testing::explore(options).violation, "");
}

TEST(RaftExplore, a_voter_that_acknowledges_what_it_has_not_stored_is_found) {
  ExploreOptions options;
  options.budget = {.timeouts = 1};
  options.sabotage = Sabotage::acknowledges_before_storing;
  EXPECT_NE(raft::testing::explore(options).violation, "");
}

}  // namespace
}  // namespace predastore::raft
