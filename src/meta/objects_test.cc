#include <gmock/gmock.h>

#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

class MetaObjects : public MetaTest {};

TEST_F(MetaObjects, what_was_put_is_read_with_the_layouts_of_the_range) {
  const ObjectRecord stored = put("k", 2500).value();
  EXPECT_GT(stored.last_modified_ms, 0);
  const ObjectAndLayouts whole = get("k").value();
  EXPECT_EQ(whole.record, stored);
  ASSERT_EQ(whole.layouts.size(), 3U);
  EXPECT_EQ(whole.layouts[2].size_bytes, 500U);
  EXPECT_EQ(get("k", 1000, 1999)->layouts, std::vector{whole.layouts[1]});
  EXPECT_EQ(get("k", 999, 1000)->layouts.size(), 2U);
  EXPECT_TRUE(get("k", 2500, kWhole)->layouts.empty());
  EXPECT_EQ(code_of(get("other")), ErrorCode::NotFound);
}

TEST_F(MetaObjects, an_object_without_bytes_has_no_layouts) {
  ASSERT_TRUE(put("empty", 0).has_value());
  EXPECT_TRUE(get("empty")->layouts.empty());
}

TEST_F(MetaObjects, preconditions_are_decided_on_the_state) {
  Precondition absent;
  absent.if_none_match_any = true;
  ASSERT_TRUE(put("k", 10, absent).has_value());
  EXPECT_EQ(code_of(put("k", 10, absent)), ErrorCode::Conflict);
  Precondition wrong;
  wrong.if_match = "no such etag";
  EXPECT_EQ(code_of(put("k", 10, wrong)), ErrorCode::Conflict);
  EXPECT_EQ(code_of(put("other", 10, wrong)), ErrorCode::NotFound);
  Precondition right;
  right.if_match = get("k")->record.etag;
  EXPECT_TRUE(put("k", 10, right).has_value());
  EXPECT_EQ(code_of(put("k", 10, right)), ErrorCode::Conflict);  // the etag is another now
  EXPECT_EQ(code_of(erase("k", right)), ErrorCode::Conflict);
  Precondition any;
  any.if_match = "*";
  EXPECT_TRUE(erase("k", any).has_value());
  EXPECT_EQ(cluster().object_count, 0U);
}

TEST_F(MetaObjects, last_modified_never_goes_back_for_a_key) {
  const ObjectRecord first = put("k").value();
  for (int i = 0; i < 3; ++i) EXPECT_GE(put("k")->last_modified_ms, first.last_modified_ms);
}

TEST_F(MetaObjects, a_commit_as_old_as_the_limit_is_refused) {
  TestMetaOptions options;
  options.limits.write_epochs = 3;
  start(options);
  const WriteContext old = context();
  run(meta_->advance(2));
  EXPECT_TRUE(run(service().put_object(objects_.put("b", "in time", 10, old), soon())).has_value());
  run(meta_->advance(1));
  EXPECT_EQ(code_of(run(service().put_object(objects_.put("b", "late", 10, old), soon()))),
            ErrorCode::StaleEpoch);
  WriteContext future = context();
  future.write_epoch = next(future.write_epoch);
  EXPECT_EQ(code_of(run(service().put_object(objects_.put("b", "early", 10, future), soon()))),
            ErrorCode::InvalidArgument);
}

TEST_F(MetaObjects, a_commit_for_an_earlier_life_of_the_bucket_is_refused) {
  const WriteContext old = context();
  ASSERT_TRUE(run(service().delete_bucket("b", soon())).has_value());
  make_bucket("b");
  const auto refused = run(service().put_object(objects_.put("b", "k", 10, old), soon()));
  EXPECT_EQ(code_of(refused), ErrorCode::NotFound);
  EXPECT_EQ(refused.error().detail, "bucket");
}

TEST_F(MetaObjects, layouts_that_do_not_fit_are_refused) {
  const WriteContext now = context();
  const auto refuse = [&](const char* what, auto change) {
    PutObject command = objects_.put("b", "k", 2500, now);
    change(command);
    EXPECT_FALSE(run(service().put_object(std::move(command), soon())).has_value()) << what;
  };
  refuse("a chunk is missing", [](PutObject& c) { c.layouts.pop_back(); });
  refuse("a chunk too many", [](PutObject& c) { c.layouts.push_back(c.layouts.back()); });
  refuse("order", [](PutObject& c) { std::swap(c.layouts[0], c.layouts[1]); });
  refuse("size", [](PutObject& c) { c.layouts[0].size_bytes = 999; });
  refuse("sum", [](PutObject& c) { c.record.size_bytes = 2501; });
  refuse("ring", [](PutObject& c) { c.layouts[0].ring_epoch = RingEpoch{2}; });
  refuse("generation", [](PutObject& c) { c.layouts[0].generation = Generation{2}; });
  refuse("write epoch", [](PutObject& c) { c.layouts[0].write_epoch = WriteEpoch{7}; });
  refuse("width", [](PutObject& c) { c.layouts[0].places.pop_back(); });
  refuse("quorum", [](PutObject& c) {
    c.layouts[0].places[0].is_missing = true;
    c.layouts[0].places[1].is_missing = true;
  });
  refuse("object of another", [&](PutObject& c) { c.layouts[0].object_id = objects_.next_id(); });
  EXPECT_EQ(cluster().object_count, 0U);
  EXPECT_TRUE(run(service().layouts_after({}, 10, soon()))->empty());  // nothing was changed
}

TEST_F(MetaObjects, an_object_id_is_owned_once) {
  PutObject command = objects_.put("b", "k", 100, context());
  PutObject again = command;
  again.key = "other";
  ASSERT_TRUE(run(service().put_object(std::move(command), soon())).has_value());
  EXPECT_EQ(code_of(run(service().put_object(std::move(again), soon()))),
            ErrorCode::InvalidArgument);
}

TEST_F(MetaObjects, one_command_deletes_many_and_the_missing_do_not_matter) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(put(key).has_value());
  std::vector<std::string> keys{"a", "x", "c"};
  ASSERT_TRUE(run(service().delete_objects("b", keys, {}, soon())).has_value());
  EXPECT_TRUE(get("b").has_value());
  EXPECT_FALSE(get("a").has_value());
  EXPECT_EQ(cluster().object_count, 1U);
}

TEST_F(MetaObjects, a_bucket_with_objects_is_not_deleted) {
  ASSERT_TRUE(put("k").has_value());
  EXPECT_EQ(code_of(run(service().delete_bucket("b", soon()))), ErrorCode::Conflict);
  ASSERT_TRUE(erase("k").has_value());
  EXPECT_TRUE(run(service().delete_bucket("b", soon())).has_value());
  EXPECT_EQ(code_of(run(service().get_bucket("b", soon()))), ErrorCode::NotFound);
}

TEST_F(MetaObjects, buckets_are_made_once_and_listed_in_order) {
  BucketRecord again;
  again.name = "b";
  again.rs = {0, 1};
  EXPECT_EQ(code_of(run(service().create_bucket(again, soon()))), ErrorCode::InvalidArgument);
  again.rs = {2, 1};
  EXPECT_EQ(code_of(run(service().create_bucket(again, soon()))), ErrorCode::AlreadyExists);
  make_bucket("a");
  const auto buckets = run(service().list_buckets(soon())).value();
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_EQ(buckets[0].name, "a");
  EXPECT_NE(buckets[0].incarnation, buckets[1].incarnation);
}

TEST_F(MetaObjects, settings_are_kept) {
  EXPECT_EQ(run(service().get_setting("s", soon())).value(), std::nullopt);
  ASSERT_TRUE(run(service().put_setting("s", "v", soon())).has_value());
  EXPECT_EQ(run(service().get_setting("s", soon())).value(), "v");
}

TEST_F(MetaObjects, the_cluster_is_what_the_bootstrap_says) {
  const ClusterState state = cluster();
  EXPECT_EQ(state.nodes.size(), 3U);
  EXPECT_EQ(state.ring.epoch, RingEpoch{1});
  ASSERT_EQ(state.ring.slots.size(), 3U);
  EXPECT_EQ(state.ring.slots[2].node, NodeId{3});
  EXPECT_EQ(state.write_epoch, WriteEpoch{1});
  EXPECT_EQ(run(service().ring(RingEpoch{1}, soon())).value(), state.ring);
  EXPECT_EQ(code_of(run(service().ring(RingEpoch{2}, soon()))), ErrorCode::NotFound);
}

TEST_F(MetaTest, tags_change_nothing_but_themselves) {
  const ObjectRecord before = *put("k");
  const ClusterState cluster_before = cluster();
  EXPECT_TRUE(run(service().set_tagging("b", "k", "a=1", soon())));
  ObjectAndLayouts found = *get("k");
  EXPECT_EQ(found.record.headers.at(kTaggingHeader), "a=1");
  found.record.headers.erase(kTaggingHeader);
  EXPECT_EQ(found.record, before);
  EXPECT_EQ(found.layouts.size(), 3u);
  EXPECT_TRUE(run(service().set_tagging("b", "k", "", soon())));
  EXPECT_EQ(get("k")->record, before);
  EXPECT_EQ(cluster().garbage_pending, cluster_before.garbage_pending);
  EXPECT_EQ(cluster().object_count, cluster_before.object_count);
  EXPECT_EQ(code_of(run(service().set_tagging("b", "missing", "a=1", soon()))),
            ErrorCode::NotFound);
  EXPECT_EQ(code_of(run(service().set_tagging("missing", "k", "a=1", soon()))),
            ErrorCode::NotFound);
}

}  // namespace
}  // namespace predastore::meta
