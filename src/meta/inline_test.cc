#include <gmock/gmock.h>

#include "meta/testing/meta_fixture.h"
#include "model/limits.h"

namespace predastore::meta {
namespace {

// Small objects whose bytes lie with the metadata.
class MetaInline : public MetaTest {
 protected:
  MetaInline() {
    TestMetaOptions options;
    options.limits.inline_max_bytes = 4096;
    start(options);
  }
  PutObject command(const std::string& key, const std::string& bytes) {
    PutObject made = objects_.put("b", key, bytes.size(), context());
    made.record.parts.front().chunk_size_bytes = 0;
    made.layouts.clear();
    made.inline_bytes = bytes;
    return made;
  }
  Result<ObjectRecord> put_inline(const std::string& key, const std::string& bytes) {
    return run(service().put_object(command(key, bytes), soon()));
  }
  ErrorCode refused(PutObject command) {
    return code_of(run(service().put_object(std::move(command), soon())));
  }
};

TEST_F(MetaInline, the_bytes_come_with_the_record) {
  const ObjectRecord stored = put_inline("k", "hello").value();
  EXPECT_TRUE(stored.parts.front().is_inline());
  const ObjectAndLayouts found = get("k").value();
  EXPECT_EQ(found.record, stored);
  EXPECT_EQ(found.inline_bytes, "hello");
  EXPECT_TRUE(found.layouts.empty());
  EXPECT_EQ(get("k", 1, 0)->inline_bytes, "");  // nothing was asked for
  EXPECT_EQ(cluster().garbage_pending, 0U);
}

TEST_F(MetaInline, what_is_replaced_or_deleted_leaves_nothing) {
  ASSERT_TRUE(put_inline("k", "first"));
  ASSERT_TRUE(put_inline("k", "second"));
  EXPECT_EQ(get("k")->inline_bytes, "second");
  ASSERT_TRUE(put("k", 2500));  // in chunks
  EXPECT_EQ(get("k")->inline_bytes, "");
  EXPECT_EQ(get("k")->layouts.size(), 3U);
  ASSERT_TRUE(put_inline("k", "third"));
  EXPECT_EQ(cluster().garbage_pending, 1U);  // the chunks
  ASSERT_TRUE(erase("k"));
  EXPECT_EQ(cluster().garbage_pending, 1U);
  EXPECT_EQ(cluster().object_count, 0U);
  EXPECT_EQ(meta_->stored_count(kInline), 0U);
}

TEST_F(MetaInline, an_object_keeps_its_bytes_under_another_name) {
  ASSERT_TRUE(put_inline("old", "bytes"));
  ASSERT_TRUE(put_inline("new", "to be replaced"));
  RenameObject rename;
  rename.bucket = "b";
  rename.source = "old";
  rename.key = "new";
  ASSERT_TRUE(run(service().rename_object(rename, soon())));
  EXPECT_EQ(get("new")->inline_bytes, "bytes");
  EXPECT_EQ(meta_->stored_count(kInline), 1U);
}

TEST_F(MetaInline, bytes_that_are_not_those_of_the_object_are_refused) {
  PutObject shorter = command("k", "hello");
  shorter.inline_bytes = "hell";
  EXPECT_EQ(refused(shorter), ErrorCode::InvalidArgument);
  PutObject none = command("k", "hello");
  none.inline_bytes.clear();
  EXPECT_EQ(refused(none), ErrorCode::InvalidArgument);
  PutObject both = objects_.put("b", "k", 10, context());
  both.inline_bytes = "0123456789";
  EXPECT_EQ(refused(both), ErrorCode::InvalidArgument);
  EXPECT_EQ(refused(command("k", std::string(kInlineMaxBytes + 1, 'x'))),
            ErrorCode::InvalidArgument);
  PutObject first = command("k", "hello");
  ASSERT_TRUE(run(service().put_object(first, soon())));
  first.key = "other";  // the id of another object
  EXPECT_EQ(refused(first), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of(get("other")), ErrorCode::NotFound);
}

TEST_F(MetaInline, a_refused_precondition_stores_no_bytes) {
  ASSERT_TRUE(put_inline("k", "first"));
  PutObject second = command("k", "second");
  second.precondition.if_none_match_any = true;
  EXPECT_EQ(refused(second), ErrorCode::Conflict);
  EXPECT_EQ(get("k")->inline_bytes, "first");
  EXPECT_EQ(meta_->stored_count(kInline), 1U);
}

TEST_F(MetaInline, only_where_the_voters_bear_the_loss_of_as_many_nodes) {
  EXPECT_EQ(context().inline_max_bytes, 4096U);
  TestMetaOptions options;
  options.limits.inline_max_bytes = 4096;
  options.node_count = 5;
  start(options);
  const auto with_scheme = [&](RsConfig rs) {
    BucketOptions change;
    change.bucket = "b";
    change.rs = rs;
    EXPECT_TRUE(run(service().set_bucket_options(change, soon())));
    return context().inline_max_bytes;
  };
  EXPECT_EQ(with_scheme({3, 2}), 4096U);  // five voters bear two
  EXPECT_EQ(with_scheme({2, 3}), 0U);
}

TEST_F(MetaInline, the_limit_is_set_for_the_cluster) {
  ClusterOptions change;
  change.inline_max_bytes = 100;
  ASSERT_TRUE(run(service().set_cluster_options(change, soon())));
  EXPECT_EQ(context().inline_max_bytes, 100U);
  EXPECT_EQ(cluster().inline_max_bytes, 100U);
  change.inline_max_bytes = kInlineMaxBytes + 1;
  EXPECT_EQ(code_of(run(service().set_cluster_options(change, soon()))),
            ErrorCode::InvalidArgument);
  change.inline_max_bytes = 0;
  ASSERT_TRUE(run(service().set_cluster_options(change, soon())));
  EXPECT_EQ(context().inline_max_bytes, 0U);
}

// The record of who votes follows the group: what may lie with the metadata goes by those of now.
TEST_F(MetaInline, only_while_the_voters_of_now_bear_the_losses_of_the_scheme) {
  const auto voting = [&](std::uint64_t count) {
    raft::GroupStatus group;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      raft::MemberStatus each;
      each.member = {VoterId{id}, NodeId{id}, id <= count};
      group.members.push_back(each);
    }
    meta_->replica().members = group;
  };
  const auto await_limit = [&](std::uint32_t wanted) {
    const Instant until = host_.loop.clock().now() + 60s;
    while (context().inline_max_bytes != wanted && host_.loop.clock().now() < until)
      run(sleep_for(host_.loop.clock(), 20ms));
    return context().inline_max_bytes == wanted;
  };
  ASSERT_EQ(context().inline_max_bytes, 4096U);  // as the first configuration says
  TaskGroup duties{host_.loop.executor(), host_.loop.clock()};
  voting(1);
  duties.spawn(meta_->service().run());
  EXPECT_TRUE(await_limit(0));  // RS(2,1) may lose one node, a single voter none
  voting(3);
  EXPECT_TRUE(await_limit(4096));
  voting(2);
  EXPECT_TRUE(await_limit(0));
  run(meta_->service().stop());
  (void)run(duties.join());
}

}  // namespace
}  // namespace predastore::meta
