#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"

namespace predastore::segment {

// How the payload of a segment is stored. The numbers are on disk and on the wire.
enum class Codec : std::uint8_t { raw = 0, lz4 = 1, snappy = 2, zstd = 3 };

inline bool is_known_codec(std::uint8_t codec) {
  return codec <= static_cast<std::uint8_t>(Codec::zstd);
}
std::string_view name_of(Codec codec);  // "none", "lz4", "snappy", "zstd"
std::optional<Codec> parse_codec(std::string_view name);

struct EncodedPayload {
  Codec codec = Codec::raw;
  Buffer stored;
};
// Compresses one segment; stored raw (the same bytes, not copied) when that does not save at least
// a sixteenth of it. 0 < logical.size() <= kSegmentSizeBytes.
EncodedPayload encode_payload(Codec codec, Buffer logical);

// The logical bytes of a stored payload; raw ones are not copied. Corruption when they are not what
// the codec makes, or not as many as the header promised; Unsupported for a number that is no
// codec.
Result<Buffer> decode_payload(std::uint8_t codec, Buffer stored, std::size_t logical_size_bytes);

}  // namespace predastore::segment
