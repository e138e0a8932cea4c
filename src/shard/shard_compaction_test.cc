// Compaction gives space back, loses nothing that lives and raises nothing that is dead, wherever
// it is cut off.
#include <map>

#include "shard/crash_workload.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

constexpr std::uint64_t kFileBytes = 256 * 1024;

void make_eager(TestMachine& machine) {
  machine.options.shard_file_size_bytes = kFileBytes;
  machine.options.compaction_garbage_share = 0.01;
}

Task<Result<void>> put_one_of_size(TestMachine& machine, std::uint32_t number,
                                   std::uint64_t write_id, std::uint64_t size) {
  auto writer = machine.store->create(key_of(number), stamp_of(write_id));
  const Instant deadline = machine.soon();
  co_return co_await write_shard(std::move(writer), segments_of(write_id, size), deadline);
}

bool holds(TestMachine& machine, std::uint32_t number, std::uint64_t write_id, std::uint64_t size) {
  std::vector<Segment> all;
  const std::vector<Segment> expected = segments_of(write_id, size);
  while (all.size() < expected.size()) {
    auto some = machine.run(machine.store->fetch(
        key_of(number), WriteId{write_id}, SegmentIndex{static_cast<std::uint32_t>(all.size())}, 16,
        machine.soon()));
    if (!some || some->empty()) return false;
    for (Segment& segment : *some) all.push_back(std::move(segment));
  }
  return same(all, expected);
}

std::size_t compact_all(TestMachine& machine) {
  std::size_t removed = 0;
  for (;;) {
    const auto round = machine.run(machine.store->compact_once());
    EXPECT_TRUE(round) << round.error().to_string();
    if (!round || *round == 0) return removed;
    removed += *round;
  }
}

TEST(ShardCompaction, space_comes_back_and_what_lives_stays_readable) {
  TestMachine machine;
  make_eager(machine);
  ASSERT_TRUE(machine.open());
  std::uint64_t write_id = 0;
  for (int round = 0; round < 10; ++round) {
    for (std::uint32_t number = 0; number < 20; ++number)
      ASSERT_TRUE(machine.run(put_one_of_size(machine, number, ++write_id, 50000)));
  }
  const DriveStatus before = machine.store->status();
  EXPECT_GT(before.used_bytes, 9 * before.live_bytes);
  EXPECT_GT(compact_all(machine), 10U);
  const DriveStatus after = machine.store->status();
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_LT(after.used_bytes, after.live_bytes + 4 * kFileBytes);
  std::uint64_t on_disk = 0;
  for (const auto& [name, inode] : machine.disk.live_names) on_disk += inode->live.size();
  EXPECT_EQ(on_disk, after.used_bytes);
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t number = 0; number < 20; ++number)
      EXPECT_TRUE(holds(machine, number, 180 + number + 1, 50000)) << number;
    ASSERT_TRUE(machine.close());
    if (round == 0) machine.index = {};  // and the same after a rebuild from the files
    ASSERT_TRUE(machine.open());
    EXPECT_EQ(machine.store->status().live_bytes, before.live_bytes);
  }
  EXPECT_TRUE(machine.damage.empty());
}

TEST(ShardCompaction, a_shard_that_is_not_committed_yet_keeps_its_segments) {
  TestMachine machine;
  make_eager(machine);
  ASSERT_TRUE(machine.open());
  auto writer = machine.store->create(key_of(99), stamp_of(7777));
  ASSERT_TRUE(writer);
  const std::vector<Segment> segments = segments_of(7777, 5 * kSegmentSizeBytes);
  std::uint64_t write_id = 0;
  for (const Segment& segment : segments) {  // each in another file
    std::vector<Segment> one{segment};
    ASSERT_TRUE(machine.run((*writer)->append(std::move(one), machine.soon())));
    for (std::uint32_t i = 0; i < 8; ++i)
      ASSERT_TRUE(machine.run(put_one_of_size(machine, i, ++write_id, 60000)));
  }
  EXPECT_GT(compact_all(machine), 0U);
  ASSERT_TRUE(machine.run((*writer)->commit(machine.soon())));
  EXPECT_TRUE(holds(machine, 99, 7777, 5 * kSegmentSizeBytes));
  writer->reset();
  for (std::uint32_t i = 0; i < 8; ++i)
    ASSERT_TRUE(machine.run(put_one_of_size(machine, i, ++write_id, 60000)));
  compact_all(machine);
  EXPECT_TRUE(holds(machine, 99, 7777, 5 * kSegmentSizeBytes));
}

TEST(ShardCompaction, tombstones_go_when_nothing_older_is_left_and_not_before) {
  TestMachine machine{3};
  make_eager(machine);
  ASSERT_TRUE(machine.open());
  std::uint64_t write_id = 0;
  for (std::uint32_t number = 0; number < 60; ++number)
    ASSERT_TRUE(machine.run(put_one_of_size(machine, number, ++write_id, 30000)));
  for (std::uint32_t number = 0; number < 60; ++number) {
    if (number % 6 == 0) continue;  // lives on in the oldest files
    ASSERT_TRUE(
        machine.run(machine.store->remove({{key_of(number), Generation{1}}}, machine.soon())));
    if (number % 10 == 0) compact_all(machine);
    ASSERT_TRUE(machine.close());
    if (number % 7 == 0) machine.index = {};
    ASSERT_TRUE(machine.open());
    for (std::uint32_t other = 0; other <= number; ++other) {
      const auto info = machine.run(machine.store->stat(key_of(other), machine.soon()));
      EXPECT_EQ(info.has_value(), other % 6 == 0) << other << " after " << number;
    }
  }
  for (std::uint32_t i = 0; i < 40; ++i)
    ASSERT_TRUE(machine.run(put_one_of_size(machine, 1000, ++write_id, 30000)));
  while (compact_all(machine) > 0) machine.clock.advance(700s);  // what was held back, too
  EXPECT_LE(machine.index.live.size(), 3 * 11U + 2);             // no notes of dead records pile up
  EXPECT_LT(machine.store->status().used_bytes,
            machine.store->status().live_bytes + 4 * kFileBytes);
}

// A workload with rounds of compaction between, cut off at every operation.
void cut_power_at(std::uint64_t operation, std::uint64_t seed, std::size_t& removed) {
  TestMachine machine{seed};
  make_eager(machine);
  ASSERT_TRUE(machine.open());
  Workload load{machine, {}, 0, 0};
  (void)machine.run(work(load, 10));
  machine.disk.crash_at = machine.disk.operation_count + operation;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto round = machine.run(machine.store->compact_once());
    if (round) removed += *round;
    // Without anything behind it the index is not seen to be older than the files.
    if ((operation + i) % 2 == 0) (void)machine.run(work(load, 3));
  }
  if (seed % 2 == 0) machine.kill();
  if (seed % 2 == 1) machine.lose_power();
  if (seed % 3 == 0) machine.index = {};
  ASSERT_TRUE(machine.open()) << operation;
  check(load, operation);
  compact_all(machine);
  check(load, operation);
  (void)machine.run(work(load, 3));
  compact_all(machine);
  ASSERT_TRUE(machine.close());
  machine.index = {};
  ASSERT_TRUE(machine.open());
  check(load, operation);
}

TEST(ShardCompaction, nothing_is_lost_or_raised_wherever_power_is_cut) {
  std::size_t removed = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (std::uint64_t operation = 0; operation < 80; ++operation) {
      cut_power_at(operation, seed * 977 + operation, removed);
      if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " operation " << operation;
    }
  }
  EXPECT_GT(removed, 200U);  // it did test something
}

// A drive of which every other shard was removed, and a rate. How long giving the space back takes,
// as a share of the time that the rate allows for what lives.
struct PacedDrive {
  double garbage_share = 0.4;
  bool is_short_of_room = false;
  bool is_in_use = false;

  static constexpr std::uint64_t kRate = 256 * 1024;

  static Task<void> read_on(TestMachine& machine, const bool& is_done) {
    while (!is_done) {
      (void)co_await machine.store->fetch(key_of(1), WriteId{2}, SegmentIndex{0}, 1,
                                          machine.soon());
      co_await sleep_until(machine.clock, machine.clock.now() + 300ms);
    }
  }
  static Task<std::size_t> give_back(TestMachine& machine, bool& is_done) {
    std::size_t removed = 0;
    for (;;) {
      const auto round = co_await machine.store->compact_once();
      EXPECT_TRUE(round) << round.error().to_string();
      if (!round || *round == 0) break;
      removed += *round;
    }
    is_done = true;
    co_return removed;
  }
  double share_of_time() const {
    TestMachine machine{6};
    make_eager(machine);
    machine.options.compaction_garbage_share = garbage_share;
    EXPECT_TRUE(machine.open());
    for (std::uint32_t i = 0; i < 60; ++i)
      EXPECT_TRUE(machine.run(put_one_of_size(machine, i, 1 + i, 30'000)));
    for (std::uint32_t i = 0; i < 60; i += 2)
      EXPECT_TRUE(machine.run(machine.store->remove({{key_of(i), Generation{1}}}, machine.soon())));
    EXPECT_TRUE(machine.close());
    machine.options.compaction_bytes_per_second = kRate;
    if (is_short_of_room) machine.options.capacity_bytes = machine.disk.used_bytes() + 600'000;
    EXPECT_TRUE(machine.open());
    const Instant begun = machine.clock.now();
    const std::uint64_t live = machine.store->status().live_bytes;  // which is all that it reads
    bool is_done = false;
    TaskGroup readers{machine.env().executor, machine.clock};
    if (is_in_use) readers.spawn(read_on(machine, is_done));
    EXPECT_GT(machine.run(give_back(machine, is_done)), 1U);
    const auto seconds = std::chrono::duration<double>(machine.clock.now() - begun).count();
    (void)machine.run(readers.join());
    return seconds * kRate / static_cast<double>(live);
  }
};

TEST(ShardCompaction, it_reads_no_faster_than_it_may_unless_room_is_short) {
  EXPECT_GE(PacedDrive{.garbage_share = 0.01}.share_of_time(), 0.99);
  EXPECT_LT((PacedDrive{.garbage_share = 0.01, .is_short_of_room = true}.share_of_time()), 0.5);
}

TEST(ShardCompaction, it_gives_way_to_those_who_use_the_drive_until_garbage_is_too_much) {
  const double alone = PacedDrive{}.share_of_time();
  const double in_use = PacedDrive{.is_in_use = true}.share_of_time();
  const double with_much_garbage =
      PacedDrive{.garbage_share = 0.01, .is_in_use = true}.share_of_time();
  // Garbage falls from a little more than the share at which it begins: up to four times as long.
  EXPECT_GT(in_use, 1.5 * alone);
  EXPECT_LT(with_much_garbage, 2) << "of the time at the whole rate; the last files are no hurry";
  EXPECT_LT((PacedDrive{.is_short_of_room = true, .is_in_use = true}.share_of_time()), 0.5);
}

TEST(ShardCompaction, churn_of_20_times_a_small_drive_stays_within_the_bound) {
  TestMachine machine{5};
  machine.options.shard_file_size_bytes = 512 * 1024;
  machine.options.capacity_bytes = 24 * 1024 * 1024;
  machine.options.reserve_bytes = 2 * 1024 * 1024;
  machine.options.run_compaction = true;
  machine.options.compaction_interval = 10ms;
  ASSERT_TRUE(machine.open());
  const std::uint32_t numbers = 100;
  constexpr std::uint64_t kSize = 100000;  // 10 MB live
  std::uint64_t written = 0;
  std::uint64_t write_id = 0;
  std::map<std::uint32_t, std::uint64_t> held;
  double worst = 0;
  while (written < 20 * machine.options.capacity_bytes) {
    const auto number = static_cast<std::uint32_t>(machine.random.below(numbers));
    if (machine.random.below(8) == 0) {
      ASSERT_TRUE(
          machine.run(machine.store->remove({{key_of(number), Generation{1}}}, machine.soon())));
      held.erase(number);
    } else {
      const auto put = machine.run(put_one_of_size(machine, number, ++write_id, kSize));
      ASSERT_TRUE(put) << put.error().to_string() << " after " << written;
      held[number] = write_id;
      written += kSize;
    }
    machine.clock.advance(1ms);
    machine.settle();
    const DriveStatus status = machine.store->status();
    if (status.live_bytes > 8'000'000) {
      worst = std::max(
          worst, static_cast<double>(status.used_bytes) / static_cast<double>(status.live_bytes));
    }
  }
  EXPECT_LT(worst, 1.5);
  for (const auto& [number, id] : held) EXPECT_TRUE(holds(machine, number, id, kSize));
  EXPECT_TRUE(machine.damage.empty());
}

TEST(ShardCompaction, a_damaged_record_is_reported_and_its_file_stays) {
  TestMachine machine{9};
  make_eager(machine);
  ASSERT_TRUE(machine.open());
  std::uint64_t write_id = 0;
  for (int round = 0; round < 4; ++round) {
    for (std::uint32_t number = 0; number < 16; ++number)
      ASSERT_TRUE(machine.run(put_one_of_size(machine, number, ++write_id, 40000)));
    if (round == 0) {
      ASSERT_TRUE(machine.run(put_one_of_size(machine, 500, 9000, 40000)));
    }
  }
  // A bit of the payload of the only shard that lives in an old file.
  const std::string victim(segments_of(9000, 40000).front().stored.text().substr(100, 64));
  for (auto& [name, inode] : machine.disk.live_names) {
    const std::size_t at = inode->live.find(victim);
    if (at != std::string::npos) inode->live[at] = static_cast<char>(inode->live[at] ^ 1);
  }
  compact_all(machine);
  ASSERT_FALSE(machine.damage.empty());
  EXPECT_EQ(machine.damage.front().key, key_of(500));
  for (std::uint32_t number = 0; number < 16; ++number)
    EXPECT_TRUE(holds(machine, number, 48 + number + 1, 40000)) << number;
  // Repaired, its old place is garbage like any other.
  auto writer = machine.store->create(key_of(500), stamp_of(9001, 2));
  ASSERT_TRUE(
      machine.run(write_shard(std::move(writer), segments_of(9001, 40000), machine.soon())));
  machine.clock.advance(700s);
  compact_all(machine);
  EXPECT_TRUE(holds(machine, 500, 9001, 40000));
  ASSERT_TRUE(machine.close());
  machine.index = {};
  ASSERT_TRUE(machine.open());
  EXPECT_TRUE(holds(machine, 500, 9001, 40000));
}

}  // namespace
}  // namespace predastore::shard
