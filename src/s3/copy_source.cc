#include "s3/copy_source.h"

#include <algorithm>
#include <optional>

#include "s3/checksums.h"
#include "s3/conditions.h"
#include "s3/names.h"
#include "s3/query.h"

namespace predastore::s3 {
namespace {

S3Error no_source(std::string_view header) {
  return invalid_argument(
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
      "x-amz-copy-source", header);
}

}  // namespace

S3Result<CopySource> parse_copy_source(std::string_view header) {
  std::string_view path = header;
  constexpr std::string_view kVersion = "?versionId=";
  if (const std::size_t version = path.find(kVersion); version != std::string_view::npos) {
    if (path.substr(version + kVersion.size()) != "null")
      return S3Error{S3Code::NotImplemented}.with("Header", "x-amz-copy-source");
    path = path.substr(0, version);
  }
  const std::optional<std::string> decoded = decode_path(path);
  if (!decoded) return no_source(header);
  std::string_view rest = *decoded;
  if (rest.starts_with("arn:"))
    return S3Error{S3Code::NotImplemented}.with("Header", "x-amz-copy-source");
  if (rest.starts_with('/')) rest.remove_prefix(1);
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == rest.size())
    return no_source(header);
  CopySource source{std::string(rest.substr(0, slash)), std::string(rest.substr(slash + 1))};
  PREDA_CHECK(check_bucket_name(source.bucket));
  PREDA_CHECK(check_key(source.key));
  return source;
}

S3Error about_source(S3Error error, const CopySource& source) {
  if (error.code == S3Code::NoSuchBucket) error.with("BucketName", source.bucket);
  if (error.code == S3Code::NoSuchKey) error.with("Key", source.key);
  return error;
}

S3Result<bool> replaces(const http::Headers& headers, std::string_view directive) {
  const std::string* value = headers.find(directive);
  if (value == nullptr || *value == "COPY") return false;
  if (*value == "REPLACE") return true;
  return invalid_argument("Unknown directive.", directive, *value);
}

S3Result<void> check_copy_conditions(const http::Headers& headers, const ObjectRecord& source) {
  S3Result<void> held =
      ReadConditions::of_copy_source(headers).check(source.etag, source.last_modified_ms);
  if (!held && held.error().code == S3Code::NotModified) return S3Code::PreconditionFailed;
  return held;
}

S3Result<ChecksumAlgorithm> copy_algorithm(const http::Headers& headers) {
  PREDA_TRY(const UploadChecksum asked, upload_checksum(headers));
  return asked.algorithm;
}

}  // namespace predastore::s3
