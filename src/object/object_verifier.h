#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "base/result.h"
#include "digest/hash.h"
#include "model/layout.h"

namespace predastore::object {

// The stored checksum of a whole object against its bytes as they are read again, from the first
// to the last. A CRC64NVME is put together from those of the chunks, which have been verified; for
// the others every byte is looked at.
class ObjectVerifier {
 public:
  // Whether a checksum says something about the bytes one after the other.
  static bool is_of_use(const ObjectChecksum& checksum);
  explicit ObjectVerifier(ObjectChecksum expected);

  bool needs_bytes() const { return expected_.algorithm != ChecksumAlgorithm::crc64nvme; }
  bool is_costly() const { return hash_ != nullptr; }  // much more than reading them
  void add_bytes(ByteSpan bytes);
  void add_chunk(std::uint64_t crc64nvme, std::uint64_t size_bytes);
  // After all of it. Corruption when it is another one.
  Result<void> finish();

 private:
  ObjectChecksum expected_;
  std::uint64_t crc_ = 0;
  std::unique_ptr<digest::Hash> hash_;
};

}  // namespace predastore::object
