#include "s3/auth/checksum.h"

#include "base/codec.h"
#include "base/text.h"
#include "digest/crc.h"

namespace predastore::s3 {
namespace {

struct AlgorithmInfo {
  ChecksumAlgorithm algorithm;
  std::string_view name;
  std::string_view header;
  std::size_t size_bytes;
};
constexpr AlgorithmInfo kAlgorithms[] = {
    {ChecksumAlgorithm::crc32, "CRC32", "x-amz-checksum-crc32", 4},
    {ChecksumAlgorithm::crc32c, "CRC32C", "x-amz-checksum-crc32c", 4},
    {ChecksumAlgorithm::crc64nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", 8},
    {ChecksumAlgorithm::sha1, "SHA1", "x-amz-checksum-sha1", 20},
    {ChecksumAlgorithm::sha256, "SHA256", "x-amz-checksum-sha256", 32},
};

const AlgorithmInfo* info_of(ChecksumAlgorithm algorithm) {
  for (const AlgorithmInfo& info : kAlgorithms) {
    if (info.algorithm == algorithm) return &info;
  }
  return nullptr;
}

AuthError invalid_request(std::string message) {
  return AuthError{AuthErrorKind::InvalidRequest, std::move(message), {}};
}

std::optional<AuthError> read_trailer_names(const http::Headers& headers, bool may_trail,
                                            BodyPromise& promise) {
  const auto fields = headers.all("x-amz-trailer");
  if (fields.empty()) return std::nullopt;
  const std::string name = http::to_lower(fields[0]);
  const ChecksumAlgorithm algorithm = algorithm_of_header(name);
  if (!may_trail || fields.size() != 1 || algorithm == ChecksumAlgorithm::none)
    return invalid_request("The value specified in the x-amz-trailer header is not supported");
  promise.algorithm = algorithm;
  promise.trailer_names = {name};
  return std::nullopt;
}

}  // namespace

std::string_view name_of(ChecksumAlgorithm algorithm) {
  const AlgorithmInfo* info = info_of(algorithm);
  return info == nullptr ? std::string_view{} : info->name;
}

ChecksumAlgorithm algorithm_of_header(std::string_view header_name) {
  for (const AlgorithmInfo& info : kAlgorithms) {
    if (info.header == header_name) return info.algorithm;
  }
  return ChecksumAlgorithm::none;
}

std::optional<std::string> parse_checksum(ChecksumAlgorithm algorithm, std::string_view base64) {
  std::optional<std::string> raw = from_base64(base64);
  const AlgorithmInfo* info = info_of(algorithm);
  if (!raw || info == nullptr || raw->size() != info->size_bytes) return std::nullopt;
  return raw;
}

ChecksumState::ChecksumState(ChecksumAlgorithm algorithm) : algorithm_(algorithm) {
  if (algorithm == ChecksumAlgorithm::sha1)
    hash_ = std::make_unique<digest::Hash>(digest::HashKind::sha1);
  if (algorithm == ChecksumAlgorithm::sha256)
    hash_ = std::make_unique<digest::Hash>(digest::HashKind::sha256);
}

void ChecksumState::update(ByteSpan bytes) {
  switch (algorithm_) {
    case ChecksumAlgorithm::none: break;
    case ChecksumAlgorithm::crc32:
      crc_ = digest::crc32(bytes, static_cast<std::uint32_t>(crc_));
      break;
    case ChecksumAlgorithm::crc32c:
      crc_ = digest::crc32c(bytes, static_cast<std::uint32_t>(crc_));
      break;
    case ChecksumAlgorithm::crc64nvme: crc_ = digest::crc64nvme(bytes, crc_); break;
    case ChecksumAlgorithm::sha1:
    case ChecksumAlgorithm::sha256: hash_->update(bytes); break;
  }
}

std::string ChecksumState::finish() {
  if (hash_ != nullptr) return hash_->finish();
  Encoder encoder;
  if (algorithm_ == ChecksumAlgorithm::crc64nvme) {
    encoder.be(crc_);
  } else if (algorithm_ != ChecksumAlgorithm::none) {
    encoder.be(static_cast<std::uint32_t>(crc_));
  }
  return std::move(encoder).take();
}

std::variant<BodyPromise, AuthError> read_body_promise(const http::Headers& headers, bool may_trail,
                                                       bool is_completion) {
  BodyPromise promise;
  const auto md5 = headers.all("content-md5");
  if (!md5.empty()) {
    promise.content_md5 = from_base64(md5[0]);
    if (md5.size() != 1 || !promise.content_md5 || promise.content_md5->size() != 16) {
      return AuthError{AuthErrorKind::InvalidDigest,
                       "The Content-MD5 you specified was invalid.",
                       {{"Content-MD5", std::string(md5[0])}}};
    }
  }
  if (auto error = read_trailer_names(headers, may_trail, promise)) return *std::move(error);
  if (is_completion) return promise;
  for (const http::Header& header : headers.entries()) {
    const std::string name = http::to_lower(header.name);
    const ChecksumAlgorithm algorithm = algorithm_of_header(name);
    if (algorithm == ChecksumAlgorithm::none) continue;
    if (promise.algorithm != ChecksumAlgorithm::none) {
      return invalid_request(
          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    }
    promise.algorithm = algorithm;
    promise.checksum = parse_checksum(algorithm, header.value);
    if (!promise.checksum) return invalid_request("Value for " + name + " header is invalid.");
  }
  return promise;
}

}  // namespace predastore::s3
