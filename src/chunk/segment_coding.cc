#include "chunk/segment_coding.h"

#include "env/blocking.h"
#include "segment/checksum.h"

namespace predastore::chunk {

segment::Codec codec_of(Compression compression) {
  switch (compression) {
    case Compression::lz4: return segment::Codec::lz4;
    case Compression::snappy: return segment::Codec::snappy;
    case Compression::zstd: return segment::Codec::zstd;
    case Compression::by_default:
    case Compression::none: break;
  }
  return segment::Codec::raw;
}

Task<std::vector<shard::Segment>> encode_segments(Environment env, segment::Codec codec,
                                                  std::vector<shard::Segment> segments) {
  if (codec != segment::Codec::raw) {
    auto compress = [codec, all = &segments] {
      for (shard::Segment& one : *all) {
        segment::EncodedPayload encoded = segment::encode_payload(codec, std::move(one.stored));
        one.codec = static_cast<std::uint8_t>(encoded.codec);
        one.stored = std::move(encoded.stored);
      }
    };
    co_await run_blocking(env.blocking, std::move(compress));
  }
  for (shard::Segment& one : segments) one.crc32 = segment::crc32(one.stored);
  co_return segments;
}

}  // namespace predastore::chunk
