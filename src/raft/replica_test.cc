#include "raft/replica.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/codec.h"
#include "raft/message_codec.h"
#include "raft/peer_link.h"
#include "raft/testing/test_cluster.h"

namespace predastore::raft {
namespace {

using raft::testing::TestCluster;

constexpr NodeId kFirst{1};
NodeId other_than(NodeId id, std::size_t which = 0) { return NodeId{(id.value() + which) % 3 + 1}; }

TEST(Replica, one_voter_commits_what_it_has_stored) {
  TestCluster cluster(1);
  cluster.start_all();
  cluster.await_leader();
  const auto first = cluster.propose(kFirst, "a");
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(*first, "done a");
  EXPECT_TRUE(cluster.read(kFirst).has_value());
  cluster.crash(kFirst);
  ASSERT_TRUE(cluster.start(kFirst));
  cluster.await_leader();
  ASSERT_TRUE(cluster.await_equal());
  EXPECT_TRUE(cluster.at(kFirst).machine.has("a"));
}

TEST(Replica, three_voters_commit_and_all_apply_the_same) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(cluster.propose(leader, std::to_string(i)).value(), "done " + std::to_string(i));
  ASSERT_TRUE(cluster.await_equal());
  for (const NodeId id : cluster.voters) EXPECT_EQ(cluster.at(id).machine.live.size(), 50u);
  cluster.check_equal_prefixes();
}

TEST(Replica, a_follower_refuses_and_says_who_leads) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const NodeId follower = other_than(leader);
  EXPECT_EQ(cluster.propose(follower, "a").error().code, ErrorCode::NotLeader);
  EXPECT_EQ(cluster.at(follower).replica->status().leader, leader);
}

TEST(Replica, what_was_acknowledged_survives_the_leader) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId first = cluster.await_leader();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.propose(first, std::to_string(i)));
  cluster.crash(first);
  const NodeId second = cluster.await_leader(first);
  ASSERT_TRUE(cluster.read(second));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(cluster.at(second).machine.has(std::to_string(i)));
  ASSERT_TRUE(cluster.propose(second, "more"));
  ASSERT_TRUE(cluster.start(first));
  ASSERT_TRUE(cluster.world.run_until([&] { return cluster.at(first).machine.has("more"); }, 30s));
  cluster.check_equal_prefixes();
}

TEST(Replica, what_was_acknowledged_survives_the_power_of_all) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId first = cluster.await_leader();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(cluster.propose(first, std::to_string(i)));
    if (i == 9) cluster.at(first).machine.flush();
  }
  for (const NodeId id : cluster.voters) cluster.crash(id);
  EXPECT_EQ(cluster.at(first).machine.live.size(), 10u);
  for (const NodeId id : cluster.voters) ASSERT_TRUE(cluster.start(id));
  const NodeId second = cluster.await_leader();
  ASSERT_TRUE(cluster.read(second));
  ASSERT_TRUE(cluster.await_equal());
  for (const NodeId id : cluster.voters) EXPECT_EQ(cluster.at(id).machine.live.size(), 20u);
  cluster.check_equal_prefixes();
}

TEST(Replica, proposals_that_wait_share_a_disk_write) {
  TestCluster cluster(3);
  for (const NodeId id : cluster.voters) cluster.at(id).disk.sync_time = 1ms;
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  std::map<NodeId, int> syncs;
  for (const NodeId id : cluster.voters) {
    cluster.at(id).disk.fault = [&syncs, id](std::string_view operation, const std::string&) {
      if (operation == "sync") ++syncs[id];
      return Result<void>{};
    };
  }
  std::vector<TestCluster::Answer<std::string>> answers;
  for (int i = 0; i < 1000; ++i)
    answers.push_back(cluster.begin_propose(leader, std::to_string(i)));
  ASSERT_TRUE(cluster.world.run_until(
      [&] { return std::ranges::all_of(answers, [](auto& a) { return a->has_value(); }); }, 10s));
  for (auto& answer : answers) ASSERT_TRUE((*answer)->has_value());
  EXPECT_LE(syncs[leader], 3);
  for (const NodeId id : cluster.voters) EXPECT_LE(syncs[id], 20) << id.value();
}

TEST(Replica, the_own_disk_works_beside_the_followers) {
  TestCluster cluster(3);
  for (const NodeId id : cluster.voters) cluster.at(id).disk.sync_time = 10ms;
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  ASSERT_TRUE(cluster.propose(leader, "its term has begun"));
  cluster.world.run_for(1s);
  const Instant begun = cluster.world.clock.now();
  ASSERT_TRUE(cluster.propose(leader, "a"));
  EXPECT_LT(cluster.world.clock.now() - begun, 15ms);  // one after the other it would be 20
  // A majority is enough, whether or not the leader's own disk is in it.
  cluster.at(leader).disk.sync_time = 300ms;
  const Instant again = cluster.world.clock.now();
  const auto answer = cluster.begin_propose(leader, "b");
  ASSERT_TRUE(cluster.world.run_until(
      [&] { return cluster.at(leader).replica->status().commit_index >= 4; }, 10s));
  EXPECT_LT(cluster.world.clock.now() - again, 200ms);
  ASSERT_TRUE(cluster.world.run_until([&] { return answer->has_value(); }, 10s));
}

TEST(Replica, a_heartbeat_does_not_wait_for_a_disk) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const std::uint64_t term = cluster.at(leader).replica->status().term;
  for (const NodeId id : cluster.voters) cluster.at(id).disk.sync_time = 20s;
  const auto answer = cluster.begin_propose(leader, "slow", 60s);
  cluster.world.run_for(15s);
  EXPECT_FALSE(answer->has_value());
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.at(leader).replica->status().term, term);
  ASSERT_TRUE(cluster.world.run_until([&] { return answer->has_value(); }, 30s));
  EXPECT_TRUE((*answer)->has_value());
}

TEST(Replica, a_state_machine_that_blocks_does_not_cost_the_leadership) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const std::uint64_t term = cluster.at(leader).replica->status().term;
  for (const NodeId id : cluster.voters) cluster.at(id).machine.apply_time = 20s;
  const auto first = cluster.begin_propose(leader, "slow", 60s);
  cluster.world.run_for(5s);
  // What comes meanwhile is stored and committed all the same.
  const std::uint64_t commit = cluster.at(leader).replica->status().commit_index;
  const auto second = cluster.begin_propose(leader, "behind it", 60s);
  cluster.world.run_for(10s);
  EXPECT_FALSE(first->has_value());
  EXPECT_EQ(cluster.at(leader).replica->status().commit_index, commit + 1);
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.at(leader).replica->status().term, term);
  ASSERT_TRUE(cluster.world.run_until([&] { return second->has_value(); }, 60s));
  EXPECT_TRUE((*first)->has_value());
  EXPECT_TRUE((*second)->has_value());
  EXPECT_EQ(cluster.at(leader).replica->status().term, term);
}

TEST(Replica, more_proposals_than_allowed_are_refused) {
  TestCluster cluster(3);
  cluster.options.pending_max = 8;
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  ASSERT_TRUE(cluster.propose(leader, "first"));
  cluster.network->down(leader);
  std::vector<TestCluster::Answer<std::string>> answers;
  for (int i = 0; i < 20; ++i)
    answers.push_back(cluster.begin_propose(leader, std::to_string(i), 200ms));
  cluster.world.run_for(100ms);
  for (int i = 8; i < 20; ++i) {
    ASSERT_TRUE(answers[static_cast<std::size_t>(i)]->has_value());
    EXPECT_EQ((*answers[static_cast<std::size_t>(i)])->error().code, ErrorCode::Unavailable);
  }
  cluster.world.run_for(200ms);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ((*answers[static_cast<std::size_t>(i)])->error().code, ErrorCode::TimedOut);
  // They are in the log, with or without somebody who waits for them.
  EXPECT_EQ(cluster.propose(leader, "more", 100ms).error().code, ErrorCode::Unavailable);
}

TEST(Replica, commands_of_no_bytes_or_too_many_are_refused) {
  TestCluster cluster(1);
  cluster.start_all();
  cluster.await_leader();
  EXPECT_EQ(cluster.propose(kFirst, "").error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(cluster.propose(kFirst, std::string(kCommandMaxBytes + 1, 'x')).error().code,
            ErrorCode::InvalidArgument);
}

TEST(Replica, large_commands_travel_in_several_messages) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  std::vector<TestCluster::Answer<std::string>> answers;
  for (int i = 0; i < 6; ++i)
    answers.push_back(
        cluster.begin_propose(leader, std::string(3u << 20, static_cast<char>('a' + i))));
  ASSERT_TRUE(cluster.world.run_until(
      [&] { return std::ranges::all_of(answers, [](auto& a) { return a->has_value(); }); }, 60s));
  for (auto& answer : answers) EXPECT_TRUE((*answer)->has_value());
  ASSERT_TRUE(cluster.await_equal());
  cluster.check_equal_prefixes();
}

TEST(Replica, a_follower_that_was_away_is_caught_up_from_the_disk) {
  TestCluster cluster(3);
  cluster.options.cache_bytes_max = 4096;
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const NodeId away = other_than(leader);
  cluster.crash(away);
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(cluster.propose(leader, std::to_string(i) + std::string(10000, 'x')));
  ASSERT_TRUE(cluster.start(away));
  ASSERT_TRUE(cluster.await_equal());
  EXPECT_EQ(cluster.at(away).machine.live.size(), 300u);
  cluster.check_equal_prefixes();
}

Result<void> transfer(TestCluster& cluster, NodeId from, NodeId to) {
  return cluster.world.run(
      cluster.at(from).replica->transfer_leadership(to, cluster.world.clock.now() + 10s));
}

TEST(Replica, a_leader_hands_over_within_a_moment) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId old = cluster.await_leader();
  const NodeId next = other_than(old);
  ASSERT_TRUE(cluster.propose(old, "a"));
  const Instant by = cluster.world.clock.now() + 500ms;  // an election timeout is a second
  ASSERT_TRUE(transfer(cluster, old, next));
  EXPECT_LT(cluster.world.clock.now(), by);
  EXPECT_EQ(cluster.await_leader(), next);
  ASSERT_TRUE(cluster.propose(next, "b"));
  EXPECT_EQ(transfer(cluster, old, next).error().code, ErrorCode::NotLeader);
  EXPECT_EQ(transfer(cluster, next, NodeId{9}).error().code, ErrorCode::InvalidArgument);
  ASSERT_TRUE(cluster.await_equal());
  cluster.check_equal_prefixes();
}

TEST(Replica, a_leader_whose_successor_is_away_leads_on) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const NodeId away = other_than(leader);
  cluster.crash(away);
  EXPECT_EQ(transfer(cluster, leader, away).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_TRUE(cluster.propose(leader, "b"));
}

std::size_t log_files(TestCluster& cluster, NodeId id) {
  return static_cast<std::size_t>(
      std::ranges::count_if(cluster.at(id).disk.live_names,
                            [](const auto& name) { return name.first.ends_with(".log"); }));
}

TEST(Replica, the_log_goes_when_all_have_it_and_the_state_is_durable) {
  TestCluster cluster(3);
  cluster.options.cache_bytes_max = 4096;
  cluster.options.log_file_bytes = 32768;
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const NodeId away = other_than(leader);
  const auto propose_some = [&](int from, NodeId at) {
    for (int i = from; i < from + 100; ++i)
      ASSERT_TRUE(cluster.propose(at, std::to_string(i) + std::string(3000, 'x')));
  };
  propose_some(0, leader);
  cluster.world.run_for(5s);
  EXPECT_GT(log_files(cluster, leader), 10u);  // no state is durable yet
  for (const NodeId id : cluster.voters) cluster.at(id).machine.flush();
  cluster.world.run_for(5s);
  for (const NodeId id : cluster.voters) EXPECT_LE(log_files(cluster, id), 2u) << id.value();

  cluster.crash(away);
  propose_some(100, leader);
  for (const NodeId id : cluster.voters) cluster.at(id).machine.flush();
  cluster.world.run_for(5s);
  EXPECT_GT(log_files(cluster, leader), 10u);  // one of them lacks it
  ASSERT_TRUE(cluster.start(away));
  ASSERT_TRUE(cluster.await_equal());
  cluster.at(away).machine.flush();
  cluster.world.run_for(5s);
  for (const NodeId id : cluster.voters) EXPECT_LE(log_files(cluster, id), 2u) << id.value();

  // What is left is enough to start from.
  for (const NodeId id : cluster.voters) cluster.crash(id);
  for (const NodeId id : cluster.voters) ASSERT_TRUE(cluster.start(id));
  const NodeId next = cluster.await_leader();
  propose_some(200, next);
  ASSERT_TRUE(cluster.await_equal());
  for (const NodeId id : cluster.voters) EXPECT_EQ(cluster.at(id).machine.live.size(), 300u);
  cluster.check_equal_prefixes();
}

TEST(Replica, a_failed_write_ends_the_voter_and_the_others_go_on) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId old = cluster.await_leader();
  ASSERT_TRUE(cluster.propose(old, "before"));
  cluster.at(old).disk.fault = [](std::string_view operation, const std::string& path) {
    if (operation == "sync" && !path.ends_with("vote.0") && !path.ends_with("vote.1"))
      return Result<void>{ErrorCode::Io};
    return Result<void>{};
  };
  EXPECT_EQ(cluster.propose(old, "unknown").error().code, ErrorCode::TimedOut);
  EXPECT_NE(cluster.at(old).replica->status().failure, "");
  EXPECT_EQ(cluster.at(old).replica->status().role, ReplicaRole::follower);
  EXPECT_EQ(cluster.propose(old, "refused").error().code, ErrorCode::Unavailable);
  EXPECT_EQ(cluster.read(old).error().code, ErrorCode::Unavailable);
  const NodeId next = cluster.await_leader(old);
  ASSERT_TRUE(cluster.propose(next, "after"));
  cluster.at(old).disk.fault = nullptr;
  cluster.crash(old);
  ASSERT_TRUE(cluster.start(old));
  ASSERT_TRUE(cluster.world.run_until([&] { return cluster.at(old).machine.has("after"); }, 30s));
  cluster.check_equal_prefixes();
}

TEST(Replica, a_state_machine_that_fails_ends_the_voter) {
  TestCluster cluster(1);
  cluster.start_all();
  cluster.await_leader();
  cluster.at(kFirst).machine.fault = make_error(ErrorCode::Io, "the database");
  EXPECT_EQ(cluster.propose(kFirst, "a").error().code, ErrorCode::TimedOut);
  EXPECT_NE(cluster.at(kFirst).replica->status().failure.find("the database"), std::string::npos);
}

TEST(Replica, a_log_that_ends_before_what_was_applied_is_damage) {
  TestCluster cluster(1);
  cluster.start_all();
  cluster.await_leader();
  ASSERT_TRUE(cluster.propose(kFirst, "a"));
  cluster.at(kFirst).machine.flush();
  cluster.crash(kFirst);
  const auto disk = cluster.at(kFirst).disk.live_names;
  std::erase_if(cluster.at(kFirst).disk.live_names,
                [](const auto& name) { return name.first.ends_with(".log"); });
  EXPECT_EQ(cluster.start(kFirst).error().code, ErrorCode::Corruption);
  cluster.at(kFirst).disk.live_names = disk;
  std::erase_if(cluster.at(kFirst).disk.live_names,
                [](const auto& name) { return name.first.find("vote") != std::string::npos; });
  EXPECT_EQ(cluster.start(kFirst).error().code, ErrorCode::Corruption);
  cluster.at(kFirst).disk.live_names = disk;
  EXPECT_TRUE(cluster.start(kFirst));
}

TEST(Replica, a_peer_that_accepts_and_never_reads_holds_nobody_up) {
  TestCluster cluster(3);
  ASSERT_TRUE(cluster.start(NodeId{1}));
  ASSERT_TRUE(cluster.start(NodeId{2}));
  const auto deaf = cluster.network->endpoint(NodeId{3});  // streams to it fill up
  const NodeId leader = cluster.await_leader();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(cluster.propose(leader, std::string(100000, 'x'), 2s));
}

Task<Result<void>> send_raw(Environment env, rpc::Client& client, NodeId to, std::string bytes,
                            net::Lane lane) {
  const Instant deadline = env.clock.now() + 1s;
  BufferChain head{encode_stream_head(0)};
  PREDA_CO_TRY(auto stream,
               co_await client.begin(to, rpc::MessageType::raft, std::move(head), deadline, lane));
  Encoder framed;
  framed.string(bytes);
  BufferChain chain{Buffer::take(std::move(framed).take())};
  PREDA_CO_CHECK(co_await stream->write(std::move(chain), deadline));
  co_await sleep_for(env.clock, 50ms);
  co_return Result<void>{};
}

TEST(Replica, nobody_speaks_for_another_and_strangers_are_not_heard) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const std::uint64_t term = cluster.at(leader).replica->status().term;
  Message message;
  message.kind = MessageKind::heartbeat_answer;  // a higher term makes a leader step down
  message.to = VoterId{leader.value()};
  message.term = term + 1000;
  const Environment env = cluster.world.env(cluster.no_files);
  const auto stranger_end = cluster.network->endpoint(NodeId{9});
  rpc::Client stranger(env, *stranger_end);
  rpc::Client& voter = *cluster.at(other_than(leader)).client;
  const auto send = [&](rpc::Client& client, std::string bytes, net::Lane lane) {
    (void)cluster.world.run(send_raw(env, client, leader, std::move(bytes), lane));
    return cluster.at(leader).replica->status().term;
  };
  message.from = VoterId{9};
  EXPECT_EQ(send(stranger, encode_message(message), net::Lane::raft), term);
  message.from = VoterId{other_than(leader).value()};
  EXPECT_EQ(send(stranger, encode_message(message), net::Lane::raft), term);
  message.from = VoterId{other_than(leader, 1).value()};
  EXPECT_EQ(send(voter, encode_message(message), net::Lane::raft), term);
  EXPECT_EQ(send(voter, "nonsense", net::Lane::raft), term);
  message.from = VoterId{other_than(leader).value()};
  EXPECT_EQ(send(voter, encode_message(message), net::Lane::data), term);
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_GE(send(voter, encode_message(message), net::Lane::raft), term + 1000);  // the real one
  cluster.await_leader();
}

TEST(Replica, a_voter_that_is_not_one_of_its_voters_does_not_open) {
  TestCluster cluster(1);
  cluster.options.election_timeout = 100ms;
  cluster.options.heartbeat_interval = 90ms;
  EXPECT_EQ(cluster.start(kFirst).error().code, ErrorCode::InvalidArgument);
}

// Commands are proposed once each, so each may be applied at most once; those that were
// acknowledged are, those that were refused are not.
class RandomRun {
 public:
  RandomRun(std::uint64_t seed) : cluster_(3, seed), random_(seed + 77) {
    cluster_.options.cache_bytes_max = 2000;
    cluster_.options.log_file_bytes = 16384;
    if (seed % 2 == 0) cluster_.options.log_bytes_max = 65536;  // who is away needs snapshots
    for (const NodeId id : cluster_.voters) cluster_.at(id).disk.sync_time = 2ms;
    cluster_.start_all();
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      disturb();
      for (std::uint64_t i = random_.below(8); i > 0; --i) begin_command();
      if (random_.below(2) == 0) begin_read();
      cluster_.world.run_for(std::chrono::milliseconds{random_.below(400)});
      collect();
    }
    for (const NodeId id : cluster_.voters) {
      cluster_.network->up(id);
      if (!cluster_.runs(id)) {
        ASSERT_TRUE(cluster_.start(id));
      }
    }
    // The one that leads now may have been cut off until a moment ago, and about to notice.
    bool is_read = false;
    for (int i = 0; i < 3 && !is_read; ++i)
      is_read = cluster_.read(cluster_.await_leader()).has_value();
    ASSERT_TRUE(is_read) << describe();
    ASSERT_TRUE(cluster_.await_equal()) << describe();
    cluster_.world.run_for(12s);
    collect();
    check();
  }
  std::size_t acknowledged() const { return acknowledged_.size(); }
  std::size_t reads() const { return read_count_; }

 private:
  struct Read {
    NodeId at;
    std::set<std::string> floor;
    TestCluster::Answer<std::uint64_t> answer;
    Replica* replica;
  };

  std::string describe() {
    std::string text;
    for (const NodeId id : cluster_.voters) {
      const ReplicaStatus status = cluster_.at(id).replica->status();
      text += "node " + std::to_string(id.value()) + " term " + std::to_string(status.term) +
              " commit " + std::to_string(status.commit_index) + " " + status.failure + "\n";
    }
    return text;
  }
  NodeId any() { return cluster_.voters[random_.below(cluster_.voters.size())]; }
  void disturb() {
    const NodeId id = any();
    switch (random_.below(8)) {
      case 0:
        if (cluster_.runs(id)) cluster_.crash(id);
        break;
      case 1:
      case 2:
        if (!cluster_.runs(id)) {
          ASSERT_TRUE(cluster_.start(id));
        }
        break;
      case 3: cluster_.network->down(id); break;
      case 4:
      case 5: cluster_.network->up(id); break;
      case 6:
        cluster_.at(id).machine.flush();
        cluster_.at(id).disk.sync_time = std::chrono::milliseconds{random_.below(30)};
        break;
      default: break;
    }
  }
  void begin_command() {
    const NodeId id = random_.below(3) == 0 ? any() : cluster_.leader().value_or(any());
    if (!cluster_.runs(id)) return;
    const std::string command = std::to_string(++last_command_) + std::string(100, 'x');
    commands_[command] = cluster_.begin_propose(id, command, 3s);
  }
  void begin_read() {
    const NodeId id = random_.below(2) == 0 ? any() : cluster_.leader().value_or(any());
    if (!cluster_.runs(id)) return;
    auto answer = std::make_shared<std::optional<Result<std::uint64_t>>>();
    Replica* replica = cluster_.at(id).replica.get();
    reads_.push_back({id, acknowledged_, answer, replica});
    start_read(reads_.back());
  }
  void start_read(Read& read) {
    auto done = std::make_shared<std::optional<Result<void>>>();
    cluster_.world.start(check_read(*this, read.at, read.floor, read.replica), done);
  }
  // The state machine is looked at when the barrier returns, as a reader would.
  static Task<Result<void>> check_read(RandomRun& self, NodeId at, std::set<std::string> floor,
                                       Replica* replica) {
    const Instant deadline = self.cluster_.world.clock.now() + 3s;
    auto index = co_await replica->read_barrier(deadline);
    if (!index.has_value()) co_return index.error();
    ++self.read_count_;
    for (const std::string& command : floor)
      EXPECT_TRUE(self.cluster_.at(at).machine.has(command)) << "a stale read";
    co_return Result<void>{};
  }
  void collect() {
    for (auto it = commands_.begin(); it != commands_.end();) {
      if (!it->second->has_value()) {
        ++it;
        continue;
      }
      const Result<std::string>& answer = **it->second;
      if (answer.has_value()) {
        EXPECT_EQ(*answer, "done " + it->first);
        acknowledged_.insert(it->first);
      } else if (answer.error().code != ErrorCode::TimedOut) {
        refused_.insert(it->first);
      }
      it = commands_.erase(it);
    }
  }
  void check() {
    EXPECT_TRUE(commands_.empty());
    cluster_.check_equal_prefixes();
    for (const NodeId id : cluster_.voters) {
      std::set<std::string> seen;
      for (const CommittedEntry& entry : cluster_.at(id).machine.live) {
        EXPECT_TRUE(seen.insert(entry.command).second) << "applied twice";
        EXPECT_FALSE(refused_.contains(entry.command)) << "refused, and applied";
      }
      for (const std::string& command : acknowledged_) EXPECT_TRUE(seen.contains(command));
    }
  }

  TestCluster cluster_;
  fakes::TestRandom random_;
  std::map<std::string, TestCluster::Answer<std::string>> commands_;
  std::vector<Read> reads_;
  std::set<std::string> acknowledged_;
  std::set<std::string> refused_;
  int last_command_ = 0;
  std::size_t read_count_ = 0;
};

TEST(Replica, random_faults_lose_nothing_and_no_read_is_stale) {
  std::size_t acknowledged = 0;
  std::size_t reads = 0;
  // PREDASTORE_RAFT_SEEDS=1000 for a soak.
  const char* text = std::getenv("PREDASTORE_RAFT_SEEDS");
  const std::uint64_t seeds = text == nullptr ? 25 : std::strtoull(text, nullptr, 10);
  const char* from = std::getenv("PREDASTORE_RAFT_SEED");
  const std::uint64_t first_seed = from == nullptr ? 1 : std::strtoull(from, nullptr, 10);
  for (std::uint64_t seed = first_seed; seed < first_seed + seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    RandomRun run(seed);
    run.run(80);
    acknowledged += run.acknowledged();
    reads += run.reads();
  }
  EXPECT_GT(acknowledged, 40 * seeds);
  EXPECT_GT(reads, 8 * seeds);
}

}  // namespace
}  // namespace predastore::raft
