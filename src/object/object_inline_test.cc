#include <gtest/gtest.h>

#include "base/text.h"
#include "digest/hash.h"
#include "object/testing/test_store.h"

namespace predastore::object {
namespace {

using chunk::testing::bytes_of;
using testing::TestStore;
using testing::TextBody;
using testing::TextSink;

TEST(ObjectInline, small_ones_go_with_the_metadata_and_others_into_chunks) {
  TestStore test{3};
  test.meta.inline_max_bytes = 4096;
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 100'000}) {
    const std::string bytes = bytes_of(size, size);
    const std::size_t layouts_before = test.meta.layouts.size();
    const auto record = test.put("key", bytes);
    ASSERT_TRUE(record.has_value()) << record.error().to_string();
    EXPECT_EQ(record->etag, to_hex(as_bytes(digest::md5(bytes))));
    EXPECT_EQ(record->parts.front().is_inline(), size > 0 && size <= 4096) << size;
    EXPECT_EQ(test.meta.layouts.size() > layouts_before, size > 4096) << size;
    ASSERT_TRUE(test.text("key") == bytes) << size;
  }
}

TEST(ObjectInline, a_body_whose_size_is_not_announced_goes_inline_too) {
  TestStore test{3};
  test.meta.inline_max_bytes = 4096;
  TextBody body{bytes_of(3000, 1)};
  body.is_announced = false;
  PutRequest request;
  request.bucket = "bucket";
  request.key = "key";
  request.body = &body;
  const auto record = test.cluster.run(test.store.put(std::move(request)));
  ASSERT_TRUE(record.has_value());
  EXPECT_TRUE(record->parts.front().is_inline());
  EXPECT_TRUE(test.text("key") == bytes_of(3000, 1));
}

TEST(ObjectInline, a_body_that_breaks_off_leaves_nothing) {
  TestStore test{3};
  test.meta.inline_max_bytes = 4096;
  TextBody body{bytes_of(3000, 1)};
  body.breaks_at = 2000;
  PutRequest request;
  request.bucket = "bucket";
  request.key = "key";
  request.body = &body;
  EXPECT_FALSE(test.cluster.run(test.store.put(std::move(request))).has_value());
  EXPECT_TRUE(test.meta.objects.empty());
}

TEST(ObjectInline, a_range_is_cut_from_bytes_that_were_verified) {
  TestStore test{3};
  test.meta.inline_max_bytes = 4096;
  const std::string bytes = bytes_of(3000, 1);
  ASSERT_TRUE(test.put("key", bytes).has_value());
  auto reader = test.cluster.run(test.store.get("bucket", "key"));
  ASSERT_TRUE(reader.has_value());
  TextSink sink;
  ASSERT_TRUE(test.cluster.run((*reader)->send({100, 199}, sink)).has_value());
  EXPECT_TRUE(sink.text == bytes.substr(100, 100));
  test.meta.inline_bytes["key"][2999] ^= 1;
  reader = test.cluster.run(test.store.get("bucket", "key"));
  ASSERT_TRUE(reader.has_value());
  TextSink other;
  const auto sent = test.cluster.run((*reader)->send({100, 199}, other));
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::Corruption);
  EXPECT_TRUE(other.text.empty());
}

}  // namespace
}  // namespace predastore::object
