#include "s3/complete_plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "model/limits.h"
#include "s3/checksums.h"
#include "s3/range.h"

namespace predastore::s3 {
namespace {

S3Error invalid_part(const meta::UploadRecord& upload, const CompleteEntry& entry) {
  return S3Error{S3Code::InvalidPart}
      .with("UploadId", upload.upload_id)
      .with("PartNumber", std::to_string(entry.part_number.value()))
      .with("ETag", entry.etag);
}

S3Error too_small(const ObjectPart& part) {
  return S3Error{S3Code::EntityTooSmall}
      .with("ProposedSize", std::to_string(part.size_bytes))
      .with("MinSizeAllowed", std::to_string(kPartSizeMinBytes))
      .with("PartNumber", std::to_string(part.part_number.value()))
      .with("ETag", to_hex(as_bytes(part.etag_md5)));
}

S3Result<void> check_part_checksum(const meta::UploadRecord& upload, const CompleteEntry& entry,
                                   const ObjectPart& part) {
  if (entry.checksum) {
    if (entry.checksum->algorithm != part.checksum.algorithm ||
        entry.checksum->value != part.checksum.value)
      return invalid_part(upload, entry);
    return {};
  }
  const bool is_required = upload.checksum_algorithm != ChecksumAlgorithm::none &&
                           upload.checksum_type == ChecksumType::composite;
  if (!is_required) return {};
  return S3Error{S3Code::InvalidRequest,
                 "The upload was created using a " +
                     http::to_lower(algorithm_name(upload.checksum_algorithm)) +
                     " checksum. The complete request must include the checksum for each part. It "
                     "was missing for part " +
                     std::to_string(entry.part_number.value()) + " in the request."};
}

S3Result<void> check_whole(const ObjectChecksum& whole, std::uint64_t size_bytes,
                           std::size_t part_count, const http::Headers& headers) {
  PREDA_TRY(const ClaimedChecksum claimed, claimed_checksum(headers));
  if (claimed.algorithm != ChecksumAlgorithm::none) {
    const bool count_is_good = claimed.part_count == 0 || claimed.part_count == part_count;
    if (claimed.algorithm != whole.algorithm || claimed.value != whole.value || !count_is_good)
      return S3Code::BadDigest;
  }
  const std::string_view type = headers.get("x-amz-checksum-type");
  if (!type.empty() && whole.algorithm != ChecksumAlgorithm::none &&
      !http::equal_ignoring_case(type, checksum_type_name(whole.type))) {
    return S3Error{S3Code::InvalidRequest,
                   "The checksum type of the complete request is not that of the upload."};
  }
  if (const std::string* expected = headers.find("x-amz-mp-object-size")) {
    if (parse_decimal(*expected) != size_bytes) {
      return S3Error{S3Code::InvalidRequest,
                     "The provided 'x-amz-mp-object-size' header does not match what was "
                     "computed."};
    }
  }
  return {};
}

}  // namespace

S3Result<CompletePlan> plan_complete(const meta::UploadRecord& upload,
                                     const std::vector<meta::PartRecord>& stored,
                                     const std::vector<CompleteEntry>& entries,
                                     const http::Headers& headers) {
  CompletePlan plan;
  std::vector<ObjectPart> parts;
  std::uint64_t size_bytes = 0;
  for (const CompleteEntry& entry : entries) {
    const auto at = std::ranges::lower_bound(
        stored, entry.part_number, {},
        [](const meta::PartRecord& record) { return record.part.part_number; });
    if (at == stored.end() || at->part.part_number != entry.part_number)
      return invalid_part(upload, entry);
    const ObjectPart& part = at->part;
    if (!http::equal_ignoring_case(entry.etag, to_hex(as_bytes(part.etag_md5))))
      return invalid_part(upload, entry);
    PREDA_CHECK(check_part_checksum(upload, entry, part));
    if (!parts.empty() && parts.back().size_bytes < kPartSizeMinBytes)
      return too_small(parts.back());
    size_bytes += part.size_bytes;
    if (size_bytes > kObjectSizeMaxBytes) return S3Code::EntityTooLarge;
    parts.push_back(part);
    plan.parts.push_back({part.part_number, to_hex(as_bytes(part.etag_md5))});
  }
  plan.checksum = combine_parts({upload.checksum_algorithm, upload.checksum_type}, parts);
  PREDA_CHECK(check_whole(plan.checksum, size_bytes, parts.size(), headers));
  return plan;
}

}  // namespace predastore::s3
