#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"

namespace predastore::segment {

// How the payload of a segment is stored. The numbers are on disk and on the wire.
enum class Codec : std::uint8_t { raw = 0, lz4 = 1, snappy = 2, zstd = 3 };

inline bool is_known_codec(std::uint8_t codec) {
  return codec <= static_cast<std::uint8_t>(Codec::zstd);
}

// The logical bytes of a stored payload. Unsupported for a codec that this build does not decode;
// Corruption when the size is not the one that the header promised.
Result<Buffer> decode_payload(std::uint8_t codec, Buffer stored, std::size_t logical_size_bytes);

}  // namespace predastore::segment
