// Sweep and reconcile on real shard stores and real metadata commands.
#include <gtest/gtest.h>

#include "chunk/testing/test_cluster.h"
#include "meta/testing/test_meta.h"
#include "repair/reconciler.h"
#include "repair/repairer.h"
#include "repair/sweeper.h"
#include "repair/testing/test_heal_nodes.h"

namespace predastore::repair {
namespace {

using chunk::testing::bytes_of;
using chunk::testing::joined;
using chunk::testing::TestCluster;

class StoreShards final : public OwnShards {
 public:
  explicit StoreShards(shard::ShardStore& store) : store_(store) {}
  Task<Result<std::vector<shard::ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                        std::size_t count_max) override {
    if (before_inventory) before_inventory();
    auto page = co_await store_.inventory(after, count_max);
    if (after_inventory) after_inventory();
    co_return page;
  }
  Task<Result<void>> remove(std::vector<shard::ShardRemoval> removals, Instant deadline) override {
    return store_.remove(std::move(removals), deadline);
  }
  bool is_whole() const override { return is_every_drive_there; }
  bool is_every_drive_there = true;
  std::function<void()> before_inventory;
  std::function<void()> after_inventory;

 private:
  shard::ShardStore& store_;
};

constexpr std::uint64_t kG = 5;
constexpr std::size_t kSize = 300'000;

meta::TestMetaOptions short_epochs() {
  meta::TestMetaOptions options;
  options.limits.write_epochs = kG;
  return options;
}

class UpkeepTest : public ::testing::Test {
 public:
  UpkeepTest() {
    nodes_.repairer = &repairer_;
    cluster_.run(meta_.open());
    BucketRecord bucket;
    bucket.name = "b";
    bucket.rs = {2, 1};
    EXPECT_TRUE(run(meta().create_bucket(bucket, soon())));
  }
  ~UpkeepTest() override { cluster_.run(chunks_.stop()); }

  template <class T>
  T run(Task<T> task) {
    return cluster_.run(std::move(task));
  }
  Instant soon() { return cluster_.in(60s); }
  meta::MetaService& meta() { return meta_.service(); }
  void pass_epochs(std::size_t count) { cluster_.run(meta_.advance(count)); }

  // Durable shards that nothing names yet, and the command that would name them.
  meta::PutObject upload(const std::string& key, std::uint64_t seed) {
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
        run(chunk::testing::write_chunk(chunks_, std::move(target), bytes_of(kSize, seed)));
    EXPECT_TRUE(layout) << layout.error().to_string();
    meta::PutObject command;
    command.bucket = "b";
    command.key = key;
    command.record.etag = std::string(32, 'a');
    command.record.size_bytes = kSize;
    command.record.incarnation = context.bucket.incarnation;
    ObjectPart part;
    part.object_id = id;
    part.size_bytes = kSize;
    part.chunk_size_bytes = kChunkSizeBytes;
    part.etag_md5 = std::string(16, 'a');
    command.record.parts.push_back(part);
    command.layouts = {*layout};
    command.write_epoch = context.write_epoch;
    return command;
  }
  Result<ObjectRecord> commit(meta::PutObject command) {
    return run(meta().put_object(std::move(command), soon()));
  }
  ChunkLayout put(const std::string& key, std::uint64_t seed) {
    meta::PutObject command = upload(key, seed);
    const ChunkLayout layout = command.layouts.front();
    EXPECT_TRUE(commit(std::move(command)));
    return layout;
  }
  Result<std::string> read(const ChunkLayout& layout) {
    auto now = run(meta().get_layout(layout.object_id, layout.chunk_index, soon()));
    if (!now) return now.error();
    auto bytes = run(chunks_.read(*now, 0, kSize, soon()));
    if (!bytes) return bytes.error();
    return joined(*bytes);
  }
  std::size_t stored() {
    std::size_t count = 0;
    for (std::uint64_t id = 1; id <= 3; ++id) count += cluster_.shard_count(NodeId{id});
    return count;
  }
  Sweeper sweeper(std::uint64_t node, OwnShards& shards, std::size_t page_size = 2) {
    SweepOptions options;
    options.self = NodeId{node};
    options.page_size = page_size;
    options.shards_per_second = 0;
    return {cluster_.env(), options, meta(), shards};
  }
  std::size_t sweep_all() {
    std::size_t removed = 0;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      StoreShards shards{*cluster_.node(id).store};
      Sweeper one = sweeper(id, shards);
      const auto swept = run(one.sweep_once());
      EXPECT_TRUE(swept) << swept.error().to_string();
      removed += swept ? *swept : 0;
    }
    return removed;
  }
  Reconciler reconciler(std::uint64_t node, OwnShards& shards) {
    ReconcileOptions options;
    options.self = NodeId{node};
    options.page_size = 3;
    options.chunks_per_second = 0;
    return {cluster_.env(), options, meta(), shards};
  }
  std::uint64_t pending() { return run(meta().cluster_state(soon())).value().repair_pending; }
  void lose(const ChunkLayout& layout, std::uint8_t role) {
    const std::vector<shard::ShardRemoval> removals{
        {{layout.object_id, layout.chunk_index, ShardRole{role}}, Generation{100}, WriteId{}}};
    ASSERT_TRUE(run(cluster_.node(layout.places[role].node).store->remove(removals, soon())));
  }

  TestCluster cluster_{3};
  meta::TestMeta meta_{cluster_.env(), short_epochs()};
  chunk::ChunkService chunks_{cluster_.env(), cluster_, chunk::ChunkOptions{}};
  testing::TestHealNodes nodes_{cluster_};
  Repairer repairer_{cluster_.env(), testing::unlimited(), meta_.service(), chunks_, cluster_,
                     nodes_,         [] { return true; }};
};

TEST_F(UpkeepTest, orphans_go_when_no_commit_can_name_them_any_more_and_not_before) {
  const ChunkLayout kept = put("kept", 1);
  (void)upload("interrupted", 2);
  ASSERT_EQ(stored(), 6U);
  for (std::uint64_t epoch = 0; epoch < kG; ++epoch) {
    EXPECT_EQ(sweep_all(), 0U) << epoch;
    pass_epochs(1);
  }
  EXPECT_EQ(sweep_all(), 3U);
  EXPECT_EQ(stored(), 3U);
  EXPECT_EQ(sweep_all(), 0U);
  EXPECT_EQ(read(kept).value(), bytes_of(kSize, 1));
}

TEST_F(UpkeepTest, an_upload_that_may_still_commit_is_never_swept_at_its_last_moment) {
  meta::PutObject slow = upload("slow", 3);
  const ChunkLayout layout = slow.layouts.front();
  pass_epochs(kG - 1);
  EXPECT_EQ(sweep_all(), 0U);
  ASSERT_TRUE(commit(std::move(slow)));
  EXPECT_EQ(read(layout).value(), bytes_of(kSize, 3));
  meta::PutObject late = upload("late", 4);
  pass_epochs(kG);
  EXPECT_EQ(sweep_all(), 3U);
  EXPECT_EQ(commit(std::move(late)).error().code, ErrorCode::StaleEpoch);
}

// The rule turned off: without the age, an upload that is about to commit loses its shards.
TEST_F(UpkeepTest, without_the_age_a_sweep_would_take_what_a_commit_still_names) {
  meta::PutObject slow = upload("slow", 3);
  const ChunkLayout layout = slow.layouts.front();
  for (std::uint8_t role = 0; role < 3; ++role) lose(layout, role);  // unnamed, and young
  ASSERT_TRUE(commit(std::move(slow)));
  EXPECT_EQ(read(layout).error().code, ErrorCode::NotFound);
}

// What is decided by an old read would delete shards that were named meanwhile.
TEST_F(UpkeepTest, a_commit_between_the_look_at_the_drive_and_the_read_is_seen) {
  meta::PutObject slow = upload("slow", 5);
  const ChunkLayout layout = slow.layouts.front();
  const NodeId node = layout.places[0].node;
  pass_epochs(kG - 1);
  StoreShards shards{*cluster_.node(node).store};
  std::optional<meta::PutObject> command{std::move(slow)};
  bool is_committed = false;
  shards.after_inventory = [&] {
    if (!command) return;
    // In the sweep's own task: the commit, and the epoch that would make the shards old enough.
    auto both = [](meta::ReplicatedMetaService& service, meta::PutObject put, Instant deadline,
                   bool* done) -> Task<void> {
      const auto stored = co_await service.put_object(std::move(put), deadline);
      const auto ticked = co_await service.advance_write_epoch(deadline);
      *done = stored.has_value() && ticked.has_value();
    };
    meta::PutObject put = *std::exchange(command, std::nullopt);
    boost::asio::co_spawn(cluster_.env().executor,
                          both(meta_.service(), std::move(put), soon(), &is_committed),
                          [](std::exception_ptr thrown) {
                            if (thrown) std::rethrow_exception(thrown);
                          });
  };
  Sweeper one = sweeper(node.value(), shards, 1000);
  (void)run(one.sweep_once());
  cluster_.settle();
  ASSERT_TRUE(is_committed);
  pass_epochs(kG);
  EXPECT_EQ(run(one.sweep_once()).value(), 0U);
  EXPECT_EQ(read(layout).value(), bytes_of(kSize, 5));
}

TEST_F(UpkeepTest, another_try_than_the_layout_names_goes_and_the_named_one_stays) {
  const ChunkLayout layout = put("k", 6);
  // A repair that died between its shard and its swap, of a role on another node.
  chunk::RebuildRequest request;
  request.layout = layout;
  request.incarnation = Incarnation{9};
  request.write_epoch = run(meta().cluster_state(soon())).value().write_epoch;
  request.targets = {{ShardRole{2}, layout.places[0].node}};
  ASSERT_TRUE(run(chunks_.rebuild(request, soon())));
  ASSERT_EQ(stored(), 4U);
  pass_epochs(kG);
  EXPECT_EQ(sweep_all(), 1U);
  EXPECT_EQ(read(layout).value(), bytes_of(kSize, 6));
}

TEST_F(UpkeepTest, garbage_is_named_until_its_queue_has_done_with_it) {
  (void)put("k", 7);
  const std::vector<std::string> keys{"k"};
  ASSERT_TRUE(run(meta().delete_objects("b", keys, {}, soon())));
  pass_epochs(kG);
  EXPECT_EQ(sweep_all(), 0U);
  EXPECT_EQ(run(repairer_.collect_once()).value(), 1U);
  EXPECT_EQ(stored(), 0U);
}

TEST_F(UpkeepTest, nothing_is_swept_while_the_sweep_is_off_or_the_metadata_cannot_be_read) {
  (void)upload("interrupted", 8);
  pass_epochs(kG);
  meta::ClusterOptions off;
  off.is_sweep_off = true;
  ASSERT_TRUE(run(meta().set_cluster_options(off, soon())));
  EXPECT_EQ(sweep_all(), 0U);
  EXPECT_EQ(stored(), 3U);
  off.is_sweep_off = false;
  ASSERT_TRUE(run(meta().set_cluster_options(off, soon())));
  EXPECT_EQ(sweep_all(), 3U);
}

// ---- reconcile

TEST_F(UpkeepTest, what_a_layout_names_and_the_drive_has_not_is_queued_and_rebuilt_without_a_read) {
  std::vector<ChunkLayout> layouts;
  for (std::uint64_t i = 0; i < 10; ++i) layouts.push_back(put("k" + std::to_string(i), i));
  std::size_t lost = 0;
  for (std::size_t i = 0; i < 10; i += 3) {
    for (std::uint8_t role = 0; role < 3; ++role) {
      if (layouts[i].places[role].node != NodeId{2}) continue;
      lose(layouts[i], role);
      ++lost;
    }
  }
  ASSERT_EQ(lost, 4U);
  EXPECT_EQ(pending(), 0U);
  StoreShards shards{*cluster_.node(2).store};
  Reconciler one = reconciler(2, shards);
  EXPECT_EQ(run(one.reconcile_once()).value(), lost);
  EXPECT_EQ(one.status().chunks_compared, 10U);
  EXPECT_EQ(one.status().shards_missing, lost);
  EXPECT_EQ(pending(), lost);
  EXPECT_EQ(run(repairer_.repair_once()).value(), lost);
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(run(one.reconcile_once()).value(), 0U);
  cluster_.node(1).faults.is_down = true;
  cluster_.advance(10s);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(read(layouts[i]).value(), bytes_of(kSize, i));
}

TEST_F(UpkeepTest, another_try_in_the_place_of_the_named_one_is_found) {
  const ChunkLayout layout = put("k", 6);
  chunk::RebuildRequest request;
  request.layout = layout;
  request.incarnation = Incarnation{9};
  request.write_epoch = run(meta().cluster_state(soon())).value().write_epoch;
  request.targets = {{ShardRole{0}, layout.places[0].node}};
  ASSERT_TRUE(run(chunks_.rebuild(request, soon())));
  StoreShards shards{*cluster_.node(layout.places[0].node).store};
  Reconciler one = reconciler(layout.places[0].node.value(), shards);
  EXPECT_EQ(run(one.reconcile_once()).value(), 1U);
  EXPECT_EQ(run(repairer_.repair_once()).value(), 1U);
  EXPECT_EQ(run(one.reconcile_once()).value(), 0U);
  EXPECT_EQ(read(layout).value(), bytes_of(kSize, 6));
}

// A page of the inventory may be old when it is compared.
TEST_F(UpkeepTest, a_repair_or_a_new_object_while_it_compares_is_no_loss) {
  std::vector<ChunkLayout> layouts;
  for (std::uint64_t i = 0; i < 4; ++i) layouts.push_back(put("k" + std::to_string(i), i));
  StoreShards shards{*cluster_.node(1).store};
  bool is_done = false;
  shards.after_inventory = [&] {
    if (is_done) return;
    is_done = true;
    auto rebuild = [](UpkeepTest* test, ChunkLayout layout) -> Task<void> {
      chunk::RebuildRequest request;
      request.layout = layout;
      request.incarnation = Incarnation{9};
      const auto state = co_await test->meta().cluster_state(test->soon());
      request.write_epoch = state->write_epoch;
      for (std::uint8_t role = 0; role < 3; ++role) {
        if (layout.places[role].node == NodeId{1}) request.targets = {{ShardRole{role}, NodeId{1}}};
      }
      auto rebuilt = co_await test->chunks_.rebuild(std::move(request), test->soon());
      meta::SwapLayout swap;
      swap.write_epoch = state->write_epoch;
      swap.layout = *rebuilt;
      const auto swapped = co_await test->meta().swap_layout(std::move(swap), test->soon());
      EXPECT_TRUE(swapped);
    };
    boost::asio::co_spawn(cluster_.env().executor, rebuild(this, layouts[2]),
                          [](std::exception_ptr thrown) {
                            if (thrown) std::rethrow_exception(thrown);
                          });
    cluster_.settle();
  };
  Reconciler one = reconciler(1, shards);
  EXPECT_EQ(run(one.reconcile_once()).value(), 0U);
  EXPECT_TRUE(is_done);
}

TEST_F(UpkeepTest, a_pass_that_cannot_end_says_so_and_is_not_counted) {
  (void)put("k", 1);
  class NoShards final : public OwnShards {
   public:
    Task<Result<std::vector<shard::ShardInfo>>> inventory(std::optional<ShardKey>,
                                                          std::size_t) override {
      co_return make_error(ErrorCode::Unavailable, "the drive is out of order");
    }
    Task<Result<void>> remove(std::vector<shard::ShardRemoval>, Instant) override {
      co_return make_error(ErrorCode::Unavailable, "the drive is out of order");
    }
    bool is_whole() const override { return true; }
  } none;
  Reconciler one = reconciler(1, none);
  EXPECT_FALSE(run(one.reconcile_once()));
  EXPECT_EQ(one.status().passes, 0U);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(UpkeepTest, while_a_drive_is_out_of_order_nothing_counts_as_missing) {
  (void)put("k", 1);
  StoreShards shards{*cluster_.node(1).store};
  shards.is_every_drive_there = false;
  Reconciler one = reconciler(1, shards);
  EXPECT_EQ(run(one.reconcile_once()).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(one.status().passes, 0U);
  shards.is_every_drive_there = true;
  EXPECT_EQ(run(one.reconcile_once()).value(), 0U);
  EXPECT_EQ(one.status().passes, 1U);
}

TEST(KeyBefore, is_the_key_just_before) {
  ShardKey key{ObjectId{}, ChunkIndex{0}, ShardRole{0}};
  EXPECT_FALSE(key_before(key));
  key.role = ShardRole{3};
  EXPECT_EQ(key_before(key)->role, ShardRole{2});
  key.role = ShardRole{0};
  key.chunk_index = ChunkIndex{5};
  EXPECT_EQ(key_before(key)->chunk_index, ChunkIndex{4});
  EXPECT_LT(*key_before(key), key);
  key.chunk_index = ChunkIndex{0};
  key.object_id.bytes[30] = std::byte{1};
  EXPECT_EQ(key_before(key)->object_id.bytes[30], std::byte{0});
  EXPECT_EQ(key_before(key)->object_id.bytes[31], std::byte{0xFF});
}

}  // namespace
}  // namespace predastore::repair
