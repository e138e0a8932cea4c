#pragma once

#include <isa-l/crc.h>

#include <cstdint>

#include "base/buffer.h"

namespace predastore::segment {

// The CRC32 of everything on disk and of fetched segments: ISA-L's crc32_gzip_refl (zlib's
// polynomial). `seed` continues one.
inline std::uint32_t crc32(ByteSpan bytes, std::uint32_t seed = 0) {
  return crc32_gzip_refl(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

}  // namespace predastore::segment
