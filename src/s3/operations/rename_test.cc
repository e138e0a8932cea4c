#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

class RenameTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    make_bucket();
    ASSERT_EQ(
        send("PUT", "/bucket/old",
             {{"Content-Type", "text/x"}, {"x-amz-meta-a", "b"}, {"x-amz-tagging", "t=1"}}, "bytes")
            .status,
        200u);
  }
  std::string rename(const std::string& key, const std::string& source,
                     http::Headers headers = {}) {
    headers.add("x-amz-rename-source", source);
    return code("PUT", "/bucket/" + key + "?renameObject", std::move(headers));
  }
};

TEST_F(RenameTest, an_object_keeps_all_but_its_name) {
  const Answer before = send("GET", "/bucket/old");
  EXPECT_EQ(rename("new", "old"), "200 ");
  const Answer after = send("GET", "/bucket/new");
  EXPECT_EQ(after.body, "bytes");
  for (const char* name : {"etag", "last-modified", "content-type", "x-amz-meta-a",
                           "x-amz-tagging-count", "content-length"})
    EXPECT_EQ(after.header(name), before.header(name)) << name;
  EXPECT_EQ(code("GET", "/bucket/old"), "404 NoSuchKey");
}

TEST_F(RenameTest, the_source_is_a_key_with_or_without_a_slash_before_it) {
  EXPECT_EQ(rename("a%20b", "/old"), "200 ");
  EXPECT_EQ(rename("%2Fslash", "a%20b"), "200 ");
  EXPECT_EQ(rename("plus", "%2Fslash"), "200 ");  // that slash is the key's
  EXPECT_EQ(send("GET", "/bucket/plus").body, "bytes");
}

TEST_F(RenameTest, what_cannot_be_renamed_is_refused) {
  EXPECT_EQ(rename("new", "missing"), "404 NoSuchKey");
  EXPECT_EQ(rename("new", ""), "400 InvalidArgument");
  EXPECT_EQ(rename("new", "%zz"), "400 InvalidArgument");
  EXPECT_EQ(rename("new/", "old"), "400 InvalidRequest");
  EXPECT_EQ(rename("new", "old/"), "400 InvalidRequest");
  EXPECT_EQ(code("PUT", "/bucket/new?renameObject"), "400 InvalidArgument");
  EXPECT_EQ(code("PUT", "/missing/new?renameObject", {{"x-amz-rename-source", "old"}}),
            "404 NoSuchBucket");
  EXPECT_EQ(rename("new", "old", {{"x-amz-client-token", std::string(65, 'x')}}),
            "400 InvalidArgument");
  EXPECT_EQ(send("GET", "/bucket/old").body, "bytes");
}

TEST_F(RenameTest, conditions_of_source_and_target_are_kept) {
  const std::string etag = send("HEAD", "/bucket/old").header("etag");
  put("/bucket/new", "other");
  EXPECT_EQ(rename("new", "old", {{"If-None-Match", "*"}}), "412 PreconditionFailed");
  EXPECT_EQ(rename("new", "old", {{"If-Match", etag}}), "412 PreconditionFailed");
  EXPECT_EQ(rename("absent", "old", {{"If-Match", "*"}}), "404 NoSuchKey");
  EXPECT_EQ(rename("new", "old", {{"x-amz-rename-source-if-match", "\"x\""}}),
            "412 PreconditionFailed");
  EXPECT_EQ(rename("new", "old", {{"x-amz-rename-source-if-none-match", "*"}}),
            "412 PreconditionFailed");
  EXPECT_EQ(rename("new", "old",
                   {{"x-amz-rename-source-if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"}}),
            "412 PreconditionFailed");
  EXPECT_EQ(rename("new", "old",
                   {{"x-amz-rename-source-if-unmodified-since", "Thu, 01 Jan 2015 00:00:00 GMT"}}),
            "412 PreconditionFailed");
  EXPECT_EQ(send("GET", "/bucket/old").body, "bytes");
  EXPECT_EQ(send("GET", "/bucket/new").body, "other");
  EXPECT_EQ(rename("new", "old", {{"x-amz-rename-source-if-match", etag}}), "200 ");
  EXPECT_EQ(send("GET", "/bucket/new").body, "bytes");
}

TEST_F(RenameTest, a_client_token_makes_a_repeat_harmless) {
  const http::Headers token{{"x-amz-client-token", "of-one-request"}};
  EXPECT_EQ(rename("new", "old", token), "200 ");
  EXPECT_EQ(rename("new", "old", token), "200 ");
  EXPECT_EQ(rename("newer", "new", token), "400 IdempotencyParameterMismatch");
  EXPECT_EQ(send("GET", "/bucket/new").body, "bytes");
}

}  // namespace
}  // namespace predastore::s3
