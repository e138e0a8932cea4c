// A sample of whole clusters under drawn faults; build/release/predasim runs any number of them.
#include "sim/simulation.h"

#include <gtest/gtest.h>

#include "sim/scenario.h"
#include "telemetry/log.h"

namespace predastore::sim {
namespace {

class Simulation : public ::testing::Test {
 protected:
  Simulation() { telemetry::set_log_level(telemetry::LogLevel::error); }
};

TEST_F(Simulation, clusters_under_drawn_faults_keep_their_promises) {
  Scenario scenario;
  scenario.busy = 15s;
  Clients::Counts sum;
  for (std::uint64_t seed = 1001; seed <= 1006; ++seed) {
    const RunResult result = simulate(seed, scenario);
    ASSERT_FALSE(result.failure.has_value()) << *result.failure;
    sum.puts += result.counts.puts;
    sum.reads += result.counts.reads;
    sum.uploads += result.counts.uploads;
    sum.deletes += result.counts.deletes;
    sum.lists += result.counts.lists;
  }
  EXPECT_GT(sum.puts, 100u);
  EXPECT_GT(sum.reads, 100u);
  EXPECT_GT(sum.uploads, 20u);
  EXPECT_GT(sum.deletes, 20u);
  EXPECT_GT(sum.lists, 20u);
}

TEST_F(Simulation, a_seed_run_twice_gives_the_same_history) {
  Scenario scenario;
  scenario.busy = 8s;
  for (const std::uint64_t seed : {5, 9}) {
    const RunResult first = simulate(seed, scenario);
    const RunResult second = simulate(seed, scenario);
    ASSERT_FALSE(first.failure.has_value()) << *first.failure;
    EXPECT_EQ(first.history_hash, second.history_hash);
    EXPECT_EQ(first.summary, second.summary);
  }
}

TEST_F(Simulation, without_faults_everything_succeeds) {
  Scenario scenario;
  scenario.busy = 5s;
  scenario.faults = FaultMix{};
  const RunResult result = simulate(3, scenario);
  ASSERT_FALSE(result.failure.has_value()) << *result.failure;
  EXPECT_EQ(result.counts.unknown, 0u);
  EXPECT_EQ(result.counts.failed_reads, 0u);
}

// The logs that are kept are short in half of the runs, so that states are sent and not logs.
TEST_F(Simulation, replicas_that_are_wiped_come_back_as_others) {
  Scenario scenario;
  scenario.busy = 25s;
  scenario.faults = FaultMix{};
  scenario.faults->wipe = true;
  scenario.faults->power = true;
  scenario.faults->all_down = true;
  scenario.faults->longest = 3s;
  for (std::uint64_t seed = 2001; seed <= 2004; ++seed) {
    const RunResult result = simulate(seed, scenario);
    ASSERT_FALSE(result.failure.has_value()) << *result.failure;
    EXPECT_GT(result.fault_count, 3u);
  }
}

// The checks can fail: on disks that say they synced and did not, something acknowledged is lost.
TEST_F(Simulation, disks_that_lie_about_a_sync_are_found_out) {
  Scenario scenario;
  scenario.busy = 15s;
  scenario.heals_within = 30s;
  scenario.lying_sync = 1;
  scenario.faults = FaultMix{};
  scenario.faults->all_down = true;
  scenario.faults->interval = 1s;
  std::uint64_t failures = 0;
  for (std::uint64_t seed = 1; seed <= 3 && failures == 0; ++seed)
    failures += simulate(seed, scenario).failure.has_value() ? 1 : 0;
  EXPECT_GT(failures, 0u);
}

TEST(Scenario, files_say_what_is_wrong_with_them) {
  const auto good =
      parse_scenario("busy_s = 1.5\n[faults]\nkill = true\n[clients]\nkeys = 2\n", "x");
  ASSERT_TRUE(good.has_value()) << good.error().to_string();
  EXPECT_EQ(good->busy, 1500ms);
  EXPECT_TRUE(good->faults->kill);
  EXPECT_FALSE(good->faults->power);
  EXPECT_EQ(good->clients.key_count, 2u);
  EXPECT_FALSE(parse_scenario("[faults]\nkil = true\n", "x").has_value());
  EXPECT_FALSE(parse_scenario("[clients]\nkeys = -1\n", "x").has_value());
  EXPECT_FALSE(parse_scenario("[clients]\nlists = 3\n", "x").has_value());
  EXPECT_FALSE(parse_scenario("bisy_s = 1\n", "x").has_value());
  EXPECT_FALSE(parse_scenario("nodes = 2\n", "x").has_value());
  EXPECT_FALSE(parse_scenario("[what]\n", "x").has_value());
  EXPECT_FALSE(parse_scenario("nodes = \n", "x").has_value());
}

}  // namespace
}  // namespace predastore::sim
