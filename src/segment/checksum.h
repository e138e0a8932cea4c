#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "digest/crc.h"

namespace predastore::segment {

// The CRC32 of everything on disk and of fetched segments: zlib's polynomial. `seed` continues one.
inline std::uint32_t crc32(ByteSpan bytes, std::uint32_t seed = 0) {
  return digest::crc32(bytes, seed);
}

}  // namespace predastore::segment
