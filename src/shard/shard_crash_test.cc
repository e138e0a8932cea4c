// Power is cut at every single write, sync, creation and removal of a busy drive; blocks that were
// not synced are kept or lost each by itself.
#include "shard/crash_workload.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

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
