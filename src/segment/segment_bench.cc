#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "digest/crc.h"
#include "model/limits.h"
#include "segment/codec.h"
#include "segment/record.h"

namespace predastore::segment {
namespace {

// A segment of words that compress to about a third, or of bytes that do not at all.
Buffer segment_of(bool is_text) {
  std::mt19937_64 random{1};
  std::string bytes;
  while (bytes.size() < kSegmentSizeBytes) {
    if (is_text)
      bytes += "word" + std::to_string(random() % 300) + ' ';
    else
      bytes += static_cast<char>(random());
  }
  bytes.resize(kSegmentSizeBytes);
  return Buffer::take(std::move(bytes));
}

void encode(benchmark::State& state, Codec codec, bool is_text) {
  const Buffer logical = segment_of(is_text);
  for (auto _ : state) {
    const EncodedPayload payload = encode_payload(codec, logical);
    benchmark::DoNotOptimize(digest::crc32(payload.stored));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kSegmentSizeBytes));
}
void decode(benchmark::State& state, Codec codec) {
  const EncodedPayload payload = encode_payload(codec, segment_of(true));
  for (auto _ : state) {
    benchmark::DoNotOptimize(digest::crc32(payload.stored));
    benchmark::DoNotOptimize(
        decode_payload(static_cast<std::uint8_t>(payload.codec), payload.stored, kSegmentSizeBytes)
            .has_value());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kSegmentSizeBytes));
}

BENCHMARK_CAPTURE(encode, raw, Codec::raw, true);
BENCHMARK_CAPTURE(encode, lz4_text, Codec::lz4, true);
BENCHMARK_CAPTURE(encode, lz4_noise, Codec::lz4, false);
BENCHMARK_CAPTURE(encode, snappy_text, Codec::snappy, true);
BENCHMARK_CAPTURE(encode, snappy_noise, Codec::snappy, false);
BENCHMARK_CAPTURE(encode, zstd_text, Codec::zstd, true);
BENCHMARK_CAPTURE(encode, zstd_noise, Codec::zstd, false);
BENCHMARK_CAPTURE(decode, raw, Codec::raw);
BENCHMARK_CAPTURE(decode, lz4, Codec::lz4);
BENCHMARK_CAPTURE(decode, snappy, Codec::snappy);
BENCHMARK_CAPTURE(decode, zstd, Codec::zstd);

void record_header(benchmark::State& state) {
  RecordHeader header;
  header.logical_size_bytes = header.stored_size_bytes = kSegmentSizeBytes;
  std::array<std::byte, kRecordHeaderSizeBytes> bytes{};
  for (auto _ : state) {
    encode_record_header(header, bytes);
    benchmark::DoNotOptimize(decode_record_header(bytes).has_value());
  }
}
BENCHMARK(record_header);

}  // namespace
}  // namespace predastore::segment

BENCHMARK_MAIN();
