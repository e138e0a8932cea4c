// Clusters that grow, shrink, lose machines for good and change their scheme, under load and
// faults.
#include <gtest/gtest.h>

#include "sim/scenario.h"
#include "telemetry/log.h"

namespace predastore::sim {
namespace {

class GrowthSimulation : public ::testing::Test {
 protected:
  GrowthSimulation() { telemetry::set_log_level(telemetry::LogLevel::error); }
  static Scenario scenario(std::initializer_list<const char*> steps) {
    Scenario scenario;
    scenario.spare_count = 3;
    scenario.busy = 5s;
    scenario.heals_within = 240s;
    for (const char* step : steps) scenario.steps.push_back(parse_step(step).value());
    scenario.faults = FaultMix{};
    scenario.faults->kill = scenario.faults->power = true;
    scenario.faults->interval = 1500ms;
    scenario.faults->longest = 4s;
    return scenario;
  }
  static void expect_good(const Scenario& scenario, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t seed = first; seed <= last; ++seed) {
      const RunResult result = simulate(seed, scenario);
      ASSERT_FALSE(result.failure.has_value()) << *result.failure;
      EXPECT_GT(result.counts.reads, 0U);
    }
  }
};

TEST_F(GrowthSimulation, nodes_are_added_and_drained_while_others_crash) {
  expect_good(scenario({"add 4", "add 5", "drain 4", "remove 4"}), 1, 3);
}

TEST_F(GrowthSimulation, a_node_that_is_lost_is_removed_and_its_shards_are_rebuilt) {
  expect_good(scenario({"add 4", "add 5", "lose 5"}), 11, 13);
}

TEST_F(GrowthSimulation, one_of_three_nodes_is_replaced_by_a_new_machine) {
  expect_good(scenario({"replace 3 4"}), 21, 23);
}

TEST_F(GrowthSimulation, the_scheme_changes_there_and_back) {
  expect_good(scenario({"add 4", "add 5", "migrate 3+2", "migrate 2+1"}), 31, 32);
}

TEST_F(GrowthSimulation, links_that_fail_do_no_more_harm_than_crashes) {
  Scenario cut = scenario({"add 4", "drain 4"});
  cut.faults = FaultMix{};
  cut.faults->partition = cut.faults->one_way = cut.faults->losses = cut.faults->pause = true;
  cut.faults->interval = 1500ms;
  cut.faults->longest = 4s;
  expect_good(cut, 41, 42);
}

TEST(Steps, are_read_from_words) {
  EXPECT_EQ(parse_step("replace 3 6").value().machines, (std::vector<std::size_t>{2, 5}));
  EXPECT_EQ(parse_step("lose 3 5").value().machines, (std::vector<std::size_t>{2, 4}));
  EXPECT_EQ(parse_step("migrate 3+2").value().rs, (RsConfig{3, 2}));
  for (const char* bad :
       {"", "add", "add x", "add 0", "replace 3", "migrate", "migrate 3", "grow 1"})
    EXPECT_FALSE(parse_step(bad)) << bad;
  EXPECT_TRUE(parse_scenario("spares = 1\nsteps = [\"add 4\"]\n", "x"));
  EXPECT_FALSE(parse_scenario("spares = 1\nsteps = [\"add 5\"]\n", "x"));
  EXPECT_FALSE(parse_scenario("steps = \"add 4\"\n", "x"));
}

}  // namespace
}  // namespace predastore::sim
