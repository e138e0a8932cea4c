#include <benchmark/benchmark.h>

#include "ring/ring.h"

namespace predastore::ring {
namespace {

// Where the chunks of an object go, hash and look-up, in rings of so many nodes with 256 vnodes.
void place(benchmark::State& state) {
  RingRecord record{.epoch = RingEpoch{1}, .vnodes_per_slot = 256, .slots = {}};
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(state.range(0)); ++i)
    record.slots.push_back({.slot = SlotId{i}, .node = NodeId{101 + i}, .zone = {}});
  const Ring ring = Ring::make(record).value();
  std::uint32_t index = 0;
  for (auto _ : state) {
    const std::uint64_t hash = placement_hash("photos", "2026/cat.jpg", ChunkIndex{index++});
    benchmark::DoNotOptimize(ring.candidates(hash, 5));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(place)->Arg(3)->Arg(6)->Arg(32)->Arg(256);

}  // namespace
}  // namespace predastore::ring

BENCHMARK_MAIN();
