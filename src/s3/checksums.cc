#include "s3/checksums.h"

#include <algorithm>
#include <array>

#include "base/codec.h"
#include "base/text.h"
#include "digest/crc.h"
#include "digest/hash.h"
#include "s3/range.h"

namespace predastore::s3 {
namespace {

struct AlgorithmInfo {
  ChecksumAlgorithm algorithm;
  std::string_view name;
  std::size_t size_bytes;
  bool may_be_full_object;  // can be combined from parts without their bytes
  bool may_be_composite;
};
constexpr auto kAlgorithms = std::to_array<AlgorithmInfo>({
    {ChecksumAlgorithm::crc32, "CRC32", 4, true, true},
    {ChecksumAlgorithm::crc32c, "CRC32C", 4, true, true},
    {ChecksumAlgorithm::crc64nvme, "CRC64NVME", 8, true, false},
    {ChecksumAlgorithm::sha1, "SHA1", 20, false, true},
    {ChecksumAlgorithm::sha256, "SHA256", 32, false, true},
});

const AlgorithmInfo& info_of(ChecksumAlgorithm algorithm) {
  const auto at = std::ranges::find(kAlgorithms, algorithm, &AlgorithmInfo::algorithm);
  PREDA_ASSERT(at != kAlgorithms.end());
  return *at;
}

std::uint64_t number_of(std::string_view raw) {
  std::uint64_t value = 0;
  for (const char c : raw) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string raw_of(std::uint64_t value, std::size_t size_bytes) {
  std::string raw(size_bytes, '\0');
  for (std::size_t i = size_bytes; i-- > 0; value >>= 8) raw[i] = static_cast<char>(value & 0xff);
  return raw;
}

std::uint64_t combine_two(ChecksumAlgorithm algorithm, std::uint64_t a, std::uint64_t b,
                          std::uint64_t b_size_bytes) {
  const auto a32 = static_cast<std::uint32_t>(a);
  const auto b32 = static_cast<std::uint32_t>(b);
  switch (algorithm) {
    case ChecksumAlgorithm::crc32: return digest::crc32_combine(a32, b32, b_size_bytes);
    case ChecksumAlgorithm::crc32c: return digest::crc32c_combine(a32, b32, b_size_bytes);
    case ChecksumAlgorithm::crc64nvme: return digest::crc64nvme_combine(a, b, b_size_bytes);
    default: PREDA_ASSERT(false); return 0;
  }
}

std::string digest_of(ChecksumAlgorithm algorithm, std::string_view bytes) {
  switch (algorithm) {
    case ChecksumAlgorithm::crc32: return raw_of(digest::crc32(as_bytes(bytes)), 4);
    case ChecksumAlgorithm::crc32c: return raw_of(digest::crc32c(as_bytes(bytes)), 4);
    case ChecksumAlgorithm::crc64nvme: return raw_of(digest::crc64nvme(as_bytes(bytes)), 8);
    case ChecksumAlgorithm::sha1: return digest::sha1(bytes);
    case ChecksumAlgorithm::sha256: return digest::sha256(bytes);
    case ChecksumAlgorithm::none: break;
  }
  PREDA_ASSERT(false);
  return {};
}

S3Error wrong_type(std::string_view type, std::string_view algorithm) {
  return S3Error{S3Code::InvalidRequest, "The " + std::string(type) +
                                             " checksum type cannot be used with the " +
                                             http::to_lower(algorithm) + " checksum algorithm."};
}

}  // namespace

std::string_view algorithm_name(ChecksumAlgorithm algorithm) { return info_of(algorithm).name; }
std::string checksum_header(ChecksumAlgorithm algorithm) {
  return "x-amz-checksum-" + http::to_lower(algorithm_name(algorithm));
}
std::string checksum_element(ChecksumAlgorithm algorithm) {
  return "Checksum" + std::string(algorithm_name(algorithm));
}
std::string_view checksum_type_name(ChecksumType type) {
  return type == ChecksumType::composite ? "COMPOSITE" : "FULL_OBJECT";
}
std::size_t raw_checksum_size(ChecksumAlgorithm algorithm) { return info_of(algorithm).size_bytes; }

std::optional<ChecksumAlgorithm> parse_algorithm(std::string_view name) {
  for (const AlgorithmInfo& info : kAlgorithms) {
    if (http::equal_ignoring_case(info.name, name)) return info.algorithm;
  }
  return std::nullopt;
}

std::optional<ChecksumAlgorithm> algorithm_of_element(std::string_view element) {
  if (!element.starts_with("Checksum")) return std::nullopt;
  return parse_algorithm(element.substr(8));
}

std::string checksum_text(const ObjectChecksum& checksum, std::size_t part_count) {
  std::string text = to_base64(as_bytes(checksum.value));
  if (checksum.type == ChecksumType::composite) text += "-" + std::to_string(part_count);
  return text;
}

S3Result<UploadChecksum> upload_checksum(const http::Headers& headers) {
  UploadChecksum wanted;
  const std::string_view name = headers.get("x-amz-checksum-algorithm");
  const std::string_view type = headers.get("x-amz-checksum-type");
  if (name.empty()) {
    if (type.empty()) return wanted;
    return S3Error{S3Code::InvalidRequest,
                   "The x-amz-checksum-type header can only be used with the "
                   "x-amz-checksum-algorithm header."};
  }
  const std::optional<ChecksumAlgorithm> algorithm = parse_algorithm(name);
  if (!algorithm) {
    return S3Error{S3Code::InvalidRequest,
                   "Checksum algorithm provided is unsupported. Please try again with any of the "
                   "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"};
  }
  const AlgorithmInfo& info = info_of(*algorithm);
  wanted.algorithm = *algorithm;
  wanted.type = info.may_be_composite ? ChecksumType::composite : ChecksumType::full_object;
  if (http::equal_ignoring_case(type, "FULL_OBJECT")) {
    if (!info.may_be_full_object) return wrong_type("FULL_OBJECT", info.name);
    wanted.type = ChecksumType::full_object;
  } else if (http::equal_ignoring_case(type, "COMPOSITE")) {
    if (!info.may_be_composite) return wrong_type("COMPOSITE", info.name);
    wanted.type = ChecksumType::composite;
  } else if (!type.empty()) {
    return S3Error{S3Code::InvalidRequest, "Value for x-amz-checksum-type header is invalid."};
  }
  return wanted;
}

ObjectChecksum combine_parts(UploadChecksum wanted, const std::vector<ObjectPart>& parts) {
  if (parts.empty()) return {};
  ChecksumAlgorithm algorithm = wanted.algorithm;
  ChecksumType type = wanted.type;
  if (algorithm == ChecksumAlgorithm::none) {
    algorithm = parts.front().checksum.algorithm;
    if (algorithm == ChecksumAlgorithm::none) return {};
    type =
        info_of(algorithm).may_be_full_object ? ChecksumType::full_object : ChecksumType::composite;
  }
  std::string concatenated;
  std::uint64_t combined = 0;
  for (const ObjectPart& part : parts) {
    if (part.checksum.algorithm != algorithm) return {};
    if (type == ChecksumType::composite) {
      concatenated += part.checksum.value;
    } else {
      combined = combine_two(algorithm, combined, number_of(part.checksum.value), part.size_bytes);
    }
  }
  ObjectChecksum whole{algorithm, type, {}};
  whole.value = type == ChecksumType::composite ? digest_of(algorithm, concatenated)
                                                : raw_of(combined, info_of(algorithm).size_bytes);
  return whole;
}

S3Result<ClaimedChecksum> parse_claimed(ChecksumAlgorithm algorithm, std::string_view text) {
  ClaimedChecksum claimed{algorithm, {}, 0};
  const std::size_t dash = std::min(text.find('-'), text.size());
  const std::optional<std::string> raw = from_base64(text.substr(0, dash));
  bool is_good = raw && raw->size() == info_of(algorithm).size_bytes;
  if (is_good && dash < text.size()) {
    const std::optional<std::uint64_t> count = parse_decimal(text.substr(dash + 1));
    is_good = count && *count >= 1 && *count <= 10'000;
    if (is_good) claimed.part_count = static_cast<std::size_t>(*count);
  }
  if (!is_good) {
    return S3Error{S3Code::InvalidRequest,
                   "Value for " + checksum_header(algorithm) + " header is invalid."};
  }
  claimed.value = *raw;
  return claimed;
}

S3Result<ClaimedChecksum> claimed_checksum(const http::Headers& headers) {
  ClaimedChecksum claimed;
  for (const AlgorithmInfo& info : kAlgorithms) {
    const std::string* value = headers.find(checksum_header(info.algorithm));
    if (value == nullptr) continue;
    if (claimed.algorithm != ChecksumAlgorithm::none) {
      return S3Error{S3Code::InvalidRequest,
                     "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                     "allowed."};
    }
    PREDA_TRY(claimed, parse_claimed(info.algorithm, *value));
  }
  return claimed;
}

S3Result<ChecksumAlgorithm> announced_algorithm(const http::Headers& headers) {
  PREDA_TRY(const ClaimedChecksum claimed, claimed_checksum(headers));
  if (claimed.algorithm != ChecksumAlgorithm::none) return claimed.algorithm;
  for (const AlgorithmInfo& info : kAlgorithms) {
    if (headers.has_token("x-amz-trailer", checksum_header(info.algorithm))) return info.algorithm;
  }
  return ChecksumAlgorithm::none;
}

void add_checksum_headers(http::Headers& headers, const ObjectChecksum& checksum,
                          std::size_t part_count) {
  if (checksum.algorithm == ChecksumAlgorithm::none) return;
  headers.add(checksum_header(checksum.algorithm), checksum_text(checksum, part_count));
  headers.add("x-amz-checksum-type", std::string(checksum_type_name(checksum.type)));
}

}  // namespace predastore::s3
