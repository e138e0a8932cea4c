#include <gmock/gmock.h>

#include "meta/state/applier.h"
#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

class MetaChunks : public MetaTest {
 protected:
  std::vector<RepairItem> queue() { return run(service().repair_queue(100, soon())).value(); }
  std::vector<GarbageItem> garbage() { return run(service().garbage_queue(100, soon())).value(); }
  Result<void> done(std::uint64_t id) {
    std::vector<std::uint64_t> ids{id};
    return run(service().garbage_done(std::move(ids), soon()));
  }
  Result<void> swap(const ChunkLayout& layout) {
    SwapLayout command;
    command.layout = layout;
    command.write_epoch = context().write_epoch;
    return run(service().swap_layout(command, soon()));
  }
  Result<void> report(const ChunkLayout& layout, std::uint8_t role) {
    std::vector<ShardKey> shards{{layout.object_id, layout.chunk_index, ShardRole{role}}};
    return run(service().report_damage(std::move(shards), soon()));
  }
  // Stores an object whose first chunk lacks role 1.
  ChunkLayout put_degraded(const std::string& key) {
    PutObject command = objects_.put("b", key, 2500, context());
    command.layouts[0].places[1].is_missing = true;
    EXPECT_TRUE(run(service().put_object(std::move(command), soon())).has_value());
    return get(key)->layouts[0];
  }
  std::size_t layout_count() { return run(service().layouts_after({}, 100, soon()))->size(); }
};

TEST_F(MetaChunks, what_a_put_could_not_place_is_in_the_repair_queue) {
  const ChunkLayout degraded = put_degraded("k");
  ASSERT_EQ(queue().size(), 1U);
  EXPECT_EQ(queue()[0].layout, degraded);
  EXPECT_TRUE(queue()[0].damaged.empty());
  EXPECT_EQ(cluster().repair_pending, 1U);
}

TEST_F(MetaChunks, a_swap_that_makes_a_chunk_whole_takes_it_out_of_the_queue) {
  ChunkLayout layout = put_degraded("k");
  layout.generation = next(layout.generation);
  layout.places[1].is_missing = false;
  layout.places[1].write_id = WriteId{77};
  ASSERT_TRUE(swap(layout).has_value());
  EXPECT_TRUE(queue().empty());
  EXPECT_EQ(cluster().repair_pending, 0U);
  EXPECT_EQ(get("k")->layouts[0], layout);
  EXPECT_EQ(run(service().get_layout(layout.object_id, layout.chunk_index, soon())).value(),
            layout);
}

TEST_F(MetaChunks, a_swap_compares_the_generation) {
  ChunkLayout layout = put_degraded("k");
  EXPECT_EQ(code_of(swap(layout)), ErrorCode::Conflict);
  layout.generation = next(layout.generation);
  ASSERT_TRUE(swap(layout).has_value());
  EXPECT_EQ(code_of(swap(layout)), ErrorCode::Conflict);
  EXPECT_EQ(get("k")->layouts[0].generation, Generation{2});
}

TEST_F(MetaChunks, a_swap_cannot_change_what_the_chunk_is) {
  ChunkLayout layout = put_degraded("k");
  layout.generation = next(layout.generation);
  const auto refuse = [&](auto change) {
    ChunkLayout changed = layout;
    change(changed);
    EXPECT_EQ(code_of(swap(changed)), ErrorCode::InvalidArgument);
  };
  refuse([](ChunkLayout& l) { l.size_bytes = 7; });
  refuse([](ChunkLayout& l) { l.crc64nvme ^= 1; });
  refuse([](ChunkLayout& l) { l.placement_hash ^= 1; });
  refuse([](ChunkLayout& l) { l.rs = {1, 2}; });
  refuse([](ChunkLayout& l) { l.places.pop_back(); });
  ChunkLayout other = layout;
  other.ring_epoch = RingEpoch{9};
  EXPECT_EQ(code_of(swap(other)), ErrorCode::StaleEpoch);
}

TEST_F(MetaChunks, damage_is_queued_once_and_by_role) {
  ASSERT_TRUE(put("k").has_value());
  const ChunkLayout layout = get("k")->layouts[1];
  ASSERT_TRUE(report(layout, 2).has_value());
  ASSERT_TRUE(report(layout, 0).has_value());
  ASSERT_TRUE(report(layout, 2).has_value());
  ASSERT_EQ(queue().size(), 1U);
  EXPECT_THAT(queue()[0].damaged, ::testing::ElementsAre(ShardRole{0}, ShardRole{2}));
  EXPECT_FALSE(queue()[0].layout.places[2].is_missing);
  ASSERT_TRUE(report(layout, 9).has_value());  // no such role: nothing to repair
  EXPECT_THAT(queue()[0].damaged, ::testing::SizeIs(2));
}

TEST_F(MetaChunks, the_queue_is_read_on_from_any_item) {
  for (const char* key : {"a", "b", "c"}) put_degraded(key);
  const auto all = queue();
  ASSERT_EQ(all.size(), 3U);
  const std::string first = chunk_key(all[0].layout.object_id, all[0].layout.chunk_index);
  const auto rest = run(service().repair_queue_after(first, 100, soon())).value();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0].layout, all[1].layout);
}

TEST_F(MetaChunks, what_a_put_replaces_becomes_garbage_and_waits) {
  put_degraded("k");
  const auto before = get("k")->layouts;
  ASSERT_TRUE(put("k").has_value());
  EXPECT_EQ(cluster().garbage_pending, 1U);
  EXPECT_TRUE(queue().empty());  // nobody repairs garbage
  EXPECT_TRUE(garbage().empty());
  run(meta_->advance());
  EXPECT_TRUE(garbage().empty());
  run(meta_->advance());
  ASSERT_EQ(garbage().size(), 1U);
  EXPECT_EQ(garbage()[0].layouts, before);
  EXPECT_EQ(layout_count(), 3U);  // those of garbage are not shown to repair
  ASSERT_TRUE(report(before[0], 0).has_value());
  EXPECT_TRUE(queue().empty());
  ChunkLayout swapped = before[0];
  swapped.generation = next(swapped.generation);
  EXPECT_EQ(code_of(swap(swapped)), ErrorCode::NotFound);
  ASSERT_TRUE(done(garbage()[0].id).has_value());
  EXPECT_TRUE(garbage().empty());
  EXPECT_EQ(cluster().garbage_pending, 0U);
  EXPECT_TRUE(get("k").has_value());
}

TEST_F(MetaChunks, a_refused_put_leaves_no_garbage) {
  ASSERT_TRUE(put("k").has_value());
  Precondition absent;
  absent.if_none_match_any = true;
  EXPECT_FALSE(put("k", 2500, absent).has_value());
  EXPECT_EQ(cluster().garbage_pending, 0U);
  EXPECT_EQ(layout_count(), 3U);
}

TEST_F(MetaChunks, a_shard_that_moved_leaves_its_old_copy_as_garbage_of_its_generation) {
  ASSERT_TRUE(put("k").has_value());
  const ChunkLayout before = get("k")->layouts[0];
  ChunkLayout after = before;
  after.generation = next(after.generation);
  after.places[2].node = NodeId{42};
  after.places[0].write_id = WriteId{5};  // written again where it was: replaced there
  ASSERT_TRUE(swap(after).has_value());
  run(meta_->advance(2));
  const auto items = garbage();
  ASSERT_EQ(items.size(), 1U);
  ASSERT_EQ(items[0].layouts.size(), 1U);
  const ChunkLayout& left = items[0].layouts[0];
  EXPECT_EQ(left.generation, before.generation);
  EXPECT_EQ(left.places[2], before.places[2]);
  EXPECT_FALSE(left.places[0].is_stored);
  EXPECT_FALSE(left.places[1].is_stored);
  ASSERT_TRUE(done(items[0].id).has_value());
  EXPECT_EQ(get("k")->layouts[0].places, after.places);  // the chunk itself stays
}

TEST_F(MetaChunks, a_large_entry_comes_in_steps_and_a_repeated_done_takes_no_more) {
  TestObjects tiny{1};
  constexpr std::uint64_t kSize = kGarbageStep + 10;
  ASSERT_TRUE(run(service().put_object(tiny.put("b", "k", kSize, context()), soon())).has_value());
  ASSERT_TRUE(erase("k").has_value());
  run(meta_->advance(2));
  const auto first = garbage();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].layouts.size(), kGarbageStep);
  ASSERT_TRUE(done(first[0].id).has_value());
  ASSERT_TRUE(done(first[0].id).has_value());
  const auto second = garbage();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].layouts.size(), 10U);
  ASSERT_TRUE(done(second[0].id).has_value());
  EXPECT_EQ(cluster().garbage_pending, 0U);
}

TEST_F(MetaChunks, layouts_are_paged_by_chunk_key) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(put(key).has_value());
  std::vector<ChunkLayout> all;
  std::string after;
  for (;;) {
    const auto page = run(service().layouts_after(after, 2, soon())).value();
    if (page.empty()) break;
    all.insert(all.end(), page.begin(), page.end());
    after = chunk_key(page.back().object_id, page.back().chunk_index);
  }
  EXPECT_EQ(all.size(), 9U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair{a.object_id, a.chunk_index} < std::pair{b.object_id, b.chunk_index};
  }));
}

}  // namespace
}  // namespace predastore::meta
