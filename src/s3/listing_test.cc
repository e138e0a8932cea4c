#include "s3/listing.h"

#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "s3/upload_listing.h"

namespace predastore::s3 {
namespace {

const Owner kOwner{"0123", "root"};

std::string page_size(std::string_view query) {
  const auto size = parse_page_size(*Query::parse(query), "max-keys");
  return size ? std::to_string(*size) : std::string(size.error().name());
}

TEST(Listing, reads_page_sizes_as_aws_does) {
  EXPECT_EQ(page_size(""), "1000");
  EXPECT_EQ(page_size("max-keys="), "1000");
  EXPECT_EQ(page_size("max-keys=0"), "0");
  EXPECT_EQ(page_size("max-keys=7"), "7");
  EXPECT_EQ(page_size("max-keys=1000"), "1000");
  EXPECT_EQ(page_size("max-keys=1001"), "1000");
  EXPECT_EQ(page_size("max-keys=2147483647"), "1000");
  for (const char* bad : {"-1", "2147483648", "99999999999999999999", "abc", "1.5", "+1", "%201"})
    EXPECT_EQ(page_size("max-keys=" + std::string(bad)), "InvalidArgument") << bad;
  const auto negative = parse_page_size(*Query::parse("max-keys=-1"), "max-keys");
  EXPECT_EQ(negative.error().text(),
            "Argument max-keys must be an integer between 0 and 2147483647");
}

TEST(Listing, reads_the_encoding_type) {
  EXPECT_TRUE(*parse_encoding_type(*Query::parse("encoding-type=url")));
  EXPECT_FALSE(*parse_encoding_type(*Query::parse("")));
  EXPECT_EQ(parse_encoding_type(*Query::parse("encoding-type=xml")).error().code,
            S3Code::InvalidArgument);
}

TEST(Listing, tokens_come_back_and_others_are_refused) {
  for (const std::string& key : {std::string("a/b"), std::string("\0\xff", 2), std::string()})
    EXPECT_EQ(read_token(make_token(key)), key);
  EXPECT_FALSE(read_token("").has_value());
  EXPECT_FALSE(read_token("abc").has_value());
  EXPECT_FALSE(read_token("YWJjZGVmZ2g=").has_value());
  std::string token = make_token("key");
  token[token.size() - 2] = token[token.size() - 2] == 'A' ? 'E' : 'A';
  EXPECT_FALSE(read_token(token).has_value());
}

pugi::xml_document parsed(const std::string& document) {
  pugi::xml_document xml;
  EXPECT_TRUE(xml.load_string(document.c_str())) << document;
  return xml;
}
std::string text_of(const pugi::xml_node& node, const char* path) {
  return node.first_element_by_path(path).text().get();
}
bool has(const pugi::xml_node& node, const char* path) {
  return !node.first_element_by_path(path).empty();
}

meta::ListPage page_of(std::vector<std::string> keys, std::vector<std::string> prefixes = {}) {
  meta::ListPage page;
  for (std::string& key : keys) {
    meta::ListedObject object;
    object.key = std::move(key);
    object.record.etag = "abc";
    object.record.size_bytes = 3;
    object.record.checksum = {ChecksumAlgorithm::crc32, ChecksumType::full_object, "1234"};
    page.objects.push_back(object);
  }
  page.common_prefixes = std::move(prefixes);
  return page;
}

TEST(Listing, v2_has_every_element) {
  auto listing = *parse_object_listing(
      "bucket", *Query::parse("list-type=2&prefix=a&delimiter=/&max-keys=2&start-after=a0"), true);
  EXPECT_EQ(listing.query().start_after, "a0");
  EXPECT_EQ(listing.query().max_entries, 2u);
  meta::ListPage page = page_of({"a1"}, {"a2/"});
  page.is_truncated = true;
  page.next_start_after = "a2/";
  const auto xml = parsed(object_listing_xml(listing, page, kOwner));
  const auto root = xml.child("ListBucketResult");
  EXPECT_EQ(text_of(root, "Name"), "bucket");
  EXPECT_EQ(text_of(root, "Prefix"), "a");
  EXPECT_EQ(text_of(root, "Delimiter"), "/");
  EXPECT_EQ(text_of(root, "StartAfter"), "a0");
  EXPECT_EQ(text_of(root, "MaxKeys"), "2");
  EXPECT_EQ(text_of(root, "KeyCount"), "2");
  EXPECT_EQ(text_of(root, "IsTruncated"), "true");
  EXPECT_EQ(text_of(root, "Contents/Key"), "a1");
  EXPECT_EQ(text_of(root, "Contents/ETag"), "\"abc\"");
  EXPECT_EQ(text_of(root, "Contents/ChecksumAlgorithm"), "CRC32");
  EXPECT_EQ(text_of(root, "CommonPrefixes/Prefix"), "a2/");
  EXPECT_FALSE(has(root, "Contents/Owner"));
  EXPECT_FALSE(has(root, "Marker"));
  EXPECT_FALSE(has(root, "EncodingType"));
  // The next page goes on where this one ended, whatever start-after says.
  const std::string token = text_of(root, "NextContinuationToken");
  auto next = *parse_object_listing(
      "bucket",
      *Query::parse("list-type=2&start-after=a0&continuation-token=" + encode_uri(token, false)),
      true);
  EXPECT_EQ(next.query().start_after, "a2/");
}

TEST(Listing, v2_fetches_owners_on_request_and_refuses_foreign_tokens) {
  const auto listing =
      *parse_object_listing("bucket", *Query::parse("list-type=2&fetch-owner=true"), true);
  const auto xml = parsed(object_listing_xml(listing, page_of({"a"}), kOwner));
  EXPECT_EQ(text_of(xml.child("ListBucketResult"), "Contents/Owner/ID"), "0123");
  for (const char* token : {"", "x", "MTIz"}) {
    const auto bad = parse_object_listing(
        "bucket", *Query::parse("list-type=2&continuation-token=" + std::string(token)), true);
    EXPECT_EQ(bad.error().code, S3Code::InvalidArgument);
  }
}

TEST(Listing, v1_names_the_next_marker_only_with_a_delimiter) {
  meta::ListPage page = page_of({"a"});
  page.is_truncated = true;
  page.next_start_after = "a";
  auto plain = *parse_object_listing("bucket", *Query::parse("marker=0"), false);
  EXPECT_EQ(plain.query().start_after, "0");
  auto xml = parsed(object_listing_xml(plain, page, kOwner));
  EXPECT_EQ(text_of(xml.child("ListBucketResult"), "Marker"), "0");
  EXPECT_FALSE(has(xml.child("ListBucketResult"), "NextMarker"));
  EXPECT_FALSE(has(xml.child("ListBucketResult"), "KeyCount"));
  EXPECT_TRUE(has(xml.child("ListBucketResult"), "Contents/Owner"));
  auto divided = *parse_object_listing("bucket", *Query::parse("delimiter=--"), false);
  xml = parsed(object_listing_xml(divided, page, kOwner));
  EXPECT_EQ(text_of(xml.child("ListBucketResult"), "NextMarker"), "a");
}

TEST(Listing, encodes_names_on_request_and_when_xml_cannot_carry_one) {
  auto asked = *parse_object_listing(
      "bucket", *Query::parse("encoding-type=url&prefix=a+b&delimiter=%2F&list-type=2"), true);
  auto xml = parsed(object_listing_xml(asked, page_of({"a b/+"}, {"a b/c d/"}), kOwner));
  auto root = xml.child("ListBucketResult");
  EXPECT_EQ(text_of(root, "EncodingType"), "url");
  EXPECT_EQ(text_of(root, "Prefix"), "a%20b");
  EXPECT_EQ(text_of(root, "Contents/Key"), "a%20b/%2B");
  EXPECT_EQ(text_of(root, "CommonPrefixes/Prefix"), "a%20b/c%20d/");
  auto plain = *parse_object_listing("bucket", *Query::parse("list-type=2"), true);
  xml = parsed(object_listing_xml(plain, page_of({"a\x01"}), kOwner));
  root = xml.child("ListBucketResult");
  EXPECT_EQ(text_of(root, "EncodingType"), "url");
  EXPECT_EQ(text_of(root, "Contents/Key"), "a%01");
}

TEST(Listing, of_buckets_filters_and_pages) {
  std::vector<BucketRecord> buckets(3);
  buckets[0].name = "bc";
  buckets[1].name = "aa";
  buckets[2].name = "bb";
  for (BucketRecord& bucket : buckets) bucket.region = "eu-1";
  auto listing = *parse_bucket_listing(*Query::parse("prefix=b&max-buckets=1"));
  auto xml = parsed(bucket_listing_xml(listing, buckets, kOwner));
  auto root = xml.child("ListAllMyBucketsResult");
  EXPECT_EQ(text_of(root, "Buckets/Bucket/Name"), "bb");
  EXPECT_EQ(text_of(root, "Buckets/Bucket/BucketRegion"), "eu-1");
  const std::string token = text_of(root, "ContinuationToken");
  listing = *parse_bucket_listing(
      *Query::parse("prefix=b&max-buckets=1&continuation-token=" + encode_uri(token, false)));
  xml = parsed(bucket_listing_xml(listing, buckets, kOwner));
  root = xml.child("ListAllMyBucketsResult");
  EXPECT_EQ(text_of(root, "Buckets/Bucket/Name"), "bc");
  EXPECT_FALSE(has(root, "ContinuationToken"));
  EXPECT_FALSE(parse_bucket_listing(*Query::parse("max-buckets=0")).has_value());
  EXPECT_FALSE(parse_bucket_listing(*Query::parse("max-buckets=10001")).has_value());
}

TEST(Listing, of_uploads_and_parts) {
  auto uploads = *parse_upload_listing(
      "bucket", *Query::parse("uploads&key-marker=k&upload-id-marker=u&max-uploads=1"));
  EXPECT_EQ(uploads.query().upload_id_marker, "u");
  EXPECT_EQ(parse_upload_listing("bucket", *Query::parse("upload-id-marker=u"))->upload_id_marker,
            "");
  meta::ListUploadsPage page;
  meta::UploadRecord upload;
  upload.bucket = "bucket";
  upload.key = "key";
  upload.upload_id = "id";
  upload.checksum_algorithm = ChecksumAlgorithm::crc32;
  upload.checksum_type = ChecksumType::composite;
  page.uploads = {upload};
  page.is_truncated = true;
  page.next_key_marker = "key";
  page.next_upload_id_marker = "id";
  auto xml = parsed(upload_listing_xml(uploads, page, kOwner));
  auto root = xml.child("ListMultipartUploadsResult");
  EXPECT_EQ(text_of(root, "Upload/UploadId"), "id");
  EXPECT_EQ(text_of(root, "Upload/ChecksumType"), "COMPOSITE");
  EXPECT_EQ(text_of(root, "NextKeyMarker"), "key");
  EXPECT_EQ(text_of(root, "NextUploadIdMarker"), "id");

  meta::ListPartsPage parts;
  parts.upload = upload;
  meta::PartRecord part;
  part.part.part_number = PartNumber{7};
  part.part.etag_md5 = std::string(16, '\x11');
  part.part.size_bytes = 5;
  part.part.checksum = {ChecksumAlgorithm::crc32, ChecksumType::full_object, std::string(4, '\0')};
  parts.parts = {part};
  const auto listing = *parse_part_listing(*Query::parse("uploadId=id&part-number-marker=3"));
  EXPECT_EQ(listing.after_part, 3u);
  xml = parsed(part_listing_xml(listing, parts, kOwner));
  root = xml.child("ListPartsResult");
  EXPECT_EQ(text_of(root, "Part/ETag"), "\"11111111111111111111111111111111\"");
  EXPECT_EQ(text_of(root, "Part/ChecksumCRC32"), "AAAAAA==");
  EXPECT_EQ(text_of(root, "NextPartNumberMarker"), "7");
  EXPECT_FALSE(parse_part_listing(*Query::parse("part-number-marker=-1")).has_value());
}

}  // namespace
}  // namespace predastore::s3
