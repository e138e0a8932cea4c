#include <gmock/gmock.h>

#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

class MetaUploads : public MetaTest {
 protected:
  MetaUploads() {
    TestMetaOptions options;
    options.limits.part_size_min_bytes = 1000;
    start(options);
  }
  UploadRecord create(const std::string& key) {
    UploadRecord upload;
    upload.bucket = "b";
    upload.key = key;
    upload.headers["content-type"] = "text/plain";
    upload.user_metadata["colour"] = "blue";
    return run(service().create_upload(upload, soon())).value();
  }
  ObjectPart send(const UploadRecord& upload, std::uint16_t number, std::uint64_t size_bytes) {
    PutPart command = objects_.put_part(upload, number, size_bytes, context());
    const ObjectPart part = command.part;
    EXPECT_TRUE(run(service().put_part(std::move(command), soon())).has_value());
    return part;
  }
  static CompleteUpload complete_of(const UploadRecord& upload,
                                    const std::vector<ObjectPart>& parts) {
    CompleteUpload command;
    command.bucket = upload.bucket;
    command.key = upload.key;
    command.upload_id = upload.upload_id;
    command.incarnation = upload.incarnation;
    for (const ObjectPart& part : parts)
      command.parts.push_back({part.part_number, to_hex(as_bytes(part.etag_md5))});
    return command;
  }
  Result<ObjectRecord> complete(const UploadRecord& upload, const std::vector<ObjectPart>& parts,
                                Precondition precondition = {}) {
    CompleteUpload command = complete_of(upload, parts);
    command.precondition = std::move(precondition);
    return run(service().complete_upload(std::move(command), soon()));
  }
  std::vector<GarbageItem> garbage() {
    run(meta_->advance(2));
    return run(service().garbage_queue(100, soon())).value();
  }
};

TEST_F(MetaUploads, a_bucket_goes_with_its_uploads_and_their_space_comes_back) {
  const UploadRecord first = create("k");
  const UploadRecord second = create("l");
  send(first, 1, 2000);
  send(first, 2, 700);
  send(second, 1, 1500);
  ASSERT_TRUE(run(service().delete_bucket("b", soon())).has_value());
  EXPECT_EQ(code_of(run(service().get_upload("b", "k", first.upload_id, soon()))),
            ErrorCode::NotFound);
  make_bucket("b");  // another one: nothing of the old shows
  ListUploadsQuery query;
  query.bucket = "b";
  EXPECT_TRUE(run(service().list_uploads(query, soon()))->uploads.empty());
  EXPECT_EQ(code_of(complete(first, {})), ErrorCode::NotFound);
  std::size_t chunks = 0;
  for (const GarbageItem& item : garbage()) chunks += item.layouts.size();
  EXPECT_EQ(chunks, 0U);  // they were released by the tick just now
  for (const GarbageItem& item : garbage()) chunks += item.layouts.size();
  EXPECT_EQ(chunks, 5U);
  EXPECT_TRUE(run(service().layouts_after({}, 10, soon()))->empty());
}

TEST_F(MetaUploads, complete_makes_the_object_of_the_parts_without_moving_them) {
  const UploadRecord upload = create("k");
  const ObjectPart second = send(upload, 2, 1500);
  const ObjectPart first = send(upload, 1, 2000);
  const ObjectRecord made = complete(upload, {first, second}).value();
  EXPECT_EQ(made.etag, to_hex(as_bytes(digest::md5(first.etag_md5 + second.etag_md5))) + "-2");
  EXPECT_EQ(made.size_bytes, 3500U);
  const ObjectAndLayouts stored = get("k").value();
  EXPECT_THAT(stored.record.parts, ::testing::ElementsAre(first, second));
  EXPECT_EQ(stored.record.headers.at("content-type"), "text/plain");
  EXPECT_EQ(stored.record.user_metadata.at("colour"), "blue");
  ASSERT_EQ(stored.layouts.size(), 4U);
  EXPECT_EQ(stored.layouts[2].chunk_index, ChunkIndex{2U << 16});
  // A range over the border of two parts.
  const auto border = get("k", 1999, 2000).value();
  ASSERT_EQ(border.layouts.size(), 2U);
  EXPECT_EQ(border.layouts[0], stored.layouts[1]);
  EXPECT_EQ(border.layouts[1], stored.layouts[2]);
  EXPECT_TRUE(garbage().empty());
  EXPECT_EQ(code_of(run(service().get_upload("b", "k", upload.upload_id, soon()))),
            ErrorCode::NotFound);
}

TEST_F(MetaUploads, a_repeated_complete_gets_the_same_answer) {
  const UploadRecord upload = create("k");
  const std::vector<ObjectPart> parts{send(upload, 1, 2000), send(upload, 2, 10)};
  const ObjectRecord first = complete(upload, parts).value();
  EXPECT_EQ(complete(upload, parts).value(), first);
  ASSERT_TRUE(put("k").has_value());  // the key is another object's by now
  EXPECT_EQ(complete(upload, parts).value(), first);
  EXPECT_NE(get("k")->record.etag, first.etag);
  EXPECT_EQ(code_of(complete(upload, {parts[0]})), ErrorCode::NotFound);
}

TEST_F(MetaUploads, what_complete_names_must_be_what_is_stored) {
  const UploadRecord upload = create("k");
  const ObjectPart small = send(upload, 1, 999);
  const ObjectPart large = send(upload, 2, 1000);
  EXPECT_EQ(complete(upload, {large, small}).error().detail, "part order");
  EXPECT_EQ(complete(upload, {large, large}).error().detail, "part order");
  EXPECT_EQ(complete(upload, {small, large}).error().detail, "part too small");
  EXPECT_EQ(code_of(complete(upload, {})), ErrorCode::InvalidArgument);
  ObjectPart wrong = large;
  wrong.etag_md5[0] ^= 1;
  EXPECT_EQ(complete(upload, {wrong}).error().detail, "part");
  ObjectPart absent = large;
  absent.part_number = PartNumber{3};
  EXPECT_EQ(complete(upload, {large, absent}).error().detail, "part");
  EXPECT_FALSE(get("k").has_value());
  EXPECT_TRUE(complete(upload, {large}).has_value());
}

TEST_F(MetaUploads, a_failed_precondition_leaves_the_upload_as_it_was) {
  ASSERT_TRUE(put("k").has_value());
  const UploadRecord upload = create("k");
  const ObjectPart part = send(upload, 1, 10);
  Precondition absent;
  absent.if_none_match_any = true;
  EXPECT_EQ(code_of(complete(upload, {part}, absent)), ErrorCode::Conflict);
  ASSERT_TRUE(erase("k").has_value());
  EXPECT_TRUE(complete(upload, {part}, absent).has_value());
}

TEST_F(MetaUploads, parts_that_are_not_named_become_garbage) {
  const UploadRecord upload = create("k");
  const ObjectPart named = send(upload, 1, 1000);
  const ObjectPart left = send(upload, 2, 1000);
  ASSERT_TRUE(complete(upload, {named}).has_value());
  const auto items = garbage();
  ASSERT_EQ(items.size(), 1U);
  ASSERT_EQ(items[0].layouts.size(), 1U);
  EXPECT_EQ(items[0].layouts[0].object_id, left.object_id);
}

TEST_F(MetaUploads, a_part_sent_again_replaces_the_first) {
  const UploadRecord upload = create("k");
  const ObjectPart first = send(upload, 1, 1000);
  const ObjectPart second = send(upload, 1, 2000);
  const auto parts = run(service().list_parts("b", "k", upload.upload_id, 0, 10, soon())).value();
  ASSERT_EQ(parts.parts.size(), 1U);
  EXPECT_EQ(parts.parts[0].part, second);
  const auto items = garbage();
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].layouts[0].object_id, first.object_id);
  EXPECT_EQ(code_of(complete(upload, {first})), ErrorCode::NotFound);
  EXPECT_TRUE(complete(upload, {second}).has_value());
}

TEST_F(MetaUploads, abort_releases_all_parts_at_once) {
  const UploadRecord upload = create("k");
  send(upload, 1, 1000);
  send(upload, 2, 1000);
  ASSERT_TRUE(run(service().abort_upload("b", "k", upload.upload_id, soon())).has_value());
  EXPECT_EQ(code_of(run(service().abort_upload("b", "k", upload.upload_id, soon()))),
            ErrorCode::NotFound);
  const auto items = garbage();
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].layouts.size(), 2U);
  EXPECT_FALSE(
      run(service().put_part(objects_.put_part(upload, 3, 10, context()), soon())).has_value());
}

TEST_F(MetaUploads, parts_are_listed_in_pages) {
  const UploadRecord upload = create("k");
  const std::vector<std::uint16_t> numbers{10000, 7, 256, 1};
  for (const std::uint16_t number : numbers) send(upload, number, 10);
  const auto first = run(service().list_parts("b", "k", upload.upload_id, 0, 3, soon())).value();
  EXPECT_TRUE(first.is_truncated);
  EXPECT_EQ(first.upload, upload);
  ASSERT_EQ(first.parts.size(), 3U);
  EXPECT_EQ(first.parts[2].part.part_number, PartNumber{256});
  const auto rest = run(service().list_parts("b", "k", upload.upload_id, 256, 3, soon())).value();
  EXPECT_FALSE(rest.is_truncated);
  ASSERT_EQ(rest.parts.size(), 1U);
  EXPECT_EQ(rest.parts[0].part.part_number, PartNumber{10000});
  EXPECT_EQ(
      code_of(run(service().put_part(objects_.put_part(upload, 10001, 10, context()), soon()))),
      ErrorCode::InvalidArgument);
}

TEST_F(MetaUploads, uploads_are_listed_by_key_and_then_by_age) {
  std::vector<UploadRecord> made;
  for (const char* key : {"a", "d/x", "d/y", "z", "a"}) made.push_back(create(key));
  ListUploadsQuery query;
  query.bucket = "b";
  query.delimiter = "/";
  query.max_entries = 2;
  std::vector<std::string> seen;
  for (;;) {
    const auto page = run(service().list_uploads(query, soon())).value();
    for (const std::string& prefix : page.common_prefixes) seen.push_back(prefix);
    for (const UploadRecord& upload : page.uploads) seen.push_back(upload.upload_id);
    if (!page.is_truncated) break;
    query.key_marker = page.next_key_marker;
    query.upload_id_marker = page.next_upload_id_marker;
  }
  std::vector<std::string> of_a{made[0].upload_id, made[4].upload_id};
  std::sort(of_a.begin(), of_a.end());
  EXPECT_THAT(seen, ::testing::ElementsAre(of_a[0], of_a[1], "d/", made[3].upload_id));
}

}  // namespace
}  // namespace predastore::meta
