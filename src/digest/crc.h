#pragma once

#include <cstdint>

#include "base/buffer.h"

namespace predastore::digest {

// The checksums of records and of S3, all reflected, with the usual inversion before and after.
// `so_far` continues one: the value of the empty input is 0, and crc(ab) == crc(b, crc(a)).
std::uint32_t crc32(ByteSpan bytes, std::uint32_t so_far = 0);   // zlib's, IEEE 802.3
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t so_far = 0);  // Castagnoli, RFC 3720
std::uint64_t crc64nvme(
    ByteSpan bytes,
    std::uint64_t so_far = 0);  // NVMe NVM command set, "Rocksoft": 0xad93d23594c93659

// The checksum of `a` and `b` one after the other, from theirs and the length of `b`. By
// multiplication in GF(2)[x] modulo the polynomial, as zlib's crc32_combine does.
std::uint32_t crc32_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size_bytes);
std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size_bytes);
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t b_size_bytes);

}  // namespace predastore::digest
