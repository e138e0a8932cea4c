#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "digest/hash.h"
#include "http/message.h"
#include "model/layout.h"
#include "s3/auth/auth_error.h"

namespace predastore::s3 {

std::string_view name_of(ChecksumAlgorithm algorithm);  // "CRC32", "CRC64NVME", ...; "" for none
// "x-amz-checksum-crc32" in lower case gives crc32; none for everything else.
ChecksumAlgorithm algorithm_of_header(std::string_view header_name);

// One of S3's checksums over bytes that come piece by piece. One thread at a time.
class ChecksumState {
 public:
  explicit ChecksumState(ChecksumAlgorithm algorithm);
  void update(ByteSpan bytes);
  std::string finish();  // raw, big-endian for CRCs
  ChecksumAlgorithm algorithm() const { return algorithm_; }

 private:
  ChecksumAlgorithm algorithm_;
  std::uint64_t crc_ = 0;
  std::unique_ptr<digest::Hash> hash_;
};

// What the client promised about the bytes of the body, besides its signature.
struct BodyPromise {
  std::optional<std::string> content_md5;  // 16 raw bytes
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;
  std::optional<std::string> checksum;  // raw; none: it comes in the trailer
  std::vector<std::string> trailer_names;
};

// From Content-MD5, x-amz-checksum-* and x-amz-trailer. Unknown algorithms are ignored.
// `may_trail`: the payload mode has a trailer. `is_completion`: CompleteMultipartUpload, whose
// x-amz-checksum-* speaks of the object and not of the body.
std::variant<BodyPromise, AuthError> read_body_promise(const http::Headers& headers, bool may_trail,
                                                       bool is_completion);

// The raw bytes of a checksum's base64 text, or none when it is not one of that algorithm.
std::optional<std::string> parse_checksum(ChecksumAlgorithm algorithm, std::string_view base64);

}  // namespace predastore::s3
