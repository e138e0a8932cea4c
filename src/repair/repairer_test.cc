#include "repair/repairer.h"

#include <gtest/gtest.h>

#include "chunk/testing/test_cluster.h"
#include "meta/testing/test_meta.h"
#include "repair/testing/test_heal_nodes.h"

namespace predastore::repair {
namespace {

using chunk::testing::bytes_of;
using chunk::testing::joined;
using chunk::testing::TestCluster;

// Three nodes with real shard stores, real metadata commands, and the repairer over them.
class RepairTest : public ::testing::Test {
 protected:
  RepairTest() : meta_(cluster_.env()) {
    nodes_.repairer = &repairer_;
    cluster_.run(meta_.open());
    BucketRecord bucket;
    bucket.name = "b";
    bucket.rs = {2, 1};
    EXPECT_TRUE(run(meta_.service().create_bucket(bucket, soon())));
  }
  ~RepairTest() override { cluster_.run(chunks_.stop()); }

  template <class T>
  T run(Task<T> task) {
    return cluster_.run(std::move(task));
  }
  Instant soon() { return cluster_.in(60s); }
  meta::MetaService& meta() { return meta_.service(); }

  // An object of one chunk, acknowledged.
  ChunkLayout put(const std::string& key, std::size_t size, std::uint64_t seed) {
    const auto context = run(meta().write_context("b", soon())).value();
    chunk::ChunkTarget target;
    cluster_.random().fill(target.object_id.bytes);
    target.rs = context.bucket.rs;
    target.ring_epoch = context.ring.epoch;
    target.placement_hash = ring::placement_hash("b", key, ChunkIndex{0});
    target.candidates = cluster_.candidates(target.placement_hash);
    target.write_epoch = context.write_epoch;
    target.incarnation = context.bucket.incarnation;
    const ObjectId id = target.object_id;
    auto layout =
        run(chunk::testing::write_chunk(chunks_, std::move(target), bytes_of(size, seed)));
    EXPECT_TRUE(layout) << layout.error().to_string();
    meta::PutObject command;
    command.bucket = "b";
    command.key = key;
    command.record.etag = std::string(32, 'a');
    command.record.size_bytes = size;
    command.record.incarnation = context.bucket.incarnation;
    ObjectPart part;
    part.object_id = id;
    part.size_bytes = size;
    part.chunk_size_bytes = kChunkSizeBytes;
    part.etag_md5 = std::string(16, 'a');
    command.record.parts.push_back(part);
    command.layouts = {*layout};
    command.write_epoch = context.write_epoch;
    const auto stored = run(meta().put_object(std::move(command), soon()));
    EXPECT_TRUE(stored) << stored.error().to_string();
    return *layout;
  }
  ChunkLayout layout_of(const ChunkLayout& layout) {
    return run(meta().get_layout(layout.object_id, layout.chunk_index, soon())).value();
  }
  std::uint64_t pending_garbage() {
    return run(meta().cluster_state(soon())).value().garbage_pending;
  }
  std::uint64_t pending() { return run(meta().cluster_state(soon())).value().repair_pending; }
  std::size_t repair() {
    cluster_.advance(10s);  // nodes that failed are asked again
    const auto repaired = run(repairer_.repair_once());
    EXPECT_TRUE(repaired) << repaired.error().to_string();
    return repaired ? *repaired : 0;
  }
  // The bytes, with each node down in turn.
  void expect_reads_without_any_one(const ChunkLayout& layout, std::size_t size,
                                    std::uint64_t seed) {
    for (std::uint64_t down = 1; down <= 3; ++down) {
      cluster_.heal();
      cluster_.node(down).faults.is_down = true;
      cluster_.advance(10s);
      const auto read = run(chunks_.read(layout_of(layout), 0, size, soon()));
      ASSERT_TRUE(read) << "without " << down << ": " << read.error().to_string();
      EXPECT_EQ(joined(*read), bytes_of(size, seed)) << "without " << down;
    }
    cluster_.heal();
    cluster_.advance(10s);
  }
  // One bit of a stored payload on a node's disk.
  void damage(NodeId node, const ShardKey& key) {
    auto segments =
        run(cluster_.node(node).store->fetch(key, WriteId{}, SegmentIndex{0}, 1, soon()));
    ASSERT_TRUE(segments);
    const std::string payload(segments->front().stored.text().substr(0, 64));
    for (auto& [name, inode] : cluster_.node(node).disk.live_names) {
      const std::size_t at = inode->live.find(payload);
      if (at != std::string::npos) inode->live[at] = static_cast<char>(inode->live[at] ^ 1);
    }
  }

  TestCluster cluster_{3};
  meta::TestMeta meta_;
  Repairer* made_ = nullptr;
  chunk::ChunkService chunks_{cluster_.env(), cluster_, chunk::ChunkOptions{},
                              [this](const ShardKey& key) {
                                if (made_ != nullptr) made_->report_damage(key);
                              }};
  testing::TestHealNodes nodes_{cluster_};
  Repairer repairer_{cluster_.env(), testing::unlimited(), meta_.service(), chunks_, cluster_,
                     nodes_,         [] { return true; }};
};

constexpr std::size_t kSize = 700'000;

TEST_F(RepairTest, what_a_node_missed_is_rebuilt_when_it_is_back) {
  cluster_.node(2).faults.is_down = true;
  const ChunkLayout first = put("first", kSize, 1);
  const ChunkLayout second = put("second", 50'000, 2);
  EXPECT_EQ(pending(), 2U);
  EXPECT_EQ(repair(), 0U);  // it is still away
  EXPECT_EQ(repairer_.status().progress.chunks_waiting, 2U);
  EXPECT_EQ(pending(), 2U);
  cluster_.heal();
  EXPECT_EQ(repair(), 2U);
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(layout_of(first).generation, Generation{2});
  EXPECT_FALSE(layout_of(first).places[0].is_missing || layout_of(first).places[1].is_missing ||
               layout_of(first).places[2].is_missing);
  expect_reads_without_any_one(first, kSize, 1);
  expect_reads_without_any_one(second, 50'000, 2);
}

TEST_F(RepairTest, a_damaged_shard_is_found_written_anew_and_leaves_the_queue) {
  const ChunkLayout layout = put("key", kSize, 3);
  const NodeId node = layout.places[1].node;
  damage(node, {layout.object_id, layout.chunk_index, ShardRole{1}});
  std::vector<ShardKey> reported{{layout.object_id, layout.chunk_index, ShardRole{1}}};
  ASSERT_TRUE(run(meta().report_damage(reported, soon())));
  EXPECT_EQ(pending(), 1U);
  EXPECT_EQ(repair(), 1U);
  EXPECT_EQ(pending(), 0U);
  EXPECT_NE(layout_of(layout).places[1].write_id, layout.places[1].write_id);
  EXPECT_EQ(layout_of(layout).places[0].write_id, layout.places[0].write_id);
  expect_reads_without_any_one(layout, kSize, 3);
}

TEST_F(RepairTest, a_false_alarm_leaves_the_queue_and_changes_no_shard) {
  const ChunkLayout layout = put("key", kSize, 4);
  std::vector<ShardKey> reported{{layout.object_id, layout.chunk_index, ShardRole{0}}};
  ASSERT_TRUE(run(meta().report_damage(reported, soon())));
  EXPECT_EQ(repair(), 1U);
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(layout_of(layout).places, layout.places);
}

TEST_F(RepairTest, damage_beyond_the_parity_is_said_and_nothing_is_deleted) {
  const ChunkLayout layout = put("key", kSize, 5);
  for (std::uint8_t role = 0; role < 2; ++role)
    damage(layout.places[role].node, {layout.object_id, layout.chunk_index, ShardRole{role}});
  std::vector<ShardKey> reported{{layout.object_id, layout.chunk_index, ShardRole{0}}};
  ASSERT_TRUE(run(meta().report_damage(reported, soon())));
  EXPECT_EQ(repair(), 0U);
  EXPECT_EQ(repairer_.status().progress.chunks_unrepairable, 1U);
  EXPECT_EQ(pending(), 1U);  // it stays known
  EXPECT_EQ(layout_of(layout), layout);
  for (std::uint64_t node = 1; node <= 3; ++node) EXPECT_EQ(cluster_.shard_count(NodeId{node}), 1U);
}

TEST_F(RepairTest, a_shard_for_which_there_is_no_room_waits_and_is_not_given_up) {
  const ChunkLayout layout = put("key", kSize, 5);
  const NodeId node = layout.places[1].node;
  const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{1}};
  damage(node, key);
  std::vector<ShardKey> reported{key};
  ASSERT_TRUE(run(meta().report_damage(reported, soon())));
  cluster_.node(node).faults.is_full = true;
  EXPECT_EQ(repair(), 0U);
  EXPECT_EQ(repairer_.status().progress.chunks_unrepairable, 0U);
  EXPECT_EQ(repairer_.status().progress.chunks_waiting, 1U);
  EXPECT_EQ(pending(), 1U);
  cluster_.heal();
  EXPECT_EQ(repair(), 1U);
  EXPECT_EQ(pending(), 0U);
  expect_reads_without_any_one(layout, kSize, 5);
}

TEST_F(RepairTest, a_missing_and_a_damaged_shard_wait_for_what_can_save_them) {
  cluster_.node(3).faults.is_down = true;
  const ChunkLayout layout = put("key", kSize, 6);
  cluster_.heal();
  std::uint8_t present = 0;
  while (layout.places[present].is_missing) ++present;
  damage(layout.places[present].node, {layout.object_id, layout.chunk_index, ShardRole{present}});
  EXPECT_EQ(repair(), 0U);  // RS(2,1): two of three are gone, one of them for good
  EXPECT_EQ(repairer_.status().progress.chunks_unrepairable, 1U);
  EXPECT_EQ(layout_of(layout), layout);
}

TEST_F(RepairTest, a_repair_that_was_cut_off_before_the_swap_is_done_again) {
  cluster_.node(2).faults.is_down = true;
  const ChunkLayout layout = put("key", kSize, 7);
  cluster_.heal();
  cluster_.advance(10s);
  std::uint8_t missing = 0;
  while (!layout.places[missing].is_missing) ++missing;
  chunk::RebuildRequest request;
  request.layout = layout;
  request.incarnation = Incarnation{9};
  request.write_epoch = run(meta().cluster_state(soon())).value().write_epoch;
  request.targets = {{ShardRole{missing}, NodeId{2}}};
  ASSERT_TRUE(run(chunks_.rebuild(std::move(request), soon())));  // and then it died
  EXPECT_EQ(layout_of(layout).generation, Generation{1});
  EXPECT_EQ(repair(), 1U);
  EXPECT_EQ(pending(), 0U);
  expect_reads_without_any_one(layout, kSize, 7);
}

TEST_F(RepairTest, an_object_that_was_deleted_meanwhile_is_no_work) {
  cluster_.node(2).faults.is_down = true;
  put("key", kSize, 8);
  EXPECT_EQ(pending(), 1U);
  std::vector<std::string> keys{"key"};
  ASSERT_TRUE(run(meta().delete_objects("b", keys, {}, soon())));
  cluster_.heal();
  EXPECT_EQ(repair(), 0U);
  EXPECT_EQ(pending(), 0U);
}

// A call waits for a sync: item by item, deleting would be slower than writing.
TEST_F(RepairTest, the_garbage_of_many_deletes_is_one_call_to_each_node) {
  for (int i = 0; i < 20; ++i) put("key" + std::to_string(i), 9000, 10);
  for (int i = 0; i < 20; ++i) {
    std::vector<std::string> keys{"key" + std::to_string(i)};
    ASSERT_TRUE(run(meta().delete_objects("b", keys, {}, soon())));
  }
  cluster_.run(meta_.advance(3));
  const std::uint64_t calls = cluster_.node(1).call_count;
  EXPECT_EQ(run(repairer_.collect_once()).value(), 20U);
  EXPECT_EQ(cluster_.node(1).call_count, calls + 1);
  EXPECT_EQ(cluster_.shard_count(NodeId{1}), 0U);
  EXPECT_EQ(pending_garbage(), 0U);
}

// Three rounds, each of which takes as long as a slow node.
TEST_F(RepairTest, collecting_garbage_takes_a_quarter_of_the_time_while_clients_are_at_work) {
  const auto seconds_to_collect = [this](std::uint32_t clients, std::uint64_t pending_max) {
    std::vector<std::string> keys;
    for (int i = 0; i < 600; ++i) keys.push_back("key" + std::to_string(i));
    for (const std::string& key : keys) put(key, 100, 10);
    EXPECT_TRUE(run(meta().delete_objects("b", std::move(keys), {}, soon())));
    cluster_.run(meta_.advance(3));
    cluster_.node(2).faults.delay = 200ms;
    RepairOptions options = testing::unlimited();
    options.garbage_pending_max = pending_max;
    Repairer::Loads loads;
    loads.cluster = [clients] { return ClientLoad{clients, 0}; };
    Repairer repairer{cluster_.env(), options, meta_.service(),     chunks_,
                      cluster_,       nodes_,  [] { return true; }, loads};
    TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
    const Instant begun = cluster_.clock().now();
    tasks.spawn(repairer.run());
    while (pending_garbage() > 0 && cluster_.clock().now() - begun < 60s) cluster_.advance(5ms);
    const Duration taken = cluster_.clock().now() - begun;
    repairer.stop();
    (void)cluster_.run(tasks.join());
    cluster_.heal();
    return std::chrono::duration<double>(taken).count();
  };
  const double alone = seconds_to_collect(0, 100'000);
  EXPECT_LT(alone, 3 * 0.25);
  // The rests, two of them, are three times as long as the rounds before them.
  EXPECT_GT(seconds_to_collect(8, 100'000), alone + 2 * 3 * 0.1 * 0.9);
  EXPECT_LT(seconds_to_collect(8, 300), 3 * 0.25);  // what is left of a long queue: in no time
}

TEST_F(RepairTest, garbage_is_removed_after_its_time_and_waits_for_nodes_that_are_away) {
  const ChunkLayout kept = put("kept", 9000, 9);
  put("gone", kSize, 10);
  std::vector<std::string> keys{"gone"};
  ASSERT_TRUE(run(meta().delete_objects("b", keys, {}, soon())));
  EXPECT_EQ(run(repairer_.collect_once()).value(), 0U);  // a reader may still be at it
  EXPECT_EQ(cluster_.shard_count(NodeId{1}), 2U);
  cluster_.run(meta_.advance(3));
  cluster_.node(3).faults.is_down = true;
  EXPECT_EQ(run(repairer_.collect_once()).value(), 0U);
  EXPECT_EQ(cluster_.shard_count(NodeId{1}), 1U);
  EXPECT_EQ(cluster_.shard_count(NodeId{2}), 1U);
  EXPECT_EQ(cluster_.shard_count(NodeId{3}), 2U);
  const std::uint64_t calls = cluster_.node(1).call_count;
  cluster_.advance(10s);
  EXPECT_EQ(run(repairer_.collect_once()).value(), 0U);
  EXPECT_EQ(cluster_.node(1).call_count, calls);  // it has done its part
  cluster_.heal();
  cluster_.advance(10s);
  EXPECT_EQ(run(repairer_.collect_once()).value(), 1U);
  EXPECT_EQ(cluster_.shard_count(NodeId{3}), 1U);
  EXPECT_EQ(pending_garbage(), 0U);
  expect_reads_without_any_one(kept, 9000, 9);
}

TEST_F(RepairTest, a_damaged_shard_that_a_read_met_is_repaired_without_anyone_asking) {
  made_ = &repairer_;
  const ChunkLayout layout = put("key", kSize, 11);
  damage(layout.places[0].node, {layout.object_id, layout.chunk_index, ShardRole{0}});
  TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
  tasks.spawn(repairer_.run());
  EXPECT_EQ(joined(run(chunks_.read(layout, 0, kSize, soon())).value()), bytes_of(kSize, 11));
  for (int i = 0; i < 100 && layout_of(layout).generation == Generation{1}; ++i) {
    cluster_.advance(200ms);
    cluster_.settle();
  }
  EXPECT_EQ(layout_of(layout).generation, Generation{2});
  EXPECT_EQ(pending(), 0U);
  repairer_.stop();
  (void)run(tasks.join());
  made_ = nullptr;
  expect_reads_without_any_one(layout, kSize, 11);
}

// An old leader's repair and a new one's: of one generation a store keeps the later shard, and the
// layout names the one whose swap came first.
TEST_F(RepairTest, two_repairs_of_one_chunk_end_with_what_the_layout_names) {
  Repairer other{cluster_.env(), testing::unlimited(), meta_.service(), chunks_, cluster_,
                 nodes_,         [] { return true; }};
  cluster_.node(2).faults.is_down = true;
  const ChunkLayout layout = put("key", kSize, 12);
  cluster_.heal();
  cluster_.advance(10s);
  TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
  tasks.spawn(repairer_.run());
  tasks.spawn(other.run());
  const auto is_as_named = [&] {
    const ChunkLayout now = layout_of(layout);
    for (std::uint8_t role = 0; role < now.places.size(); ++role) {
      const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{role}};
      const auto info = run(cluster_.node(now.places[role].node).store->stat(key, soon()));
      if (!info || info->stamp.write_id != now.places[role].write_id) return false;
    }
    return pending() == 0;
  };
  for (int i = 0; i < 300 && !(i > 50 && is_as_named()); ++i) {
    cluster_.advance(200ms);
    cluster_.settle();
  }
  EXPECT_TRUE(is_as_named());
  repairer_.stop();
  other.stop();
  (void)run(tasks.join());
  expect_reads_without_any_one(layout, kSize, 12);
}

}  // namespace
}  // namespace predastore::repair
