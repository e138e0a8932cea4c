// Which chunks are healed first, by whom, how fast, and what is said of it.
#include "repair/healer.h"

#include <gtest/gtest.h>

#include "repair/testing/stored_chunks.h"

namespace predastore::repair {
namespace {

constexpr std::size_t kSize = 40'000;

// Three nodes with RS(1,2), so that a chunk may have two, one or no shards to spare.
class HealerTest : public testing::StoredChunksTest {
 protected:
  HealerTest() : StoredChunksTest{3, {1, 2}, kSize} {}

  // Chunks without the shard of node 2, which is back.
  std::vector<ChunkLayout> put_without_node_2(int count) {
    std::vector<ChunkLayout> layouts;
    cluster_.node(2).faults.is_down = true;
    for (int i = 0; i < count; ++i)
      layouts.push_back(put("k" + std::to_string(i), static_cast<std::uint64_t>(i)));
    cluster_.heal();
    cluster_.advance(10s);
    return layouts;
  }
  ShardKey shard_on(const ChunkLayout& layout, std::uint64_t node) {
    std::uint8_t role = 0;
    while (layout.places[role].node != NodeId{node}) ++role;
    return {layout.object_id, layout.chunk_index, ShardRole{role}};
  }
  void report(const ShardKey& key) {
    std::vector<ShardKey> reported{key};
    ASSERT_TRUE(run(meta().report_damage(reported, soon())));
  }
  void lose(const ChunkLayout& layout, std::uint64_t node) {
    std::vector<shard::ShardRemoval> removals(1);
    removals[0].key = shard_on(layout, node);
    removals[0].generation = layout.generation;
    ASSERT_TRUE(run(cluster_.remove(NodeId{node}, removals, soon())));
    report(removals[0].key);
  }
  std::uint64_t pending() { return run(meta().cluster_state(soon())).value().repair_pending; }
  std::size_t heal() { return run(healer_.heal_once()).value(); }
  void set_paused(bool is_paused) {
    meta::ClusterOptions options;
    options.is_heal_paused = is_paused;
    ASSERT_TRUE(run(meta().set_cluster_options(options, soon())));
  }
  HealOptions heal_options() {
    HealOptions options;
    options.bytes_per_second = 0;
    options.page_items = 3;
    options.list_max = 5;
    options.at_once = 1;
    return options;
  }

  bool is_leading_ = true;
  ClientLoad load_;
  Healer healer_{cluster_.env(),
                 heal_options(),
                 meta_.service(),
                 nodes_,
                 [this] { return is_leading_; },
                 [this] { return load_; }};
};

TEST_F(HealerTest, what_has_the_least_left_is_healed_first_wherever_it_is_in_the_queue) {
  const auto layouts = put_without_node_2(12);
  // Of one of them a second shard is gone, of another a third is only on a node that is away.
  lose(layouts[7], 1);
  EXPECT_EQ(pending(), 12U);
  EXPECT_EQ(heal(), 5U);  // a round is as long as its list
  ASSERT_EQ(nodes_.orders.size(), 5U);
  EXPECT_EQ(nodes_.orders.front().object_id, layouts[7].object_id);
  EXPECT_EQ(pending(), 7U);
  EXPECT_EQ(heal() + heal(), 7U);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(HealerTest, shards_on_nodes_that_are_away_do_not_count) {
  put_without_node_2(3);
  lose(put("other", 50), 3);
  nodes_.dead_workers = {NodeId{1}, NodeId{2}, NodeId{3}};  // only what is seen is of interest
  EXPECT_EQ(heal(), 0U);
  EXPECT_EQ(healer_.progress().chunks_by_redundancy[level_of(1)], 4U);
  cluster_.node(1).faults.is_down = true;
  EXPECT_EQ(heal(), 0U);
  EXPECT_EQ(healer_.progress().chunks_by_redundancy[level_of(0)], 4U);
  EXPECT_EQ(healer_.progress().chunks_waiting, 4U);
  nodes_.dead_workers.clear();
  EXPECT_EQ(heal(), 4U);  // what is on the other two is enough
  EXPECT_EQ(pending(), 0U);
}

TEST_F(HealerTest, all_nodes_repair_and_one_that_fails_at_it_holds_nothing_up) {
  put_without_node_2(30);
  while (pending() > 0) ASSERT_GT(heal(), 0U);
  EXPECT_EQ(nodes_.orders_of.size(), 3U);
  for (const auto& [node, count] : nodes_.orders_of) EXPECT_GE(count, 5U) << node.value();
  nodes_.dead_workers.insert(NodeId{3});
  put_without_node_2(30);
  for (int i = 0; i < 20 && pending() > 0; ++i) (void)heal();
  EXPECT_EQ(pending(), 0U);
}

TEST_F(HealerTest, a_pause_stops_it_and_survives_and_a_resume_goes_on) {
  put_without_node_2(4);
  set_paused(true);
  EXPECT_EQ(heal(), 0U);
  EXPECT_TRUE(healer_.progress().is_paused);
  EXPECT_TRUE(nodes_.orders.empty());
  Healer next_leader{cluster_.env(), heal_options(), meta(), nodes_, [] { return true; }, {}};
  EXPECT_EQ(run(next_leader.heal_once()).value(), 0U);
  set_paused(false);
  EXPECT_EQ(run(next_leader.heal_once()).value(), 4U);
  EXPECT_FALSE(next_leader.progress().is_paused);
}

TEST_F(HealerTest, it_keeps_to_the_rate_that_was_set_and_gives_way_to_clients) {
  const auto time_of_four = [&] {
    put_without_node_2(4);
    const Instant began = cluster_.clock().now();
    EXPECT_EQ(heal(), 4U);
    return std::chrono::duration<double>(cluster_.clock().now() - began).count();
  };
  EXPECT_LT(time_of_four(), 0.1);
  ASSERT_TRUE(run(meta().put_setting(kHealRateSetting, std::to_string(kSize), soon())));
  // The last ones are under way when all were begun: each is repaired at a share of the rate.
  const double alone = time_of_four();
  EXPECT_GE(alone, 3.9);
  EXPECT_LE(alone, 9.0);
  EXPECT_EQ(healer_.progress().limit_bytes_per_second, kSize);
  load_.in_flight = 3;
  const double with_clients = time_of_four();
  EXPECT_GE(with_clients, 15.9);
  EXPECT_LE(with_clients, 24.0);
}

TEST_F(HealerTest, progress_tells_what_is_done_left_and_beyond_repair) {
  const auto layouts = put_without_node_2(6);
  lose(layouts[2], 1);
  lose(layouts[2], 3);  // nothing is left of it
  EXPECT_EQ(heal(), 4U);
  const HealProgress progress = healer_.progress();
  EXPECT_EQ(progress.chunks_done, 4U);
  EXPECT_EQ(progress.bytes_done, 4 * kSize);
  EXPECT_EQ(progress.chunks_left, 2U);
  EXPECT_EQ(progress.chunks_unrepairable, 1U);
  EXPECT_EQ(progress.chunks_by_redundancy[level_of(-1)], 1U);
  EXPECT_EQ(progress.chunks_by_redundancy[level_of(1)], 1U);
  ASSERT_EQ(progress.damaged.size(), 1U);
  EXPECT_EQ(progress.damaged[0].object_id, layouts[2].object_id);
  EXPECT_EQ(progress.damaged[0].shards_good, 0U);
  EXPECT_EQ(progress.damaged[0].shards_needed, 1U);
  EXPECT_EQ(heal(), 1U);
  EXPECT_EQ(pending(), 1U);  // it stays known, and its layout is as it was
  EXPECT_EQ(run(meta().get_layout(layouts[2].object_id, ChunkIndex{0}, soon())).value().places,
            layouts[2].places);
}

TEST_F(HealerTest,
       what_cannot_be_repaired_is_tried_less_and_less_often_and_at_once_when_nodes_come) {
  const auto layouts = put_without_node_2(1);
  lose(layouts[0], 1);
  lose(layouts[0], 3);
  TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
  tasks.spawn(healer_.run());
  for (int i = 0; i < 240; ++i) cluster_.advance(500ms);
  const std::size_t tries = nodes_.orders.size();
  EXPECT_GE(tries, 4U);
  EXPECT_LE(tries, 9U);  // in two minutes: after 1, 2, 4, 8 s and so on
  cluster_.node(1).faults.is_down = true;
  for (int i = 0; i < 4; ++i) cluster_.advance(500ms);
  EXPECT_GT(nodes_.orders.size(), tries);
  is_leading_ = false;
  cluster_.advance(2s);
  EXPECT_FALSE(healer_.progress().is_leading);
  healer_.stop();
  (void)run(tasks.join());
}

}  // namespace
}  // namespace predastore::repair
