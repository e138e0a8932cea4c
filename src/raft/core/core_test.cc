#include "raft/core/core.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "raft/testing/core_cluster.h"

namespace predastore::raft {
namespace {

using Cluster = raft::testing::CoreCluster;

TEST(RaftCore, a_single_voter_leads_at_once_and_commits_when_stored) {
  Cluster cluster(1, 1);
  cluster.settle(2);
  ASSERT_EQ(cluster.leader(), VoterId{1});
  ASSERT_TRUE(cluster.propose(VoterId{1}, "a"));
  EXPECT_EQ(cluster.committed().size(), 1u);  // the entry of the term; "a" is not stored yet
  cluster.settle(1);
  EXPECT_EQ(cluster.committed().size(), 2u);
  cluster.read(VoterId{1});
  EXPECT_EQ(cluster.released_reads, 1);
}

TEST(RaftCore, three_voters_elect_replicate_and_survive_the_leader) {
  Cluster cluster(3, 2);
  cluster.settle();
  const auto first = cluster.leader();
  ASSERT_TRUE(first.has_value());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(*first, std::to_string(i)));
  cluster.settle();
  EXPECT_EQ(cluster.committed().size(), 21u);
  cluster.crash(*first);
  cluster.settle(100);
  const auto second = cluster.leader();
  ASSERT_TRUE(second.has_value());
  EXPECT_NE(second, first);
  ASSERT_TRUE(cluster.propose(*second, "more"));
  cluster.settle();
  EXPECT_EQ(cluster.committed().size(), 23u);
  cluster.start(*first);
  cluster.settle();
  EXPECT_EQ(cluster.at(*first).applied.size(), 23u);
  cluster.check();
}

TEST(RaftCore, a_leader_that_is_cut_off_steps_down_and_answers_no_reads) {
  Cluster cluster(3, 3);
  cluster.settle();
  const VoterId old = cluster.leader().value();
  cluster.cut(old);
  cluster.read(old);
  cluster.settle(5);
  EXPECT_EQ(cluster.released_reads, 0);
  cluster.settle(100);
  EXPECT_NE(cluster.at(old).core->role(), ReplicaRole::leader);
  EXPECT_TRUE(cluster.at(old).reads.empty());
  EXPECT_FALSE(cluster.propose(old, "lost"));
  EXPECT_NE(cluster.leader(), old);
}

TEST(RaftCore, a_voter_that_was_away_does_not_disturb) {
  Cluster cluster(3, 4);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  const std::uint64_t term = cluster.at(leader).core->term();
  const VoterId away = leader == VoterId{1} ? VoterId{2} : VoterId{1};
  cluster.cut(away);
  cluster.settle(200);
  EXPECT_EQ(cluster.at(away).core->term(), term);  // pre-vote: no term was begun in vain
  cluster.heal();
  cluster.settle();
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.at(leader).core->term(), term);
}

TEST(RaftCore, a_voter_restarted_within_a_term_catches_up_though_nothing_is_proposed) {
  Cluster cluster(3, 8);
  cluster.settle();
  const VoterId leader = cluster.leader().value();
  const VoterId restarted = leader == VoterId{1} ? VoterId{2} : VoterId{1};
  ASSERT_TRUE(cluster.propose(leader, "a"));
  // It has stored and acknowledged the entry, and goes before it hears of the commit.
  cluster.settle();
  cluster.crash(restarted);
  cluster.at(restarted).applied.clear();
  cluster.start(restarted);
  EXPECT_EQ(cluster.at(restarted).core->commit_index(), 0u);
  cluster.settle();
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.at(restarted).applied.size(), cluster.committed().size());
}

TEST(RaftCore, a_leader_hands_over_without_a_timeout) {
  Cluster cluster(3, 6);
  cluster.settle();
  const VoterId old = cluster.leader().value();
  const VoterId next = old == VoterId{1} ? VoterId{2} : VoterId{1};
  ASSERT_TRUE(cluster.propose(old, "a"));
  ASSERT_TRUE(cluster.transfer(old, next));
  EXPECT_FALSE(cluster.propose(old, "refused"));
  cluster.settle(7);  // less than an election timeout
  ASSERT_EQ(cluster.leader(), next);
  ASSERT_TRUE(cluster.propose(next, "b"));
  cluster.settle();
  EXPECT_EQ(cluster.committed().back().command, "b");
  EXPECT_FALSE(cluster.transfer(old, next));
  EXPECT_FALSE(cluster.transfer(next, VoterId{9}));
}

TEST(RaftCore, a_leader_whose_successor_is_away_leads_on) {
  Cluster cluster(3, 6);
  cluster.settle();
  const VoterId old = cluster.leader().value();
  const VoterId next = old == VoterId{1} ? VoterId{2} : VoterId{1};
  cluster.crash(next);
  ASSERT_TRUE(cluster.propose(old, "a"));
  ASSERT_TRUE(cluster.transfer(old, next));
  EXPECT_FALSE(cluster.propose(old, "refused"));
  cluster.settle(20);
  EXPECT_EQ(cluster.leader(), old);
  EXPECT_TRUE(cluster.propose(old, "b"));
}

TEST(RaftCore, a_vote_is_stored_before_it_is_told) {
  Cluster cluster(3, 5);
  CoreOptions options;
  options.self = VoterId{1};
  Core core(options, {{}, {}, 0, {{0, raft::testing::voters_up_to(3)}}}, Instant{});
  Message request;
  request.kind = MessageKind::vote;
  request.from = VoterId{2};
  request.to = VoterId{1};
  request.term = 7;
  core.receive(request, Instant{});
  Output output = core.take_output();
  EXPECT_TRUE(output.messages.empty());
  ASSERT_TRUE(output.hard_state.has_value());
  EXPECT_EQ(output.hard_state->vote, VoterId{2});
  core.saved(output.save_number, Instant{});
  output = core.take_output();
  ASSERT_EQ(output.messages.size(), 1u);
  EXPECT_FALSE(output.messages[0].is_rejected);
  request.from = VoterId{3};
  core.receive(request, Instant{});
  output = core.take_output();
  ASSERT_EQ(output.messages.size(), 1u);
  EXPECT_TRUE(output.messages[0].is_rejected);  // one vote a term
}

TEST(RaftCore, strangers_and_nonsense_are_ignored) {
  CoreOptions options;
  options.self = VoterId{1};
  std::mt19937 random(9);
  for (int round = 0; round < 20000; ++round) {
    Core core(options, {{}, {}, 0, {{0, raft::testing::voters_up_to(3)}}}, Instant{});
    Message message;
    message.kind = static_cast<MessageKind>(random() % 12);
    message.from = VoterId{random() % 5};
    message.to = VoterId{random() % 3};
    message.term = random() % 4;
    message.index = random() % 4;
    message.index_term = random() % 4;
    message.commit = random() % 1000;
    message.hint = random() % 1000;
    message.is_rejected = random() % 2 == 0;
    if (random() % 2 == 0) message.entries.push_back({random() % 4, random() % 4, "x"});
    core.receive(message, Instant{});
    EXPECT_LE(core.commit_index(), core.log().last_index());
  }
}

TEST(RaftCore, what_a_read_says_is_committed_counts_only_for_the_log_of_that_leader) {
  CoreOptions options;
  options.self = VoterId{1};
  const Instant now{};
  Core core(options, {{}, {}, 0, {{0, raft::testing::voters_up_to(3)}}}, now);
  const auto append = [&](std::uint64_t term, std::uint64_t index, std::uint64_t index_term,
                          std::uint64_t commit) {
    Message message;
    message.kind = MessageKind::append;
    message.from = VoterId{2};
    message.to = VoterId{1};
    message.term = term;
    message.index = index;
    message.index_term = index_term;
    message.commit = commit;
    message.entries.push_back({index + 1, term, "x"});
    core.receive(message, now);
    (void)core.take_output();
  };
  append(1, 0, 0, 0);
  append(1, 1, 1, 0);
  core.learn_commit(1, 1);
  EXPECT_EQ(core.commit_index(), 1u);
  core.learn_commit(1, 3);  // the entry is on its way
  EXPECT_EQ(core.commit_index(), 2u);
  append(1, 2, 1, 0);
  EXPECT_EQ(core.commit_index(), 3u);
  core.learn_commit(1, 9);
  append(2, 3, 1, 0);  // another leader's entry, of which the first one said nothing
  EXPECT_EQ(core.commit_index(), 3u);
  core.learn_commit(1, 9);
  core.learn_commit(3, 9);
  EXPECT_EQ(core.commit_index(), 3u);
}

struct Coverage {
  std::size_t committed = 0;
  int reads = 0;
  std::uint64_t terms = 0;
};

void run_random(std::size_t voter_count, unsigned seed, int steps, Coverage& coverage) {
  Cluster cluster(voter_count, seed);
  std::mt19937& random = cluster.random();
  int command = 0;
  for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
    const VoterId some = cluster.voters()[random() % voter_count];
    const auto choice = random() % 100;
    if (choice < 45 && cluster.network_size() > 0) {
      cluster.deliver(random() % std::min<std::size_t>(cluster.network_size(), 16),
                      random() % 20 == 0);
    } else if (choice < 50 && cluster.network_size() > 0) {
      cluster.lose(random() % cluster.network_size());
    } else if (choice < 70) {
      cluster.save_one(some);
    } else if (choice < 85) {
      cluster.tick_all(std::chrono::microseconds(random() % 1500));
    } else if (choice < 92) {
      cluster.propose(some, std::to_string(++command));
    } else if (choice < 96) {
      if (random() % 16 == 0) cluster.transfer(some, cluster.voters()[random() % voter_count]);
      cluster.read(some);
      if (random() % 4 == 0) cluster.tell_of_a_read(cluster.voters()[random() % voter_count]);
    } else if (choice < 98) {
      if (cluster.at(some).core == nullptr) {
        cluster.start(some);
      } else if (random() % 3 == 0) {
        cluster.crash(some);
      }
    } else if (choice == 98) {
      if (random() % 2 == 0) {
        cluster.cut(some);
      } else {
        cluster.pause(some);
      }
    } else {
      cluster.heal();
    }
    cluster.check();
  }
  coverage.committed += cluster.committed().size();
  coverage.reads += cluster.released_reads;
  // Liveness: when the faults stop, all agree and take commands again.
  cluster.heal();
  for (const VoterId id : cluster.voters()) {
    if (cluster.at(id).core == nullptr) cluster.start(id);
  }
  cluster.settle(200);
  const auto leader = cluster.leader();
  ASSERT_TRUE(leader.has_value()) << "seed " << seed;
  coverage.terms += cluster.at(*leader).core->term();
  ASSERT_TRUE(cluster.propose(*leader, "last"));
  cluster.settle(100);
  ASSERT_FALSE(cluster.committed().empty());
  EXPECT_EQ(cluster.committed().back().command, "last") << "seed " << seed;
  for (const VoterId id : cluster.voters())
    EXPECT_EQ(cluster.at(id).applied.size(), cluster.committed().size()) << "seed " << seed;
}

TEST(RaftCore, random_histories_of_three_voters_keep_the_invariants) {
  Coverage coverage;
  for (unsigned seed = 1; seed <= 400 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    run_random(3, seed, 12000, coverage);
  }
  // The faults leave something to be wrong about.
  EXPECT_GT(coverage.committed, 4000u);
  EXPECT_GT(coverage.reads, 400);
  EXPECT_GT(coverage.terms, 1200u);
}

TEST(RaftCore, random_histories_of_five_voters_keep_the_invariants) {
  Coverage coverage;
  for (unsigned seed = 1; seed <= 100 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    run_random(5, seed, 12000, coverage);
  }
  // The faults leave something to be wrong about.
  EXPECT_GT(coverage.committed, 1000u);
  EXPECT_GT(coverage.reads, 100);
  EXPECT_GT(coverage.terms, 300u);
}

TEST(TermLog, random_operations_equal_a_vector) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    TermLog log;
    std::vector<std::uint64_t> model{0};
    std::uint64_t base = 0;
    for (int step = 0; step < 100; ++step) {
      const auto choice = random() % 10;
      if (choice < 7) {
        model.push_back(model.back() + random() % 2);
        log.append(model.back());
      } else if (choice < 9 && log.last_index() > base) {
        const std::uint64_t from = base + 1 + random() % (log.last_index() - base);
        model.resize(from);
        log.truncate_from(from);
      } else {
        base += random() % (log.last_index() - base + 1);
        log.trim_to(base);
      }
      ASSERT_EQ(log.last_index(), model.size() - 1);
      ASSERT_EQ(log.last_term(), model.back());
      for (std::uint64_t i = base; i < model.size(); ++i) ASSERT_EQ(log.term_at(i), model[i]);
      if (base > 0) {
        ASSERT_EQ(log.term_at(base - 1), std::nullopt);
      }
      ASSERT_EQ(log.term_at(model.size()), std::nullopt);
    }
  }
}

}  // namespace
}  // namespace predastore::raft
