#include "repair/rebalancer.h"

#include <gtest/gtest.h>

#include "repair/ring_change.h"
#include "repair/testing/stored_chunks.h"

namespace predastore::repair {
namespace {

using chunk::testing::bytes_of;
using chunk::testing::joined;

constexpr std::size_t kSize = 300'000;

// Six nodes, of which the ring begins with three.
class RebalanceTest : public testing::StoredChunksTest {
 protected:
  RebalanceTest() : StoredChunksTest{6, {2, 1}, kSize} {
    for (std::uint64_t id = 4; id <= 6; ++id) {
      NodeRecord node;
      node.node = NodeId{id};
      node.name = "n" + std::to_string(id);
      node.cluster_address = "127.0.0.1:1";
      EXPECT_TRUE(run(growth().put_node(node, soon())));
    }
  }
  meta::Topology topology() { return run(growth().topology(soon())).value(); }

  ChunkLayout layout_of(const std::string& key) {
    return run(meta().get_object("b", key, 0, kSize - 1, soon())).value().layouts.front();
  }
  void put_all(int count) {
    for (int i = 0; i < count; ++i) put("k" + std::to_string(i), 100 + static_cast<unsigned>(i));
  }
  void expect_all(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(i);
      const auto read = run(chunks_.read(layout_of(key), 0, kSize, soon()));
      ASSERT_TRUE(read) << key << ": " << read.error().to_string();
      EXPECT_TRUE(joined(*read) == bytes_of(kSize, 100 + static_cast<unsigned>(i))) << key;
    }
  }
  void apply(RingRecord ring) {
    const auto applied = run(growth().new_ring(topology().ring.epoch, std::move(ring), soon()));
    ASSERT_TRUE(applied) << applied.error().to_string();
  }
  RingRecord with(std::uint64_t id) { return *with_node(topology().ring, NodeId{id}, 100, ""); }
  RingRecord without(std::uint64_t id) { return *without_node(topology().ring, NodeId{id}); }

  JobControl claimed() {
    const auto jobs = run(growth().jobs(soon())).value();
    JobRecord job = jobs.empty() || !is_active(jobs.back().state)
                        ? run(growth().start_job(JobKind::rebalance, "", soon())).value()
                        : jobs.back();
    return {runner_, run(growth().claim_job(job.id, job.claim, NodeId{1}, soon())).value()};
  }
  Result<void> rebalance() {
    cluster_.advance(60s);  // nodes that failed are asked again
    JobControl control = claimed();
    auto done = run(rebalancer_.run(&control));
    progress_ = control.progress();
    (void)run(growth().set_job_state(control.job().id, JobState::cancelled, soon()));
    return done;
  }
  // Everything is where the ring wants it, and named by its epoch.
  void expect_placed(int count) {
    const meta::Topology now = topology();
    const ring::Ring ring = ring::Ring::make(now.ring).value();
    for (int i = 0; i < count; ++i) {
      const ChunkLayout layout = layout_of("k" + std::to_string(i));
      EXPECT_EQ(layout.ring_epoch, now.ring.epoch);
      EXPECT_TRUE(moves_to(layout, wanted_nodes(layout, ring)).empty());
    }
  }
  void collect_garbage() {
    run(meta_.advance(3));
    const auto items = run(meta().garbage_queue(1000, soon())).value();
    std::vector<std::uint64_t> ids;
    for (const auto& item : items) {
      ids.push_back(item.id);
      for (const ChunkLayout& layout : item.layouts) {
        for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
          if (!layout.places[role].is_stored) continue;
          std::vector<shard::ShardRemoval> removals(1);
          removals[0].key = {layout.object_id, layout.chunk_index, ShardRole{role}};
          removals[0].generation = layout.generation;
          (void)run(cluster_.remove(layout.places[role].node, removals, soon()));
        }
      }
    }
    EXPECT_TRUE(run(meta().garbage_done(ids, soon())));
  }
  static JobRunnerOptions runner_options() {
    JobRunnerOptions options;
    options.self = NodeId{1};
    options.bytes_per_second = 0;
    return options;
  }
  static RebalanceOptions few_passes() {
    RebalanceOptions options;
    options.passes.futile_max = 2;
    options.page_layouts = 4;
    return options;
  }

  bool is_active_ = true;
  JobRunner runner_{cluster_.env(), runner_options(), meta(), growth(),
                    [this] { return is_active_; }};
  int damage_ = 0;
  Rebalancer rebalancer_{
      cluster_.env(), few_passes(), meta(), growth(), chunks_, cluster_, [this](const ShardKey&) {
        ++damage_;
      }};
  JobProgress progress_;
};

TEST_F(RebalanceTest, a_new_node_gets_its_share_and_no_more_moves_than_must) {
  put_all(30);
  RingPreview preview{ring::Ring::make(with(4)).value()};
  for (int i = 0; i < 30; ++i) preview.add(layout_of("k" + std::to_string(i)));
  apply(with(4));
  ASSERT_TRUE(rebalance());
  EXPECT_EQ(progress_.items_done, preview.counts().shards_moving);
  EXPECT_GT(progress_.items_done, 0U);
  expect_placed(30);
  expect_all(30);
  collect_garbage();
  expect_all(30);
  std::uint64_t shards = 0;
  for (std::uint64_t id = 1; id <= 6; ++id) {
    const std::size_t held = cluster_.shard_count(NodeId{id});
    shards += held;
    EXPECT_EQ(held, preview.counts().shards_after.count(NodeId{id}) == 0
                        ? 0U
                        : preview.counts().shards_after.at(NodeId{id}));
  }
  EXPECT_EQ(shards, 90U);
  EXPECT_EQ(damage_, 0);
}

TEST_F(RebalanceTest, every_chunk_is_readable_while_it_moves) {
  put_all(6);
  apply(with(4));
  apply(with(5));
  JobControl control = claimed();
  TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
  tasks.spawn(rebalancer_.run(&control));
  while (tasks.running() > 0) {
    expect_all(6);
    cluster_.advance(1ms);
  }
  ASSERT_TRUE(run(tasks.join()));
  expect_placed(6);
}

TEST_F(RebalanceTest, a_node_is_emptied_by_drain) {
  put_all(20);
  apply(with(4));
  apply(without(2));
  ASSERT_TRUE(run(growth().set_node_state(NodeId{2}, meta::NodeState::draining, soon())));
  ASSERT_TRUE(rebalance());
  expect_placed(20);
  collect_garbage();
  EXPECT_EQ(cluster_.shard_count(NodeId{2}), 0U);
  expect_all(20);
}

TEST_F(RebalanceTest, shards_of_a_node_that_is_gone_are_rebuilt_elsewhere) {
  put_all(20);
  apply(with(4));
  ASSERT_TRUE(rebalance());
  std::size_t lost = 0;
  for (int i = 0; i < 20; ++i) {
    for (const ShardPlace& place : layout_of("k" + std::to_string(i)).places)
      lost += place.node == NodeId{3} ? 1 : 0;
  }
  cluster_.node(3).faults.is_down = true;
  apply(without(3));
  ASSERT_TRUE(run(growth().set_node_state(NodeId{3}, meta::NodeState::departed, soon())));
  // Nobody has looked yet, and the state says so.
  EXPECT_EQ(run(meta().cluster_state(soon()))->repair_pending, 0U);
  EXPECT_EQ(run(meta().cluster_state(soon()))->unsettled_nodes, (std::set<NodeId>{NodeId{3}}));
  ASSERT_TRUE(rebalance());
  EXPECT_TRUE(run(meta().cluster_state(soon()))->unsettled_nodes.empty());
  expect_all(20);
  // What was on the node is now healing's to do, by all nodes; what it left behind is forgotten.
  EXPECT_EQ(run(meta().cluster_state(soon()))->repair_pending, lost);
  EXPECT_EQ(run(repairer_.repair_once()).value(), lost);
  expect_placed(20);
  EXPECT_GE(nodes_.orders_of.size(), 3U);
  run(meta_.advance(3));
  for (int i = 0; i < 5; ++i) (void)run(repairer_.collect_once());
  EXPECT_EQ(run(meta().cluster_state(soon()))->garbage_pending, 0U);
  // Whole again: any one of the others may go as well.
  cluster_.node(1).faults.is_down = true;
  cluster_.advance(60s);
  expect_all(20);
}

TEST_F(RebalanceTest, a_replaced_node_gives_its_shards_to_one_node_only) {
  put_all(20);
  apply(*with_replaced(topology().ring, NodeId{2}, NodeId{5}));
  ASSERT_TRUE(run(growth().set_node_state(NodeId{2}, meta::NodeState::draining, soon())));
  ASSERT_TRUE(rebalance());
  EXPECT_EQ(progress_.items_done, 20U);  // with three nodes each had a shard of every chunk
  collect_garbage();
  EXPECT_EQ(cluster_.shard_count(NodeId{2}), 0U);
  EXPECT_EQ(cluster_.shard_count(NodeId{5}), 20U);
  expect_all(20);
}

TEST_F(RebalanceTest, zones_that_are_named_later_are_kept_by_what_is_stored_as_well) {
  put_all(20);
  RingRecord ring = topology().ring;
  for (std::uint64_t id = 1; id <= 6; ++id)
    ring = *with_node(std::move(ring), NodeId{id}, 100,
                      id <= 3   ? "near"
                      : id <= 5 ? "far"
                                : "third");
  apply(ring);
  ASSERT_TRUE(rebalance());
  expect_placed(20);
  for (int i = 0; i < 20; ++i) {
    std::set<std::string> zones;
    for (const ShardPlace& place : layout_of("k" + std::to_string(i)).places)
      zones.insert(place.node.value() <= 3 ? "near" : place.node.value() <= 5 ? "far" : "third");
    EXPECT_EQ(zones.size(), 3U) << i;
  }
  expect_all(20);
}

TEST_F(RebalanceTest, a_damaged_copy_is_not_spread) {
  put_all(10);
  apply(with(4));
  cluster_.node(1).faults.segment_fault = [](const ShardKey&, SegmentIndex) {
    return std::optional<ErrorCode>{ErrorCode::Corruption};
  };
  ASSERT_TRUE(rebalance());
  expect_placed(10);
  cluster_.heal();
  cluster_.advance(60s);
  expect_all(10);
}

TEST_F(RebalanceTest, what_cannot_be_moved_stays_readable_and_is_said) {
  put_all(10);
  apply(with(4));
  cluster_.node(4).faults.is_down = true;
  const auto done = rebalance();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::Internal);
  EXPECT_GT(progress_.errors, 0U);
  expect_all(10);
  cluster_.heal();
  ASSERT_TRUE(rebalance());
  expect_placed(10);
}

TEST_F(RebalanceTest, the_next_worker_goes_on_after_a_crash_at_any_step) {
  put_all(8);
  apply(with(4));
  for (std::uint64_t calls = 1; calls < 60; calls += 7) {
    // The worker's world ends after so many calls to a store.
    cluster_.node(4).faults.dies_after = calls;
    JobControl control = claimed();
    TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
    tasks.spawn(rebalancer_.run(&control));
    cluster_.advance(1ms);
    is_active_ = false;
    for (int i = 0; i < 100 && tasks.running() > 0; ++i) cluster_.advance(10s);
    (void)run(tasks.join());
    is_active_ = true;
    cluster_.heal();
    cluster_.advance(60s);
    expect_all(8);
  }
  ASSERT_TRUE(rebalance());
  expect_placed(8);
  collect_garbage();
  expect_all(8);
}

TEST(Placement, who_stays_keeps_its_role) {
  ChunkLayout layout;
  layout.rs = {2, 1};
  for (const std::uint64_t node : {1, 2, 3}) {
    ShardPlace place;
    place.node = NodeId{node};
    place.write_id = WriteId{node};
    layout.places.push_back(place);
  }
  const std::vector<NodeId> wanted{NodeId{1}, NodeId{4}, NodeId{3}};
  const auto moves = moves_to(layout, wanted);
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0], (ShardMove{ShardRole{1}, NodeId{2}, NodeId{4}, false}));
  layout.places[1].is_stored = false;  // a short chunk
  EXPECT_TRUE(moves_to(layout, wanted).empty());
  EXPECT_EQ(in_epoch(layout, RingEpoch{2}, wanted).places[1].node, NodeId{4});
}

TEST(RingChange, slots_are_the_lowest_that_are_free) {
  RingRecord ring;
  ring = *with_node(ring, NodeId{1}, 100, "");
  ring = *with_node(ring, NodeId{2}, 100, "");
  ring = *without_node(ring, NodeId{1});
  ring = *with_node(ring, NodeId{3}, 50, "east");
  ASSERT_EQ(ring.slots.size(), 2U);
  EXPECT_EQ(ring.slots[1].slot, SlotId{0});
  EXPECT_EQ(ring.slots[1].weight, 50U);
  EXPECT_FALSE(with_node(ring, NodeId{4}, 0, ""));
  EXPECT_FALSE(without_node(ring, NodeId{9}));
  EXPECT_FALSE(with_replaced(ring, NodeId{2}, NodeId{3}));
  ring = *with_replaced(ring, NodeId{2}, NodeId{9});
  EXPECT_TRUE(names(ring, NodeId{9}));
}

}  // namespace
}  // namespace predastore::repair
