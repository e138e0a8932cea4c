#include "repair/object_names.h"

#include <gtest/gtest.h>

#include "chunk/testing/test_cluster.h"
#include "meta/testing/test_meta.h"

namespace predastore::repair {
namespace {

using chunk::testing::TestCluster;

// Real metadata commands; the objects lie inline, for names have nothing to do with shards.
class ObjectNamesTest : public ::testing::Test {
 protected:
  ObjectNamesTest() {
    run(meta_.open());
    for (const char* name : {"alpha", "beta", "gamma"}) make_bucket(name);
  }

  template <class T>
  T run(Task<T> task) {
    return cluster_.run(std::move(task));
  }
  void run(Task<void> task) { cluster_.run(std::move(task)); }
  Instant soon() { return cluster_.in(600s); }
  meta::MetaService& meta() { return meta_.service(); }

  void make_bucket(const std::string& name) {
    BucketRecord bucket;
    bucket.name = name;
    bucket.rs = {2, 1};
    ASSERT_TRUE(run(meta().create_bucket(bucket, soon())));
  }
  ObjectId put(const std::string& bucket, const std::string& key) {
    const auto context = run(meta().write_context(bucket, soon())).value();
    meta::PutObject command;
    command.bucket = bucket;
    command.key = key;
    command.record.incarnation = context.bucket.incarnation;
    command.write_epoch = context.write_epoch;
    ObjectPart part;
    cluster_.random().fill(part.object_id.bytes);
    const ObjectId id = part.object_id;
    command.record.parts.push_back(std::move(part));
    const auto stored = run(meta().put_object(std::move(command), soon()));
    EXPECT_TRUE(stored) << stored.error().to_string();
    return id;
  }
  std::map<ObjectId, ObjectName> find(std::set<ObjectId> ids) {
    return run(names_.find(std::move(ids), soon()));
  }

  TestCluster cluster_{3};
  meta::TestMeta meta_{cluster_.env(), {}};
  ObjectNames names_{cluster_.env(), meta()};
};

TEST_F(ObjectNamesTest, are_found_in_all_buckets_and_none_is_made_up) {
  const ObjectId first = put("alpha", "a/1");
  put("alpha", "a/2");
  const ObjectId last = put("gamma", "z");
  ObjectId nobody = first;
  nobody.bytes[0] ^= std::byte{1};
  const std::map<ObjectId, ObjectName> expected{{first, {"alpha", "a/1"}}, {last, {"gamma", "z"}}};
  EXPECT_EQ(find({first, last, nobody}), expected);
  EXPECT_TRUE(find({}).empty());
}

// The search goes on where the last one ended, and comes around to what lies before that.
TEST_F(ObjectNamesTest, that_lie_before_the_place_of_the_last_search_are_found) {
  const ObjectId early = put("beta", "a");
  const ObjectId late = put("beta", "b");
  EXPECT_EQ(find({late}).size(), 1u);
  EXPECT_EQ(find({early}).size(), 1u);
  const ObjectId earliest = put("alpha", "new");
  EXPECT_EQ(find({earliest}).at(earliest), (ObjectName{"alpha", "new"}));
}

TEST_F(ObjectNamesTest, are_told_as_they_are_now) {
  const ObjectId id = put("alpha", "before");
  EXPECT_EQ(find({id}).at(id).key, "before");
  put("alpha", "before");  // replaced: its bytes are nobody's
  EXPECT_TRUE(find({id}).empty());
}

TEST_F(ObjectNamesTest, are_not_looked_for_when_no_time_is_left) {
  const ObjectId id = put("alpha", "a");
  EXPECT_TRUE(run(names_.find({id}, cluster_.in(0s))).empty());
  EXPECT_EQ(find({id}).size(), 1u);
}

}  // namespace
}  // namespace predastore::repair
