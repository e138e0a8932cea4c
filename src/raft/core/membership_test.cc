// Changes of members and snapshots, among them the faults of other implementations that need them.
#include <gtest/gtest.h>

#include "raft/testing/core_cluster.h"

namespace predastore::raft {
namespace {

using raft::testing::CoreCluster;
using Kind = MemberChange::Kind;

constexpr Instant kStart{};
constexpr VoterId kSelf{1};
constexpr VoterId kPeer{2};
constexpr VoterId kThird{3};
constexpr VoterId kFourth{4};

CoreOptions options_of(VoterId self) {
  CoreOptions options;
  options.self = self;
  options.election_timeout = 10ms;
  options.heartbeat_interval = 2ms;
  return options;
}

Message message_from(VoterId from, MessageKind kind, std::uint64_t term) {
  Message message;
  message.kind = kind;
  message.from = from;
  message.to = kSelf;
  message.term = term;
  return message;
}

Entry entry_of(std::uint64_t index, std::uint64_t term) { return {index, term, "x", false}; }
Entry entry_of(std::uint64_t index, std::uint64_t term, const Configuration& configuration) {
  return {index, term, encode_configuration(configuration), true};
}

Message append_from(VoterId from, std::uint64_t term, std::uint64_t index_term,
                    std::vector<Entry> entries, std::uint64_t commit = 0) {
  Message message = message_from(from, MessageKind::append, term);
  message.index = entries.front().index - 1;
  message.index_term = index_term;
  message.commit = commit;
  message.entries = std::move(entries);
  return message;
}

Output settle(Core& core, Instant now = kStart) {
  Output all;
  while (core.has_output()) {
    Output output = core.take_output();
    if (output.save_number != 0) core.saved(output.save_number, now);
    std::ranges::move(output.messages, std::back_inserter(all.messages));
    if (output.reset.has_value()) all.reset = output.reset;
    if (output.needed_snapshot.has_value()) all.needed_snapshot = output.needed_snapshot;
  }
  return all;
}

std::vector<Message> of_kind(const Output& output, MessageKind kind) {
  std::vector<Message> found;
  std::ranges::copy_if(output.messages, std::back_inserter(found),
                       [kind](const Message& message) { return message.kind == kind; });
  return found;
}

Configuration with_learner(std::size_t voters, VoterId learner) {
  Configuration configuration = raft::testing::voters_up_to(voters);
  configuration.members.push_back({learner, NodeId{learner.value()}, false});
  return configuration;
}

VoterId other_than(VoterId id) { return id == kSelf ? kPeer : kSelf; }

// The change is committed, and everybody has what was proposed so far.
void make(CoreCluster& cluster, Kind kind, VoterId id) {
  ASSERT_TRUE(cluster.leader().has_value());
  const auto index = cluster.change(*cluster.leader(), kind, id);
  ASSERT_TRUE(index.has_value()) << index.error().to_string();
  cluster.settle(60);
  ASSERT_GE(cluster.committed().size(), *index);
}

TEST(RaftMembership, a_learner_is_caught_up_and_promoted_and_then_counts) {
  CoreCluster cluster(3, 1, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(leader, std::to_string(i)));
  EXPECT_EQ(cluster.change(leader, Kind::promote, kFourth).error().code,
            ErrorCode::InvalidArgument);
  make(cluster, Kind::add_learner, kFourth);
  EXPECT_EQ(cluster.at(kFourth).applied.size(), cluster.committed().size());
  make(cluster, Kind::promote, kFourth);
  EXPECT_EQ(cluster.at(leader).core->configuration().voter_count(), 4u);
  // Four voters with two away commit nothing.
  cluster.crash(other_than(leader));
  cluster.crash(kThird == leader ? kPeer : kThird);
  const std::size_t before = cluster.committed().size();
  cluster.propose(leader, "lost");
  cluster.settle(5);
  EXPECT_EQ(cluster.committed().size(), before);
}

TEST(RaftMembership, a_learner_counts_for_nothing) {
  CoreCluster cluster(3, 2, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  make(cluster, Kind::add_learner, kFourth);
  for (const VoterId id : {kSelf, kPeer, kThird}) {
    if (id != leader) cluster.crash(id);
  }
  const std::size_t before = cluster.committed().size();
  cluster.propose(leader, "lost");
  cluster.read(leader);
  cluster.settle(8);
  EXPECT_EQ(cluster.committed().size(), before);
  EXPECT_EQ(cluster.released_reads, 0);
  cluster.settle(100);
  EXPECT_NE(cluster.at(leader).core->role(), ReplicaRole::leader);
  EXPECT_EQ(cluster.at(kFourth).core->role(), ReplicaRole::follower);
}

TEST(RaftMembership, a_learner_that_lags_is_not_promoted) {
  CoreCluster cluster(3, 3, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  make(cluster, Kind::add_learner, kFourth);
  cluster.cut(kFourth);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(leader, std::to_string(i)));
  cluster.settle(3);
  const auto lagging = cluster.change(leader, Kind::promote, kFourth);
  EXPECT_EQ(lagging.error().code, ErrorCode::Unavailable);
  EXPECT_NE(lagging.error().detail.find("lacks "), std::string::npos) << lagging.error().detail;
  cluster.settle(30);
  const auto silent = cluster.change(leader, Kind::promote, kFourth);
  EXPECT_NE(silent.error().detail.find("not heard"), std::string::npos);
  cluster.heal();
  cluster.settle();
  EXPECT_TRUE(cluster.change(leader, Kind::promote, kFourth).has_value());
}

TEST(RaftMembership, a_change_that_would_cost_the_majority_is_refused) {
  CoreCluster cluster(3, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  const VoterId dead = other_than(leader);
  const VoterId alive = dead == kThird || leader == kThird ? kPeer : kThird;
  cluster.crash(dead);
  cluster.settle(30);
  const auto refused = cluster.change(leader, Kind::remove, alive);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_NE(refused.error().detail.find("majority"), std::string::npos);
  EXPECT_EQ(cluster.change(leader, Kind::demote, alive).error().code, ErrorCode::Unavailable);
  make(cluster, Kind::remove, dead);
  EXPECT_EQ(cluster.at(leader).core->configuration().voter_count(), 2u);
}

TEST(RaftMembership, the_last_voter_stays) {
  CoreCluster cluster(1, 5);
  cluster.settle();
  EXPECT_EQ(cluster.change(kSelf, Kind::remove, kSelf).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(cluster.change(kSelf, Kind::demote, kSelf).error().code, ErrorCode::InvalidArgument);
}

TEST(RaftMembership, a_second_change_waits_for_the_first) {
  CoreCluster cluster(3, 6, 5);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  ASSERT_TRUE(cluster.change(leader, Kind::add_learner, kFourth));
  const auto second = cluster.change(leader, Kind::add_learner, VoterId{5});
  EXPECT_EQ(second.error().code, ErrorCode::Unavailable);
  cluster.settle();
  EXPECT_TRUE(cluster.change(leader, Kind::add_learner, VoterId{5}));
}

TEST(RaftMembership, no_change_while_the_leadership_is_handed_over) {
  CoreCluster cluster(3, 6, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  const VoterId away = other_than(leader);
  cluster.crash(away);
  ASSERT_TRUE(cluster.transfer(leader, away));
  const auto refused = cluster.change(leader, Kind::add_learner, kFourth);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_NE(refused.error().detail.find("handed over"), std::string::npos);
  cluster.settle(20);  // long enough to give it up
  ASSERT_EQ(cluster.leader(), leader);
  EXPECT_TRUE(cluster.change(leader, Kind::add_learner, kFourth).has_value());
}

TEST(RaftMembership, a_leader_that_is_removed_leads_until_that_is_committed_and_hands_over) {
  CoreCluster cluster(3, 7);
  cluster.settle();
  const VoterId old = cluster.leader().value();
  const Core& core = *cluster.at(old).core;
  const std::uint64_t term = core.term();
  ASSERT_TRUE(cluster.propose(old, "before"));
  const auto removal = cluster.change(old, Kind::remove, old);
  ASSERT_TRUE(removal.has_value());
  // What comes before the removal is committed first, and that alone does not end its leadership.
  bool was_committed_apart = false;
  while (core.role() == ReplicaRole::leader) {
    was_committed_apart |= core.commit_index() == *removal - 1;
    ASSERT_GT(cluster.network_size(), 0u);
    cluster.deliver(0, false);
    for (const VoterId id : cluster.voters()) cluster.save_one(id);
  }
  EXPECT_TRUE(was_committed_apart);
  EXPECT_EQ(core.commit_index(), *removal);
  cluster.settle(7);  // less than an election timeout
  const auto next = cluster.leader();
  ASSERT_TRUE(next.has_value());
  EXPECT_NE(*next, old);
  EXPECT_EQ(cluster.at(*next).core->term(), term + 1);
  cluster.settle(100);  // and the one that is out does not disturb
  EXPECT_EQ(cluster.leader(), next);
  EXPECT_EQ(cluster.at(*next).core->term(), term + 1);
}

TEST(RaftMembership, a_wiped_voter_is_replaced_by_a_new_one) {
  CoreCluster cluster(3, 8, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.propose(leader, std::to_string(i)));
  const VoterId wiped = other_than(leader);
  cluster.wipe(wiped);
  cluster.settle(30);
  make(cluster, Kind::add_learner, kFourth);
  make(cluster, Kind::remove, wiped);
  make(cluster, Kind::promote, kFourth);
  cluster.crash(leader);
  cluster.settle(100);
  ASSERT_TRUE(cluster.leader().has_value());
  ASSERT_TRUE(cluster.propose(*cluster.leader(), "more"));
  cluster.settle();
  EXPECT_EQ(cluster.committed().back().command, "more");
}

TEST(RaftMembership, fault_06_a_configuration_within_an_append_is_known_by_its_own_index) {
  Core core(options_of(kSelf), {{1, std::nullopt}, {}, 0, {{0, raft::testing::voters_up_to(3)}}},
            kStart);
  const Configuration next = with_learner(3, kFourth);
  core.receive(append_from(kPeer, 1, 0,
                           {entry_of(1, 1), entry_of(2, 1), entry_of(3, 1, next), entry_of(4, 1)}),
               kStart);
  (void)settle(core);
  EXPECT_EQ(core.configuration_index(), 3u);
  EXPECT_EQ(core.configuration(), next);
  EXPECT_EQ(core.configuration_at(2).configuration, raft::testing::voters_up_to(3));
  EXPECT_EQ(core.configuration_at(3).index, 3u);
  // The entry before it stays, and so does what is not replaced.
  core.receive(append_from(kThird, 2, 1, {entry_of(4, 2)}), kStart);
  EXPECT_EQ(core.configuration(), next);
  core.receive(append_from(kThird, 3, 1, {entry_of(3, 3)}), kStart);
  EXPECT_EQ(core.configuration(), raft::testing::voters_up_to(3));
}

TEST(RaftMembership, fault_07_each_of_two_uncommitted_configurations_can_be_taken_back) {
  const Configuration first = with_learner(3, kFourth);
  const Configuration second = raft::testing::voters_up_to(4);
  const auto follower = [&] {
    Core core(options_of(kSelf), {{1, std::nullopt}, {}, 0, {{0, raft::testing::voters_up_to(3)}}},
              kStart);
    core.receive(append_from(kPeer, 1, 0,
                             {entry_of(1, 1), entry_of(2, 1, first), entry_of(3, 1),
                              entry_of(4, 1, second)}),
                 kStart);
    (void)settle(core);
    EXPECT_EQ(core.configuration(), second);
    return core;
  };
  Core core = follower();
  core.receive(append_from(kThird, 2, 1, {entry_of(4, 2)}), kStart);
  EXPECT_EQ(core.configuration(), first);
  EXPECT_EQ(core.configuration_index(), 2u);
  core = follower();
  core.receive(append_from(kThird, 2, 1, {entry_of(3, 2)}), kStart);
  EXPECT_EQ(core.configuration(), first);
  core = follower();
  core.receive(append_from(kThird, 2, 1, {entry_of(2, 2)}), kStart);
  EXPECT_EQ(core.configuration(), raft::testing::voters_up_to(3));
  EXPECT_EQ(core.configuration_index(), 0u);
}

TEST(RaftMembership, fault_08_who_is_no_voter_in_its_own_view_votes_and_forgets_its_leader) {
  // A learner that has not heard yet that it was promoted.
  Core core(options_of(kSelf),
            {{3, std::nullopt},
             {},
             0,
             {{0, configuration_of({{kSelf, NodeId{1}, false}, {kPeer, NodeId{2}, true}})}}},
            kStart);
  Message heartbeat = message_from(kPeer, MessageKind::heartbeat, 3);
  core.receive(heartbeat, kStart);
  EXPECT_EQ(core.leader(), kPeer);
  Message request = message_from(kThird, MessageKind::pre_vote, 4);  // whom it does not know
  core.receive(request, kStart + 1ms);
  EXPECT_TRUE(of_kind(settle(core), MessageKind::pre_vote_answer).empty());  // it hears a leader
  core.receive(request, kStart + 50ms);
  auto answers = of_kind(settle(core, kStart + 50ms), MessageKind::pre_vote_answer);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_FALSE(answers[0].is_rejected);
  request.kind = MessageKind::vote;
  core.receive(request, kStart + 50ms);
  answers = of_kind(settle(core, kStart + 50ms), MessageKind::vote_answer);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_FALSE(answers[0].is_rejected);
  core.tick(kStart + 200ms);
  EXPECT_EQ(core.leader(), std::nullopt);
  EXPECT_EQ(core.role(), ReplicaRole::follower);  // and does not stand
}

TEST(RaftMembership, fault_10_from_two_voters_to_one_somebody_can_win) {
  // The leader has taken itself out, and the other one has not heard of it: its log is shorter, so
  // that it needs the one that is on its way out to stand and to finish it.
  for (const bool is_other_ahead : {false, true}) {
    CoreCluster cluster(2, is_other_ahead ? 9 : 10);
    cluster.settle();
    const VoterId old = cluster.leader().value();
    const VoterId other = other_than(old);
    if (!is_other_ahead) cluster.cut(other);
    ASSERT_TRUE(cluster.change(old, Kind::remove, old));
    if (is_other_ahead) cluster.settle(2);
    while (!cluster.at(old).saves.empty()) cluster.save_one(old);
    cluster.crash(old);
    cluster.heal();
    cluster.start(old);
    cluster.settle(400);
    ASSERT_EQ(cluster.leader(), other);
    EXPECT_EQ(cluster.at(other).core->configuration().voter_count(), 1u);
    ASSERT_TRUE(cluster.propose(other, "alone"));
    cluster.settle(10);
    EXPECT_EQ(cluster.committed().back().command, "alone");
    cluster.check();
  }
}

TEST(RaftMembership, fault_12_a_snapshot_is_taken_once_and_a_stale_one_not_at_all) {
  Core core(options_of(kSelf), {{2, std::nullopt}, {}, 0, {{0, raft::testing::voters_up_to(3)}}},
            kStart);
  Message wanted = message_from(kPeer, MessageKind::snapshot, 2);
  wanted.index = 10;
  wanted.index_term = 1;
  core.receive(wanted, kStart);
  core.receive(wanted, kStart);
  Output output = settle(core);
  ASSERT_TRUE(output.needed_snapshot.has_value());
  EXPECT_EQ(output.needed_snapshot->index, 10u);
  // A commit beyond what is there, while it is being fetched.
  Message heartbeat = message_from(kPeer, MessageKind::heartbeat, 2);
  heartbeat.commit = 14;
  core.receive(heartbeat, kStart);
  EXPECT_EQ(core.commit_index(), 0u);
  const Snapshot snapshot{12, 2, {11, with_learner(3, kFourth)}};
  ASSERT_TRUE(core.install(snapshot, kStart));
  output = core.take_output();
  ASSERT_TRUE(output.reset.has_value());
  EXPECT_EQ(output.apply_index, 0u);  // until the reset is stored
  EXPECT_TRUE(of_kind(output, MessageKind::append_answer).empty() ||
              of_kind(output, MessageKind::append_answer)[0].index == 0);
  core.saved(output.save_number, kStart);
  output = settle(core);
  ASSERT_FALSE(of_kind(output, MessageKind::append_answer).empty());
  EXPECT_EQ(of_kind(output, MessageKind::append_answer).back().index, 12u);
  EXPECT_EQ(core.commit_index(), 12u);
  EXPECT_EQ(core.configuration_index(), 11u);
  EXPECT_FALSE(core.install(snapshot, kStart));                                     // twice
  EXPECT_FALSE(core.install({7, 1, {0, raft::testing::voters_up_to(3)}}, kStart));  // stale
  core.receive(wanted, kStart);                                                     // late
  output = settle(core);
  EXPECT_FALSE(output.needed_snapshot.has_value());
  EXPECT_FALSE(output.reset.has_value());
  EXPECT_EQ(core.log().last_index(), 12u);
  core.receive(append_from(kPeer, 2, 2, {entry_of(13, 2)}, 13), kStart);
  (void)settle(core);
  EXPECT_EQ(core.commit_index(), 13u);
}

TEST(RaftMembership, fault_12_a_snapshot_of_what_the_log_holds_keeps_the_log) {
  TermLog log;
  for (int i = 0; i < 8; ++i) log.append(1);
  Core core(options_of(kSelf), {{1, std::nullopt}, log, 2, {{0, raft::testing::voters_up_to(3)}}},
            kStart);
  ASSERT_TRUE(core.install({5, 1, {0, raft::testing::voters_up_to(3)}}, kStart));
  const Output output = settle(core);
  EXPECT_FALSE(output.reset.has_value());
  EXPECT_EQ(core.commit_index(), 5u);
  EXPECT_EQ(core.log().last_index(), 8u);
  EXPECT_EQ(core.durable_index(), 8u);
}

TEST(RaftMembership, fault_13_no_change_before_an_entry_of_the_own_term_is_committed) {
  TermLog log;
  log.append(1);
  Core core(options_of(kSelf), {{1, std::nullopt}, log, 1, {{0, raft::testing::voters_up_to(3)}}},
            kStart);
  const Instant now = kStart + 100ms;
  core.tick(now);
  (void)settle(core, now);
  core.receive(message_from(kPeer, MessageKind::pre_vote_answer, 2), now);
  (void)settle(core, now);
  core.receive(message_from(kPeer, MessageKind::vote_answer, 2), now);
  (void)settle(core, now);
  ASSERT_EQ(core.role(), ReplicaRole::leader);
  core.receive(message_from(kPeer, MessageKind::heartbeat_answer, 2), now);
  core.receive(message_from(kThird, MessageKind::heartbeat_answer, 2), now);
  const MemberChange change{Kind::remove, kThird, {}};
  EXPECT_EQ(core.change_members(change, now).error().code, ErrorCode::Unavailable);
  Message stored = message_from(kPeer, MessageKind::append_answer, 2);
  stored.index = 2;
  core.receive(stored, now);
  ASSERT_EQ(core.commit_index(), 2u);
  EXPECT_TRUE(core.change_members(change, now).has_value());
}

TEST(RaftMembership, a_peer_that_lacks_what_was_trimmed_is_caught_up_by_a_snapshot) {
  CoreCluster cluster(3, 11, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  const VoterId away = other_than(leader);
  cluster.crash(away);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(cluster.propose(leader, std::to_string(i)));
  cluster.settle();
  for (const VoterId id : cluster.voters()) cluster.trim(id, 25);
  cluster.start(away);
  cluster.settle();
  EXPECT_EQ(cluster.installed_snapshots, 1);
  EXPECT_EQ(cluster.at(away).applied.size(), cluster.committed().size());
  make(cluster, Kind::add_learner, kFourth);  // a new one as well
  EXPECT_EQ(cluster.installed_snapshots, 2);
  make(cluster, Kind::promote, kFourth);
}

struct Coverage {
  std::size_t committed = 0;
  int snapshots = 0;
  int changes = 0;
  int wiped = 0;
};

// Voters of three come and go among nine replicas, logs are trimmed, disks are lost within what the
// group promises to survive.
class RandomMembers {
 public:
  RandomMembers(unsigned seed, Coverage& coverage) : cluster_(3, seed, 9), coverage_(coverage) {}

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      this->step();
      cluster_.check();
    }
    finish();
  }

 private:
  VoterId some() { return cluster_.voters()[random() % cluster_.voters().size()]; }
  unsigned random() { return static_cast<unsigned>(cluster_.random()()); }

  void step() {
    const auto choice = random() % 100;
    if (choice < 50 && cluster_.network_size() > 0) {
      cluster_.deliver(random() % std::min<std::size_t>(cluster_.network_size(), 16),
                       random() % 20 == 0);
    } else if (choice < 53 && cluster_.network_size() > 0) {
      cluster_.lose(random() % cluster_.network_size());
    } else if (choice < 70) {
      cluster_.save_one(some());
    } else if (choice < 82) {
      cluster_.tick_all(std::chrono::microseconds(random() % 1500));
    } else if (choice < 88) {
      cluster_.propose(cluster_.leader().value_or(some()), std::to_string(++command_));
    } else if (choice < 92) {
      change();
    } else if (choice < 94) {
      const VoterId id = some();
      cluster_.trim(id, random() % (cluster_.at(id).applied.size() + 1));
    } else if (choice < 97) {
      cluster_.fetch(some());
    } else if (choice == 97) {
      const VoterId id = some();
      if (lost_.contains(id)) return;
      if (cluster_.at(id).core == nullptr) {
        cluster_.start(id);
      } else if (random() % 3 == 0) {
        cluster_.crash(id);
      }
    } else if (choice == 98) {
      random() % 4 == 0 ? wipe() : cluster_.cut(some());
    } else {
      cluster_.heal();
    }
  }

  void change() {
    const auto leader = cluster_.leader();
    if (!leader.has_value()) return;
    const auto kind = static_cast<Kind>(random() % 4);
    VoterId id = some();
    if (!lost_.empty() && random() % 2 == 0) id = *lost_.begin();
    const Configuration& now = cluster_.at(*leader).core->configuration();
    // Nobody comes back under an id that was lost or removed.
    if (kind == Kind::add_learner && (lost_.contains(id) || was_member_.contains(id))) return;
    if (kind == Kind::remove && now.members.size() <= 3 && !lost_.contains(id)) return;
    if (cluster_.change(*leader, kind, id)) {
      ++coverage_.changes;
      was_member_.insert(id);
    }
  }

  // Only while nobody who is lost still counts anywhere.
  void wipe() {
    const VoterId id = some();
    if (lost_.contains(id) || id.value() > 6) return;
    for (const VoterId each : cluster_.voters()) {
      const auto& core = cluster_.at(each).core;
      if (lost_.contains(each)) continue;
      if (core == nullptr || !core->is_configuration_committed()) return;
      if (core->configuration().is_voter(id) && core->configuration().voter_count() < 3) return;
      for (const VoterId gone : lost_)
        if (core->configuration().is_voter(gone)) return;
    }
    cluster_.wipe(id);
    lost_.insert(id);
    was_member_.insert(id);
    ++coverage_.wiped;
  }

  void finish() {
    coverage_.committed += cluster_.committed().size();
    coverage_.snapshots += cluster_.installed_snapshots;
    cluster_.heal();
    for (const VoterId id : cluster_.voters()) {
      if (cluster_.at(id).core == nullptr && !lost_.contains(id)) cluster_.start(id);
    }
    cluster_.settle(300);
    const auto leader = cluster_.leader();
    ASSERT_TRUE(leader.has_value());
    ASSERT_TRUE(cluster_.propose(*leader, "last"));
    cluster_.settle(100);
    ASSERT_FALSE(cluster_.committed().empty());
    EXPECT_EQ(cluster_.committed().back().command, "last");
    for (const Member& member : cluster_.at(*leader).core->configuration().members) {
      if (lost_.contains(member.id)) continue;
      EXPECT_EQ(cluster_.at(member.id).applied.size(), cluster_.committed().size());
    }
  }

  CoreCluster cluster_;
  Coverage& coverage_;
  std::set<VoterId> lost_;
  std::set<VoterId> was_member_{kSelf, kPeer, kThird};
  int command_ = 0;
};

TEST(RaftMembership, random_histories_with_changes_snapshots_and_lost_disks_keep_the_invariants) {
  Coverage coverage;
  for (unsigned seed = 1; seed <= 400 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    RandomMembers(seed, coverage).run(12000);
  }
  std::cout << coverage.committed << " committed, " << coverage.changes << " changes, "
            << coverage.snapshots << " snapshots, " << coverage.wiped << " wiped" << std::endl;
  EXPECT_GT(coverage.committed, 3000u);
  EXPECT_GT(coverage.changes, 300);
  EXPECT_GT(coverage.snapshots, 50);
  EXPECT_GT(coverage.wiped, 20);
}

}  // namespace
}  // namespace predastore::raft
