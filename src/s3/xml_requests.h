#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"
#include "s3/checksums.h"
#include "s3/error_table.h"

namespace predastore::s3 {

// Bodies larger than these are refused unread. A thousand keys of 1024 bytes that all need escapes,
// and ten thousand parts with SHA-256 checksums, are below them.
inline constexpr std::size_t kDeleteBodyMaxBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kCompleteBodyMaxBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kSmallBodyMaxBytes = 64 * 1024;
inline constexpr std::size_t kDeleteKeysMax = 1000;
inline constexpr std::size_t kPartsMax = 10'000;

struct DeleteEntry {
  std::string key;
  std::string version_id;
  std::string etag;  // of a conditional delete, as it was sent
};
struct DeleteDocument {
  std::vector<DeleteEntry> entries;  // 1..1000
  bool is_quiet = false;
};
struct CompleteEntry {
  PartNumber part_number;
  std::string etag;  // without quotes
  std::optional<ClaimedChecksum> checksum;
};

// MalformedXML for whatever is not well-formed or not by the schema; elements that the schema does
// not have are read over.
S3Result<DeleteDocument> parse_delete(std::string_view document);
// 1..10,000 entries, in the order of the document. InvalidPartOrder unless ascending.
S3Result<std::vector<CompleteEntry>> parse_complete(std::string_view document);
// The location constraint; empty when there is none or no document.
S3Result<std::string> parse_create_bucket(std::string_view document);

}  // namespace predastore::s3
