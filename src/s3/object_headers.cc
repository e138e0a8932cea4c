#include "s3/object_headers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "meta/meta_service.h"
#include "s3/dates.h"
#include "s3/storage_class.h"
#include "s3/tagging.h"
#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

constexpr auto kContentHeaders = std::to_array<std::string_view>(
    {"cache-control", "content-disposition", "content-encoding", "content-language", "content-type",
     "expires", "x-amz-website-redirect-location"});
constexpr std::string_view kMetaPrefix = "x-amz-meta-";

constexpr auto kOverrides = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"response-cache-control", "cache-control"},
     {"response-content-disposition", "content-disposition"},
     {"response-content-encoding", "content-encoding"},
     {"response-content-language", "content-language"},
     {"response-content-type", "content-type"},
     {"response-expires", "expires"}});

bool can_be_header_value(std::string_view value) {
  const auto is_good = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  };
  return std::ranges::all_of(value, is_good);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// It tells how the body was sent, not what the object is.
std::string without_aws_chunked(std::string_view encodings) {
  std::string kept;
  while (!encodings.empty()) {
    const std::size_t end = std::min(encodings.find(','), encodings.size());
    const std::string_view one = trimmed(encodings.substr(0, end));
    if (!one.empty() && !http::equal_ignoring_case(one, "aws-chunked")) {
      if (!kept.empty()) kept += ",";
      kept += one;
    }
    encodings.remove_prefix(std::min(end + 1, encodings.size()));
  }
  return kept;
}

// As answers spell them; stored names are in lower case.
std::string canonical_name(std::string_view name) {
  if (name.starts_with("x-amz-")) return std::string(name);
  std::string out(name);
  bool upper = true;
  for (char& c : out) {
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    upper = c == '-';
  }
  return out;
}

S3Result<void> check_value(std::string_view name, std::string_view value) {
  if (can_be_header_value(value) && is_utf8(value)) return {};
  return invalid_argument("A header value is not UTF-8 text without control characters.", name, "");
}

S3Error too_large(std::size_t size, std::size_t max) {
  return S3Error{S3Code::MetadataTooLarge}
      .with("Size", std::to_string(size))
      .with("MaxSizeAllowed", std::to_string(max));
}

S3Result<void> check_acl(const http::Headers& headers) {
  for (const http::Header& header : headers.entries()) {
    if (http::to_lower(header.name).starts_with("x-amz-grant-"))
      return S3Code::AccessControlListNotSupported;
  }
  const std::string* acl = headers.find("x-amz-acl");
  if (acl == nullptr || *acl == "private" || *acl == "bucket-owner-full-control" ||
      *acl == "bucket-owner-read") {
    return {};
  }
  return S3Code::AccessControlListNotSupported;
}

}  // namespace

S3Result<ObjectHeaders> object_headers(const http::Headers& headers) {
  ObjectHeaders found;
  std::size_t metadata_size = 0;
  std::size_t content_size = 0;
  for (const http::Header& header : headers.entries()) {
    const std::string name = http::to_lower(header.name);
    if (std::ranges::find(kContentHeaders, name) != kContentHeaders.end()) {
      PREDA_CHECK(check_value(name, header.value));
      const std::string value =
          name == "content-encoding" ? without_aws_chunked(header.value) : header.value;
      content_size += value.size();
      if (!value.empty()) found.headers.emplace(name, value);
    } else if (name.starts_with(kMetaPrefix) && name.size() > kMetaPrefix.size()) {
      PREDA_CHECK(check_value(name, header.value));
      const std::string short_name = name.substr(kMetaPrefix.size());
      const auto [at, is_new] = found.user_metadata.emplace(short_name, header.value);
      // AWS joins what is sent twice.
      if (!is_new) at->second += "," + header.value;
      metadata_size += (is_new ? short_name.size() : 1) + header.value.size();
    }
  }
  if (const std::string* tagging = headers.find(meta::kTaggingHeader)) {
    PREDA_TRY(const Tags tags, parse_tagging_header(*tagging));
    if (!tags.empty()) found.headers.emplace(meta::kTaggingHeader, encode_tagging(tags));
  }
  const std::string_view storage_class = headers.get(kStorageClassHeader);
  if (!storage_class.empty() && storage_class != kStandardClass)
    found.headers.emplace(kStorageClassHeader, storage_class);
  if (metadata_size > kUserMetadataMaxBytes) return too_large(metadata_size, kUserMetadataMaxBytes);
  if (content_size > kContentHeadersMaxBytes)
    return too_large(content_size, kContentHeadersMaxBytes);
  return found;
}

S3Result<void> refuse_unbuilt(const http::Headers& headers) {
  for (const http::Header& header : headers.entries()) {
    const std::string name = http::to_lower(header.name);
    if (name.starts_with("x-amz-server-side-encryption") ||
        name.starts_with("x-amz-object-lock-") || name == "x-amz-write-offset-bytes" ||
        name.starts_with("x-amz-copy-source-server-side-encryption-")) {
      return S3Error{S3Code::NotImplemented}.with("Header", name);
    }
    if (name == kStorageClassHeader && !is_storage_class(header.value)) {
      return S3Error{S3Code::InvalidStorageClass}.with("StorageClassRequested", header.value);
    }
  }
  return check_acl(headers);
}

S3Result<http::Headers> answer_headers(const ObjectRecord& record, const Query& query) {
  std::map<std::string, std::string> content = record.headers;
  content.try_emplace("content-type", "binary/octet-stream");
  for (const auto& [parameter, name] : kOverrides) {
    const std::string* value = query.find(parameter);
    if (value == nullptr) continue;
    if (!can_be_header_value(*value))
      return invalid_argument("Header value cannot be represented.", parameter, "");
    content[std::string(name)] = *value;
  }
  http::Headers headers;
  headers.add("ETag", quoted_etag(record.etag));
  headers.add("Last-Modified", http_date(record.last_modified_ms));
  headers.add("Accept-Ranges", "bytes");
  content.erase(meta::kTaggingHeader);
  for (const auto& [name, value] : content) headers.add(canonical_name(name), value);
  if (const std::size_t count = tags_of(record).size(); count > 0)
    headers.add("x-amz-tagging-count", std::to_string(count));
  for (const auto& [name, value] : record.user_metadata)
    headers.add(std::string(kMetaPrefix) + name, value);
  return headers;
}

std::string quoted_etag(std::string_view etag) { return '"' + std::string(etag) + '"'; }

}  // namespace predastore::s3
