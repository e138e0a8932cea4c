#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <filesystem>
#include <map>
#include <memory>

#include "chunk/chunk_service.h"
#include "env/host.h"
#include "env/run_task.h"
#include "kv/kv.h"
#include "object/chunked_object_store.h"
#include "object/testing/bodies.h"
#include "object/testing/fake_meta.h"
#include "shard/shard_store.h"

// The whole pipeline in one process: three real stores on a directory (PREDASTORE_BENCH_DIR, or the
// system's temporary one), no network, metadata in a map. The counter is CPU time of the process
// for each byte of the objects.
namespace predastore::object {
namespace {

namespace fs = std::filesystem;

class LocalShards final : public shard::ShardService {
 public:
  std::map<NodeId, std::unique_ptr<shard::ShardStore>> stores;

  Task<Result<std::unique_ptr<shard::ShardWriter>>> create(NodeId node, ShardKey key,
                                                           shard::ShardStamp stamp,
                                                           Instant) override {
    co_return stores.at(node)->create(key, stamp);
  }
  Task<Result<std::vector<shard::Segment>>> fetch(NodeId node, ShardKey key, WriteId write_id,
                                                  SegmentIndex first, std::uint16_t count,
                                                  Instant deadline) override {
    if (node == down) co_return make_error(ErrorCode::Unavailable, "down");
    co_return co_await stores.at(node)->fetch(key, write_id, first, count, deadline);
  }
  Task<Result<shard::ShardInfo>> stat(NodeId node, ShardKey key, Instant deadline) override {
    co_return co_await stores.at(node)->stat(key, deadline);
  }
  Task<Result<void>> remove(NodeId node, std::vector<shard::ShardRemoval> removals,
                            Instant deadline) override {
    co_return co_await stores.at(node)->remove(std::move(removals), deadline);
  }
  NodeId down{};
};

RingRecord ring_of_three() {
  RingRecord ring;
  ring.epoch = RingEpoch{1};
  for (std::uint32_t i = 0; i < 3; ++i)
    ring.slots.push_back({.slot = SlotId{i}, .node = NodeId{i + 1}, .zone = {}});
  return ring;
}

struct Cluster {
  Cluster() {
    const char* chosen = std::getenv("PREDASTORE_BENCH_DIR");
    directory = (chosen != nullptr ? fs::path{chosen} : fs::temp_directory_path()) /
                "predastore_object_bench";
    fs::remove_all(directory);
    for (std::uint64_t id = 1; id <= 3; ++id) {
      shard::ShardStoreOptions options;
      options.directory = directory / std::to_string(id);
      options.node = NodeId{id};
      options.drive.bytes[0] = static_cast<std::byte>(id);
      options.open_index = kv::open_rocks;
      fs::create_directories(options.directory);
      auto opened = run_until_done(host.loop, shard::ShardStore::open(host.environment(), options));
      PREDA_ASSERT(opened.has_value());
      shards.stores[NodeId{id}] = std::move(*opened);
    }
  }
  ~Cluster() {
    run_until_done(host.loop, store.stop());
    run_until_done(host.loop, chunks.stop());
    for (auto& [id, one] : shards.stores) (void)run_until_done(host.loop, one->close());
    fs::remove_all(directory);
  }
  void put(const std::string& key, const std::string& bytes) {
    testing::TextBody body{bytes};
    PutRequest request;
    request.bucket = "bucket";
    request.key = key;
    request.body = &body;
    PREDA_ASSERT(run_until_done(host.loop, store.put(std::move(request))).has_value());
  }

  ProductionHost host;
  fs::path directory;
  LocalShards shards;
  testing::FakeMeta meta{ring_of_three(), {2, 1}};
  chunk::ChunkService chunks{host.environment(), shards, chunk::ChunkOptions{}};
  ChunkedObjectStore store{host.environment(), meta, chunks, ObjectOptions{}};
};

class CountingSink final : public BodySink {
 public:
  Task<Result<void>> write(Buffer bytes) override {
    count += bytes.size();
    co_return Result<void>{};
  }
  std::size_t count = 0;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void report(benchmark::State& state, double cpu_before) {
  const auto bytes = static_cast<double>(state.iterations()) * static_cast<double>(state.range(0));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["cpu_ns_per_byte"] = (cpu_seconds() - cpu_before) * 1e9 / bytes;
}

void put(benchmark::State& state) {
  Cluster cluster;
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  const double before = cpu_seconds();
  int i = 0;
  for (auto _ : state) cluster.put(std::to_string(++i), bytes);
  report(state, before);
}

void get(benchmark::State& state, bool is_degraded) {
  Cluster cluster;
  cluster.put("key", std::string(static_cast<std::size_t>(state.range(0)), 'x'));
  if (is_degraded) cluster.shards.down = NodeId{1};
  const double before = cpu_seconds();
  for (auto _ : state) {
    CountingSink sink;
    auto reader = run_until_done(cluster.host.loop, cluster.store.get("bucket", "key")).value();
    const ByteRange range{0, static_cast<std::uint64_t>(state.range(0)) - 1};
    PREDA_ASSERT(run_until_done(cluster.host.loop, reader->send(range, sink)).has_value());
  }
  report(state, before);
}

BENCHMARK(put)->Arg(4096)->Arg(1 << 20)->Arg(64 << 20)->UseRealTime();
BENCHMARK_CAPTURE(get, whole, false)->Arg(4096)->Arg(1 << 20)->Arg(64 << 20)->UseRealTime();
BENCHMARK_CAPTURE(get, one_node_down, true)->Arg(64 << 20)->UseRealTime();

}  // namespace
}  // namespace predastore::object

BENCHMARK_MAIN();
