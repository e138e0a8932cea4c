#include "s3/upload_listing.h"

#include <limits>
#include <optional>
#include <utility>

#include "base/text.h"
#include "s3/checksums.h"
#include "s3/dates.h"
#include "s3/object_headers.h"
#include "s3/range.h"
#include "s3/storage_class.h"
#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

S3Result<std::string> parse_name(const Query& query, std::string_view name) {
  std::string value = query.get(name);
  if (!is_utf8(value)) return invalid_argument("The value is not UTF-8.", name, "");
  return value;
}

void write_upload_checksum(XmlWriter& xml, const meta::UploadRecord& upload) {
  if (upload.checksum_algorithm == ChecksumAlgorithm::none) return;
  xml.element("ChecksumAlgorithm", algorithm_name(upload.checksum_algorithm))
      .element("ChecksumType", checksum_type_name(upload.checksum_type));
}

void write_upload(XmlWriter& xml, const NameEncoding& encoded, const meta::UploadRecord& upload,
                  const Owner& owner) {
  xml.open("Upload").element("Key", encoded(upload.key)).element("UploadId", upload.upload_id);
  write_owner(xml, "Initiator", owner);
  write_owner(xml, "Owner", owner);
  xml.element("StorageClass", storage_class_of(upload.headers))
      .element("Initiated", iso8601(upload.initiated_ms));
  write_upload_checksum(xml, upload);
  xml.close();
}

void write_part(XmlWriter& xml, const meta::PartRecord& record) {
  const ObjectPart& part = record.part;
  xml.open("Part")
      .element("PartNumber", std::uint64_t{part.part_number.value()})
      .element("LastModified", iso8601(record.last_modified_ms))
      .element("ETag", quoted_etag(to_hex(as_bytes(part.etag_md5))))
      .element("Size", part.size_bytes);
  if (part.checksum.algorithm != ChecksumAlgorithm::none)
    xml.element(checksum_element(part.checksum.algorithm), checksum_text(part.checksum, 1));
  xml.close();
}

}  // namespace

meta::ListUploadsQuery UploadListing::query() const {
  meta::ListUploadsQuery query;
  query.bucket = bucket;
  query.prefix = prefix;
  query.delimiter = delimiter;
  query.key_marker = key_marker;
  query.upload_id_marker = upload_id_marker;
  query.max_entries = max_uploads;
  return query;
}

S3Result<UploadListing> parse_upload_listing(std::string bucket, const Query& query) {
  UploadListing listing;
  listing.bucket = std::move(bucket);
  PREDA_TRY(listing.prefix, parse_name(query, "prefix"));
  PREDA_TRY(listing.delimiter, parse_name(query, "delimiter"));
  PREDA_TRY(listing.key_marker, parse_name(query, "key-marker"));
  PREDA_TRY(listing.upload_id_marker, parse_name(query, "upload-id-marker"));
  if (listing.key_marker.empty()) listing.upload_id_marker.clear();
  PREDA_TRY(listing.max_uploads, parse_page_size(query, "max-uploads"));
  PREDA_TRY(listing.is_url_encoded, parse_encoding_type(query));
  return listing;
}

std::string upload_listing_xml(const UploadListing& listing, const meta::ListUploadsPage& page,
                               const Owner& owner) {
  NameEncoding encoded{listing.is_url_encoded};
  encoded.must_carry(listing.prefix);
  encoded.must_carry(listing.delimiter);
  encoded.must_carry(listing.key_marker);
  encoded.must_carry(page.next_key_marker);
  for (const meta::UploadRecord& upload : page.uploads) encoded.must_carry(upload.key);
  for (const std::string& prefix : page.common_prefixes) encoded.must_carry(prefix);

  XmlWriter xml;
  xml.open_root("ListMultipartUploadsResult")
      .element("Bucket", listing.bucket)
      .element("KeyMarker", encoded(listing.key_marker))
      .element("UploadIdMarker", listing.upload_id_marker);
  if (page.is_truncated) {
    xml.element("NextKeyMarker", encoded(page.next_key_marker))
        .element("NextUploadIdMarker", page.next_upload_id_marker);
  }
  xml.element("Prefix", encoded(listing.prefix));
  if (!listing.delimiter.empty()) xml.element("Delimiter", encoded(listing.delimiter));
  if (encoded.is_url()) xml.element("EncodingType", "url");
  xml.element("MaxUploads", std::uint64_t{listing.max_uploads})
      .element("IsTruncated", page.is_truncated);
  for (const meta::UploadRecord& upload : page.uploads) write_upload(xml, encoded, upload, owner);
  for (const std::string& prefix : page.common_prefixes)
    xml.open("CommonPrefixes").element("Prefix", encoded(prefix)).close();
  xml.close();
  return std::move(xml).take();
}

S3Result<PartListing> parse_part_listing(const Query& query) {
  PartListing listing;
  PREDA_TRY(listing.max_parts, parse_page_size(query, "max-parts"));
  PREDA_TRY(listing.is_url_encoded, parse_encoding_type(query));
  const std::string* marker = query.find("part-number-marker");
  if (marker != nullptr && !marker->empty()) {
    const std::optional<std::uint64_t> value = parse_decimal(*marker);
    if (!value || *value > std::numeric_limits<std::int32_t>::max()) {
      return invalid_argument(
          "Argument part-number-marker must be an integer between 0 and 2147483647",
          "part-number-marker", *marker);
    }
    listing.after_part = static_cast<std::uint32_t>(*value);
  }
  return listing;
}

std::string part_listing_xml(const PartListing& listing, const meta::ListPartsPage& page,
                             const Owner& owner) {
  NameEncoding encoded{listing.is_url_encoded};
  encoded.must_carry(page.upload.key);
  const std::uint32_t last =
      page.parts.empty() ? listing.after_part : page.parts.back().part.part_number.value();
  XmlWriter xml;
  xml.open_root("ListPartsResult")
      .element("Bucket", page.upload.bucket)
      .element("Key", encoded(page.upload.key))
      .element("UploadId", page.upload.upload_id);
  write_owner(xml, "Initiator", owner);
  write_owner(xml, "Owner", owner);
  xml.element("StorageClass", storage_class_of(page.upload.headers))
      .element("PartNumberMarker", std::uint64_t{listing.after_part})
      .element("NextPartNumberMarker", std::uint64_t{last})
      .element("MaxParts", std::uint64_t{listing.max_parts})
      .element("IsTruncated", page.is_truncated);
  if (encoded.is_url()) xml.element("EncodingType", "url");
  write_upload_checksum(xml, page.upload);
  for (const meta::PartRecord& part : page.parts) write_part(xml, part);
  xml.close();
  return std::move(xml).take();
}

}  // namespace predastore::s3
