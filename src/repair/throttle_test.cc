#include "repair/throttle.h"

#include <gtest/gtest.h>

#include "chunk/testing/test_cluster.h"

namespace predastore::repair {
namespace {

class ThrottleTest : public ::testing::Test {
 protected:
  Throttle make(std::uint64_t rate) {
    return Throttle{cluster_.env(), rate, [this] { return load_; }};
  }
  // How long so many bytes take, one request after the other.
  Duration time_of(Throttle& throttle, int requests, std::uint64_t bytes) {
    const Instant began = cluster_.clock().now();
    for (int i = 0; i < requests; ++i) cluster_.run(throttle.pass(bytes));
    return cluster_.clock().now() - began;
  }
  static double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
  }

  chunk::testing::TestCluster cluster_{1};
  ClientLoad load_;
};

TEST_F(ThrottleTest, a_rate_is_kept_and_a_time_without_work_is_no_credit) {
  Throttle throttle = make(1'000'000);
  cluster_.advance(60s);
  EXPECT_NEAR(seconds(time_of(throttle, 10, 200'000)), 2.0, 0.05);
  cluster_.advance(60s);
  EXPECT_NEAR(seconds(time_of(throttle, 1, 3'000'000)), 3.0, 0.05);
}

TEST_F(ThrottleTest, without_a_rate_nothing_waits) {
  Throttle throttle = make(0);
  load_ = {5, 5};
  EXPECT_EQ(time_of(throttle, 100, 1u << 30), Duration{0});
}

TEST_F(ThrottleTest, while_clients_are_at_work_it_has_a_quarter) {
  Throttle throttle = make(1'000'000);
  load_.in_flight = 1;
  EXPECT_NEAR(seconds(time_of(throttle, 10, 100'000)), 4.0, 0.1);
  load_.in_flight = 0;
  EXPECT_NEAR(seconds(time_of(throttle, 10, 100'000)), 1.0, 0.1);
}

TEST_F(ThrottleTest, while_requests_are_late_it_has_less_and_less_and_never_nothing) {
  Throttle throttle = make(1'600'000);
  load_ = {4, 1};
  (void)time_of(throttle, 20, 100'000);
  EXPECT_NEAR(throttle.current_rate(), 1'600'000 / 4.0 / 16, 1);
  load_ = {};
  (void)time_of(throttle, 100, 100'000);
  EXPECT_NEAR(throttle.current_rate(), 1'600'000, 1);
}

TEST_F(ThrottleTest, who_waits_goes_on_when_the_limit_is_lifted_or_it_is_stopped) {
  Throttle throttle = make(1);
  TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
  tasks.spawn(throttle.pass(1'000'000));
  cluster_.advance(10s);
  EXPECT_EQ(tasks.running(), 1U);
  throttle.set_rate(0);
  cluster_.advance(1s);
  EXPECT_EQ(tasks.running(), 0U);
  throttle.set_rate(1);
  tasks.spawn(throttle.pass(1'000'000));
  cluster_.advance(10s);
  throttle.stop();
  cluster_.settle();
  EXPECT_EQ(tasks.running(), 0U);
  (void)cluster_.run(tasks.join());
}

}  // namespace
}  // namespace predastore::repair
