#include "s3/listing.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/codec.h"
#include "base/text.h"
#include "digest/crc.h"
#include "s3/checksums.h"
#include "s3/dates.h"
#include "s3/object_headers.h"
#include "s3/range.h"
#include "s3/storage_class.h"
#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

constexpr std::uint32_t kPageMax = 1000;
constexpr std::uint8_t kTokenVersion = 1;

S3Error bad_token(std::string_view token) {
  return invalid_argument("The continuation token provided is incorrect", "continuation-token",
                          token);
}

S3Result<std::string> parse_name(const Query& query, std::string_view name) {
  std::string value = query.get(name);
  if (!is_utf8(value)) return invalid_argument("The value is not UTF-8.", name, "");
  return value;
}

void write_object(XmlWriter& xml, const ObjectListing& listing, const NameEncoding& encoded,
                  const meta::ListedObject& object, const Owner& owner) {
  const ObjectRecord& record = object.record;
  xml.open("Contents")
      .element("Key", encoded(object.key))
      .element("LastModified", iso8601(record.last_modified_ms))
      .element("ETag", quoted_etag(record.etag));
  if (record.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.element("ChecksumAlgorithm", algorithm_name(record.checksum.algorithm))
        .element("ChecksumType", checksum_type_name(record.checksum.type));
  }
  xml.element("Size", record.size_bytes);
  if (!listing.is_v2 || listing.fetches_owner) write_owner(xml, "Owner", owner);
  xml.element("StorageClass", storage_class_of(record.headers)).close();
}

void write_v1_head(XmlWriter& xml, const ObjectListing& listing, const NameEncoding& encoded,
                   const meta::ListPage& page) {
  xml.element("Marker", encoded(listing.marker));
  // AWS names the next marker only when there is a delimiter; without one it is the last key.
  if (page.is_truncated && !listing.delimiter.empty())
    xml.element("NextMarker", encoded(page.next_start_after));
}

void write_v2_head(XmlWriter& xml, const ObjectListing& listing, const NameEncoding& encoded,
                   const meta::ListPage& page) {
  if (listing.continuation_token) xml.element("ContinuationToken", *listing.continuation_token);
  if (page.is_truncated) xml.element("NextContinuationToken", make_token(page.next_start_after));
  if (!listing.start_after.empty()) xml.element("StartAfter", encoded(listing.start_after));
  xml.element("KeyCount", std::uint64_t{page.objects.size() + page.common_prefixes.size()});
}

}  // namespace

void write_owner(XmlWriter& xml, std::string_view element, const Owner& owner) {
  xml.open(element).element("ID", owner.id).element("DisplayName", owner.display_name).close();
}

S3Result<std::uint32_t> parse_page_size(const Query& query, std::string_view name) {
  const std::string* text = query.find(name);
  if (text == nullptr || text->empty()) return kPageMax;
  const std::optional<std::uint64_t> value = parse_decimal(*text);
  if (!value || *value > std::numeric_limits<std::int32_t>::max()) {
    const bool is_negative = text->size() > 1 && text->front() == '-' &&
                             parse_decimal(std::string_view(*text).substr(1));
    return invalid_argument(
        is_negative
            ? "Argument " + std::string(name) + " must be an integer between 0 and 2147483647"
            : "Provided " + std::string(name) + " not an integer or within integer range",
        name, *text);
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(*value, kPageMax));
}

S3Result<bool> parse_encoding_type(const Query& query) {
  const std::string* text = query.find("encoding-type");
  if (text == nullptr || text->empty()) return false;
  if (http::equal_ignoring_case(*text, "url")) return true;
  return invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", *text);
}

std::string NameEncoding::operator()(std::string_view name) const {
  return is_url_ ? encode_uri(name, true) : std::string(name);
}

std::string make_token(std::string_view start_after) {
  Encoder encoder;
  encoder.le(kTokenVersion).le(digest::crc32(as_bytes(start_after))).raw(as_bytes(start_after));
  return to_base64(as_bytes(encoder.str()));
}

std::optional<std::string> read_token(std::string_view token) {
  const std::optional<std::string> raw = from_base64(token);
  if (!raw) return std::nullopt;
  Decoder decoder{as_bytes(*raw)};
  const auto version = decoder.le<std::uint8_t>();
  const auto crc = decoder.le<std::uint32_t>();
  if (!decoder.ok() || version != kTokenVersion) return std::nullopt;
  const std::string_view start_after = as_text(decoder.rest());
  if (digest::crc32(as_bytes(start_after)) != crc) return std::nullopt;
  return std::string(start_after);
}

meta::ListQuery ObjectListing::query() const {
  meta::ListQuery query;
  query.bucket = bucket;
  query.prefix = prefix;
  query.delimiter = delimiter;
  query.start_after = resume_after;
  query.max_entries = max_keys;
  return query;
}

S3Result<ObjectListing> parse_object_listing(std::string bucket, const Query& query, bool is_v2) {
  ObjectListing listing;
  listing.is_v2 = is_v2;
  listing.bucket = std::move(bucket);
  PREDA_TRY(listing.prefix, parse_name(query, "prefix"));
  PREDA_TRY(listing.delimiter, parse_name(query, "delimiter"));
  PREDA_TRY(listing.max_keys, parse_page_size(query, "max-keys"));
  PREDA_TRY(listing.is_url_encoded, parse_encoding_type(query));
  if (!is_v2) {
    PREDA_TRY(listing.marker, parse_name(query, "marker"));
    listing.fetches_owner = true;
    listing.resume_after = listing.marker;
    return listing;
  }
  PREDA_TRY(listing.start_after, parse_name(query, "start-after"));
  listing.fetches_owner = http::equal_ignoring_case(query.get("fetch-owner"), "true");
  listing.resume_after = listing.start_after;
  if (const std::string* token = query.find("continuation-token")) {
    std::optional<std::string> start_after = read_token(*token);
    if (!start_after) return bad_token(*token);
    listing.continuation_token = *token;
    listing.resume_after = std::move(*start_after);
  }
  return listing;
}

std::string object_listing_xml(const ObjectListing& listing, const meta::ListPage& page,
                               const Owner& owner) {
  NameEncoding encoded{listing.is_url_encoded};
  encoded.must_carry(listing.prefix);
  encoded.must_carry(listing.delimiter);
  encoded.must_carry(listing.marker);
  encoded.must_carry(listing.start_after);
  for (const meta::ListedObject& object : page.objects) encoded.must_carry(object.key);
  for (const std::string& prefix : page.common_prefixes) encoded.must_carry(prefix);

  XmlWriter xml;
  xml.open_root("ListBucketResult")
      .element("Name", listing.bucket)
      .element("Prefix", encoded(listing.prefix));
  listing.is_v2 ? write_v2_head(xml, listing, encoded, page)
                : write_v1_head(xml, listing, encoded, page);
  xml.element("MaxKeys", std::uint64_t{listing.max_keys});
  if (!listing.delimiter.empty()) xml.element("Delimiter", encoded(listing.delimiter));
  if (encoded.is_url()) xml.element("EncodingType", "url");
  xml.element("IsTruncated", page.is_truncated);
  for (const meta::ListedObject& object : page.objects)
    write_object(xml, listing, encoded, object, owner);
  for (const std::string& prefix : page.common_prefixes)
    xml.open("CommonPrefixes").element("Prefix", encoded(prefix)).close();
  xml.close();
  return std::move(xml).take();
}

S3Result<BucketListing> parse_bucket_listing(const Query& query) {
  BucketListing listing;
  PREDA_TRY(listing.prefix, parse_name(query, "prefix"));
  PREDA_TRY(listing.region, parse_name(query, "bucket-region"));
  const std::string* max = query.find("max-buckets");
  if (max != nullptr && !max->empty()) {
    const std::optional<std::uint64_t> value = parse_decimal(*max);
    if (!value || *value < 1 || *value > 10'000) {
      return invalid_argument("Argument max-buckets must be an integer between 1 and 10000",
                              "max-buckets", *max);
    }
    listing.max_buckets = static_cast<std::uint32_t>(*value);
  }
  const std::string* token = query.find("continuation-token");
  if (token != nullptr && !token->empty()) {
    std::optional<std::string> after = read_token(*token);
    if (!after) return bad_token(*token);
    listing.resume_after = std::move(*after);
  }
  return listing;
}

std::string bucket_listing_xml(const BucketListing& listing, std::vector<BucketRecord> buckets,
                               const Owner& owner) {
  std::erase_if(buckets, [&](const BucketRecord& bucket) {
    return bucket.name <= listing.resume_after || !bucket.name.starts_with(listing.prefix) ||
           (!listing.region.empty() && bucket.region != listing.region);
  });
  std::ranges::sort(buckets, {}, &BucketRecord::name);
  const bool is_truncated = buckets.size() > listing.max_buckets;
  if (is_truncated) buckets.resize(listing.max_buckets);

  XmlWriter xml;
  xml.open_root("ListAllMyBucketsResult");
  write_owner(xml, "Owner", owner);
  xml.open("Buckets");
  for (const BucketRecord& bucket : buckets) {
    xml.open("Bucket")
        .element("Name", bucket.name)
        .element("CreationDate", iso8601(bucket.created_ms))
        .element("BucketRegion", bucket.region)
        .close();
  }
  xml.close();
  if (is_truncated) xml.element("ContinuationToken", make_token(buckets.back().name));
  if (!listing.prefix.empty()) xml.element("Prefix", listing.prefix);
  xml.close();
  return std::move(xml).take();
}

}  // namespace predastore::s3
