#include "s3/read_plan.h"

#include <algorithm>
#include <optional>
#include <string>

#include "s3/checksums.h"
#include "s3/conditions.h"
#include "s3/object_headers.h"
#include "s3/range.h"

namespace predastore::s3 {
namespace {

bool wants_checksums(const http::Headers& headers) {
  return http::equal_ignoring_case(headers.get("x-amz-checksum-mode"), "ENABLED");
}

bool is_multipart(const ObjectRecord& record) { return record.etag.find('-') != std::string::npos; }

std::string content_range(std::uint64_t first, std::uint64_t size_bytes, std::uint64_t of_bytes) {
  return "bytes " + std::to_string(first) + "-" + std::to_string(first + size_bytes - 1) + "/" +
         std::to_string(of_bytes);
}

// RFC 9110: what a cache needs to go on with what it has, and nothing about a body.
ReadPlan not_modified(const http::Headers& headers) {
  ReadPlan plan;
  plan.status = 304;
  for (const http::Header& header : headers.entries()) {
    const std::string name = http::to_lower(header.name);
    if (name == "etag" || name == "last-modified" || name == "cache-control" || name == "expires")
      plan.headers.add(header.name, header.value);
  }
  return plan;
}

S3Error no_such_part(const ObjectRecord& record, const std::string& number_text) {
  return S3Error{S3Code::InvalidPartNumber}
      .with("PartNumberRequested", number_text)
      .with("ActualPartCount", std::to_string(record.parts.size()));
}

// One part of a multipart object; a plain one is its own first part.
S3Result<void> plan_part(const ObjectRecord& record, const std::string& number_text,
                         bool with_checksum, ReadPlan& plan) {
  PREDA_TRY(const PartNumber number, parse_part_number(number_text));
  ObjectChecksum checksum = record.checksum;
  plan.size_bytes = record.size_bytes;
  if (is_multipart(record)) {
    const auto part = std::ranges::find(record.parts, number, &ObjectPart::part_number);
    if (part == record.parts.end()) return no_such_part(record, number_text);
    for (auto before = record.parts.begin(); before != part; ++before)
      plan.first += before->size_bytes;
    plan.size_bytes = part->size_bytes;
    plan.headers.add("x-amz-mp-parts-count", std::to_string(record.parts.size()));
    checksum = part->checksum;
  } else if (number != PartNumber{1}) {
    return no_such_part(record, number_text);
  }
  if (with_checksum) add_checksum_headers(plan.headers, checksum, 1);
  // A range of no bytes cannot be written down.
  if (plan.size_bytes == 0) return {};
  plan.status = 206;
  plan.headers.add("Content-Range", content_range(plan.first, plan.size_bytes, record.size_bytes));
  return {};
}

S3Result<void> plan_range(const ObjectRecord& record, const http::Headers& headers,
                          bool with_checksum, ReadPlan& plan) {
  plan.size_bytes = record.size_bytes;
  if (range_still_applies(headers, record.etag, record.last_modified_ms)) {
    PREDA_TRY(const std::optional<object::ByteRange> range,
              parse_range(headers.get("range"), record.size_bytes));
    if (range) {
      plan.status = 206;
      plan.first = range->first;
      plan.size_bytes = range->last - range->first + 1;
      plan.headers.add("Content-Range",
                       content_range(plan.first, plan.size_bytes, record.size_bytes));
    }
  }
  // A client that verifies would hold the checksum of the whole against a piece of it.
  if (with_checksum && plan.size_bytes == record.size_bytes)
    add_checksum_headers(plan.headers, record.checksum, record.parts.size());
  return {};
}

}  // namespace

S3Result<void> check_version_id(const Query& query) {
  const std::string* version = query.find("versionId");
  if (version == nullptr || *version == "null") return {};
  return S3Error{S3Code::NotImplemented}.with("Header", "versionId");
}

S3Result<ReadPlan> plan_read(const ObjectRecord& record, const Query& query,
                             const http::Headers& headers) {
  PREDA_CHECK(check_version_id(query));
  if (headers.find("x-amz-server-side-encryption-customer-algorithm") != nullptr) {
    return S3Error{S3Code::InvalidRequest,
                   "The encryption parameters are not applicable to this object."};
  }
  ReadPlan plan;
  PREDA_TRY(plan.headers, answer_headers(record, query));
  const S3Result<void> held =
      ReadConditions::of(headers).check(record.etag, record.last_modified_ms);
  if (!held) {
    if (held.error().code == S3Code::NotModified) return not_modified(plan.headers);
    return held.error();
  }
  const std::string* part_number = query.find("partNumber");
  if (part_number == nullptr) {
    PREDA_CHECK(plan_range(record, headers, wants_checksums(headers), plan));
    return plan;
  }
  if (headers.find("range") != nullptr) {
    return S3Error{S3Code::InvalidRequest,
                   "Cannot specify both Range header and partNumber query parameter"};
  }
  PREDA_CHECK(plan_part(record, *part_number, wants_checksums(headers), plan));
  return plan;
}

}  // namespace predastore::s3
