#pragma once

#include <cstdint>
#include <vector>

#include "http/message.h"
#include "meta/meta_service.h"
#include "s3/error_table.h"
#include "s3/xml_requests.h"

namespace predastore::s3 {

inline constexpr std::uint64_t kPartSizeMinBytes = 5ULL << 20;  // of all parts but the last

// What is stored of an upload against what the client asks to be made of it. `stored` in order of
// part numbers. InvalidPart (not there, another ETag or checksum), EntityTooSmall, EntityTooLarge,
// InvalidRequest (a checksum of a part is missing, another total size), BadDigest (another checksum
// of the whole). The result's checksum is that of the whole.
struct CompletePlan {
  std::vector<meta::CompletePart> parts;
  ObjectChecksum checksum;
};
S3Result<CompletePlan> plan_complete(const meta::UploadRecord& upload,
                                     const std::vector<meta::PartRecord>& stored,
                                     const std::vector<CompleteEntry>& entries,
                                     const http::Headers& headers);

}  // namespace predastore::s3
