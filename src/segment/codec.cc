#include "segment/codec.h"

#include <lz4.h>
#include <snappy.h>
#include <zstd.h>

#include <array>
#include <cstring>
#include <string>

#include "model/limits.h"

namespace predastore::segment {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"none", "lz4", "snappy", "zstd"};
constexpr int kZstdLevel = 1;

const char* chars(ByteSpan bytes) { return reinterpret_cast<const char*>(bytes.data()); }
char* chars(MutableByteSpan bytes) { return reinterpret_cast<char*>(bytes.data()); }

// How many bytes were written to `out`; zero when it did not fit (or failed: raw is always right).
std::size_t compress(Codec codec, ByteSpan in, MutableByteSpan out) {
  switch (codec) {
    case Codec::raw: return 0;
    case Codec::lz4: {
      // Gives up as soon as the room is full, which makes incompressible bytes cheap.
      const int size = LZ4_compress_default(chars(in), chars(out), static_cast<int>(in.size()),
                                            static_cast<int>(out.size()));
      return size > 0 ? static_cast<std::size_t>(size) : 0;
    }
    case Codec::snappy: {
      // Snappy wants room for its worst case.
      std::string whole;
      const std::size_t size = snappy::Compress(chars(in), in.size(), &whole);
      if (size > out.size()) return 0;
      std::memcpy(out.data(), whole.data(), size);
      return size;
    }
    case Codec::zstd: {
      const std::size_t size =
          ZSTD_compress(out.data(), out.size(), in.data(), in.size(), kZstdLevel);
      return ZSTD_isError(size) != 0 ? 0 : size;
    }
  }
  return 0;
}

bool decompress(Codec codec, ByteSpan in, MutableByteSpan out) {
  switch (codec) {
    case Codec::raw: return false;
    case Codec::lz4:
      return LZ4_decompress_safe(chars(in), chars(out), static_cast<int>(in.size()),
                                 static_cast<int>(out.size())) == static_cast<int>(out.size());
    case Codec::snappy: {
      std::size_t size = 0;
      return snappy::GetUncompressedLength(chars(in), in.size(), &size) && size == out.size() &&
             snappy::RawUncompress(chars(in), in.size(), chars(out));
    }
    case Codec::zstd:
      return ZSTD_decompress(out.data(), out.size(), in.data(), in.size()) == out.size();
  }
  return false;
}

}  // namespace

std::string_view name_of(Codec codec) { return kNames[static_cast<std::size_t>(codec)]; }

std::optional<Codec> parse_codec(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Codec>(i);
  }
  return std::nullopt;
}

EncodedPayload encode_payload(Codec codec, Buffer logical) {
  PREDA_ASSERT(!logical.empty() && logical.size() <= kSegmentSizeBytes);
  const std::size_t size_max = logical.size() - (logical.size() + 15) / 16;
  if (codec == Codec::raw || size_max == 0) return {Codec::raw, std::move(logical)};
  MutableBuffer out(size_max);
  const std::size_t size = compress(codec, logical, out.bytes());
  if (size == 0) return {Codec::raw, std::move(logical)};
  return {codec, std::move(out).freeze(size)};
}

Result<Buffer> decode_payload(std::uint8_t codec, Buffer stored, std::size_t logical_size_bytes) {
  if (!is_known_codec(codec))
    return make_error(ErrorCode::Unsupported, "codec " + std::to_string(codec));
  if (static_cast<Codec>(codec) == Codec::raw) {
    if (stored.size() != logical_size_bytes)
      return make_error(ErrorCode::Corruption, "the size of a raw segment");
    return stored;
  }
  if (logical_size_bytes == 0 || logical_size_bytes > kSegmentSizeBytes)
    return make_error(ErrorCode::Corruption, "the size of a segment");
  MutableBuffer out(logical_size_bytes);
  if (!decompress(static_cast<Codec>(codec), stored, out.bytes()))
    return make_error(ErrorCode::Corruption, "a compressed segment does not decode");
  return std::move(out).freeze();
}

}  // namespace predastore::segment
