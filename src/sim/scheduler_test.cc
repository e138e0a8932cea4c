#include "sim/scheduler.h"

#include <gtest/gtest.h>

#include "env/sync.h"
#include "sim/host.h"

namespace predastore::sim {
namespace {

Task<void> tick(Clock& clock, int count, std::string& log, char name) {
  for (int i = 0; i < count; ++i) {
    co_await sleep_for(clock, 10ms);
    log += name;
  }
}

struct TwoTickers {
  explicit TwoTickers(std::uint64_t seed) {
    Scheduler scheduler(seed);
    SimDisk disk(scheduler, seed);
    SimHost a(scheduler, disk, "a", seed);
    SimHost b(scheduler, disk, "b", seed + 1);
    TaskGroup both(a.process.executor(), a.clock);
    both.spawn(tick(a.clock, 20, log, 'a'));
    TaskGroup other(b.process.executor(), b.clock);
    other.spawn(tick(b.clock, 20, log, 'b'));
    EXPECT_TRUE(try_run(a.process, both.join()).has_value());
    EXPECT_TRUE(try_run(b.process, other.join()).has_value());
    hash = scheduler.history_hash();
    last = scheduler.final_draw();
    took = scheduler.now();
  }
  std::string log;
  std::uint64_t hash = 0;
  std::uint64_t last = 0;
  Instant took;
};

TEST(Scheduler, the_same_seed_gives_the_same_history_and_others_do_not) {
  const TwoTickers first(5);
  const TwoTickers again(5);
  const TwoTickers other(6);
  EXPECT_EQ(first.log, again.log);
  EXPECT_EQ(first.hash, again.hash);
  EXPECT_EQ(first.last, again.last);
  EXPECT_NE(first.log, other.log);  // timers of one instant fire in another order
  EXPECT_EQ(first.log.size(), 40u);
}

TEST(Scheduler, time_passes_only_when_nothing_else_can_happen) {
  Scheduler scheduler(1);
  SimDisk disk(scheduler, 1);
  SimHost host(scheduler, disk, "a", 1);
  const Instant begin = scheduler.now();
  EXPECT_TRUE(try_run(host.process, sleep_for(host.clock, 1h)));
  EXPECT_EQ(scheduler.now(), begin + 1h);
  EXPECT_FALSE(try_run(host.process, sleep_for(host.clock, 1h), begin + 90min));
  EXPECT_EQ(scheduler.now(), begin + 90min);
  EXPECT_FALSE(scheduler.run([] { return false; }));  // the sleeper wakes
  EXPECT_EQ(scheduler.now(), begin + 2h);
}

TEST(Scheduler, a_paused_process_does_nothing_and_is_late_afterwards) {
  Scheduler scheduler(1);
  SimDisk disk(scheduler, 1);
  SimHost host(scheduler, disk, "a", 1);
  SimHost other(scheduler, disk, "b", 2);
  std::string log;
  TaskGroup tasks(host.process.executor(), host.clock);
  tasks.spawn(tick(host.clock, 3, log, 'a'));
  EXPECT_TRUE(try_run(other.process, sleep_for(other.clock, 15ms)));
  EXPECT_EQ(log, "a");
  host.process.pause();
  EXPECT_TRUE(try_run(other.process, sleep_for(other.clock, 100ms)));
  EXPECT_EQ(log, "a");
  host.process.resume();
  EXPECT_TRUE(try_run(other.process, sleep_for(other.clock, 5ms)));
  EXPECT_EQ(log, "aa");
  EXPECT_TRUE(try_run(host.process, tasks.join()).has_value());
  EXPECT_EQ(log, "aaa");
}

TEST(Scheduler, a_wall_clock_may_be_wrong_and_monotonic_time_is_not) {
  Scheduler scheduler(1);
  SimDisk disk(scheduler, 1);
  SimHost right(scheduler, disk, "a", 1);
  SimHost wrong(scheduler, disk, "b", 1);
  wrong.clock.wall_offset = std::chrono::minutes(-20);
  wrong.clock.wall_drift = 0.5;
  EXPECT_TRUE(try_run(right.process, sleep_for(right.clock, 10s)));
  EXPECT_EQ(right.clock.now(), wrong.clock.now());
  EXPECT_EQ(wrong.clock.wall_now() - right.clock.wall_now(), std::chrono::minutes(-20) + 5s);
}

TEST(Scheduler, blocking_work_takes_time_and_comes_back) {
  Scheduler scheduler(1);
  SimDisk disk(scheduler, 1);
  SimHost host(scheduler, disk, "a", 1);
  const Instant begin = scheduler.now();
  auto work = [] { return 7; };
  EXPECT_EQ(try_run(host.process, run_blocking(host.blocking, work)), 7);
  EXPECT_GT(scheduler.now(), begin);
}

TEST(SimRandom, streams_differ_and_chances_are_kept) {
  EXPECT_NE(SimRandom::derive(1, "a"), SimRandom::derive(1, "b"));
  EXPECT_NE(SimRandom::derive(1, "a", 1), SimRandom::derive(1, "a", 2));
  SimRandom random(9);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += random.chance(0.25) ? 1 : 0;
  EXPECT_NEAR(hits, 2500, 200);
  EXPECT_FALSE(random.chance(0));
  for (int i = 0; i < 100; ++i) {
    const Duration drawn = random.between(Duration(3), Duration(5));
    EXPECT_GE(drawn, Duration(3));
    EXPECT_LE(drawn, Duration(5));
  }
}

}  // namespace
}  // namespace predastore::sim
