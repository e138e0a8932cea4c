#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "env/clock.h"
#include "env/sync.h"

// What every Clock promises. Included by the test of each implementation, which instantiates
// ClockContract.
namespace predastore::testing {

class ClockFixture {
 public:
  virtual ~ClockFixture() = default;
  virtual Clock& clock() = 0;
  virtual void run_task(Task<void> task) = 0;  // runs everything until it is done
};
struct ClockMaker {
  std::string name;
  std::function<std::unique_ptr<ClockFixture>()> make;
};
inline std::string name_of_clock(const ::testing::TestParamInfo<ClockMaker>& info) {
  return info.param.name;
}

class ClockContract : public ::testing::TestWithParam<ClockMaker> {
 protected:
  ClockContract() : fixture_(GetParam().make()), clock_(fixture_->clock()) {}
  void run_for(Duration duration) { fixture_->run_task(sleep_for(clock_, duration)); }

  std::unique_ptr<ClockFixture> fixture_;
  Clock& clock_;
};

TEST_P(ClockContract, timers_run_in_order_of_time_and_cancelled_ones_do_not) {
  std::string order;
  const Instant now = clock_.now();
  EXPECT_NE(clock_.call_at(now + 3ms, [&] { order += "c"; }), 0u);
  clock_.call_at(now + 1ms, [&] { order += "a"; });
  const auto cancelled = clock_.call_at(now + 2ms, [&] { order += "x"; });
  clock_.call_at(now + 2ms, [&] { order += "b"; });
  clock_.cancel(cancelled);
  clock_.cancel(cancelled);
  clock_.cancel(12345);
  run_for(4ms);
  EXPECT_EQ(order, "abc");
  EXPECT_GE(clock_.now(), now + 4ms);
}

TEST_P(ClockContract, a_callback_never_runs_inside_the_call_that_makes_it) {
  bool called = false;
  clock_.call_at(clock_.now() - 1ms, [&] { called = true; });
  EXPECT_FALSE(called);
  run_for(1ms);
  EXPECT_TRUE(called);
}

TEST_P(ClockContract, a_timer_may_cancel_and_make_timers) {
  int count = 0;
  const Instant now = clock_.now();
  Clock::TimerId second = 0;
  clock_.call_at(now, [&] {
    clock_.cancel(second);
    clock_.call_at(now, [&] { ++count; });
  });
  second = clock_.call_at(now + 1ms, [&] { count += 100; });
  run_for(2ms);
  EXPECT_EQ(count, 1);
}

TEST_P(ClockContract, time_does_not_go_back) {
  Instant last = clock_.now();
  for (int i = 0; i < 20; ++i) {
    run_for(100us);
    EXPECT_GE(clock_.now(), last + 100us);
    last = clock_.now();
  }
}

TEST_P(ClockContract, a_wait_ends_at_its_deadline_or_when_notified) {
  Signal signal{clock_};
  std::string log;
  auto wait = [](Signal& waited, Instant deadline, std::string& into) -> Task<void> {
    const bool notified = co_await waited.wait_until(deadline);
    into += notified ? "n" : "t";
  };
  fixture_->run_task(wait(signal, clock_.now() + 1ms, log));
  clock_.call_at(clock_.now() + 1ms, [&] { signal.notify_all(); });
  fixture_->run_task(wait(signal, kNever, log));
  fixture_->run_task(wait(signal, clock_.now(), log));
  EXPECT_EQ(log, "tnt");
  EXPECT_FALSE(signal.has_waiters());
}

}  // namespace predastore::testing
