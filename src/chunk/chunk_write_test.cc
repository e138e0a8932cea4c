#include <gtest/gtest.h>

#include "chunk/testing/test_cluster.h"
#include "digest/crc.h"

namespace predastore::chunk {
namespace {

using testing::bytes_of;
using testing::joined;
using testing::target_of;
using testing::TestCluster;
using testing::write_chunk;

class ChunkWrite : public ::testing::Test {
 protected:
  void make(std::uint32_t node_count, ChunkOptions options = {}) {
    cluster_ = std::make_unique<TestCluster>(node_count);
    service_ = std::make_unique<ChunkService>(cluster_->env(), *cluster_, options);
  }
  void TearDown() override {
    if (service_) cluster_->run(service_->stop());
    service_.reset();
  }
  Result<ChunkLayout> write(RsConfig rs, std::uint32_t number, const std::string& bytes) {
    return cluster_->run(write_chunk(*service_, target_of(*cluster_, rs, number), bytes));
  }
  std::string read(const ChunkLayout& layout) {
    auto bytes = cluster_->run(service_->read(layout, 0, layout.size_bytes, cluster_->in(1min)));
    return bytes ? joined(*bytes) : bytes.error().to_string();
  }

  std::unique_ptr<TestCluster> cluster_;
  std::unique_ptr<ChunkService> service_;
};

TEST_F(ChunkWrite, a_layout_says_what_was_written_and_where) {
  make(5);
  const std::string bytes = bytes_of(300'000, 1);
  const auto target = target_of(*cluster_, {2, 1}, 1);
  const auto layout = write({2, 1}, 1, bytes).value();
  EXPECT_EQ(layout.object_id, target.object_id);
  EXPECT_EQ(layout.size_bytes, bytes.size());
  EXPECT_EQ(layout.rs, (RsConfig{2, 1}));
  EXPECT_EQ(layout.generation, Generation{1});
  EXPECT_EQ(layout.write_epoch, WriteEpoch{5});
  EXPECT_EQ(layout.placement_hash, target.placement_hash);
  EXPECT_EQ(layout.crc64nvme, digest::crc64nvme(as_bytes(bytes)));
  ASSERT_EQ(layout.places.size(), 3U);
  for (std::uint8_t role = 0; role < 3; ++role) {
    const ShardPlace& place = layout.places[role];
    EXPECT_EQ(place.node, target.candidates[role]);
    EXPECT_FALSE(place.is_missing);
    EXPECT_TRUE(place.is_stored);
    const ShardKey key{layout.object_id, ChunkIndex{0}, ShardRole{role}};
    const auto info = cluster_->run(cluster_->stat(place.node, key, cluster_->in(1s))).value();
    EXPECT_EQ(info.stamp.write_id, place.write_id);
    EXPECT_EQ(info.stamp.generation, Generation{1});
    EXPECT_EQ(info.stamp.incarnation, Incarnation{9});
  }
  EXPECT_EQ(read(layout), bytes);
}

TEST_F(ChunkWrite, roles_without_bytes_are_not_stored_and_not_missing) {
  make(5);
  const auto layout = write({3, 2}, 1, "hello").value();
  EXPECT_TRUE(layout.places[0].is_stored);
  EXPECT_FALSE(layout.places[1].is_stored);
  EXPECT_FALSE(layout.places[2].is_stored);
  EXPECT_TRUE(layout.places[3].is_stored);
  for (const ShardPlace& place : layout.places) EXPECT_FALSE(place.is_missing);
  EXPECT_EQ(cluster_->shard_count(layout.places[1].node), 0U);
  EXPECT_EQ(read(layout), "hello");
}

TEST_F(ChunkWrite, without_a_substitute_a_dead_node_leaves_a_missing_role) {
  make(3);
  const std::string bytes = bytes_of(500'000, 2);
  for (std::uint64_t dead = 1; dead <= 3; ++dead) {
    cluster_->node(dead).faults.is_down = true;
    const auto layout = write({2, 1}, static_cast<std::uint32_t>(dead), bytes).value();
    for (const ShardPlace& place : layout.places) {
      EXPECT_EQ(place.is_missing, place.node == NodeId{dead});
      EXPECT_EQ(place.write_id == WriteId{}, place.is_missing);
    }
    EXPECT_EQ(read(layout), bytes);
    cluster_->heal();
  }
}

TEST_F(ChunkWrite, a_substitute_takes_the_role_of_a_node_that_cannot_be_opened) {
  make(4);
  const auto target = target_of(*cluster_, {2, 1}, 7);
  cluster_->node(target.candidates[1]).faults.is_down = true;
  const std::string bytes = bytes_of(400'000, 3);
  const auto layout = write({2, 1}, 7, bytes).value();
  EXPECT_EQ(layout.places[1].node, target.candidates[3]);
  for (const ShardPlace& place : layout.places) EXPECT_FALSE(place.is_missing);
  EXPECT_EQ(read(layout), bytes);
}

TEST_F(ChunkWrite, a_full_node_is_replaced_too) {
  make(4);
  const auto target = target_of(*cluster_, {2, 1}, 7);
  cluster_->node(target.candidates[0]).faults.is_full = true;
  const auto layout = write({2, 1}, 7, bytes_of(1000, 3)).value();
  EXPECT_EQ(layout.places[0].node, target.candidates[3]);
}

TEST_F(ChunkWrite, nodes_near_full_are_spared_while_others_have_room) {
  make(5);
  const auto target = target_of(*cluster_, {2, 1}, 7);
  NodeHealth& health = service_->health();
  health.set_near_full(target.candidates[1], true);
  health.set_near_full(target.candidates[3], true);
  const std::string bytes = bytes_of(400'000, 3);
  const auto one = write({2, 1}, 7, bytes).value();
  EXPECT_EQ(one.places[0].node, target.candidates[0]);
  EXPECT_EQ(one.places[1].node, target.candidates[4]);
  EXPECT_EQ(one.places[2].node, target.candidates[2]);
  EXPECT_EQ(read(one), bytes);
  // There is one node with room beyond them, and two that want one: the first gets it.
  health.set_near_full(target.candidates[2], true);
  const auto two = write({2, 1}, 7, bytes).value();
  EXPECT_EQ(two.places[1].node, target.candidates[4]);
  EXPECT_EQ(two.places[2].node, target.candidates[2]);
  for (std::size_t i = 1; i < 4; ++i) health.set_near_full(target.candidates[i], false);
  const auto four = write({2, 1}, 8, bytes).value();
  const auto other = target_of(*cluster_, {2, 1}, 8);
  for (std::size_t role = 0; role < 3; ++role)
    EXPECT_EQ(four.places[role].node, other.candidates[role]);
  for (std::size_t i = 1; i < 4; ++i) health.set_near_full(target.candidates[i], true);
  // Near full is better than missing.
  cluster_->node(target.candidates[4]).faults.is_down = true;
  cluster_->node(target.candidates[3]).faults.is_down = true;
  const auto three = write({2, 1}, 7, bytes).value();
  for (std::size_t role = 0; role < 3; ++role) {
    EXPECT_FALSE(three.places[role].is_missing);
    EXPECT_EQ(three.places[role].node, target.candidates[role]);
  }
}

TEST_F(ChunkWrite, without_other_nodes_those_near_full_are_used) {
  make(3);
  const auto target = target_of(*cluster_, {2, 1}, 7);
  for (const NodeId node : target.candidates) service_->health().set_near_full(node, true);
  const auto layout = write({2, 1}, 7, bytes_of(1000, 3)).value();
  for (std::size_t role = 0; role < 3; ++role)
    EXPECT_EQ(layout.places[role].node, target.candidates[role]);
}

TEST_F(ChunkWrite, full_nodes_that_cost_the_quorum_are_told_from_nodes_that_are_away) {
  make(3);
  const auto target = target_of(*cluster_, {2, 1}, 7);
  for (std::size_t i = 0; i < 3; ++i) cluster_->node(target.candidates[i]).faults.is_full = true;
  EXPECT_EQ(write({2, 1}, 7, bytes_of(400'000, 3)).error().code, ErrorCode::NoSpace);
  cluster_->heal();
  service_ = std::make_unique<ChunkService>(cluster_->env(), *cluster_, ChunkOptions{});
  cluster_->node(target.candidates[0]).faults.is_full = true;
  cluster_->node(target.candidates[1]).faults.is_down = true;
  cluster_->node(target.candidates[2]).faults.is_down = true;
  EXPECT_EQ(write({2, 1}, 7, bytes_of(400'000, 3)).error().code, ErrorCode::Unavailable);
}

TEST_F(ChunkWrite, a_node_that_dies_in_mid_chunk_is_missing_there_and_replaced_in_the_next) {
  ChunkOptions options;
  options.write_window_stripes = 2;
  make(4, options);
  const auto target = target_of(*cluster_, {2, 1}, 7);
  cluster_->node(target.candidates[2]).faults.dies_after = 3;
  const std::string bytes = bytes_of(3'000'000, 4);
  const auto first = write({2, 1}, 7, bytes).value();
  EXPECT_TRUE(first.places[2].is_missing);
  EXPECT_EQ(first.places[2].node, target.candidates[2]);
  EXPECT_EQ(read(first), bytes);
  const auto second = write({2, 1}, 7, bytes).value();
  EXPECT_FALSE(second.places[2].is_missing);
  EXPECT_EQ(second.places[2].node, target.candidates[3]);
}

TEST_F(ChunkWrite, below_the_quorum_a_chunk_is_unavailable) {
  make(5);
  const auto dead = [&](std::size_t count) {
    cluster_->heal();
    const auto target = target_of(*cluster_, {3, 2}, 1);
    for (std::size_t i = 0; i < count; ++i)
      cluster_->node(target.candidates[i]).faults.is_down = true;
    service_ = std::make_unique<ChunkService>(cluster_->env(), *cluster_, ChunkOptions{});
    return write({3, 2}, 1, bytes_of(700'000, 5));
  };
  EXPECT_TRUE(dead(1).has_value());
  const auto below = dead(2);  // three are left: K, but M >= 2 asks for K+1
  ASSERT_FALSE(below.has_value());
  EXPECT_EQ(below.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(dead(3).error().code, ErrorCode::Unavailable);
}

TEST_F(ChunkWrite, a_ring_smaller_than_a_chunk_is_unavailable) {
  make(2);
  EXPECT_EQ(write({2, 1}, 1, "x").error().code, ErrorCode::Unavailable);
}

TEST_F(ChunkWrite, a_slow_node_is_waited_for) {
  make(3);
  cluster_->node(2).faults.delay = 2500ms;
  const std::string bytes = bytes_of(5'000'000, 6);
  const auto layout = write({2, 1}, 1, bytes).value();
  for (const ShardPlace& place : layout.places) EXPECT_FALSE(place.is_missing);
}

TEST_F(ChunkWrite, a_commit_without_an_answer_is_a_missing_role) {
  make(3);
  const auto target = target_of(*cluster_, {2, 1}, 1);
  cluster_->node(target.candidates[1]).faults.loses_commit_answers = true;
  const std::string bytes = bytes_of(300'000, 6);
  const auto layout = write({2, 1}, 1, bytes).value();
  EXPECT_TRUE(layout.places[1].is_missing);
  EXPECT_EQ(layout.places[1].write_id, WriteId{});
  EXPECT_EQ(read(layout), bytes);
}

TEST_F(ChunkWrite, a_dead_node_is_not_asked_for_every_chunk) {
  make(3);
  cluster_->node(2).faults.hangs = true;
  const Instant before = cluster_->clock().now();
  for (std::uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(write({2, 1}, i, bytes_of(100'000, i)));
  // One time-out to open a shard, and one more a back-off at the most.
  EXPECT_LT(cluster_->clock().now() - before, 10s);
  cluster_->heal();
  cluster_->run(sleep_for(cluster_->clock(), 10s));
  const auto layout = write({2, 1}, 30, bytes_of(300'000, 9)).value();
  for (const ShardPlace& place : layout.places) EXPECT_FALSE(place.is_missing);
}

TEST_F(ChunkWrite, a_hold_goes_when_all_stores_have_taken_the_stripe) {
  make(3);
  cluster_->node(3).faults.delay = 1s;
  auto writer = service_->create(target_of(*cluster_, {2, 1}, 1)).value();
  auto hold = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = hold;
  const Buffer stripe = Buffer::copy_of(bytes_of(128 * 1024, 1));
  ASSERT_TRUE(cluster_->run(writer->write(stripe, std::move(hold))));
  EXPECT_FALSE(seen.expired());
  ASSERT_TRUE(cluster_->run(writer->finish()));
  EXPECT_TRUE(seen.expired());
}

TEST_F(ChunkWrite, the_window_bounds_what_a_slow_store_makes_others_hold) {
  ChunkOptions options;
  options.write_window_stripes = 3;
  make(3, options);
  cluster_->node(3).faults.delay = 1s;
  auto writer = service_->create(target_of(*cluster_, {2, 1}, 1)).value();
  std::vector<std::weak_ptr<int>> holds;
  for (int i = 0; i < 20; ++i) {
    auto hold = std::make_shared<int>(i);
    holds.push_back(hold);
    const Buffer stripe = Buffer::copy_of(bytes_of(128 * 1024, 1));
    ASSERT_TRUE(cluster_->run(writer->write(stripe, std::move(hold))));
    std::size_t held = 0;
    for (const auto& one : holds) held += one.expired() ? 0 : 1;
    ASSERT_LE(held, 3U);
  }
  ASSERT_TRUE(cluster_->run(writer->finish()));
}

TEST_F(ChunkWrite, what_was_abandoned_does_not_exist) {
  make(3);
  auto writer = service_->create(target_of(*cluster_, {2, 1}, 1)).value();
  const Buffer stripe = Buffer::copy_of(bytes_of(128 * 1024, 1));
  ASSERT_TRUE(cluster_->run(writer->write(stripe, nullptr)));
  writer->abandon();
  writer.reset();
  cluster_->run(service_->stop());
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster_->shard_count(NodeId{id}), 0U);
}

}  // namespace
}  // namespace predastore::chunk
