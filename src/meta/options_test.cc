#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

class Options : public MetaTest {
 protected:
  Result<BucketRecord> set(const std::string& bucket, std::optional<Compression> compression) {
    BucketOptions options;
    options.bucket = bucket;
    options.compression = compression;
    return run(service().set_bucket_options(options, soon()));
  }
  Result<void> set_cluster(ClusterOptions options) {
    return run(service().set_cluster_options(options, soon()));
  }
  Result<void> report(const std::vector<DriveMark>& marks, NodeId node = NodeId{1}) {
    return run(service().report_drives(node, marks, soon()));
  }
  std::vector<DriveMark> marks(NodeId node = NodeId{1}) {
    return run(service().drive_marks(node, soon())).value();
  }
  static DriveMark mark(std::uint8_t drive, std::uint64_t sequence, bool is_reconciled = false) {
    DriveMark made;
    made.drive.bytes[0] = static_cast<std::byte>(drive);
    made.sequence = sequence;
    made.is_reconciled = is_reconciled;
    return made;
  }
};

TEST_F(Options, writes_go_by_what_the_bucket_says_and_else_by_what_the_cluster_says) {
  EXPECT_EQ(context().compression, Compression::none);
  ClusterOptions cluster_wide;
  cluster_wide.compression = Compression::lz4;
  ASSERT_TRUE(set_cluster(cluster_wide));
  EXPECT_EQ(context().compression, Compression::lz4);
  EXPECT_EQ(cluster().compression, Compression::lz4);
  EXPECT_EQ(set("b", Compression::zstd)->compression, Compression::zstd);
  EXPECT_EQ(context().compression, Compression::zstd);
  EXPECT_EQ(set("b", Compression::none)->compression, Compression::none);
  EXPECT_EQ(context().compression, Compression::none);
  EXPECT_EQ(set("b", Compression::by_default)->compression, Compression::by_default);
  EXPECT_EQ(context().compression, Compression::lz4);
}

TEST_F(Options, what_is_not_given_stays) {
  const BucketRecord before = run(service().get_bucket("b", soon())).value();
  ASSERT_TRUE(set("b", Compression::snappy));
  const BucketRecord same = set("b", std::nullopt).value();
  EXPECT_EQ(same.compression, Compression::snappy);
  EXPECT_EQ(same.rs, before.rs);
  EXPECT_EQ(same.incarnation, before.incarnation);
  ClusterOptions off;
  off.is_sweep_off = true;
  ASSERT_TRUE(set_cluster(off));
  ClusterOptions paused;
  paused.is_heal_paused = true;
  ASSERT_TRUE(set_cluster(paused));
  EXPECT_TRUE(cluster().is_sweep_off);
  EXPECT_TRUE(cluster().is_heal_paused);
}

TEST_F(Options, refusals) {
  EXPECT_EQ(code_of(set("none", Compression::lz4)), ErrorCode::NotFound);
  EXPECT_EQ(code_of(set("b", static_cast<Compression>(9))), ErrorCode::InvalidArgument);
  ClusterOptions wrong;
  wrong.compression = Compression::by_default;
  EXPECT_EQ(code_of(set_cluster(wrong)), ErrorCode::InvalidArgument);
}

TEST_F(Options, a_mark_of_a_drive_never_goes_back_unless_the_drive_was_reconciled) {
  EXPECT_TRUE(marks().empty());
  ASSERT_TRUE(report({mark(1, 50), mark(2, 7)}));
  ASSERT_TRUE(report({mark(1, 20)}));
  ASSERT_EQ(marks().size(), 2U);
  EXPECT_EQ(marks()[0].sequence, 50U);
  EXPECT_EQ(marks()[1].sequence, 7U);
  ASSERT_TRUE(report({mark(1, 20, true)}));
  EXPECT_EQ(marks()[0].sequence, 20U);
  EXPECT_TRUE(marks(NodeId{2}).empty());
}

TEST_F(Options, marks_of_drives_that_are_gone_are_bounded) {
  for (std::uint8_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(report({mark(i, 1)}));
    run(meta_->advance());
  }
  const auto left = marks();
  ASSERT_EQ(left.size(), kDrivesMax);
  EXPECT_EQ(left.front().drive.bytes[0], std::byte{200 - kDrivesMax});
}

TEST_F(Options, many_layouts_at_one_read_point) {
  std::vector<std::string> keys;
  for (const char* name : {"k1", "k2", "k3"}) {
    ASSERT_TRUE(put(name));
    const ChunkLayout layout = get(name)->layouts.front();
    keys.push_back(chunk_key(layout.object_id, layout.chunk_index));
  }
  keys.emplace_back(chunk_key(ObjectId{}, ChunkIndex{}));
  ASSERT_TRUE(erase("k3"));  // its garbage still names them
  auto named = run(service().layouts_of(keys, soon())).value();
  EXPECT_EQ(named.layouts.size(), 3U);
  EXPECT_EQ(named.write_epoch, cluster().write_epoch);
  EXPECT_EQ(named.write_epochs, Limits{}.write_epochs);
  EXPECT_FALSE(named.is_sweep_off);
  run(meta_->advance(2));
  const auto garbage = run(service().garbage_queue(10, soon())).value();
  ASSERT_EQ(garbage.size(), 1U);
  const std::vector<std::uint64_t> ids{garbage.front().id};
  ASSERT_TRUE(run(service().garbage_done(ids, soon())));
  named = run(service().layouts_of(keys, soon())).value();
  EXPECT_EQ(named.layouts.size(), 2U);
  keys.resize(kLayoutsOfMax + 1);
  EXPECT_EQ(code_of(run(service().layouts_of(keys, soon()))), ErrorCode::InvalidArgument);
}

TEST_F(Options, layouts_that_name_a_node_come_in_pages_to_the_end) {
  TestMetaOptions five;
  five.node_count = 5;
  start(five);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put("k" + std::to_string(i)));
  const auto before = run(service().layouts_after({}, 1000, soon())).value();
  for (std::size_t i = 0; i < before.size(); i += 3) {  // some move to a node that nothing named
    SwapLayout swap;
    swap.layout = before[i];
    swap.layout.generation = next(swap.layout.generation);
    swap.write_epoch = cluster().write_epoch;
    for (ShardPlace& place : swap.layout.places) {
      if (place.node == NodeId{2}) place.node = NodeId{5};
    }
    ASSERT_TRUE(run(service().swap_layout(swap, soon())));
  }
  const auto all = run(service().layouts_after({}, 1000, soon())).value();
  std::vector<ChunkLayout> expected;
  for (const ChunkLayout& layout : all) {
    for (const ShardPlace& place : layout.places) {
      if (place.node != NodeId{2}) continue;
      expected.push_back(layout);
      break;
    }
  }
  ASSERT_LT(expected.size(), all.size());
  std::vector<ChunkLayout> found;
  std::string after;
  std::size_t pages = 0;
  do {
    auto page = run(service().layouts_on(NodeId{2}, after, 3, soon())).value();
    EXPECT_LE(page.layouts.size(), 3U);
    for (ChunkLayout& layout : page.layouts) found.push_back(std::move(layout));
    after = page.next_after;
    ++pages;
  } while (!after.empty());
  EXPECT_EQ(found, expected);
  EXPECT_EQ(pages, (all.size() + 2) / 3);
}

}  // namespace
}  // namespace predastore::meta
