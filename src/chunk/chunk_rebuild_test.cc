#include <gtest/gtest.h>

#include "chunk/hedge_policy.h"
#include "chunk/testing/test_cluster.h"

namespace predastore::chunk {
namespace {

using testing::bytes_of;
using testing::joined;
using testing::target_of;
using testing::TestCluster;
using testing::write_chunk;

class ChunkRebuild : public ::testing::Test {
 protected:
  ChunkRebuild() : service_(cluster_, 0) {}
  struct Service : ChunkService {
    Service(TestCluster& cluster, int) : ChunkService(cluster.env(), cluster, ChunkOptions{}) {}
  };
  void TearDown() override { cluster_.run(service_.stop()); }
  ChunkLayout write(RsConfig rs, std::uint32_t number, const std::string& bytes) {
    return cluster_.run(write_chunk(service_, target_of(cluster_, rs, number), bytes)).value();
  }
  std::string read(const ChunkLayout& layout) {
    auto bytes = cluster_.run(service_.read(layout, 0, layout.size_bytes, cluster_.in(1min)));
    return bytes ? joined(*bytes) : bytes.error().to_string();
  }
  Result<ChunkLayout> rebuild(const ChunkLayout& layout, std::vector<RebuildTarget> targets) {
    RebuildRequest request{layout, Incarnation{9}, WriteEpoch{6}, std::move(targets)};
    return cluster_.run(service_.rebuild(std::move(request), cluster_.in(10min)));
  }
  NodeId free_node(const ChunkLayout& layout) {
    for (std::uint64_t id = 1; id <= cluster_.node_count(); ++id) {
      bool is_used = false;
      for (const auto& place : layout.places) is_used = is_used || place.node == NodeId{id};
      if (!is_used) return NodeId{id};
    }
    return NodeId{};
  }

  TestCluster cluster_{7};
  Service service_;
};

TEST_F(ChunkRebuild, every_role_comes_back_on_another_node_and_is_as_good) {
  std::uint32_t number = 0;
  for (const RsConfig rs : {RsConfig{2, 1}, RsConfig{3, 2}}) {
    for (const std::size_t size : {1UL, 100'000UL, 200'001UL, 3'000'000UL}) {
      const std::string bytes = bytes_of(size, ++number);
      for (std::uint8_t role = 0; role < rs.width(); ++role) {
        const ChunkLayout before = write(rs, ++number, bytes);
        if (!before.places[role].is_stored) continue;
        cluster_.node(before.places[role].node).faults.is_down = true;
        const NodeId node = free_node(before);
        const auto after = rebuild(before, {{ShardRole{role}, node}});
        ASSERT_TRUE(after.has_value()) << after.error().to_string();
        EXPECT_EQ(after->generation, Generation{2});
        EXPECT_EQ(after->write_epoch, WriteEpoch{6});
        EXPECT_EQ(after->places[role].node, node);
        EXPECT_NE(after->places[role].write_id, before.places[role].write_id);
        const ShardKey key{before.object_id, before.chunk_index, ShardRole{role}};
        const auto info = cluster_.run(cluster_.stat(node, key, cluster_.in(1s))).value();
        EXPECT_EQ(info.stamp.generation, Generation{2});
        // Every other node may go now.
        for (std::uint8_t other = 0; other < rs.width(); ++other) {
          if (other == role) continue;
          cluster_.heal();
          cluster_.node(after->places[other].node).faults.is_down = true;
          ASSERT_EQ(read(*after), bytes);
          cluster_.heal();
        }
      }
    }
  }
}

TEST_F(ChunkRebuild, several_missing_roles_are_rebuilt_in_one_pass) {
  const std::string bytes = bytes_of(1'000'000, 1);
  ChunkLayout layout = write({3, 2}, 1, bytes);
  const NodeId first = layout.places[1].node;
  const NodeId second = layout.places[4].node;
  for (const std::size_t role : {1U, 4U}) {
    layout.places[role].is_missing = true;
    layout.places[role].write_id = WriteId{};
  }
  const auto after = rebuild(layout, {{ShardRole{1}, first}, {ShardRole{4}, second}}).value();
  EXPECT_FALSE(after.places[1].is_missing);
  EXPECT_FALSE(after.places[4].is_missing);
  cluster_.node(layout.places[0].node).faults.is_down = true;
  cluster_.node(layout.places[2].node).faults.is_down = true;
  EXPECT_EQ(read(after), bytes);
}

TEST_F(ChunkRebuild, a_damaged_shard_is_replaced_in_place_by_the_next_generation) {
  const std::string bytes = bytes_of(1'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  auto& node = cluster_.node(layout.places[0].node);
  for (auto& [name, inode] : node.disk.live_names) {
    for (std::size_t at = 8192; at < inode->live.size(); at += 50'000) inode->live[at] ^= 1;
  }
  const auto after = rebuild(layout, {{ShardRole{0}, node.id}}).value();
  cluster_.node(layout.places[2].node).faults.is_down = true;
  EXPECT_EQ(read(after), bytes);
}

TEST_F(ChunkRebuild, nothing_is_committed_that_is_not_the_chunk) {
  ChunkLayout layout = write({2, 1}, 1, bytes_of(1'000'000, 1));
  layout.crc64nvme ^= 1;
  const NodeId node = free_node(layout);
  const auto after = rebuild(layout, {{ShardRole{0}, node}});
  ASSERT_FALSE(after.has_value());
  EXPECT_EQ(after.error().code, ErrorCode::Corruption);
  EXPECT_EQ(cluster_.shard_count(node), 0U);
}

TEST_F(ChunkRebuild, a_role_moves_off_its_node_even_if_that_is_the_only_source_left) {
  const std::string bytes = bytes_of(1'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  cluster_.node(layout.places[1].node).faults.is_down = true;
  const auto after = rebuild(layout, {{ShardRole{0}, free_node(layout)}});
  ASSERT_TRUE(after.has_value()) << after.error().to_string();
  cluster_.node(layout.places[0].node).faults.is_down = true;
  EXPECT_EQ(read(*after), bytes);
}

TEST_F(ChunkRebuild, a_target_that_fails_is_left_as_it_was) {
  const std::string bytes = bytes_of(1'000'000, 1);
  ChunkLayout layout = write({3, 2}, 1, bytes);
  const NodeId good = free_node(layout);
  layout.places[0].is_missing = layout.places[3].is_missing = true;
  cluster_.node(layout.places[3].node).faults.dies_after = 2;
  const auto after =
      rebuild(layout, {{ShardRole{0}, good}, {ShardRole{3}, layout.places[3].node}}).value();
  EXPECT_FALSE(after.places[0].is_missing);
  EXPECT_TRUE(after.places[3].is_missing);
  cluster_.node(layout.places[3].node).faults.is_down = true;
  const auto none = rebuild(layout, {{ShardRole{3}, layout.places[3].node}});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::Unavailable);
}

TEST_F(ChunkRebuild, what_makes_no_sense_is_refused) {
  const ChunkLayout layout = write({2, 1}, 1, "x");  // role 1 has no bytes
  const auto code = [&](std::vector<RebuildTarget> targets) {
    return rebuild(layout, std::move(targets)).error().code;
  };
  EXPECT_EQ(code({}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({{ShardRole{1}, NodeId{1}}}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({{ShardRole{3}, NodeId{1}}}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({{ShardRole{0}, NodeId{1}}, {ShardRole{0}, NodeId{2}}}),
            ErrorCode::InvalidArgument);
}

TEST_F(ChunkRebuild, compressed_chunks_are_smaller_and_as_safe) {
  for (const auto compression : {Compression::lz4, Compression::snappy, Compression::zstd}) {
    TestCluster cluster{5};
    ChunkService service{cluster.env(), cluster, ChunkOptions{}};
    ChunkTarget target = target_of(cluster, {2, 1}, 1);
    target.compression = compression;
    // Text, with a stretch in it that does not get smaller.
    std::string bytes;
    while (bytes.size() < 600'000) bytes += "line " + std::to_string(bytes.size()) + "\n";
    bytes.replace(200'000, 150'000, bytes_of(150'000, 1));
    const auto layout = cluster.run(write_chunk(service, std::move(target), bytes)).value();
    std::uint64_t used = 0;
    for (std::uint64_t id = 1; id <= 5; ++id)
      used += cluster.node(id).store->status().written_bytes;
    EXPECT_LT(used, bytes.size() * 5 / 4);
    const auto check = [&](const ChunkLayout& now) {
      auto all = cluster.run(service.read(now, 0, bytes.size(), cluster.in(1min)));
      ASSERT_TRUE(all.has_value()) << all.error().to_string();
      EXPECT_TRUE(joined(*all) == bytes);
    };
    check(layout);
    cluster.node(layout.places[1].node).faults.is_down = true;
    check(layout);
    RebuildRequest request{layout,
                           Incarnation{9},
                           WriteEpoch{5},
                           {{ShardRole{1}, target_of(cluster, {2, 1}, 1).candidates[4]}}};
    const auto rebuilt = cluster.run(service.rebuild(request, cluster.in(1min))).value();
    // A rebuilt shard is compressed as the shards that it was made from.
    const shard::DriveStatus now = cluster.node(rebuilt.places[1].node).store->status();
    EXPECT_LT(now.written_bytes, bytes.size() * 2 / 5);
    cluster.node(layout.places[0].node).faults.is_down = true;
    check(rebuilt);
    cluster.run(service.stop());
  }
}

TEST_F(ChunkRebuild, a_range_of_a_compressed_chunk_reads_only_the_segments_that_hold_it) {
  TestCluster cluster{3};
  ChunkService service{cluster.env(), cluster, ChunkOptions{}};
  ChunkTarget target = target_of(cluster, {2, 1}, 1);
  target.compression = Compression::zstd;
  std::string bytes;
  while (bytes.size() < 3'000'000) bytes += "line " + std::to_string(bytes.size()) + "\n";
  const auto layout = cluster.run(write_chunk(service, std::move(target), bytes)).value();
  const auto read = [&](std::uint64_t offset, std::uint64_t size) {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    for (std::uint64_t id = 1; id <= 3; ++id) before += cluster.node(id).fetched_segment_count;
    auto part = cluster.run(service.read(layout, offset, size, cluster.in(1min)));
    EXPECT_TRUE(part.has_value());
    EXPECT_EQ(joined(*part), bytes.substr(offset, size));
    for (std::uint64_t id = 1; id <= 3; ++id) after += cluster.node(id).fetched_segment_count;
    return after - before;
  };
  EXPECT_EQ(read(1'000'000, 100), 1U);
  EXPECT_EQ(read(20 * 65536 - 1, 2), 2U);
  EXPECT_EQ(read(10 * 65536, 4 * 65536), 4U);
  cluster.run(service.stop());
}

// ---- the small parts

TEST(NodeHealth, a_failed_node_is_left_alone_until_one_caller_may_try_again) {
  shard::testing::TestClock clock;
  NodeHealth health{clock, 1s, 4s};
  const NodeId node{1};
  const auto pass = [&](Duration duration) {
    clock.call_at(clock.now() + duration, [] {});
    clock.fire_next();
  };
  EXPECT_TRUE(health.may_try(node, NodeUse::read));
  health.failed(node, NodeUse::read);
  health.failed(node, NodeUse::read);  // of the same moment
  EXPECT_FALSE(health.may_try(node, NodeUse::read));
  EXPECT_TRUE(health.may_try(node, NodeUse::write));
  pass(1s);
  EXPECT_TRUE(health.may_try(node, NodeUse::read));
  EXPECT_FALSE(health.may_try(node, NodeUse::read));
  pass(1s);
  health.failed(node, NodeUse::read);
  pass(1s);
  EXPECT_FALSE(health.may_try(node, NodeUse::read));  // twice as long
  pass(1s);
  EXPECT_TRUE(health.may_try(node, NodeUse::read));
  health.failed(node, NodeUse::read);  // at once, and it is four times as long
  pass(3s);
  EXPECT_FALSE(health.may_try(node, NodeUse::read));
  health.succeeded(node, NodeUse::read);
  EXPECT_TRUE(health.is_good(node, NodeUse::read));
  health.failed(node, NodeUse::write);
  EXPECT_FALSE(health.is_good(node, NodeUse::read));
}

TEST(HedgePolicy, the_delay_follows_the_slowest_of_twenty_and_hedges_stay_the_exception) {
  shard::testing::TestClock clock;
  HedgePolicy policy{clock, 1ms, 1s};
  const NodeId node{1};
  for (int i = 0; i < 10'000; ++i) policy.observed(node, i % 100 == 0 ? 400ms : 2ms);
  EXPECT_LT(policy.delay(), 30ms);
  EXPECT_GE(policy.delay(), 3ms);
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    policy.observed(node, 2ms);
    hedges += policy.try_take() ? 1 : 0;
  }
  EXPECT_GE(hedges, 50);
  EXPECT_LE(hedges, 61);
  clock.advance(2s);  // and a few a second, however few fetches there are
  EXPECT_TRUE(policy.try_take());
}

TEST(HedgePolicy, one_slow_node_does_not_make_slowness_ordinary_and_most_do) {
  shard::testing::TestClock clock;
  HedgePolicy policy{clock, 1ms, 1s};
  const auto observe = [&](std::uint64_t slow_count) {
    for (int i = 0; i < 5000; ++i) {
      for (std::uint64_t node = 1; node <= 5; ++node)
        policy.observed(NodeId{node}, node <= slow_count ? 300ms : 2ms);
    }
  };
  observe(1);
  EXPECT_LT(policy.delay(), 30ms);
  observe(2);
  EXPECT_LT(policy.delay(), 30ms);
  observe(4);
  EXPECT_GT(policy.delay(), 300ms);
}

}  // namespace
}  // namespace predastore::chunk
