// One shard store on a simulated disk that fails, tears and loses, killed and started again and
// again: what was acknowledged is there bit for bit, what was not is whole or absent.
#include "shard/shard_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "env/sync.h"
#include "shard/test_support.h"
#include "sim/host.h"
#include "sim/key_value.h"

namespace predastore::sim {
namespace {

using shard::ShardStore;
using shard::testing::key_of;
using shard::testing::segments_of;
using shard::testing::stamp_of;

constexpr std::uint32_t kKeyCount = 12;

struct Drive {
  explicit Drive(std::uint64_t drive_seed)
      : seed(drive_seed),
        random(SimRandom::derive(seed, "load")),
        scheduler(seed),
        disk(scheduler, SimRandom::derive(seed, "disk")) {
    options.directory = "/drive";
    options.cluster.bytes[0] = std::byte{1};
    options.node = NodeId{7};
    options.drive.bytes[0] = std::byte{2};
    options.reserve_bytes = 1024 * 1024;
    options.shard_file_size_bytes = 256 * 1024 << random.below(3);
    options.open_index = [this](kv::RocksOptions index) { return open_sim_store(disk, index); };
    // EIO and failed syncs; bits and places of writes are right here.
    if (random.below(2) == 0) disk.faults.write_error = 0.01;
    if (random.below(2) == 0) disk.faults.sync_error = 0.02;
    if (random.below(2) == 0) disk.faults.slow = 0.01;
  }
  ~Drive() {
    stop();
    scheduler.run([] { return false; }, scheduler.now() + 60s);
  }

  bool start() {
    host = std::make_unique<SimHost>(scheduler, disk, "drive", ++life);
    const DiskFaults faults = std::exchange(disk.faults, {});
    auto opened = try_run(host->process, ShardStore::open(host->environment(), options),
                          scheduler.now() + 600s);
    disk.faults = faults;
    EXPECT_TRUE(opened.has_value() && opened->has_value())
        << "seed " << seed << ": " << (opened ? opened->error().to_string() : "never opened");
    if (!opened || !*opened) return false;
    store = std::move(**opened);
    return true;
  }
  // The process works on, on a disk that does nothing any more, until all of it has ended.
  void stop() {
    if (!store) return;
    EXPECT_TRUE(try_run(host->process, store->close(), scheduler.now() + 600s).has_value());
    store.reset();
    host.reset();
  }

  std::uint64_t seed;
  SimRandom random;
  Scheduler scheduler;
  SimDisk disk;
  shard::ShardStoreOptions options;
  std::uint64_t life = 0;
  std::unique_ptr<SimHost> host;
  std::unique_ptr<ShardStore> store;
  // Per key: the write ids it may hold (none: absent), the acknowledged one first.
  std::map<std::uint32_t, std::vector<std::optional<std::uint64_t>>> allowed;
  std::uint64_t last_write_id = 0;
  std::uint64_t acknowledged = 0;
};

std::uint64_t size_of(std::uint64_t write_id) { return 1 + write_id * 7919 % 200'000; }

Task<Result<void>> change_one(Drive* drive, ShardStore* store, std::uint32_t number, bool removes) {
  const Instant deadline = drive->scheduler.now() + 30s;
  std::optional<std::uint64_t> outcome;
  Result<void> result;
  if (removes) {
    std::vector<shard::ShardRemoval> removals;
    removals.push_back({key_of(number), Generation{1}, {}});
    result = co_await store->remove(std::move(removals), deadline);
  } else {
    outcome = ++drive->last_write_id;
    auto writer = store->create(key_of(number), stamp_of(*outcome));
    result = co_await shard::testing::write_shard(
        std::move(writer), segments_of(*outcome, size_of(*outcome)), deadline);
  }
  auto& allowed = drive->allowed.try_emplace(number, 1, std::nullopt).first->second;
  if (result) {
    ++drive->acknowledged;
    allowed = {outcome};
  } else {
    allowed.push_back(outcome);
  }
  co_return Result<void>{};
}

Task<Result<void>> one_client(Drive* drive, ShardStore* store, std::uint32_t first, int count) {
  for (int i = 0; i < count; ++i) {
    const auto number = first + static_cast<std::uint32_t>(drive->random.below(kKeyCount / 3));
    const bool removes = drive->random.below(5) == 0;
    PREDA_CO_CHECK(co_await change_one(drive, store, number, removes));
    co_await sleep_for(drive->host->clock, drive->random.between(Duration{0}, 2ms));
  }
  co_return Result<void>{};
}

Task<Result<void>> load(Drive* drive, ShardStore* store, int count) {
  TaskGroup clients{drive->host->process.executor(), drive->host->clock};
  for (std::uint32_t i = 0; i < 3; ++i)
    clients.spawn(one_client(drive, store, i * (kKeyCount / 3), count));
  co_return co_await clients.join();
}

// Which try a key holds, checked segment by segment; a shard that is damaged is an error.
Task<Result<std::optional<std::uint64_t>>> read_one(Drive* drive, std::uint32_t number) {
  const Instant deadline = drive->scheduler.now() + 60s;
  auto info = co_await drive->store->stat(key_of(number), deadline);
  if (!info && info.error().code == ErrorCode::NotFound) co_return std::optional<std::uint64_t>{};
  if (!info) co_return info.error();
  const std::uint64_t write_id = info->stamp.write_id.value();
  const auto expected = segments_of(write_id, size_of(write_id));
  std::vector<shard::Segment> found;
  while (found.size() < expected.size()) {
    const SegmentIndex next{static_cast<std::uint32_t>(found.size())};
    PREDA_CO_TRY(auto some, co_await drive->store->fetch(key_of(number), WriteId{write_id}, next,
                                                         16, deadline));
    if (some.empty()) co_return make_error(ErrorCode::Corruption, "the shard is short");
    for (auto& segment : some) found.push_back(std::move(segment));
  }
  if (!shard::testing::same(found, expected))
    co_return make_error(ErrorCode::Corruption, "other bytes than were written");
  co_return std::optional<std::uint64_t>{write_id};
}

void check(Drive& drive) {
  for (std::uint32_t number = 0; number < kKeyCount; ++number) {
    const auto& allowed = drive.allowed.try_emplace(number, 1, std::nullopt).first->second;
    const DiskFaults faults = std::exchange(drive.disk.faults, {});
    const auto read = *try_run(drive.host->process, read_one(&drive, number));
    drive.disk.faults = faults;
    ASSERT_TRUE(read.has_value()) << "seed " << drive.seed << ", key " << number << ": "
                                  << read.error().to_string();
    ASSERT_TRUE(std::ranges::find(allowed, *read) != allowed.end())
        << "seed " << drive.seed << ", key " << number << " holds try " << read->value_or(0)
        << ", acknowledged was " << allowed.front().value_or(0);
    drive.allowed[number] = {*read};
  }
}

void run_seed(std::uint64_t seed) {
  Drive drive(seed);
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(drive.start());
    check(drive);
    if (::testing::Test::HasFatalFailure()) return;
    auto done = std::make_shared<std::optional<Result<void>>>();
    boost::asio::co_spawn(drive.host->process.executor(),
                          scheduler_detail::keep(load(&drive, drive.store.get(), 12), done),
                          scheduler_detail::rethrow);
    const Instant crash = drive.scheduler.now() + drive.random.between(1ms, 60ms);
    drive.scheduler.run([&] { return done->has_value(); }, crash);
    if (drive.random.below(2) == 0) {
      drive.disk.lose_power();
    } else {
      drive.disk.kill_process();
    }
    ASSERT_TRUE(drive.scheduler.run([&] { return done->has_value(); }, crash + 600s))
        << "seed " << seed << ": a call on a dead disk never returned";
    drive.stop();
  }
  ASSERT_TRUE(drive.start());
  check(drive);
}

// PREDASTORE_SEEDS=N runs more than the sample.
std::uint64_t seeds_to_run(std::uint64_t sample) {
  const char* wanted = std::getenv("PREDASTORE_SEEDS");
  return wanted == nullptr ? sample : std::strtoull(wanted, nullptr, 10);
}

TEST(SimulatedShardStore, acknowledged_shards_survive_crashes_and_disk_errors) {
  for (std::uint64_t seed = 1; seed <= seeds_to_run(60); ++seed) {
    run_seed(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace predastore::sim
