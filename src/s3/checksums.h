#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "model/layout.h"
#include "s3/error_table.h"

namespace predastore::s3 {

std::string_view algorithm_name(ChecksumAlgorithm algorithm);  // "CRC64NVME"
std::string checksum_header(ChecksumAlgorithm algorithm);      // "x-amz-checksum-crc64nvme"
std::string checksum_element(ChecksumAlgorithm algorithm);     // "ChecksumCRC64NVME"
std::string_view checksum_type_name(ChecksumType type);        // "FULL_OBJECT"
std::size_t raw_checksum_size(ChecksumAlgorithm algorithm);    // raw
// In any case of letters; none for an unknown name.
std::optional<ChecksumAlgorithm> parse_algorithm(std::string_view name);
// Of an XML element's name; none when it is no checksum.
std::optional<ChecksumAlgorithm> algorithm_of_element(std::string_view element);

// As clients see it: base64, and for a composite one "-" and the number of parts.
std::string checksum_text(const ObjectChecksum& checksum, std::size_t part_count);

// What CreateMultipartUpload asks for. AWS's rules: CRC64NVME is of the full object, SHA-1 and
// SHA-256 are composite, CRC32 and CRC32C are what they are asked to be and composite when not
// asked. `algorithm` none when the client named none.
struct UploadChecksum {
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;
  ChecksumType type = ChecksumType::full_object;
};
S3Result<UploadChecksum> upload_checksum(const http::Headers& headers);

// The checksum of the whole from those of the parts, in order. None of it when the parts have
// different algorithms or none (which only an upload without an algorithm of its own allows). When
// `wanted` names no algorithm, the parts' one is taken, of the full object where it can be.
ObjectChecksum combine_parts(UploadChecksum wanted, const std::vector<ObjectPart>& parts);

// The one x-amz-checksum-* header with a value, if any; InvalidRequest for two of them or a value
// that is not the base64 of the right length. `part_count` from "-N" of a composite one, else 0.
struct ClaimedChecksum {
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;
  std::string value;  // raw
  std::size_t part_count = 0;
};
S3Result<ClaimedChecksum> claimed_checksum(const http::Headers& headers);
S3Result<ClaimedChecksum> parse_claimed(ChecksumAlgorithm algorithm, std::string_view text);

// The algorithm that a body is sent with: of its checksum header or of the trailer it announces.
S3Result<ChecksumAlgorithm> announced_algorithm(const http::Headers& headers);

// x-amz-checksum-ALGORITHM and x-amz-checksum-type, when there is one.
void add_checksum_headers(http::Headers& headers, const ObjectChecksum& checksum,
                          std::size_t part_count);

}  // namespace predastore::s3
