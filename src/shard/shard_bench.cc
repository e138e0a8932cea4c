// One drive beside what the disk under it does by itself in the same run: every benchmark gives its
// rate and, as `of_raw`, how much that is of the raw rate. Files lie in PREDASTORE_BENCH_DIR (or
// the current directory). The first argument is the backend: 0 threads, 1 io_uring.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "kv/kv.h"
#include "segment/checksum.h"
#include "shard/scrubber.h"
#include "shard/shard_store.h"

namespace predastore::shard {
namespace {

constexpr std::size_t kMebi = 1 << 20;
constexpr std::size_t kBlock = 4096;
constexpr std::uint32_t kSmallBytes = 10 * 1024;

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

std::string bench_directory() {
  const char* const given = std::getenv("PREDASTORE_BENCH_DIR");
  std::string name = std::string(given != nullptr ? given : ".") + "/predastore-bench-XXXXXX";
  PREDA_ASSERT(::mkdtemp(name.data()) != nullptr);
  return name;
}

// ---- the disk by itself

struct RawDisk {
  double write_bytes_per_second = 0;   // 4 MiB at a time, past the page cache, each made durable
  double syncs_per_second = 0;         // 12 KiB at a time, each made durable
  double cached_reads_per_second = 0;  // 64 KiB at a random place, from the page cache
  double cached_bytes_per_second = 0;  // 1 MiB at a time, from the page cache
  double read_bytes_per_second = 0;    // 1 MiB at a time, past the page cache
};

double raw_writes(int fd, std::size_t size, std::size_t count, const std::byte* memory) {
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    PREDA_ASSERT(::pwrite(fd, memory, size, static_cast<off_t>(i * size)) ==
                 static_cast<ssize_t>(size));
    PREDA_ASSERT(::fdatasync(fd) == 0);
  }
  return static_cast<double>(count) / seconds_since(begun);
}

double raw_reads(int fd, std::size_t size, std::size_t count, std::size_t file_bytes,
                 std::byte* memory) {
  const std::size_t places = file_bytes / size;
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = i * 7919 % places;
    PREDA_ASSERT(::pread(fd, memory, size, static_cast<off_t>(place * size)) ==
                 static_cast<ssize_t>(size));
  }
  return static_cast<double>(count) / seconds_since(begun);
}

// Measured anew before every benchmark: a machine that others use as well changes from one second
// to the next.
RawDisk& raw_disk() {
  static RawDisk measured;
  return measured;
}

void measure_raw_disk() {
  RawDisk raw;
  const std::string directory = bench_directory();
  const std::string path = directory + "/raw";
  MutableBuffer memory = MutableBuffer::aligned(4 * kMebi);
  std::fill(memory.bytes().begin(), memory.bytes().end(), std::byte{7});
  const int direct = ::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
  PREDA_ASSERT(direct >= 0);
  raw.write_bytes_per_second = 4.0 * kMebi * raw_writes(direct, 4 * kMebi, 64, memory.data());
  raw.read_bytes_per_second = kMebi * raw_reads(direct, kMebi, 256, 256 * kMebi, memory.data());
  const int plain = ::open(path.c_str(), O_RDWR);
  (void)raw_reads(plain, kMebi, 256, 256 * kMebi, memory.data());
  raw.cached_reads_per_second = raw_reads(plain, 64 * 1024, 8192, 256 * kMebi, memory.data());
  raw.cached_bytes_per_second = kMebi * raw_reads(plain, kMebi, 1024, 256 * kMebi, memory.data());
  const int small = ::open((path + "2").c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
  raw.syncs_per_second = raw_writes(small, 3 * kBlock, 300, memory.data());
  for (const int fd : {direct, plain, small}) ::close(fd);
  std::filesystem::remove_all(directory);
  raw_disk() = raw;
}

void raw(benchmark::State& state) {
  for (auto _ : state) measure_raw_disk();
  state.counters["write_MBps"] = raw_disk().write_bytes_per_second / 1e6;
  state.counters["direct_read_MBps"] = raw_disk().read_bytes_per_second / 1e6;
  state.counters["cached_read_MBps"] = raw_disk().cached_bytes_per_second / 1e6;
  state.counters["cached_64KiB_reads_ps"] = raw_disk().cached_reads_per_second;
  state.counters["syncs_ps"] = raw_disk().syncs_per_second;
}
BENCHMARK(raw)->Iterations(1);

// ---- a drive

ShardKey key_of(std::uint32_t number) {
  ShardKey key{ObjectId{}, ChunkIndex{number}, ShardRole{0}};
  const std::uint32_t mixed = number * 2654435761U;  // as spread as the hashes that ids are
  std::memcpy(key.object_id.bytes.data(), &mixed, sizeof mixed);
  return key;
}

struct Drive {
  explicit Drive(std::int64_t backend)
      : directory(bench_directory()), io(backend == 1 ? IoBackend::io_uring : IoBackend::threads) {
    host = make_host();
    options.directory = directory;
    options.run_compaction = false;
    options.compaction_bytes_per_second = 0;
    options.run_scrub = false;
    options.open_index = kv::open_rocks;
    std::string bytes(64 * 1024, '\0');
    std::uint64_t number = 88172645463325252ULL;
    for (char& byte : bytes) {
      number ^= number << 13;
      number ^= number >> 7;
      number ^= number << 17;
      byte = static_cast<char>(number);
    }
    payload = Buffer::take(std::move(bytes));
    open();
  }
  ~Drive() {
    close();
    std::filesystem::remove_all(directory);
  }
  void open() {
    auto opened = run(ShardStore::open(host->environment(), options));
    PREDA_ASSERT(opened.has_value());
    store = std::move(*opened);
  }
  void close() {
    if (store) (void)run(store->close());
    store.reset();
    host = make_host();  // what is left in the old one may hold the index
  }
  std::unique_ptr<ProductionHost> make_host() {
    auto made = std::make_unique<ProductionHost>();
    is_possible = made->choose_io(io).has_value();
    return made;
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host->loop, std::move(task));
  }
  Instant soon() { return host->loop.clock().now() + 120s; }

  Segment segment_of(std::uint32_t index, std::uint32_t size_bytes) const {
    Segment segment;
    segment.index = SegmentIndex{index};
    segment.logical_size_bytes = size_bytes;
    segment.stored = payload.slice(0, size_bytes);
    segment.crc32 = size_bytes == payload.size() ? full_crc : small_crc;
    return segment;
  }
  Task<Result<void>> put(std::uint32_t number, std::uint32_t segment_count,
                         std::uint32_t segment_bytes) {
    const ShardStamp stamp{WriteId{++last_write_id}, Generation{1}, WriteEpoch{1}, Incarnation{1}};
    PREDA_CO_TRY(auto writer, store->create(key_of(number), stamp));
    for (std::uint32_t first = 0; first < segment_count; first += 16) {
      std::vector<Segment> segments;
      for (std::uint32_t i = first; i < std::min(first + 16, segment_count); ++i)
        segments.push_back(segment_of(i, segment_bytes));
      PREDA_CO_CHECK(co_await writer->append(std::move(segments), soon()));
    }
    co_return co_await writer->commit(soon());
  }
  Task<Result<void>> put_lane(std::uint32_t first, std::uint32_t end, std::uint32_t step,
                              std::uint32_t segment_count, std::uint32_t segment_bytes) {
    for (std::uint32_t number = first; number < end; number += step) {
      PREDA_CO_CHECK(co_await put(number, segment_count, segment_bytes));
    }
    co_return Result<void>{};
  }
  // Shards first .. end-1, `at_a_time` under way; the seconds it took.
  double put_many(std::uint32_t first, std::uint32_t end, std::uint32_t at_a_time,
                  std::uint32_t segment_count, std::uint32_t segment_bytes) {
    const auto begun = std::chrono::steady_clock::now();
    TaskGroup group(host->loop.executor(), host->loop.clock());
    for (std::uint32_t lane = 0; lane < at_a_time; ++lane)
      group.spawn(put_lane(first + lane, end, at_a_time, segment_count, segment_bytes));
    const auto done = run(group.join());
    PREDA_ASSERT(done.has_value());
    return seconds_since(begun);
  }
  Task<Result<void>> read(std::uint32_t number, std::uint32_t first, std::uint16_t count) {
    PREDA_CO_TRY(const auto records,
                 co_await store->fetch_records(key_of(number), WriteId{}, SegmentIndex{first},
                                               count, soon()));
    PREDA_ASSERT(!records.bytes.empty());
    co_return Result<void>{};
  }

  std::string directory;
  IoBackend io;
  std::unique_ptr<ProductionHost> host;
  bool is_possible = false;
  ShardStoreOptions options;
  Buffer payload;
  std::uint32_t full_crc = 0;
  std::uint32_t small_crc = 0;
  std::uint64_t last_write_id = 0;
  std::unique_ptr<ShardStore> store;
};

std::unique_ptr<Drive> drive_of(benchmark::State& state) {
  measure_raw_disk();
  auto drive = std::make_unique<Drive>(state.range(0));
  if (!drive->is_possible) {
    state.SkipWithError("no io_uring on this machine");
    return nullptr;
  }
  drive->full_crc = segment::crc32(drive->payload);
  drive->small_crc = segment::crc32(drive->payload.slice(0, kSmallBytes));
  return drive;
}

// Four shards of 16 MiB at a time.
void append_stream(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  double elapsed = 0;
  for (auto _ : state) {
    const double seconds = drive->put_many(0, 32, 4, 256, 64 * 1024);
    state.SetIterationTime(seconds);
    elapsed += seconds;
  }
  const double rate = 512.0 * kMebi * static_cast<double>(state.iterations()) / elapsed;
  state.counters["MBps"] = rate / 1e6;
  state.counters["of_raw"] = rate / raw_disk().write_bytes_per_second;
}
BENCHMARK(append_stream)->Arg(0)->Arg(1)->UseManualTime()->Iterations(1);

// Shards of 10 KiB, so many under way; raw is one write and one sync a shard.
void small_commits(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  const auto at_a_time = static_cast<std::uint32_t>(state.range(1));
  const std::uint32_t count = at_a_time == 1 ? 300 : at_a_time * 150;
  double elapsed = 0;
  for (auto _ : state) {
    elapsed = drive->put_many(0, count, at_a_time, 1, kSmallBytes);
    state.SetIterationTime(elapsed);
  }
  const double rate = count / elapsed;
  state.counters["shards_ps"] = rate;
  state.counters["of_raw"] = rate / raw_disk().syncs_per_second;
  state.counters["shards_a_sync"] = count / static_cast<double>(drive->store->status().sync_count);
}
BENCHMARK(small_commits)->ArgsProduct({{0, 1}, {1, 16, 64, 256}})->UseManualTime()->Iterations(1);

// `count` reads one after the other; how long each took.
std::vector<double> timed_reads(Drive& drive, std::uint32_t shards, std::uint32_t segments,
                                std::uint16_t at_once, std::uint32_t count) {
  std::vector<double> times;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t first = i * 31 % (segments / at_once) * at_once;
    const auto begun = std::chrono::steady_clock::now();
    const auto read = drive.run(drive.read(i * 7 % shards, first, at_once));
    PREDA_ASSERT(read.has_value());
    times.push_back(seconds_since(begun));
  }
  std::ranges::sort(times);
  return times;
}

void set_latency(benchmark::State& state, const std::vector<double>& times) {
  state.counters["p50_us"] = times[times.size() / 2] * 1e6;
  state.counters["p99_us"] = times[times.size() * 99 / 100] * 1e6;
}

double sum_of(const std::vector<double>& times) {
  double sum = 0;
  for (const double time : times) sum += time;
  return sum;
}

// One segment of a shard, one read at a time, from the page cache.
void read_segment(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  (void)drive->put_many(0, 16, 4, 64, 64 * 1024);
  (void)timed_reads(*drive, 16, 64, 16, 64);
  for (auto _ : state) {
    const auto times = timed_reads(*drive, 16, 64, 1, 8192);
    state.SetIterationTime(sum_of(times));
    set_latency(state, times);
    const double rate = static_cast<double>(times.size()) / sum_of(times);
    state.counters["reads_ps"] = rate;
    state.counters["of_raw"] = rate / raw_disk().cached_reads_per_second;
  }
}
BENCHMARK(read_segment)->Arg(0)->Arg(1)->UseManualTime()->Iterations(1);

// Whole shards of 4 MiB, a mebibyte at a time, from the page cache.
void read_shard(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  (void)drive->put_many(0, 16, 4, 64, 64 * 1024);
  (void)timed_reads(*drive, 16, 64, 15, 64);
  for (auto _ : state) {
    const auto times = timed_reads(*drive, 16, 64, 15, 1024);
    state.SetIterationTime(sum_of(times));
    set_latency(state, times);
    const double rate = 1024 * 15 * 65536.0 / sum_of(times);
    state.counters["MBps"] = rate / 1e6;
    state.counters["of_raw"] = rate / raw_disk().cached_bytes_per_second;
  }
}
BENCHMARK(read_shard)->Arg(0)->Arg(1)->UseManualTime()->Iterations(1);

Task<Result<void>> write_until(Drive& drive, std::uint32_t number, const bool& is_over) {
  while (!is_over) {
    PREDA_CO_CHECK(co_await drive.put(number, 1, kSmallBytes));
  }
  co_return Result<void>{};
}

// Segments read while 64 small shards are under way all the time: a read that waited behind the
// group commit would take as long as one (`commit_ms`, the mean).
void read_beside_writer(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  (void)drive->put_many(0, 16, 4, 64, 64 * 1024);
  (void)timed_reads(*drive, 16, 64, 16, 64);
  for (auto _ : state) {
    bool is_over = false;
    TaskGroup writers(drive->host->loop.executor(), drive->host->loop.clock());
    for (std::uint32_t i = 0; i < 64; ++i) writers.spawn(write_until(*drive, 1000 + i, is_over));
    const std::uint64_t groups = drive->store->status().group_count;
    const auto begun = std::chrono::steady_clock::now();
    const auto times = timed_reads(*drive, 16, 64, 1, 4096);
    const double elapsed = seconds_since(begun);
    const auto written = static_cast<double>(drive->store->status().group_count - groups);
    is_over = true;
    (void)drive->run(writers.join());
    state.SetIterationTime(elapsed);
    set_latency(state, times);
    state.counters["commit_ms"] = elapsed * 1e3 / std::max(1.0, written);
  }
}
BENCHMARK(read_beside_writer)->Arg(0)->Arg(1)->UseManualTime()->Iterations(1);

// The index of 50,000 small shards made anew: from footers (0), or by a scan of files whose footers
// are cut off (1).
void rebuild(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  constexpr std::uint32_t kCount = 50'000;
  (void)drive->put_many(0, kCount, 256, 1, kSmallBytes);
  const auto bytes = static_cast<double>(drive->store->status().used_bytes);
  for (auto _ : state) {
    drive->close();
    std::filesystem::remove_all(drive->directory + "/kv");
    if (state.range(1) == 1) {
      for (const auto& file : std::filesystem::directory_iterator(drive->directory + "/shards"))
        std::filesystem::resize_file(file.path(), file.file_size() - kBlock);
    }
    const auto begun = std::chrono::steady_clock::now();
    drive->open();
    const double seconds = seconds_since(begun);
    PREDA_ASSERT(drive->store->status().was_rebuilt);
    state.SetIterationTime(seconds);
    state.counters["shards_ps"] = kCount / seconds;
    state.counters["MBps"] = bytes / seconds / 1e6;
    state.counters["of_raw"] = bytes / seconds / raw_disk().cached_bytes_per_second;
  }
}
BENCHMARK(rebuild)->ArgsProduct({{0, 1}, {0, 1}})->UseManualTime()->Iterations(1);

void scrub(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  (void)drive->put_many(0, 64, 4, 64, 64 * 1024);
  drive->close();
  drive->open();
  for (auto _ : state) {
    const auto begun = std::chrono::steady_clock::now();
    const auto report = drive->run(drive->store->scrub_once());
    const double seconds = seconds_since(begun);
    PREDA_ASSERT(report.has_value() && report->damage_count == 0);
    const double rate = static_cast<double>(report->read_bytes) / seconds;
    state.SetIterationTime(seconds);
    state.counters["MBps"] = rate / 1e6;
    state.counters["of_raw"] = rate / raw_disk().cached_bytes_per_second;
  }
}
BENCHMARK(scrub)->Arg(0)->Arg(1)->UseManualTime()->Iterations(1);

// Every second shard was replaced: the files are half garbage. What is read and written to get the
// space back, and how fast.
void compaction(benchmark::State& state) {
  const auto drive = drive_of(state);
  if (!drive) return;
  (void)drive->put_many(0, 64, 4, 64, 64 * 1024);
  const std::uint64_t before = drive->store->status().used_bytes;
  for (std::uint32_t number = 0; number < 64; number += 2)
    (void)drive->put_many(number, number + 1, 1, 64, 64 * 1024);
  for (auto _ : state) {
    const std::uint64_t written = drive->store->status().used_bytes;
    const auto begun = std::chrono::steady_clock::now();
    for (int round = 0; round < 100; ++round) {
      const auto removed = drive->run(drive->store->compact_once());
      PREDA_ASSERT(removed.has_value());
      if (*removed == 0) break;
    }
    const double seconds = seconds_since(begun);
    const DriveStatus status = drive->store->status();
    state.SetIterationTime(seconds);
    state.counters["freed_MBps"] = static_cast<double>(written - status.used_bytes) / seconds / 1e6;
    state.counters["copied_MBps"] = static_cast<double>(before) / 2 / seconds / 1e6;
    state.counters["of_raw"] =
        static_cast<double>(before) / 2 / seconds / raw_disk().write_bytes_per_second;
    state.counters["used_over_live"] =
        static_cast<double>(status.used_bytes) / static_cast<double>(status.live_bytes);
  }
}
BENCHMARK(compaction)->Arg(0)->Arg(1)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace predastore::shard

BENCHMARK_MAIN();
