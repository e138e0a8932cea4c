#include "segment/codec.h"

namespace predastore::segment {

Result<Buffer> decode_payload(std::uint8_t codec, Buffer stored, std::size_t logical_size_bytes) {
  if (codec != static_cast<std::uint8_t>(Codec::raw))
    return make_error(ErrorCode::Unsupported, "segment codec");
  if (stored.size() != logical_size_bytes)
    return make_error(ErrorCode::Corruption, "raw segment of another length");
  return stored;
}

}  // namespace predastore::segment
