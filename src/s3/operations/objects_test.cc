#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

class ObjectsTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    make_bucket();
  }
};

std::string md5_base64(std::string_view text) { return to_base64(as_bytes(digest::md5(text))); }
std::string crc32_base64(std::string_view text) {
  Encoder value;
  value.be(digest::crc32(as_bytes(text)));
  return to_base64(as_bytes(value.str()));
}

TEST_F(ObjectsTest, come_back_as_they_were_put) {
  std::string body;
  for (int i = 0; i < 300'000; ++i) body.push_back(static_cast<char>(i * 7 >> 3));
  const Answer made = send("PUT", "/bucket/a/b",
                           {{"Content-Type", "text/x"},
                            {"Cache-Control", "max-age=1"},
                            {"Content-Encoding", "gzip"},
                            {"Expires", "Sat, 31 Jan 2026 12:00:00 GMT"},
                            {"x-amz-meta-Some-Name", "some value"}},
                           body);
  ASSERT_EQ(made.status, 200u);
  const std::string etag = "\"" + to_hex(as_bytes(digest::md5(body))) + "\"";
  EXPECT_EQ(made.header("etag"), etag);
  for (const char* method : {"GET", "HEAD"}) {
    const Answer got = send(method, "/bucket/a/b");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.body, method == std::string("GET") ? body : "");
    EXPECT_EQ(got.header("content-length"), "300000");
    EXPECT_EQ(got.header("etag"), etag);
    EXPECT_EQ(got.header("content-type"), "text/x");
    EXPECT_EQ(got.header("cache-control"), "max-age=1");
    EXPECT_EQ(got.header("content-encoding"), "gzip");
    EXPECT_EQ(got.header("expires"), "Sat, 31 Jan 2026 12:00:00 GMT");
    EXPECT_EQ(got.header("x-amz-meta-some-name"), "some value");
    EXPECT_EQ(got.header("accept-ranges"), "bytes");
    EXPECT_FALSE(got.header("last-modified").empty());
  }
}

TEST_F(ObjectsTest, may_be_empty_and_have_any_key) {
  for (const char* target : {"/bucket/empty", "/bucket//", "/bucket/a%2F..%2Fb", "/bucket/%2E%2E",
                             "/bucket/%01%7F%20%2B", "/bucket/%F0%9F%98%80"}) {
    ASSERT_EQ(send("PUT", target).status, 200u) << target;
    const Answer got = send("GET", target);
    EXPECT_EQ(got.status, 200u) << target;
    EXPECT_EQ(got.header("content-length"), "0") << target;
  }
}

TEST_F(ObjectsTest, that_are_missing_say_what_is_missing) {
  EXPECT_EQ(code("GET", "/bucket/missing"), "404 NoSuchKey");
  EXPECT_EQ(code("GET", "/missing/key"), "404 NoSuchBucket");
  EXPECT_EQ(code("PUT", "/missing/key", {}, "x"), "404 NoSuchBucket");
  EXPECT_EQ(code("DELETE", "/missing/key"), "404 NoSuchBucket");
  EXPECT_EQ(send("DELETE", "/bucket/missing").status, 204u);
  EXPECT_EQ(send("HEAD", "/bucket/missing").status, 404u);
  EXPECT_EQ(send("GET", "/bucket/mis%20sing%26").at("Key"), "mis sing&");
  EXPECT_EQ(send("GET", "/missing/key").at("BucketName"), "missing");
  EXPECT_EQ(send("GET", "/bucket/key?uploadId=u%201").at("UploadId"), "u 1");
  EXPECT_EQ(send("DELETE", "/bucket/key?uploadId=u").at("UploadId"), "u");
}

TEST_F(ObjectsTest, are_read_in_ranges) {
  put("/bucket/key", "0123456789");
  const Answer part = send("GET", "/bucket/key", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206u);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.header("content-range"), "bytes 2-4/10");
  EXPECT_EQ(part.header("content-length"), "3");
  EXPECT_EQ(send("GET", "/bucket/key", {{"Range", "bytes=-3"}}).body, "789");
  EXPECT_EQ(send("GET", "/bucket/key", {{"Range", "bytes=0-1,3-4"}}).body, "0123456789");
  EXPECT_EQ(send("HEAD", "/bucket/key", {{"Range", "bytes=8-"}}).header("content-length"), "2");
  const Answer none = send("GET", "/bucket/key", {{"Range", "bytes=10-"}});
  EXPECT_EQ(none.status, 416u);
  EXPECT_EQ(none.code(), "InvalidRange");
  EXPECT_EQ(none.header("content-range"), "bytes */10");
  EXPECT_EQ(none.at("ActualObjectSize"), "10");
}

TEST_F(ObjectsTest, are_read_under_conditions) {
  put("/bucket/key", "0123456789");
  const std::string etag = send("HEAD", "/bucket/key").header("etag");
  const Answer same = send("GET", "/bucket/key", {{"If-None-Match", etag}});
  EXPECT_EQ(same.status, 304u);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(same.header("etag"), etag);
  EXPECT_EQ(same.header("x-amz-request-id").size(), 16u);
  EXPECT_EQ(code("GET", "/bucket/key", {{"If-Match", "\"other\""}}), "412 PreconditionFailed");
  EXPECT_EQ(send("GET", "/bucket/key", {{"If-Match", etag}}).status, 200u);
  // The connection is good for the next request.
  EXPECT_EQ(send("GET", "/bucket/key").body, "0123456789");
}

TEST_F(ObjectsTest, are_written_under_conditions) {
  const http::Headers if_new{{"If-None-Match", "*"}};
  const Answer made = send("PUT", "/bucket/key", if_new, "1");
  EXPECT_EQ(made.status, 200u);
  const Answer again = send("PUT", "/bucket/key", if_new, "2");
  EXPECT_EQ(again.status, 412u);
  EXPECT_EQ(again.code(), "PreconditionFailed");
  EXPECT_EQ(again.at("Condition"), "If-None-Match");
  EXPECT_EQ(send("GET", "/bucket/key").body, "1");
  EXPECT_EQ(code("PUT", "/bucket/key", {{"If-Match", "\"other\""}}, "3"), "412 PreconditionFailed");
  EXPECT_EQ(send("PUT", "/bucket/key", {{"If-Match", made.header("etag")}}, "4").status, 200u);
  EXPECT_EQ(code("PUT", "/bucket/new", {{"If-Match", made.header("etag")}}, "5"), "404 NoSuchKey");
  EXPECT_EQ(send("GET", "/bucket/key").body, "4");
}

TEST_F(ObjectsTest, are_deleted_under_conditions) {
  put("/bucket/key", "1");
  EXPECT_EQ(code("DELETE", "/bucket/key", {{"If-Match", "\"other\""}}), "412 PreconditionFailed");
  EXPECT_EQ(code("DELETE", "/bucket/key?versionId=abc"), "501 NotImplemented");
  EXPECT_EQ(
      send("DELETE", "/bucket/key", {{"If-Match", send("HEAD", "/bucket/key").header("etag")}})
          .status,
      204u);
  EXPECT_EQ(send("HEAD", "/bucket/key").status, 404u);
}

TEST_F(ObjectsTest, keep_the_checksum_that_was_sent_or_get_one) {
  const Answer sent =
      send("PUT", "/bucket/sent", {{"x-amz-checksum-crc32", crc32_base64("body")}}, "body");
  ASSERT_EQ(sent.status, 200u);
  EXPECT_EQ(sent.header("x-amz-checksum-crc32"), crc32_base64("body"));
  EXPECT_EQ(sent.header("x-amz-checksum-type"), "FULL_OBJECT");
  put("/bucket/own", "body");
  const http::Headers mode{{"x-amz-checksum-mode", "ENABLED"}};
  EXPECT_EQ(send("GET", "/bucket/sent", mode).header("x-amz-checksum-crc32"), crc32_base64("body"));
  EXPECT_EQ(send("HEAD", "/bucket/sent").header("x-amz-checksum-crc32"), "");
  EXPECT_FALSE(send("HEAD", "/bucket/own", mode).header("x-amz-checksum-crc64nvme").empty());
}

TEST_F(ObjectsTest, that_do_not_match_what_was_promised_are_not_stored) {
  EXPECT_EQ(code("PUT", "/bucket/key", {{"Content-MD5", md5_base64("other")}}, "body"),
            "400 BadDigest");
  EXPECT_EQ(code("PUT", "/bucket/key", {{"x-amz-checksum-crc32", crc32_base64("other")}}, "body"),
            "400 BadDigest");
  EXPECT_EQ(
      code("PUT", "/bucket/key", {{"x-amz-content-sha256", testing::sha256_hex("other")}}, "body"),
      "400 XAmzContentSHA256Mismatch");
  EXPECT_EQ(send("HEAD", "/bucket/key").status, 404u);
}

TEST_F(ObjectsTest, ask_for_nothing_that_is_not_built) {
  EXPECT_EQ(code("PUT", "/bucket/key", {{"x-amz-server-side-encryption", "AES256"}}, "x"),
            "501 NotImplemented");
  EXPECT_EQ(code("PUT", "/bucket/key", {{"x-amz-tagging", "a=b&a=c"}}, "x"), "400 InvalidTag");
  EXPECT_EQ(code("PUT", "/bucket/key", {{"x-amz-storage-class", "GLACIER"}}, "x"),
            "400 InvalidStorageClass");
  EXPECT_EQ(code("PUT", "/bucket/key", {{"x-amz-meta-a", std::string(2048, 'v')}}, "x"),
            "400 MetadataTooLarge");
  EXPECT_EQ(send("HEAD", "/bucket/key").status, 404u);
}

TEST_F(ObjectsTest, keep_their_storage_class) {
  const auto put_as = [&](const std::string& target, const std::string& storage_class) {
    EXPECT_EQ(send("PUT", target, {{"x-amz-storage-class", storage_class}}, "x").status, 200u);
  };
  put_as("/bucket/reduced", "REDUCED_REDUNDANCY");
  put_as("/bucket/standard", "STANDARD");
  EXPECT_EQ(send("HEAD", "/bucket/reduced").header("x-amz-storage-class"), "REDUCED_REDUNDANCY");
  EXPECT_EQ(send("GET", "/bucket/reduced").header("x-amz-storage-class"), "REDUCED_REDUNDANCY");
  // AWS does not name the usual one.
  EXPECT_EQ(send("HEAD", "/bucket/standard").headers.find("x-amz-storage-class"), nullptr);
  EXPECT_EQ(send("GET", "/bucket?list-type=2").all("Contents", "StorageClass"),
            (std::vector<std::string>{"REDUCED_REDUNDANCY", "STANDARD"}));
  const http::Headers asked{{"x-amz-object-attributes", "StorageClass"}};
  EXPECT_EQ(send("GET", "/bucket/reduced?attributes", asked).at("StorageClass"),
            "REDUCED_REDUNDANCY");
  // A copy is of the class that is asked for, whatever its source is; onto itself is a change.
  const auto copy = [&](const std::string& target, http::Headers headers) {
    headers.add("x-amz-copy-source", "/bucket/reduced");
    return send("PUT", target, std::move(headers)).status;
  };
  EXPECT_EQ(copy("/bucket/copy", {}), 200u);
  EXPECT_EQ(send("HEAD", "/bucket/copy").headers.find("x-amz-storage-class"), nullptr);
  EXPECT_EQ(copy("/bucket/reduced", {}), 400u);
  EXPECT_EQ(copy("/bucket/reduced", {{"x-amz-storage-class", "STANDARD_IA"}}), 200u);
  EXPECT_EQ(send("HEAD", "/bucket/reduced").header("x-amz-storage-class"), "STANDARD_IA");
}

std::string delete_document(const std::vector<std::string>& keys, bool is_quiet = false) {
  XmlWriter xml;
  xml.open_root("Delete");
  for (const std::string& key : keys) xml.open("Object").element("Key", key).close();
  if (is_quiet) xml.element("Quiet", "true");
  xml.close();
  return std::move(xml).take();
}

TEST_F(ObjectsTest, are_deleted_by_the_thousand) {
  put("/bucket/a", "1");
  put("/bucket/b", "2");
  const std::string document = delete_document({"a", "missing", "b<&>"});
  const http::Headers md5{{"Content-MD5", md5_base64(document)}};
  const Answer done = send("POST", "/bucket?delete", md5, document);
  ASSERT_EQ(done.status, 200u) << done.body;
  EXPECT_EQ(done.all("Deleted", "Key"), (std::vector<std::string>{"a", "missing", "b<&>"}));
  EXPECT_EQ(send("HEAD", "/bucket/a").status, 404u);
  EXPECT_EQ(send("HEAD", "/bucket/b").status, 200u);
  const std::string quiet = delete_document({"b"}, true);
  const Answer silent =
      send("POST", "/bucket?delete", {{"x-amz-checksum-crc32", crc32_base64(quiet)}}, quiet);
  EXPECT_EQ(silent.status, 200u);
  EXPECT_TRUE(silent.all("Deleted", "Key").empty());
  EXPECT_EQ(send("HEAD", "/bucket/b").status, 404u);
}

TEST_F(ObjectsTest, are_not_deleted_by_a_bad_document) {
  const auto refused = [&](const std::string& document) {
    return code("POST", "/bucket?delete", {{"Content-MD5", md5_base64(document)}}, document);
  };
  EXPECT_EQ(refused("<Delete/>"), "400 MalformedXML");
  EXPECT_EQ(refused("<!DOCTYPE x><Delete><Object><Key>a</Key></Object></Delete>"),
            "400 MalformedXML");
  EXPECT_EQ(refused(delete_document(std::vector<std::string>(1001, "k"))), "400 MalformedXML");
  EXPECT_EQ(refused(std::string(8 * 1024 * 1024 + 1, ' ')), "400 MaxMessageLengthExceeded");
  EXPECT_EQ(code("POST", "/bucket?delete", {}, delete_document({"a"})), "400 InvalidRequest");
  const std::string good = delete_document({"a"});
  EXPECT_EQ(code("POST", "/bucket?delete", {{"Content-MD5", md5_base64("other")}}, good),
            "400 BadDigest");
  EXPECT_EQ(code("POST", "/missing?delete", {{"Content-MD5", md5_base64(good)}}, good),
            "404 NoSuchBucket");
}

TEST_F(ObjectsTest, are_deleted_one_by_one_where_each_has_a_condition) {
  put("/bucket/a", "1");
  put("/bucket/b", "2");
  const std::string etag = to_hex(as_bytes(digest::md5(std::string_view("1"))));
  const std::string document = "<Delete><Object><Key>a</Key><ETag>\"" + etag +
                               "\"</ETag></Object><Object><Key>b</Key><ETag>" + etag +
                               "</ETag></Object></Delete>";
  const Answer done =
      send("POST", "/bucket?delete", {{"Content-MD5", md5_base64(document)}}, document);
  EXPECT_EQ(done.at("Deleted/Key"), "a");
  EXPECT_EQ(done.at("Error/Key"), "b");
  EXPECT_EQ(done.at("Error/Code"), "PreconditionFailed");
  EXPECT_EQ(send("HEAD", "/bucket/b").status, 200u);
}

TEST_F(ObjectsTest, are_listed_in_pages_of_both_versions) {
  for (const char* key : {"a", "a/b", "a/c", "b", "c/d"}) put("/bucket/" + std::string(key), "x");
  using Names = std::vector<std::string>;
  const Answer all = send("GET", "/bucket?list-type=2");
  EXPECT_EQ(all.all("Contents", "Key"), (Names{"a", "a/b", "a/c", "b", "c/d"}));
  EXPECT_EQ(all.at("KeyCount"), "5");
  EXPECT_EQ(all.at("IsTruncated"), "false");

  Names found;
  std::string token;
  for (int page = 0; page < 10; ++page) {
    const Answer answer =
        send("GET", "/bucket?delimiter=%2F&list-type=2&max-keys=1" +
                        (token.empty() ? "" : "&continuation-token=" + encode_uri(token, false)));
    EXPECT_EQ(answer.at("KeyCount"), "1");
    for (const std::string& key : answer.all("Contents", "Key")) found.push_back(key);
    for (const std::string& key : answer.all("CommonPrefixes", "Prefix")) found.push_back(key);
    token = answer.at("NextContinuationToken");
    if (answer.at("IsTruncated") == "false") break;
  }
  EXPECT_EQ(found, (Names{"a", "a/", "b", "c/"}));

  const Answer v1 = send("GET", "/bucket?delimiter=%2F&max-keys=2");
  EXPECT_EQ(v1.at("NextMarker"), "a/");
  EXPECT_EQ(send("GET", "/bucket?delimiter=%2F&marker=a%2F").all("Contents", "Key"), Names{"b"});
  EXPECT_EQ(send("GET", "/bucket?list-type=2&max-keys=0").at("KeyCount"), "0");
  EXPECT_EQ(send("GET", "/bucket?list-type=2&start-after=a%2Fc").all("Contents", "Key"),
            (Names{"b", "c/d"}));
  EXPECT_EQ(code("GET", "/bucket?max-keys=-1"), "400 InvalidArgument");
  EXPECT_EQ(code("GET", "/missing?max-keys=0"), "404 NoSuchBucket");
  EXPECT_EQ(code("GET", "/missing"), "404 NoSuchBucket");
}

TEST_F(ObjectsTest, keep_tags_that_change_nothing_else) {
  const Answer made = send("PUT", "/bucket/key", {{"x-amz-tagging", "b=2%20+&a="}}, "body");
  ASSERT_EQ(made.status, 200u) << made.body;
  const Answer before = send("HEAD", "/bucket/key");
  EXPECT_EQ(before.header("x-amz-tagging-count"), "2");
  EXPECT_EQ(before.header("x-amz-tagging"), "");
  const Answer tags = send("GET", "/bucket/key?tagging");
  EXPECT_EQ(tags.at("TagSet/Tag/Key"), "a");
  EXPECT_NE(tags.body.find("<Value>2  </Value>"), std::string::npos);
  const auto put_tags = [&](const std::string& set) {
    return send("PUT", "/bucket/key?tagging", {},
                "<Tagging><TagSet>" + set + "</TagSet></Tagging>");
  };
  EXPECT_EQ(put_tags("<Tag><Key>c</Key><Value>3</Value></Tag>").status, 200u);
  EXPECT_EQ(send("GET", "/bucket/key?tagging").at("TagSet/Tag/Key"), "c");
  const Answer after = send("HEAD", "/bucket/key");
  EXPECT_EQ(after.header("x-amz-tagging-count"), "1");
  EXPECT_EQ(after.header("etag"), before.header("etag"));
  EXPECT_EQ(after.header("last-modified"), before.header("last-modified"));
  EXPECT_EQ(send("PUT", "/bucket/copy", {{"x-amz-copy-source", "/bucket/key"}}).status, 200u);
  EXPECT_EQ(send("GET", "/bucket/copy?tagging").at("TagSet/Tag/Key"), "c");
  EXPECT_EQ(put_tags("<Tag><Key>c</Key></Tag>").code(), "MalformedXML");
  EXPECT_EQ(put_tags("<Tag><Key>a&amp;b</Key><Value/></Tag>").code(), "InvalidTag");
  std::string eleven;
  for (int i = 0; i < 11; ++i)
    eleven += "<Tag><Key>k" + std::to_string(i) + "</Key><Value>v</Value></Tag>";
  EXPECT_EQ(put_tags(eleven).code(), "BadRequest");
  EXPECT_EQ(send("DELETE", "/bucket/key?tagging").status, 204u);
  EXPECT_EQ(send("GET", "/bucket/key?tagging").at("TagSet/Tag/Key"), "");
  EXPECT_EQ(send("GET", "/bucket/key").body, "body");
  EXPECT_EQ(code("PUT", "/bucket/missing?tagging", {}, "<Tagging><TagSet></TagSet></Tagging>"),
            "404 NoSuchKey");
  EXPECT_EQ(code("GET", "/bucket/missing?tagging"), "404 NoSuchKey");
}

}  // namespace
}  // namespace predastore::s3
