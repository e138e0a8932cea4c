#include <benchmark/benchmark.h>

#include <string>

#include "digest/crc.h"
#include "digest/crc64_fold.h"
#include "digest/hash.h"

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
BENCHMARK_CAPTURE(measure, crc32c, [](ByteSpan b) { return crc32c(b); });
BENCHMARK_CAPTURE(measure, crc64nvme, [](ByteSpan b) { return crc64nvme(b); });
BENCHMARK_CAPTURE(measure, crc64nvme_by_table, [](ByteSpan b) { return crc64nvme_by_table(b, 0); });
BENCHMARK_CAPTURE(measure, md5, [](ByteSpan b) { return md5(b); });
BENCHMARK_CAPTURE(measure, sha256, [](ByteSpan b) { return sha256(b); });

}  // namespace
}  // namespace predastore::digest

BENCHMARK_MAIN();
