#include <benchmark/benchmark.h>

#include "erasure/codec.h"

namespace predastore::erasure {
namespace {

struct Memory {
  explicit Memory(RsConfig rs) {
    for (std::size_t i = 0; i < rs.width(); ++i) {
      segments.push_back(MutableBuffer::aligned(kSegmentSizeBytes));
      std::fill_n(segments.back().data(), kSegmentSizeBytes, static_cast<std::byte>(i + 1));
    }
  }
  std::vector<MutableBuffer> segments;
};

RsConfig config_of(const benchmark::State& state) {
  return {static_cast<std::uint8_t>(state.range(0)), static_cast<std::uint8_t>(state.range(1))};
}

void encode(benchmark::State& state) {
  const Codec codec{config_of(state)};
  Memory memory{codec.rs()};
  std::vector<ByteSpan> data;
  std::vector<MutableByteSpan> parity;
  for (std::size_t i = 0; i < codec.rs().width(); ++i) {
    if (i < codec.rs().data_shards) {
      data.emplace_back(memory.segments[i].bytes());
    } else {
      parity.push_back(memory.segments[i].bytes());
    }
  }
  for (auto _ : state) {
    codec.encode(data, parity);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(data.size() * kSegmentSizeBytes));
}

void decode_one(benchmark::State& state) {
  Codec codec{config_of(state)};
  Memory memory{codec.rs()};
  std::vector<Present> present;
  for (std::uint8_t role = 1; role < codec.rs().width(); ++role)
    present.push_back({ShardRole{role}, memory.segments[role].bytes()});
  const std::vector<Wanted> wanted{{ShardRole{0}, memory.segments[0].bytes()}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(codec.decode(present, wanted));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(codec.rs().data_shards * kSegmentSizeBytes));
}

void schemes(benchmark::internal::Benchmark* bench) {
  bench->Args({2, 1})->Args({3, 2})->Args({4, 2})->Args({8, 4})->Args({16, 8});
}
BENCHMARK(encode)->Apply(schemes);
BENCHMARK(decode_one)->Apply(schemes);

}  // namespace
}  // namespace predastore::erasure

BENCHMARK_MAIN();
