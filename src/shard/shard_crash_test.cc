// Power is cut at every single write, sync, creation and removal of a busy drive; blocks that were
// not synced are kept or lost each by itself.
#include <map>

#include "shard/shard_store.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

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

Task<Result<void>> put_one(Workload& load, std::uint32_t number) {
  const std::uint64_t write_id = ++load.last_write_id;
  auto writer = load.machine.store->create(key_of(number), stamp_of(write_id));
  const Instant deadline = load.machine.soon();
  const auto result = co_await write_shard(
      std::move(writer), segments_of(write_id, Workload::size_of(write_id)), deadline);
  load.note(number, write_id, result);
  co_return Result<void>{};
}

Task<Result<void>> remove_one(Workload& load, std::uint32_t number) {
  std::vector<ShardRemoval> removals{{key_of(number), Generation{1}}};
  const Instant deadline = load.machine.soon();
  const auto result = co_await load.machine.store->remove(std::move(removals), deadline);
  load.note(number, std::nullopt, result);
  co_return Result<void>{};
}

// Several at a time, but each key once, so that what may be there is known.
Task<Result<void>> work(Workload& load, std::uint32_t rounds) {
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

void check(Workload& load, std::uint64_t where) {
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

void cut_power_at(std::uint64_t operation, std::uint64_t seed, std::size_t& acknowledged) {
  TestMachine machine{seed};
  machine.options.shard_file_size_bytes = 512 * 1024;
  ASSERT_TRUE(machine.open());
  Workload load{machine, {}, 0, 0};
  machine.disk.crash_at = machine.disk.operation_count + operation;
  (void)machine.run(work(load, 8));
  if (seed % 2 == 0) {  // the process first: what it wrote is still in the page cache, is found,
                        // and must then stay
    machine.kill();
    ASSERT_TRUE(machine.open()) << operation;
    check(load, operation);
  }
  machine.lose_power();
  // A second cut in the middle of the recovery, one after it, and then a look at all.
  machine.disk.crash_at = machine.disk.operation_count + operation % 5;
  const auto opened = machine.open();
  if (opened) {
    machine.lose_power();
  } else {
    machine.disk.lose_power(machine.random);
    machine.index.lose_power(machine.random);
  }
  ASSERT_TRUE(machine.open()) << operation;
  check(load, operation);
  (void)machine.run(work(load, 2));  // it goes on
  ASSERT_TRUE(machine.close());
  if (operation % 3 == 0) machine.index = {};
  ASSERT_TRUE(machine.open());
  check(load, operation);
  acknowledged += load.acknowledged;
}

TEST(ShardCrash, acknowledged_shards_survive_and_others_are_whole_or_absent) {
  std::size_t acknowledged = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    for (std::uint64_t operation = 0; operation < 60; ++operation) {
      cut_power_at(operation, seed * 1001 + operation / 2, acknowledged);
      if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " operation " << operation;
    }
  }
  EXPECT_GT(acknowledged, 1000U);  // it did test something
}

// One operation fails, once; the drive goes on, and what it answers must be true even if power is
// cut in the end.
void fail_operation(std::uint64_t operation, ErrorCode code, std::uint64_t seed,
                    std::size_t& acknowledged) {
  TestMachine machine{seed};
  machine.options.shard_file_size_bytes = 512 * 1024;
  ASSERT_TRUE(machine.open());
  Workload load{machine, {}, 0, 0};
  std::uint64_t left = operation;
  machine.disk.fault = [&left, code](std::string_view kind, const std::string&) -> Result<void> {
    if (kind == "read" || left-- != 0) return {};
    return make_error(code, "injected");
  };
  (void)machine.run(work(load, 8));
  machine.disk.fault = nullptr;
  check(load, operation);
  (void)machine.run(work(load, 2));
  machine.lose_power();
  ASSERT_TRUE(machine.open()) << operation;
  check(load, operation);
  acknowledged += load.acknowledged;
}

TEST(ShardCrash, an_operation_that_fails_once_never_makes_an_answer_untrue) {
  std::size_t acknowledged = 0;
  for (std::uint64_t operation = 0; operation < 60; ++operation) {
    fail_operation(operation, ErrorCode::Io, operation, acknowledged);
    fail_operation(operation, ErrorCode::NoSpace, operation + 100, acknowledged);
    if (::testing::Test::HasFailure()) FAIL() << "operation " << operation;
  }
  EXPECT_GT(acknowledged, 2000U);
}

}  // namespace
}  // namespace predastore::shard
