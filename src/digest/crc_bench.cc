#include <benchmark/benchmark.h>

#include <string>

#include "digest/crc.h"
#include "digest/crc_fold.h"
#include "digest/hash.h"
#include "digest/md5_lanes.h"

namespace predastore::digest {
namespace {

const std::string& bytes() {
  static const std::string text(128 * 1024, 'x');
  return text;
}

template <class Function>
void measure(benchmark::State& state, Function function) {
  for (auto _ : state) benchmark::DoNotOptimize(function(as_bytes(bytes())));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes().size()));
}

BENCHMARK_CAPTURE(measure, crc32, [](ByteSpan b) { return crc32(b); });
BENCHMARK_CAPTURE(measure, crc32_by_isal, [](ByteSpan b) { return crc32_by_isal(b, 0); });
BENCHMARK_CAPTURE(measure, crc32_of_8_kib, [](ByteSpan b) { return crc32(b.first(8192)); });
BENCHMARK_CAPTURE(measure, crc32_of_8_kib_by_isal,
                  [](ByteSpan b) { return crc32_by_isal(b.first(8192), 0); });
BENCHMARK_CAPTURE(measure, crc32c, [](ByteSpan b) { return crc32c(b); });
BENCHMARK_CAPTURE(measure, crc64nvme, [](ByteSpan b) { return crc64nvme(b); });
BENCHMARK_CAPTURE(measure, crc64nvme_by_table, [](ByteSpan b) { return crc64nvme_by_table(b, 0); });
BENCHMARK_CAPTURE(measure, md5, [](ByteSpan b) { return md5(b); });
BENCHMARK_CAPTURE(measure, sha256, [](ByteSpan b) { return sha256(b); });

// So many streams, 128 KiB of each; beside one stream, which is `md5`.
void md5_lanes(benchmark::State& state) {
  std::vector<Md5Stream> streams(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    std::vector<Md5Work> works;
    for (Md5Stream& stream : streams) works.push_back({&stream, {as_bytes(bytes())}});
    update_together(works);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) *
                          static_cast<std::int64_t>(bytes().size()));
}
BENCHMARK(md5_lanes)->DenseRange(1, 8);

}  // namespace
}  // namespace predastore::digest

BENCHMARK_MAIN();
