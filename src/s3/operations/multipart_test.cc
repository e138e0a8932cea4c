#include "s3/complete_plan.h"
#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

class MultipartTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    make_bucket();
  }
  std::string begin(http::Headers headers = {}) {
    const Answer answer = send("POST", "/bucket/key?uploads", std::move(headers));
    EXPECT_EQ(answer.status, 200u) << answer.body;
    EXPECT_EQ(answer.at("Bucket"), "bucket");
    EXPECT_EQ(answer.at("Key"), "key");
    return encode_uri(answer.at("UploadId"), false);
  }
  Answer part(const std::string& upload, int number, const std::string& body,
              http::Headers headers = {}) {
    return send("PUT", "/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + upload,
                std::move(headers), body);
  }
  Answer complete(const std::string& upload, const std::vector<std::pair<int, std::string>>& parts,
                  http::Headers headers = {}) {
    XmlWriter xml;
    xml.open_root("CompleteMultipartUpload");
    for (const auto& [number, etag] : parts) {
      xml.open("Part")
          .element("PartNumber", static_cast<std::uint64_t>(number))
          .element("ETag", etag)
          .close();
    }
    xml.close();
    return send("POST", "/bucket/key?uploadId=" + upload, std::move(headers),
                std::move(xml).take());
  }
};

const std::string kFirst(kPartSizeMinBytes, 'a');

TEST_F(MultipartTest, makes_one_object_of_the_parts) {
  const std::string upload = begin({{"Content-Type", "text/x"}, {"x-amz-meta-a", "b"}});
  const std::string one = part(upload, 1, kFirst).header("etag");
  const std::string two = part(upload, 7, "tail").header("etag");
  EXPECT_EQ(one, "\"" + to_hex(as_bytes(digest::md5(kFirst))) + "\"");
  EXPECT_EQ(send("HEAD", "/bucket/key").status, 404u) << "visible before Complete";
  const Answer done = complete(upload, {{1, one}, {7, two}});
  ASSERT_EQ(done.status, 200u) << done.body;
  const std::string etag =
      "\"" +
      to_hex(as_bytes(digest::md5(digest::md5(kFirst) + digest::md5(std::string_view("tail"))))) +
      "-2\"";
  EXPECT_EQ(done.at("ETag"), etag);
  EXPECT_EQ(done.at("ChecksumType"), "FULL_OBJECT");
  Encoder crc;
  crc.be(digest::crc64nvme(as_bytes(kFirst + "tail")));
  EXPECT_EQ(done.at("ChecksumCRC64NVME"), to_base64(as_bytes(crc.str())));
  const Answer got = send("GET", "/bucket/key");
  EXPECT_EQ(got.body, kFirst + "tail");
  EXPECT_EQ(got.header("etag"), etag);
  EXPECT_EQ(got.header("content-type"), "text/x");
  EXPECT_EQ(got.header("x-amz-meta-a"), "b");
  const Answer last = send("GET", "/bucket/key?partNumber=7");
  EXPECT_EQ(last.status, 206u);
  EXPECT_EQ(last.body, "tail");
  EXPECT_EQ(last.header("x-amz-mp-parts-count"), "2");
  const Answer beyond = send("GET", "/bucket/key?partNumber=8");
  EXPECT_EQ(beyond.code(), "InvalidPartNumber");
  EXPECT_EQ(beyond.at("ActualPartCount"), "2");
  // The same request sent once more hears the same.
  EXPECT_EQ(complete(upload, {{1, one}, {7, two}}).at("ETag"), etag);
}

TEST_F(MultipartTest, gives_the_object_the_storage_class_of_the_upload) {
  const std::string upload = begin({{"x-amz-storage-class", "ONEZONE_IA"}});
  const std::string etag = part(upload, 1, "x").header("etag");
  EXPECT_EQ(send("GET", "/bucket/key?uploadId=" + upload).at("StorageClass"), "ONEZONE_IA");
  EXPECT_EQ(send("GET", "/bucket?uploads").at("Upload/StorageClass"), "ONEZONE_IA");
  ASSERT_EQ(complete(upload, {{1, etag}}).status, 200u);
  EXPECT_EQ(send("HEAD", "/bucket/key").header("x-amz-storage-class"), "ONEZONE_IA");
}

TEST_F(MultipartTest, refuses_lists_that_do_not_fit_what_is_stored) {
  const std::string upload = begin();
  const std::string one = part(upload, 1, kFirst).header("etag");
  const std::string two = part(upload, 2, "tail").header("etag");
  const std::string three = part(upload, 3, "tail").header("etag");
  EXPECT_EQ(complete(upload, {}).code(), "MalformedXML");
  EXPECT_EQ(complete(upload, {{2, two}, {1, one}}).code(), "InvalidPartOrder");
  EXPECT_EQ(complete(upload, {{1, two}}).code(), "InvalidPart");
  EXPECT_EQ(complete(upload, {{4, one}}).code(), "InvalidPart");
  EXPECT_EQ(complete(upload, {{1, one}, {2, two}, {3, three}}).code(), "EntityTooSmall");
  EXPECT_EQ(complete("nosuchupload", {{1, one}}).code(), "NoSuchUpload");
  EXPECT_EQ(complete(upload, {{1, one}, {2, two}}).status, 200u);
}

TEST_F(MultipartTest, takes_a_part_again_and_the_last_one_counts) {
  const std::string upload = begin();
  const std::string first = part(upload, 1, "first").header("etag");
  const std::string second = part(upload, 1, "second").header("etag");
  EXPECT_EQ(complete(upload, {{1, first}}).code(), "InvalidPart");
  EXPECT_EQ(complete(upload, {{1, second}}).status, 200u);
  EXPECT_EQ(send("GET", "/bucket/key").body, "second");
}

TEST_F(MultipartTest, refuses_parts_of_no_upload_and_numbers_that_are_none) {
  const std::string upload = begin();
  EXPECT_EQ(part("nosuchupload", 1, "x").code(), "NoSuchUpload");
  for (const char* number : {"0", "10001", "x", "-1", ""}) {
    EXPECT_EQ(code("PUT", "/bucket/key?partNumber=" + std::string(number) + "&uploadId=" + upload,
                   {}, "x"),
              "400 InvalidArgument")
        << number;
  }
  EXPECT_EQ(part(upload, 10'000, "x").status, 200u);
}

TEST_F(MultipartTest, holds_to_the_algorithm_of_the_upload) {
  const std::string upload = begin({{"x-amz-checksum-algorithm", "CRC32"}});
  const auto crc32 = [](std::string_view text) {
    Encoder value;
    value.be(digest::crc32(as_bytes(text)));
    return to_base64(as_bytes(value.str()));
  };
  EXPECT_EQ(part(upload, 1, "x").code(), "InvalidRequest");
  const Answer good = part(upload, 1, "x", {{"x-amz-checksum-crc32", crc32("x")}});
  EXPECT_EQ(good.header("x-amz-checksum-crc32"), crc32("x"));
  EXPECT_EQ(complete(upload, {{1, good.header("etag")}}).code(), "InvalidRequest")
      << "a composite checksum without those of the parts";
  const std::string document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" +
                               good.header("etag") + "</ETag><ChecksumCRC32>" + crc32("x") +
                               "</ChecksumCRC32></Part></CompleteMultipartUpload>";
  const Answer done = send("POST", "/bucket/key?uploadId=" + upload, {}, document);
  EXPECT_EQ(done.at("ChecksumType"), "COMPOSITE");
  EXPECT_TRUE(done.at("ChecksumCRC32").ends_with("-1"));
  const Answer head = send("HEAD", "/bucket/key", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(head.header("x-amz-checksum-crc32"), done.at("ChecksumCRC32"));
  EXPECT_EQ(head.header("x-amz-checksum-type"), "COMPOSITE");
}

TEST_F(MultipartTest, completes_under_conditions) {
  put("/bucket/key", "old");
  const std::string upload = begin();
  const std::string one = part(upload, 1, "new").header("etag");
  EXPECT_EQ(complete(upload, {{1, one}}, {{"If-None-Match", "*"}}).code(), "PreconditionFailed");
  EXPECT_EQ(send("GET", "/bucket/key").body, "old");
  const std::string etag = send("HEAD", "/bucket/key").header("etag");
  EXPECT_EQ(complete(upload, {{1, one}}, {{"If-Match", etag}}).status, 200u);
  EXPECT_EQ(send("GET", "/bucket/key").body, "new");
}

TEST_F(MultipartTest, ends_with_abort) {
  const std::string upload = begin();
  const std::string one = part(upload, 1, "x").header("etag");
  EXPECT_EQ(send("DELETE", "/bucket/key?uploadId=" + upload).status, 204u);
  EXPECT_EQ(complete(upload, {{1, one}}).code(), "NoSuchUpload");
  EXPECT_EQ(part(upload, 2, "x").code(), "NoSuchUpload");
  EXPECT_EQ(code("DELETE", "/bucket/key?uploadId=" + upload), "404 NoSuchUpload");
  EXPECT_EQ(code("GET", "/bucket/key?uploadId=" + upload), "404 NoSuchUpload");
}

TEST_F(MultipartTest, lists_parts_and_uploads_in_pages) {
  const std::string upload = begin();
  for (int number : {1, 2, 5}) EXPECT_EQ(part(upload, number, "x").status, 200u);
  const Answer first = send("GET", "/bucket/key?max-parts=2&uploadId=" + upload);
  EXPECT_EQ(first.all("Part", "PartNumber"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(first.at("IsTruncated"), "true");
  EXPECT_EQ(first.at("NextPartNumberMarker"), "2");
  EXPECT_FALSE(first.at("Part/ChecksumCRC64NVME").empty());
  const Answer rest = send("GET", "/bucket/key?part-number-marker=2&uploadId=" + upload);
  EXPECT_EQ(rest.all("Part", "PartNumber"), std::vector<std::string>{"5"});
  EXPECT_EQ(rest.at("IsTruncated"), "false");

  (void)begin();
  EXPECT_EQ(send("POST", "/bucket/other?uploads").status, 200u);
  const Answer page = send("GET", "/bucket?max-uploads=2&uploads");
  EXPECT_EQ(page.all("Upload", "Key"), (std::vector<std::string>{"key", "key"}));
  EXPECT_EQ(page.at("IsTruncated"), "true");
  const Answer next =
      send("GET", "/bucket?key-marker=" + page.at("NextKeyMarker") + "&upload-id-marker=" +
                      encode_uri(page.at("NextUploadIdMarker"), false) + "&uploads");
  EXPECT_EQ(next.all("Upload", "Key"), std::vector<std::string>{"other"});
}

TEST_F(MultipartTest, tells_the_attributes_of_the_whole_and_its_parts) {
  const std::string upload = begin();
  const std::string one = part(upload, 1, kFirst).header("etag");
  const std::string two = part(upload, 7, "tail").header("etag");
  const Answer done = complete(upload, {{1, one}, {7, two}});
  const auto attributes = [&](http::Headers headers) {
    return send("GET", "/bucket/key?attributes", std::move(headers));
  };
  const Answer all = attributes(
      {{"x-amz-object-attributes", "ETag,Checksum,ObjectParts, StorageClass,ObjectSize"}});
  ASSERT_EQ(all.status, 200u) << all.body;
  EXPECT_EQ("\"" + all.at("ETag") + "\"", done.at("ETag"));
  EXPECT_EQ(all.at("Checksum/ChecksumCRC64NVME"), done.at("ChecksumCRC64NVME"));
  EXPECT_EQ(all.at("ObjectParts/PartsCount"), "2");
  EXPECT_EQ(all.at("ObjectParts/Part/Size"), std::to_string(kFirst.size()));
  EXPECT_EQ(all.at("ObjectSize"), std::to_string(kFirst.size() + 4));
  EXPECT_FALSE(all.header("last-modified").empty());
  const Answer page = attributes({{"x-amz-object-attributes", "ObjectParts"},
                                  {"x-amz-max-parts", "1"},
                                  {"x-amz-part-number-marker", "1"}});
  EXPECT_EQ(page.at("ObjectParts/Part/PartNumber"), "7");
  EXPECT_EQ(page.at("ObjectParts/IsTruncated"), "false");
  EXPECT_EQ(page.at("ETag"), "");
  EXPECT_EQ(attributes({}).code(), "InvalidRequest");
  EXPECT_EQ(attributes({{"x-amz-object-attributes", "Colour"}}).code(), "InvalidArgument");
}

}  // namespace
}  // namespace predastore::s3
