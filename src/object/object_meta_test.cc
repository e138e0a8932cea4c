#include <gtest/gtest.h>

#include "base/text.h"
#include "meta/testing/test_meta.h"
#include "object/testing/test_store.h"

// The object store over the real commands and state machine of metadata.
namespace predastore::object {
namespace {

using chunk::testing::bytes_of;
using testing::TextBody;
using testing::TextSink;

class ObjectMeta : public ::testing::Test {
 protected:
  ObjectMeta()
      : cluster_(4),
        meta_(cluster_.env(), options()),
        chunks_(cluster_.env(), cluster_, chunk::ChunkOptions{}),
        store_(cluster_.env(), meta_.service(), chunks_, testing::TestStore::small()) {
    cluster_.run(meta_.open());
    BucketRecord bucket;
    bucket.name = "bucket";
    bucket.rs = {2, 1};
    const auto made = cluster_.run(meta_.service().create_bucket(bucket, cluster_.in(10s)));
    PREDA_ASSERT(made.has_value());
  }
  void TearDown() override {
    cluster_.run(store_.stop());
    cluster_.run(chunks_.stop());
  }
  static meta::TestMetaOptions options() {
    meta::TestMetaOptions made;
    made.node_count = 4;
    return made;
  }
  Result<ObjectRecord> put(const std::string& bytes, bool only_if_new = false) {
    TextBody body{bytes};
    PutRequest request;
    request.bucket = "bucket";
    request.key = "key";
    request.precondition.if_none_match_any = only_if_new;
    request.body = &body;
    return cluster_.run(store_.put(std::move(request)));
  }
  std::string get() {
    auto reader = cluster_.run(store_.get("bucket", "key"));
    if (!reader) return reader.error().to_string();
    const std::uint64_t size = (*reader)->record().size_bytes;
    TextSink sink;
    if (size == 0) return {};
    auto sent = cluster_.run((*reader)->send({0, size - 1}, sink));
    return sent ? sink.text : sent.error().to_string();
  }
  std::vector<ChunkLayout> layouts() {
    return cluster_.run(meta_.service().layouts_after("", 1000, cluster_.in(10s))).value();
  }

  chunk::testing::TestCluster cluster_;
  meta::TestMeta meta_;
  chunk::ChunkService chunks_;
  ChunkedObjectStore store_;
};

TEST_F(ObjectMeta, objects_of_all_sizes_go_through_the_state_machine_and_back) {
  for (const std::size_t size : {0UL, 1UL, 65'537UL, 327'680UL, 2'000'000UL}) {
    const std::string bytes = bytes_of(size, size);
    const auto record = put(bytes);
    ASSERT_TRUE(record.has_value()) << record.error().to_string();
    EXPECT_TRUE(get() == bytes);
    for (std::uint64_t down = 1; down <= 4; ++down) {
      cluster_.node(down).faults.is_down = true;
      EXPECT_TRUE(get() == bytes);
      cluster_.heal();
    }
  }
}

TEST_F(ObjectMeta, substitutes_and_missing_roles_are_kept_in_the_layouts) {
  cluster_.node(2).faults.is_down = true;
  const std::string bytes = bytes_of(2'000'000, 1);
  ASSERT_TRUE(put(bytes));
  for (const ChunkLayout& layout : layouts()) {
    for (const ShardPlace& place : layout.places) {
      EXPECT_FALSE(place.is_missing);
      EXPECT_NE(place.node, NodeId{2});
    }
  }
  EXPECT_TRUE(get() == bytes);
  cluster_.node(3).faults.is_down = true;
  const std::string two_down = bytes_of(2'000'000, 2);
  ASSERT_TRUE(put(two_down));
  for (const ChunkLayout& layout : layouts()) {
    for (const ShardPlace& place : layout.places)
      EXPECT_NE(place.is_missing, place.write_id.value() != 0);
  }
  EXPECT_TRUE(get() == two_down);
  EXPECT_GT(cluster_.run(meta_.service().cluster_state(cluster_.in(1s)))->repair_pending, 0U);
  cluster_.heal();
  cluster_.run(sleep_for(cluster_.clock(), 10s));
  cluster_.node(4).faults.dies_after = 4;
  const std::string other = bytes_of(2'000'000, 3);
  ASSERT_TRUE(put(other));
  EXPECT_TRUE(get() == other);
}

TEST_F(ObjectMeta, a_precondition_is_decided_by_metadata) {
  ASSERT_TRUE(put("first", true));
  EXPECT_EQ(put("second", true).error().code, ErrorCode::Conflict);
  EXPECT_EQ(get(), "first");
  ASSERT_TRUE(put("third"));
  EXPECT_EQ(get(), "third");
}

TEST_F(ObjectMeta, an_answer_that_is_lost_leaves_the_object_whole) {
  meta_.replica().lose_answers = 1;
  const std::string bytes = bytes_of(700'000, 1);
  (void)put(bytes);  // a success if the session could ask again, else an unknown outcome
  EXPECT_TRUE(get() == bytes);
}

TEST_F(ObjectMeta, a_multipart_object_is_read_as_one) {
  meta::UploadRecord upload;
  upload.bucket = "bucket";
  upload.key = "key";
  upload = cluster_.run(meta_.service().create_upload(upload, cluster_.in(10s))).value();
  meta::CompleteUpload complete;
  complete.bucket = "bucket";
  complete.key = "key";
  complete.upload_id = upload.upload_id;
  complete.incarnation = upload.incarnation;
  std::string all;
  for (const std::uint16_t number : {std::uint16_t{1}, std::uint16_t{7}}) {
    const std::string bytes = bytes_of(5 * 1024 * 1024 + number, number);
    TextBody body{bytes};
    PutPartRequest request{"bucket", "key", upload.upload_id, PartNumber{number}, &body};
    const auto part = cluster_.run(store_.put_part(std::move(request)));
    ASSERT_TRUE(part.has_value()) << part.error().to_string();
    complete.parts.push_back({PartNumber{number}, to_hex(as_bytes(part->part.etag_md5))});
    all += bytes;
  }
  const auto done = cluster_.run(meta_.service().complete_upload(complete, cluster_.in(10s)));
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  cluster_.node(1).faults.is_down = true;
  EXPECT_TRUE(get() == all);
}

}  // namespace
}  // namespace predastore::object
