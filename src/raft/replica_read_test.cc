#include <gtest/gtest.h>

#include "raft/message_codec.h"
#include "raft/peer_link.h"
#include "raft/replica.h"
#include "raft/testing/test_cluster.h"

namespace predastore::raft {
namespace {

using raft::testing::TestCluster;

NodeId other_than(NodeId id, std::size_t which = 0) { return NodeId{(id.value() + which) % 3 + 1}; }

TEST(ReplicaRead, a_leader_that_is_cut_off_commits_nothing_and_lets_no_read_pass) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId old = cluster.await_leader();
  cluster.network->down(old);
  const auto lost = cluster.begin_propose(old, "lost", 5s);
  auto read = std::make_shared<std::optional<Result<std::uint64_t>>>();
  cluster.world.start(cluster.at(old).replica->read_barrier(cluster.world.clock.now() + 5s), read);
  const NodeId next = cluster.await_leader(old);
  ASSERT_TRUE(cluster.propose(next, "kept"));
  cluster.world.run_for(6s);
  ASSERT_TRUE(lost->has_value() && read->has_value());
  EXPECT_EQ((*lost)->error().code, ErrorCode::TimedOut);
  EXPECT_EQ((*read)->error().code, ErrorCode::NotLeader);
  EXPECT_EQ(cluster.propose(old, "refused").error().code, ErrorCode::NotLeader);
  cluster.network->up(old);
  ASSERT_TRUE(cluster.world.run_until([&] { return cluster.at(old).machine.has("kept"); }, 30s));
  EXPECT_FALSE(cluster.at(old).machine.has("lost"));
  EXPECT_FALSE(cluster.at(old).machine.has("refused"));
  cluster.check_equal_prefixes();
}

TEST(ReplicaRead, a_read_waits_until_it_sees_what_was_acknowledged) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(cluster.propose(leader, std::to_string(i)));
    const auto index = cluster.read(leader);
    ASSERT_TRUE(index);
    EXPECT_GE(*index, cluster.at(leader).machine.applied_index());
    EXPECT_TRUE(cluster.at(leader).machine.has(std::to_string(i)));
  }
}

TEST(ReplicaRead, a_read_at_any_voter_sees_what_was_acknowledged) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(cluster.propose(leader, std::to_string(i)));
    const NodeId reader = cluster.voters[static_cast<std::size_t>(i) % 3];
    const Instant begun = cluster.world.clock.now();
    const auto index = cluster.read(reader);
    ASSERT_TRUE(index) << index.error().to_string();
    EXPECT_TRUE(cluster.at(reader).machine.has(std::to_string(i)));
    // The answer says how far it may apply: it does not wait for a heartbeat to say so.
    EXPECT_LT(cluster.world.clock.now() - begun, cluster.options.heartbeat_interval / 2);
  }
}

TEST(ReplicaRead, reads_that_wait_at_a_follower_share_a_question) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const NodeId follower = other_than(leader);
  ASSERT_TRUE(cluster.propose(leader, "a"));
  ASSERT_TRUE(cluster.read(follower));
  const std::size_t before = cluster.at(follower).transport->opened;
  std::vector<TestCluster::Answer<std::uint64_t>> answers;
  for (int i = 0; i < 1000; ++i) {
    answers.push_back(std::make_shared<std::optional<Result<std::uint64_t>>>());
    cluster.world.start(cluster.at(follower).replica->read_barrier(cluster.world.clock.now() + 10s),
                        answers.back());
  }
  ASSERT_TRUE(cluster.world.run_until(
      [&] { return std::ranges::all_of(answers, [](auto& a) { return a->has_value(); }); }, 10s));
  for (auto& answer : answers) ASSERT_TRUE((*answer)->has_value());
  EXPECT_LE(cluster.at(follower).transport->opened - before, 2u);
}

TEST(ReplicaRead, a_read_at_a_follower_waits_for_the_next_leader) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId old = cluster.await_leader();
  ASSERT_TRUE(cluster.propose(old, "a"));
  cluster.crash(old);
  const NodeId follower = other_than(old);
  const auto index = cluster.read(follower, 30s);
  ASSERT_TRUE(index) << index.error().to_string();
  EXPECT_TRUE(cluster.at(follower).machine.has("a"));
  EXPECT_NE(cluster.await_leader(old), old);
  // Alone it finds none.
  cluster.crash(other_than(follower, old == other_than(follower) ? 1 : 0));
  EXPECT_FALSE(cluster.read(follower, 5s));
}

// Its index would be a number of another log.
TEST(ReplicaRead, a_question_of_another_group_is_refused) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  ASSERT_TRUE(cluster.propose(leader, "a"));
  const auto ask = [&](Buffer head) -> Result<ReadPoint> {
    BufferChain body{std::move(head)};
    const auto answer =
        cluster.world.run(cluster.at(other_than(leader))
                              .client->call(leader, rpc::MessageType::read_index, std::move(body),
                                            cluster.world.clock.now() + 5s));
    if (!answer) return answer.error();
    return decode_read_point(*answer);
  };
  EXPECT_EQ(ask(encode_stream_head(cluster.options.group + 1)).error().code, ErrorCode::Conflict);
  EXPECT_EQ(ask(Buffer::copy_of("")).error().code, ErrorCode::Conflict);
  const auto point = ask(encode_stream_head(cluster.options.group));
  ASSERT_TRUE(point) << point.error().to_string();
  EXPECT_GE(point->index, cluster.at(leader).machine.applied_index());
}

}  // namespace
}  // namespace predastore::raft
