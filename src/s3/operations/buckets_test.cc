#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

class BucketsTest : public GatewayTest {};

std::string located(const std::string& region) {
  return "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
         "<LocationConstraint>" +
         region + "</LocationConstraint></CreateBucketConfiguration>";
}

TEST_F(BucketsTest, are_made_found_listed_and_removed) {
  const Answer made = send("PUT", "/bucket");
  EXPECT_EQ(made.status, 200u);
  EXPECT_EQ(made.header("location"), "/bucket");
  EXPECT_EQ(send("HEAD", "/bucket").status, 200u);
  EXPECT_EQ(send("HEAD", "/bucket").header("x-amz-bucket-region"), "us-east-1");
  make_bucket("another");
  const Answer list = send("GET", "/");
  EXPECT_EQ(list.all("Buckets", "Bucket/Name"), std::vector<std::string>{"another"});
  EXPECT_NE(list.body.find("<Name>bucket</Name>"), std::string::npos);
  EXPECT_EQ(send("DELETE", "/bucket").status, 204u);
  EXPECT_EQ(send("HEAD", "/bucket").status, 404u);
  EXPECT_EQ(code("DELETE", "/bucket"), "404 NoSuchBucket");
}

TEST_F(BucketsTest, made_again_are_an_error_but_in_the_oldest_region) {
  make_bucket();
  put("/bucket/key", "kept");
  EXPECT_EQ(send("PUT", "/bucket").status, 200u);
  EXPECT_EQ(send("GET", "/bucket/key").body, "kept");
  GatewayOptions options;
  options.region = "eu-test-1";
  restart(std::move(options));
  EXPECT_EQ(code("PUT", "/bucket"), "409 BucketAlreadyOwnedByYou");
}

TEST_F(BucketsTest, are_in_the_region_of_the_cluster) {
  EXPECT_EQ(code("PUT", "/bucket", {}, located("eu-1")), "400 InvalidLocationConstraint");
  EXPECT_EQ(send("PUT", "/bucket", {}, located("us-east-1")).status, 200u);
  EXPECT_EQ(send("GET", "/bucket?location").body.find("us-east-1"), std::string::npos);
  GatewayOptions options;
  options.region = "eu-test-1";
  restart(std::move(options));
  EXPECT_EQ(code("PUT", "/second", {}, located("eu-1")), "400 IllegalLocationConstraintException");
  EXPECT_EQ(send("PUT", "/second", {}, located("eu-test-1")).status, 200u);
  EXPECT_NE(send("GET", "/second?location").body.find(">eu-test-1</LocationConstraint>"),
            std::string::npos);
  EXPECT_EQ(code("GET", "/missing?location"), "404 NoSuchBucket");
}

TEST_F(BucketsTest, with_names_or_settings_that_we_cannot_give_are_refused) {
  EXPECT_EQ(code("PUT", "/Bucket"), "400 InvalidBucketName");
  EXPECT_EQ(code("PUT", "/192.168.1.1"), "400 InvalidBucketName");
  EXPECT_EQ(code("PUT", "/bucket", {{"x-amz-bucket-object-lock-enabled", "true"}}),
            "501 NotImplemented");
  EXPECT_EQ(code("PUT", "/bucket", {{"x-amz-acl", "public-read"}}),
            "400 AccessControlListNotSupported");
  EXPECT_EQ(code("PUT", "/bucket", {}, "<junk"), "400 MalformedXML");
  EXPECT_EQ(send("HEAD", "/bucket").status, 404u);
}

TEST_F(BucketsTest, that_hold_objects_stay_and_uploads_do_not_keep_them) {
  make_bucket();
  put("/bucket/key", "body");
  EXPECT_EQ(code("DELETE", "/bucket"), "409 BucketNotEmpty");
  EXPECT_EQ(send("DELETE", "/bucket/key").status, 204u);
  const Answer upload = send("POST", "/bucket/key?uploads");
  ASSERT_EQ(upload.status, 200u);
  EXPECT_EQ(send("DELETE", "/bucket").status, 204u);
  make_bucket();
  EXPECT_EQ(code("DELETE", "/bucket/key?uploadId=" + upload.at("UploadId")), "404 NoSuchUpload");
}

TEST_F(BucketsTest, list_in_pages) {
  for (const char* name : {"aaa", "bbb", "bcc", "ccc"}) make_bucket(name);
  const Answer first = send("GET", "/?max-buckets=1&prefix=b");
  EXPECT_EQ(first.at("Buckets/Bucket/Name"), "bbb");
  const std::string token = first.at("ContinuationToken");
  ASSERT_FALSE(token.empty());
  const Answer second =
      send("GET", "/?continuation-token=" + encode_uri(token, false) + "&max-buckets=1&prefix=b");
  EXPECT_EQ(second.at("Buckets/Bucket/Name"), "bcc");
  EXPECT_EQ(second.at("ContinuationToken"), "");
}

TEST_F(BucketsTest, of_another_region_are_told_to_whoever_signs_for_it) {
  key_.region = "eu-other-1";
  const Answer answer = send("GET", "/bucket");
  EXPECT_EQ(answer.status, 400u);
  EXPECT_EQ(answer.code(), "AuthorizationHeaderMalformed");
  EXPECT_EQ(answer.at("Region"), "us-east-1");
  EXPECT_EQ(answer.header("x-amz-bucket-region"), "us-east-1");
}

}  // namespace
}  // namespace predastore::s3
