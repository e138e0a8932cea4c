#include "s3/complete_plan.h"
#include "s3/copy_body.h"
#include "s3/copy_source.h"
#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

class CopiesTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    make_bucket();
    make_bucket("second");
    // Several windows of the copy.
    for (int i = 0; i < 3'000'000; ++i) large_.push_back(static_cast<char>(i * 31 >> 7));
    ASSERT_EQ(
        send("PUT", "/bucket/source", {{"Content-Type", "text/x"}, {"x-amz-meta-a", "b"}}, large_)
            .status,
        200u);
  }
  Answer copy(const std::string& target, const std::string& source, http::Headers headers = {}) {
    headers.add("x-amz-copy-source", source);
    return send("PUT", target, std::move(headers));
  }
  std::string large_;
};

std::string parsed(std::string_view header) {
  const auto source = parse_copy_source(header);
  return source ? source->bucket + "|" + source->key : std::string(source.error().name());
}

TEST(CopySource, is_a_bucket_and_a_key_of_any_bytes) {
  EXPECT_EQ(parsed("bucket/key"), "bucket|key");
  EXPECT_EQ(parsed("/bucket/a/b"), "bucket|a/b");
  EXPECT_EQ(parsed("/bucket//a"), "bucket|/a");
  EXPECT_EQ(parsed("bucket%2Fa%20b+c%3F"), "bucket|a b+c?");
  EXPECT_EQ(parsed("bucket/key?versionId=null"), "bucket|key");
  EXPECT_EQ(parsed("bucket/key?versionId=1"), "NotImplemented");
  EXPECT_EQ(parsed("bucket/../other/key"), "bucket|../other/key");
  EXPECT_EQ(parsed("arn:aws:s3:::ap/object/key"), "NotImplemented");
  for (const char* bad : {"", "/", "bucket", "/bucket", "bucket/", "//key", "%zz/key"})
    EXPECT_EQ(parsed(bad), "InvalidArgument") << bad;
  EXPECT_EQ(parsed("../key"), "InvalidBucketName");
}

TEST(CopySource, gives_the_copy_a_checksum_of_its_own_where_it_must) {
  const ObjectChecksum full{ChecksumAlgorithm::crc32, ChecksumType::full_object, "1234"};
  const ObjectChecksum composite{ChecksumAlgorithm::crc32, ChecksumType::composite, "1234"};
  EXPECT_EQ(checksum_of_copy(full, ChecksumAlgorithm::none).kept, full);
  EXPECT_EQ(checksum_of_copy(full, ChecksumAlgorithm::sha256).computed, ChecksumAlgorithm::sha256);
  EXPECT_EQ(checksum_of_copy(composite, ChecksumAlgorithm::none).computed,
            ChecksumAlgorithm::crc32);
  EXPECT_EQ(checksum_of_copy({}, ChecksumAlgorithm::crc64nvme).computed, ChecksumAlgorithm::none);
}

TEST_F(CopiesTest, have_the_bytes_and_headers_of_the_source) {
  const Answer made = copy("/second/copy", "/bucket/source");
  ASSERT_EQ(made.status, 200u) << made.body;
  const Answer source = send("HEAD", "/bucket/source");
  EXPECT_EQ(made.at("ETag"), source.header("etag"));
  EXPECT_FALSE(made.at("LastModified").empty());
  EXPECT_FALSE(made.at("ChecksumCRC64NVME").empty());
  const Answer got = send("GET", "/second/copy");
  EXPECT_EQ(got.body, large_);
  EXPECT_EQ(got.header("content-type"), "text/x");
  EXPECT_EQ(got.header("x-amz-meta-a"), "b");
}

TEST_F(CopiesTest, have_headers_of_their_own_when_asked) {
  EXPECT_EQ(copy("/bucket/source", "/bucket/source").code(), "InvalidRequest");
  const Answer made = copy("/bucket/source", "/bucket/source",
                           {{"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-c", "d"}});
  EXPECT_EQ(made.status, 200u) << made.body;
  const Answer got = send("GET", "/bucket/source");
  EXPECT_EQ(got.body, large_);
  EXPECT_EQ(got.header("x-amz-meta-a"), "");
  EXPECT_EQ(got.header("x-amz-meta-c"), "d");
  EXPECT_EQ(got.header("content-type"), "binary/octet-stream");
  EXPECT_EQ(copy("/bucket/copy", "/bucket/source", {{"x-amz-metadata-directive", "MERGE"}}).code(),
            "InvalidArgument");
}

TEST_F(CopiesTest, are_made_under_conditions_of_both_sides) {
  const std::string etag = send("HEAD", "/bucket/source").header("etag");
  const auto copied = [&](http::Headers headers) {
    const Answer answer = copy("/bucket/copy", "/bucket/source", std::move(headers));
    return answer.status == 200 ? "made" : answer.code();
  };
  EXPECT_EQ(copied({{"x-amz-copy-source-if-match", "\"x\""}}), "PreconditionFailed");
  EXPECT_EQ(copied({{"x-amz-copy-source-if-none-match", etag}}), "PreconditionFailed");
  EXPECT_EQ(copied({{"x-amz-copy-source-if-match", etag}}), "made");
  EXPECT_EQ(copied({{"If-None-Match", "*"}}), "PreconditionFailed");
  EXPECT_EQ(copied({{"If-Match", etag}}), "made");
}

TEST_F(CopiesTest, of_what_is_missing_or_cannot_be_read_are_not_made) {
  EXPECT_EQ(copy("/bucket/copy", "/bucket/missing").code(), "NoSuchKey");
  EXPECT_EQ(copy("/bucket/copy", "/bucket/missing").at("Key"), "missing");
  EXPECT_EQ(copy("/bucket/copy", "/missing/source").code(), "NoSuchBucket");
  EXPECT_EQ(copy("/bucket/copy", "/missing/source").at("BucketName"), "missing");
  EXPECT_EQ(copy("/missing/copy", "/bucket/source").code(), "NoSuchBucket");
  objects_->unreadable_from = 2'000'000;
  EXPECT_EQ(copy("/bucket/copy", "/bucket/source").status, 500u);
  objects_->unreadable_from = ~std::uint64_t{0};
  objects_->refuse_writes = Error{ErrorCode::Unavailable, "queue"};
  EXPECT_EQ(copy("/bucket/copy", "/bucket/source").code(), "SlowDown");
  EXPECT_EQ(send("HEAD", "/bucket/copy").status, 404u);
}

TEST_F(CopiesTest, get_the_checksum_that_is_asked_for) {
  const Answer made =
      copy("/bucket/copy", "/bucket/source", {{"x-amz-checksum-algorithm", "SHA256"}});
  EXPECT_EQ(made.at("ChecksumSHA256"), to_base64(as_bytes(digest::sha256(large_))));
}

TEST_F(CopiesTest, may_be_parts_of_an_upload) {
  const std::string upload =
      encode_uri(send("POST", "/second/whole?uploads").at("UploadId"), false);
  const auto part = [&](int number, http::Headers headers) {
    return copy("/second/whole?partNumber=" + std::to_string(number) + "&uploadId=" + upload,
                "/bucket/source", std::move(headers));
  };
  const Answer first = part(1, {{"x-amz-copy-source-range", "bytes=1000000-2999999"}});
  ASSERT_EQ(first.status, 200u) << first.body;
  EXPECT_EQ(
      first.at("ETag"),
      "\"" + to_hex(as_bytes(digest::md5(std::string_view(large_).substr(1'000'000)))) + "\"");
  EXPECT_EQ(part(2, {{"x-amz-copy-source-range", "bytes=0-3000000"}}).code(), "InvalidArgument");
  EXPECT_EQ(part(0, {}).code(), "InvalidArgument");
  EXPECT_EQ(part(2, {{"x-amz-copy-source-if-match", "\"x\""}}).code(), "PreconditionFailed");
  const std::string document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" +
                               first.at("ETag") + "</ETag></Part></CompleteMultipartUpload>";
  EXPECT_EQ(send("POST", "/second/whole?uploadId=" + upload, {}, document).status, 200u);
  EXPECT_EQ(send("GET", "/second/whole").body, large_.substr(1'000'000));
}

}  // namespace
}  // namespace predastore::s3
