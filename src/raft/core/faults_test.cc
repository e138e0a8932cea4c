// Faults that were found in other implementations of Raft, each as a scenario that this core must
// pass; after them the guards that none of those is about. Those of changes of members and
// snapshots are in membership_test.cc.
#include <gtest/gtest.h>

#include "raft/testing/core_cluster.h"

namespace predastore::raft {
namespace {

using raft::testing::CoreCluster;

constexpr Instant kStart{};
constexpr VoterId kSelf{1};
constexpr VoterId kPeer{2};
constexpr VoterId kThird{3};

CoreOptions three_voters() {
  CoreOptions options;
  options.self = kSelf;
  options.election_timeout = 10ms;
  options.heartbeat_interval = 2ms;
  return options;
}

// Replicas 1, 2, ... of the nodes of the same numbers.
std::vector<StoredConfiguration> voters(std::size_t count) {
  return {{0, raft::testing::voters_up_to(count)}};
}

TermLog log_of(const std::vector<std::uint64_t>& terms, std::uint64_t base_index = 0,
               std::uint64_t base_term = 0) {
  TermLog log(base_index, base_term);
  for (const std::uint64_t term : terms) log.append(term);
  return log;
}

Message message_from(VoterId from, MessageKind kind, std::uint64_t term) {
  Message message;
  message.kind = kind;
  message.from = from;
  message.to = kSelf;
  message.term = term;
  return message;
}

Message append_from(VoterId from, std::uint64_t term, std::uint64_t index, std::uint64_t index_term,
                    const std::vector<std::uint64_t>& terms, std::uint64_t commit = 0) {
  Message message = message_from(from, MessageKind::append, term);
  message.index = index;
  message.index_term = index_term;
  message.commit = commit;
  for (const std::uint64_t entry_term : terms)
    message.entries.push_back({++index, entry_term, "x" + std::to_string(entry_term)});
  return message;
}

// Everything that comes out, with all of it stored at once.
Output settle(Core& core, Instant now = kStart) {
  Output all;
  while (core.has_output()) {
    Output output = core.take_output();
    if (output.save_number != 0) core.saved(output.save_number, now);
    std::ranges::move(output.messages, std::back_inserter(all.messages));
    std::ranges::move(output.entries, std::back_inserter(all.entries));
    std::ranges::move(output.reads, std::back_inserter(all.reads));
    if (output.hard_state.has_value()) all.hard_state = output.hard_state;
  }
  return all;
}

std::vector<Message> of_kind(const Output& output, MessageKind kind) {
  std::vector<Message> found;
  std::ranges::copy_if(output.messages, std::back_inserter(found),
                       [kind](const Message& message) { return message.kind == kind; });
  return found;
}

// Candidate of three in the next term; its own vote is not stored.
void stand(Core& core, Instant now) {
  const std::uint64_t term = core.term() + 1;
  core.tick(now);
  (void)settle(core, now);
  core.receive(message_from(kPeer, MessageKind::pre_vote_answer, term), now);
  PREDA_ASSERT(core.role() == ReplicaRole::candidate && core.term() == term);
}

// Leader of three in the next term; its first entry is not stored.
void elect(Core& core, Instant now) {
  stand(core, now);
  (void)settle(core, now);
  core.receive(message_from(kPeer, MessageKind::vote_answer, core.term()), now);
  PREDA_ASSERT(core.role() == ReplicaRole::leader);
}

Core leader_with(std::uint64_t term, TermLog log, std::uint64_t applied_index = 0) {
  Core core(three_voters(), {{term, std::nullopt}, std::move(log), applied_index, voters(3)},
            kStart);
  elect(core, kStart + 100ms);
  return core;
}

Message accepted(VoterId from, std::uint64_t term, std::uint64_t index) {
  Message message = message_from(from, MessageKind::append_answer, term);
  message.index = index;
  return message;
}

Message rejected(VoterId from, std::uint64_t term, std::uint64_t index, std::uint64_t hint) {
  Message message = accepted(from, term, index);
  message.is_rejected = true;
  message.hint = hint;
  return message;
}

TEST(RaftFaults, fault_01_an_answer_to_a_lower_term_commits_nothing) {
  Core core(three_voters(), {{5, std::nullopt}, log_of({1, 1, 1}), 0, voters(3)}, kStart);
  core.receive(append_from(kPeer, 3, 3, 1, {3}, 3), kStart);
  const Output output = settle(core);
  ASSERT_EQ(output.messages.size(), 1u);
  EXPECT_EQ(output.messages[0].term, 5u);
  EXPECT_TRUE(output.messages[0].is_rejected);
  EXPECT_EQ(output.messages[0].index, 0u);
  EXPECT_EQ(output.messages[0].hint, 0u);
  // And whoever gets such an answer when it leads again makes nothing of it.
  Core leader = leader_with(4, log_of({1, 1, 1}));
  (void)settle(leader, kStart + 100ms);
  Message answer = output.messages[0];
  answer.from = kPeer;
  leader.receive(answer, kStart + 100ms);
  EXPECT_EQ(leader.commit_index(), 0u);
  leader.receive(accepted(kPeer, 5, 99), kStart + 100ms);  // more than there is
  EXPECT_EQ(leader.commit_index(), 0u);
}

TEST(RaftFaults, fault_02_a_single_voter_leads_only_in_a_new_term_that_is_stored) {
  CoreOptions options = three_voters();
  Core core(options, {{3, VoterId{1}}, log_of({1, 3}), 0, voters(1)}, kStart);
  core.tick(kStart);
  EXPECT_NE(core.role(), ReplicaRole::leader);
  const Output output = core.take_output();
  ASSERT_TRUE(output.hard_state.has_value());
  EXPECT_EQ(output.hard_state->term, 4u);
  core.saved(output.save_number, kStart);
  EXPECT_EQ(core.role(), ReplicaRole::leader);
  EXPECT_EQ(core.term(), 4u);
}

TEST(RaftFaults, fault_03_entries_below_the_trimmed_prefix_are_taken_for_what_they_are) {
  Core core(three_voters(), {{2, std::nullopt}, log_of({2, 2, 2}, 5, 1), 6, voters(3)}, kStart);
  core.receive(append_from(kPeer, 2, 3, 1, {1, 1, 2, 2, 2, 2}, 6), kStart);  // 4 to 9
  const Output output = settle(core);
  ASSERT_EQ(output.entries.size(), 1u);
  EXPECT_EQ(output.entries[0].index, 9u);
  EXPECT_EQ(core.log().last_index(), 9u);
  const auto answers = of_kind(output, MessageKind::append_answer);
  ASSERT_FALSE(answers.empty());
  for (const Message& answer : answers) EXPECT_FALSE(answer.is_rejected);
  EXPECT_EQ(answers.back().index, 9u);
  // One that lies wholly below it is agreed with too.
  core.receive(append_from(kPeer, 2, 1, 1, {1, 1}, 6), kStart);
  const Output again = settle(core);
  EXPECT_TRUE(again.entries.empty());
  for (const Message& answer : of_kind(again, MessageKind::append_answer))
    EXPECT_FALSE(answer.is_rejected);
}

TEST(RaftFaults, fault_03_a_follower_that_lacks_what_was_trimmed_is_not_asked_without_end) {
  Core leader = leader_with(2, log_of({2, 2, 2}, 5, 1), 6);
  const Instant now = kStart + 100ms;
  (void)settle(leader, now);
  leader.receive(rejected(kPeer, 3, 8, 1), now);
  const auto appends = of_kind(settle(leader, now), MessageKind::append);
  ASSERT_EQ(appends.size(), 1u);
  EXPECT_EQ(appends[0].index, 5u);  // as far back as it can
  leader.receive(rejected(kPeer, 3, 5, 1), now);
  const Output output = settle(leader, now);
  EXPECT_TRUE(of_kind(output, MessageKind::append).empty());
  EXPECT_EQ(of_kind(output, MessageKind::snapshot).size(), 1u);
  leader.receive(rejected(kPeer, 3, 5, 1), now);
  leader.receive(accepted(kPeer, 3, 2), now);  // of old
  EXPECT_LE(of_kind(settle(leader, now), MessageKind::snapshot).size(), 1u);
  leader.receive(message_from(kPeer, MessageKind::heartbeat_answer, 3), now);
  EXPECT_EQ(of_kind(settle(leader, now), MessageKind::snapshot).size(), 1u);
}

TEST(RaftFaults, fault_04_old_rejections_do_not_push_next_below_match) {
  Core leader = leader_with(1, log_of({1, 1, 1, 1, 1}));
  const Instant now = kStart + 100ms;
  (void)settle(leader, now);
  leader.receive(accepted(kPeer, 2, 6), now);
  (void)settle(leader, now);
  EXPECT_EQ(leader.commit_index(), 6u);
  for (std::uint64_t index = 0; index <= 8; ++index) {
    leader.receive(rejected(kPeer, 2, index, 1), now);
    leader.receive(rejected(kPeer, 2, index, 0), now);
  }
  ASSERT_TRUE(leader.propose("a", now).has_value());
  for (const Message& append : of_kind(settle(leader, now), MessageKind::append)) {
    if (append.to == kPeer) {
      EXPECT_GE(append.index, 6u);
    }
  }
  // Nor is what is on its way sent again for a rejection of what was never sent.
  leader.receive(rejected(kPeer, 2, 8, 1), now);
  for (const Message& append : of_kind(settle(leader, now), MessageKind::append))
    EXPECT_NE(append.to, kPeer);
  leader.receive(accepted(kPeer, 2, 7), now);
  EXPECT_EQ(leader.commit_index(), 7u);
}

TEST(RaftFaults, fault_05_an_append_that_ends_early_does_not_move_the_commit_index_back) {
  Core core(three_voters(), {{1, std::nullopt}, {}, 0, voters(3)}, kStart);
  core.receive(append_from(kPeer, 1, 0, 0, {1, 1, 1, 1, 1}, 5), kStart);
  (void)settle(core);
  ASSERT_EQ(core.commit_index(), 5u);
  core.receive(append_from(kPeer, 1, 0, 0, {1, 1}, 2), kStart);
  core.receive(append_from(kPeer, 1, 0, 0, {}, 0), kStart);
  (void)settle(core);
  EXPECT_EQ(core.commit_index(), 5u);
  EXPECT_EQ(core.log().last_index(), 5u);
}

TEST(RaftFaults, fault_09_a_higher_term_with_a_shorter_log_and_the_reverse_elect_somebody) {
  CoreCluster cluster(3, 7);
  for (const VoterId id : cluster.voters()) cluster.crash(id);
  cluster.at(kSelf).disk_state = {9, std::nullopt};
  cluster.at(kSelf).disk_log = {{1, 1, "a"}};
  cluster.at(kPeer).disk_state = {2, std::nullopt};
  cluster.at(kPeer).disk_log = {{1, 1, "a"}, {2, 2, "b"}, {3, 2, "c"}};
  cluster.start(kSelf);
  cluster.start(kPeer);  // the third stays away
  cluster.settle(300);
  ASSERT_EQ(cluster.leader(), kPeer);
  EXPECT_GT(cluster.at(kPeer).core->term(), 9u);
}

TEST(RaftFaults, fault_09_refusals_say_the_own_term_and_grants_the_one_that_was_asked_for) {
  Core core(three_voters(), {{9, std::nullopt}, log_of({1}), 0, voters(3)}, kStart);
  Message request = message_from(kPeer, MessageKind::pre_vote, 3);
  request.index = 3;
  request.index_term = 2;
  core.receive(request, kStart);
  Output output = settle(core);
  ASSERT_EQ(output.messages.size(), 1u);
  EXPECT_TRUE(output.messages[0].is_rejected);
  EXPECT_EQ(output.messages[0].term, 9u);
  request.term = 12;
  core.receive(request, kStart);
  output = settle(core);
  ASSERT_EQ(output.messages.size(), 1u);
  EXPECT_FALSE(output.messages[0].is_rejected);
  EXPECT_EQ(output.messages[0].term, 12u);
  EXPECT_EQ(core.term(), 9u);  // asking costs nothing
}

TEST(RaftFaults, fault_11_a_heartbeat_commits_nothing_that_its_leader_has_not_verified) {
  Core core(three_voters(), {{2, std::nullopt}, log_of({1, 1, 1}), 0, voters(3)}, kStart);
  Message heartbeat = message_from(kPeer, MessageKind::heartbeat, 3);
  heartbeat.commit = 3;
  core.receive(heartbeat, kStart);
  (void)settle(core);
  EXPECT_EQ(core.commit_index(), 0u);  // its own three may be others than the leader's
  core.receive(append_from(kPeer, 3, 1, 1, {3}, 2), kStart);
  (void)settle(core);
  EXPECT_EQ(core.commit_index(), 2u);
  core.receive(heartbeat, kStart);
  (void)settle(core);
  EXPECT_EQ(core.commit_index(), 2u);
  EXPECT_EQ(core.log().last_index(), 2u);
}

TEST(RaftFaults, fault_14_a_late_confirmation_of_one_read_round_does_not_count_for_the_next) {
  Core leader = leader_with(1, {});
  const Instant now = kStart + 100ms;
  (void)settle(leader, now);
  leader.receive(accepted(kPeer, 2, 1), now);
  (void)settle(leader, now);
  ASSERT_TRUE(leader.read(1, now));
  const auto first = of_kind(settle(leader, now), MessageKind::heartbeat);
  ASSERT_FALSE(first.empty());
  Message answer = message_from(kPeer, MessageKind::heartbeat_answer, 2);
  answer.round = first[0].round;
  leader.receive(answer, now);
  EXPECT_EQ(settle(leader, now).reads.size(), 1u);
  ASSERT_TRUE(leader.read(2, now));
  const auto second = of_kind(settle(leader, now), MessageKind::heartbeat);
  ASSERT_FALSE(second.empty());
  EXPECT_GT(second[0].round, first[0].round);
  answer.from = kThird;  // of the first round, and late
  leader.receive(answer, now);
  answer.from = kPeer;  // doubled
  leader.receive(answer, now);
  EXPECT_TRUE(settle(leader, now).reads.empty());
  answer.round = second[0].round;
  answer.term = 1;  // of a term that is over
  leader.receive(answer, now);
  EXPECT_TRUE(settle(leader, now).reads.empty());
  answer.term = 2;
  leader.receive(answer, now);
  EXPECT_EQ(settle(leader, now).reads.size(), 1u);
}

TEST(RaftFaults, fault_14_a_read_that_comes_during_a_round_waits_for_the_next) {
  Core leader = leader_with(1, {});
  const Instant now = kStart + 100ms;
  (void)settle(leader, now);
  leader.receive(accepted(kPeer, 2, 1), now);
  (void)settle(leader, now);
  ASSERT_TRUE(leader.read(1, now));
  const auto first = of_kind(settle(leader, now), MessageKind::heartbeat);
  ASSERT_TRUE(leader.read(2, now));
  Message answer = message_from(kPeer, MessageKind::heartbeat_answer, 2);
  answer.round = first.at(0).round;
  leader.receive(answer, now);
  const Output output = settle(leader, now);
  ASSERT_EQ(output.reads.size(), 1u);
  EXPECT_EQ(output.reads[0].id, 1u);
}

TEST(RaftFaults, fault_15_a_new_leader_gives_no_read_index_before_an_entry_of_its_own_term) {
  Core leader = leader_with(3, log_of({1, 2, 3}));
  const Instant now = kStart + 100ms;
  (void)settle(leader, now);
  ASSERT_TRUE(leader.read(1, now));
  Message answer = message_from(kPeer, MessageKind::heartbeat_answer, 4);
  for (const Message& heartbeat : of_kind(settle(leader, now), MessageKind::heartbeat)) {
    answer.round = heartbeat.round;
    leader.receive(answer, now);
  }
  EXPECT_TRUE(settle(leader, now).reads.empty());
  leader.receive(accepted(kPeer, 4, 3), now);  // all of the earlier terms, none of its own
  EXPECT_TRUE(settle(leader, now).reads.empty());
  EXPECT_EQ(leader.commit_index(), 0u);
  leader.receive(accepted(kPeer, 4, 4), now);
  const auto rounds = of_kind(settle(leader, now), MessageKind::heartbeat);
  ASSERT_FALSE(rounds.empty());
  answer.round = rounds[0].round;
  leader.receive(answer, now);
  const Output output = settle(leader, now);
  ASSERT_EQ(output.reads.size(), 1u);
  EXPECT_EQ(output.reads[0].index, 4u);
}

// Of the rules for drivers: what is reported as stored may have been replaced since.
TEST(RaftFaults, what_was_replaced_while_it_was_stored_is_not_acknowledged) {
  Core core(three_voters(), {{1, std::nullopt}, {}, 0, voters(3)}, kStart);
  core.receive(append_from(kPeer, 1, 0, 0, {1, 1, 1}), kStart);
  const Output first = core.take_output();
  core.receive(append_from(kThird, 2, 1, 1, {2}), kStart);
  const Output second = core.take_output();
  ASSERT_EQ(second.entries.size(), 1u);
  core.saved(first.save_number, kStart);
  EXPECT_EQ(core.durable_index(), 1u);
  for (const Message& answer : of_kind(core.take_output(), MessageKind::append_answer))
    EXPECT_LE(answer.index, 1u);
  core.saved(second.save_number, kStart);
  const auto answers = of_kind(core.take_output(), MessageKind::append_answer);
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().index, 2u);
  EXPECT_EQ(answers.back().to, kThird);
}

// The requests wait for its own vote as well, so that what comes before it are votes that nobody
// was asked for.
TEST(RaftFaults, nobody_leads_before_its_own_vote_is_stored) {
  Core core(three_voters(), {{1, std::nullopt}, {}, 0, voters(3)}, kStart);
  const Instant now = kStart + 100ms;
  stand(core, now);
  const Output output = core.take_output();
  ASSERT_TRUE(output.hard_state.has_value());
  EXPECT_TRUE(of_kind(output, MessageKind::vote).empty());
  core.receive(message_from(kPeer, MessageKind::vote_answer, 2), now);
  core.receive(message_from(kThird, MessageKind::vote_answer, 2), now);
  EXPECT_EQ(core.role(), ReplicaRole::candidate);
  core.saved(output.save_number, now);
  EXPECT_EQ(core.role(), ReplicaRole::leader);
}

TEST(RaftFaults, late_votes_of_an_election_that_is_over_do_not_count_for_the_next) {
  Core core(three_voters(), {{1, std::nullopt}, {}, 0, voters(3)}, kStart);
  const Instant now = kStart + 100ms;
  stand(core, now);  // in term 2; the answers take their time
  (void)settle(core, now);
  const Instant later = now + 100ms;
  core.tick(later);
  core.receive(message_from(kThird, MessageKind::pre_vote_answer, 2), later);
  ASSERT_EQ(core.term(), 2u);
  stand(core, later);
  (void)settle(core, later);
  core.receive(message_from(kThird, MessageKind::vote_answer, 2), later);
  EXPECT_EQ(core.role(), ReplicaRole::candidate);
  core.receive(message_from(kThird, MessageKind::vote_answer, 3), later);
  EXPECT_EQ(core.role(), ReplicaRole::leader);
}

TEST(RaftFaults, who_lacks_the_state_of_its_log_stands_neither_by_itself_nor_when_told) {
  Core core(three_voters(), {{1, std::nullopt}, {}, 0, voters(3)}, kStart);
  core.set_may_lead(false);
  const Instant now = kStart + 100ms;
  core.tick(now);
  EXPECT_EQ(core.role(), ReplicaRole::follower);
  core.receive(message_from(kPeer, MessageKind::heartbeat, 1), now);
  core.receive(message_from(kPeer, MessageKind::timeout_now, 1), now);
  EXPECT_EQ(core.role(), ReplicaRole::follower);
  EXPECT_EQ(core.term(), 1u);
  core.set_may_lead(true);
  elect(core, now + 100ms);
}

TEST(RaftFaults, a_successor_is_told_to_stand_as_soon_as_it_has_the_whole_log) {
  Core leader = leader_with(1, {});
  const Instant now = kStart + 100ms;
  (void)settle(leader, now);
  leader.receive(accepted(kPeer, 2, 1), now);
  ASSERT_TRUE(leader.propose("a", now).has_value());
  ASSERT_TRUE(leader.transfer(kPeer, now));
  leader.receive(message_from(kPeer, MessageKind::heartbeat_answer, 2), now);
  leader.receive(accepted(kPeer, 2, 1), now);
  leader.receive(accepted(kThird, 2, 2), now);  // it is committed, but not stored by that one
  EXPECT_TRUE(of_kind(settle(leader, now), MessageKind::timeout_now).empty());
  leader.receive(accepted(kPeer, 2, 2), now);
  const auto wishes = of_kind(settle(leader, now), MessageKind::timeout_now);
  ASSERT_EQ(wishes.size(), 1u);
  EXPECT_EQ(wishes[0].to, kPeer);
  leader.receive(message_from(kPeer, MessageKind::heartbeat_answer, 2), now);
  EXPECT_EQ(of_kind(settle(leader, now), MessageKind::timeout_now).size(), 1u);  // said again
}

// Whoever forgets the term in a crash can vote in it for another leader, who has other entries.
TEST(RaftFaults, nothing_is_acknowledged_in_a_term_that_is_not_stored) {
  Core core(three_voters(), {{1, std::nullopt}, log_of({1}), 0, voters(3)}, kStart);
  core.receive(append_from(kPeer, 1, 1, 1, {1}), kStart);
  const Output first = core.take_output();
  core.receive(append_from(kThird, 2, 2, 1, {}), kStart);  // all of which is there already
  const Output second = core.take_output();
  ASSERT_TRUE(second.hard_state.has_value());
  EXPECT_TRUE(of_kind(second, MessageKind::append_answer).empty());
  core.saved(first.save_number, kStart);
  EXPECT_TRUE(of_kind(core.take_output(), MessageKind::append_answer).empty());
  core.saved(second.save_number, kStart);
  const auto answers = of_kind(core.take_output(), MessageKind::append_answer);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].to, kThird);
  EXPECT_EQ(answers[0].term, 2u);
  EXPECT_EQ(answers[0].index, 2u);
}

TEST(RaftFaults, a_late_answer_to_an_earlier_leadership_of_the_same_node_commits_nothing) {
  Core core = leader_with(1, {});
  const Instant now = kStart + 100ms;
  ASSERT_TRUE(core.propose("a", now).has_value());
  ASSERT_TRUE(core.propose("b", now).has_value());
  (void)settle(core, now);
  const Message late = accepted(kPeer, 2, 3);
  core.receive(append_from(kThird, 3, 1, 2, {3}), now);  // in place of both
  (void)settle(core, now);
  ASSERT_EQ(core.log().last_index(), 2u);
  const Instant later = now + 100ms;
  elect(core, later);
  (void)settle(core, later);
  ASSERT_EQ(core.term(), 4u);
  ASSERT_EQ(core.durable_index(), 3u);
  core.receive(late, later);
  EXPECT_EQ(core.commit_index(), 0u);  // the third entry of the peer is another one
  core.receive(accepted(kPeer, 4, 3), later);
  EXPECT_EQ(core.commit_index(), 3u);
}

}  // namespace
}  // namespace predastore::raft
