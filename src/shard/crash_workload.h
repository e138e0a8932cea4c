#pragma once

#include <map>
#include <vector>

#include "shard/shard_store.h"
#include "shard/test_support.h"

// Only for tests of this folder: shards written and removed several at a time, and what may be
// found of them after a crash.
namespace predastore::shard::testing {

// What one key may hold after the crash: the last answered outcome, or any that was asked for and
// not answered since.
struct Expected {
  std::vector<std::optional<std::uint64_t>> allowed{std::nullopt};  // write ids; none: absent
};

struct Workload {
  TestMachine& machine;
  std::map<std::uint32_t, Expected> keys;
  std::uint64_t last_write_id = 0;
  std::size_t acknowledged = 0;
  static std::uint64_t size_of(std::uint64_t write_id) { return 1 + write_id * 7919 % 150000; }

  void note(std::uint32_t number, std::optional<std::uint64_t> outcome,
            const Result<void>& result) {
    Expected& expected = keys[number];
    if (result) {
      ++acknowledged;
      expected.allowed = {outcome};
    } else if (result.error().code != ErrorCode::Conflict) {
      expected.allowed.push_back(outcome);
    }
  }
};

// Static and not inline: gcc 12 loses parts of inline coroutines that two files define.
[[maybe_unused]] static Task<Result<void>> put_one(Workload& load, std::uint32_t number) {
  const std::uint64_t write_id = ++load.last_write_id;
  auto writer = load.machine.store->create(key_of(number), stamp_of(write_id));
  const Instant deadline = load.machine.soon();
  const auto result = co_await write_shard(
      std::move(writer), segments_of(write_id, Workload::size_of(write_id)), deadline);
  load.note(number, write_id, result);
  co_return Result<void>{};
}

[[maybe_unused]] static Task<Result<void>> remove_one(Workload& load, std::uint32_t number) {
  std::vector<ShardRemoval> removals{{key_of(number), Generation{1}}};
  const Instant deadline = load.machine.soon();
  const auto result = co_await load.machine.store->remove(std::move(removals), deadline);
  load.note(number, std::nullopt, result);
  co_return Result<void>{};
}

// Several at a time, but each key once, so that what may be there is known.
[[maybe_unused]] static Task<Result<void>> work(Workload& load, std::uint32_t rounds) {
  for (std::uint32_t round = 0; round < rounds; ++round) {
    TaskGroup tasks{load.machine.loop.get_executor(), load.machine.clock};
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::uint32_t number = (round * 3 + i) % 7;
      if ((round + i) % 5 == 4) {
        tasks.spawn(remove_one(load, number));
      } else {
        tasks.spawn(put_one(load, number));
      }
    }
    (void)co_await tasks.join();
  }
  co_return Result<void>{};
}

inline void check(Workload& load, std::uint64_t where) {
  TestMachine& machine = load.machine;
  for (auto& [number, expected] : load.keys) {
    std::vector<Segment> all;
    std::optional<std::uint64_t> held;
    const auto info = machine.run(machine.store->stat(key_of(number), machine.soon()));
    if (info) {
      held = info->stamp.write_id.value();
      while (all.size() < info->segment_count) {
        auto some = machine.run(machine.store->fetch(
            key_of(number), info->stamp.write_id,
            SegmentIndex{static_cast<std::uint32_t>(all.size())}, 16, machine.soon()));
        ASSERT_TRUE(some) << where << ": " << some.error().to_string();
        ASSERT_FALSE(some->empty()) << where;
        for (Segment& segment : *some) all.push_back(std::move(segment));
      }
      EXPECT_TRUE(same(all, segments_of(*held, Workload::size_of(*held)))) << where;
    } else {
      ASSERT_EQ(info.error().code, ErrorCode::NotFound) << where;
    }
    EXPECT_TRUE(std::find(expected.allowed.begin(), expected.allowed.end(), held) !=
                expected.allowed.end())
        << "crash at " << where << ", key " << number << " holds " << held.value_or(0);
    expected.allowed = {held};
  }
}

}  // namespace predastore::shard::testing
