#include "object/object_verifier.h"

#include <string>
#include <utility>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::object {

bool ObjectVerifier::is_of_use(const ObjectChecksum& checksum) {
  return checksum.algorithm != ChecksumAlgorithm::none &&
         checksum.type == ChecksumType::full_object;
}

ObjectVerifier::ObjectVerifier(ObjectChecksum expected) : expected_(std::move(expected)) {
  if (expected_.algorithm == ChecksumAlgorithm::sha1)
    hash_ = std::make_unique<digest::Hash>(digest::HashKind::sha1);
  if (expected_.algorithm == ChecksumAlgorithm::sha256)
    hash_ = std::make_unique<digest::Hash>(digest::HashKind::sha256);
}

void ObjectVerifier::add_bytes(ByteSpan bytes) {
  if (hash_ != nullptr) {
    hash_->update(bytes);
  } else if (expected_.algorithm == ChecksumAlgorithm::crc32) {
    crc_ = digest::crc32(bytes, static_cast<std::uint32_t>(crc_));
  } else if (expected_.algorithm == ChecksumAlgorithm::crc32c) {
    crc_ = digest::crc32c(bytes, static_cast<std::uint32_t>(crc_));
  }
}

void ObjectVerifier::add_chunk(std::uint64_t crc64nvme, std::uint64_t size_bytes) {
  if (!needs_bytes()) crc_ = digest::crc64nvme_combine(crc_, crc64nvme, size_bytes);
}

Result<void> ObjectVerifier::finish() {
  Encoder value;
  if (hash_ != nullptr) {
    value.raw(as_bytes(hash_->finish()));
  } else if (needs_bytes()) {
    value.be(static_cast<std::uint32_t>(crc_));
  } else {
    value.be(crc_);
  }
  if (value.str() == expected_.value) return {};
  return make_error(ErrorCode::Corruption, "an object has another checksum than was stored");
}

}  // namespace predastore::object
