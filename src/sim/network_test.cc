// The faults of the simulated network. What it promises as a Transport is in contract_test.cc.
#include "sim/network.h"

#include <gtest/gtest.h>

#include "env/sync.h"
#include "sim/host.h"

namespace predastore::sim {
namespace {

constexpr NodeId kA{1};
constexpr NodeId kB{2};

struct World {
  explicit World(std::uint64_t seed = 1) : scheduler(seed), disk(scheduler, seed) {
    a = network.attach(kA, host_a.process, host_a.clock);
    start_b();
  }
  ~World() {
    a.reset();
    b.reset();
    // What waited in accept() ends.
    scheduler.run([] { return false; }, scheduler.now() + 10s);
  }
  void start_b() {
    b = network.attach(kB, host_b.process, host_b.clock);
    group.spawn(echo(b.get(), &host_b.clock));
  }
  // Answers every stream with what it brought, and counts.
  Task<void> echo(net::Transport* transport, Clock* clock) {
    for (;;) {
      auto stream = co_await transport->accept();
      if (!stream) co_return;
      ++accepted;
      for (;;) {
        const Instant deadline = clock->now() + 60s;
        auto bytes = co_await (*stream)->read(1000, deadline);
        if (!bytes || bytes->empty()) break;
        (void)co_await (*stream)->write(*bytes, deadline);
      }
      (void)co_await (*stream)->finish();
    }
  }
  Task<Result<std::string>> call(std::string text, Duration patience) {
    const Instant deadline = host_a.clock.now() + patience;
    PREDA_CO_TRY(auto stream, co_await a->open(kB, net::Lane::data, deadline));
    PREDA_CO_CHECK(co_await stream->write(Buffer::copy_of(text), deadline));
    PREDA_CO_CHECK(co_await stream->finish());
    std::string answer;
    for (;;) {
      PREDA_CO_TRY(const Buffer bytes, co_await stream->read(7, deadline));
      if (bytes.empty()) co_return answer;
      answer += bytes.text();
    }
  }
  Result<std::string> ask(std::string text, Duration patience = 20s) {
    return *try_run(host_a.process, call(std::move(text), patience));
  }

  Scheduler scheduler;
  SimDisk disk;
  SimHost host_a{scheduler, disk, "a", 1};
  SimHost host_b{scheduler, disk, "b", 2};
  SimNetwork network{scheduler, 3};
  TaskGroup group{host_b.process.executor(), host_b.clock};
  std::unique_ptr<net::Transport> a;
  std::unique_ptr<net::Transport> b;
  int accepted = 0;
};

TEST(SimNetwork, bytes_take_time_and_arrive) {
  World world;
  const Instant begin = world.scheduler.now();
  EXPECT_EQ(world.ask("hello, world").value(), "hello, world");
  EXPECT_GT(world.scheduler.now(), begin);
  EXPECT_EQ(world.ask(std::string(200'000, 'x')).value(), std::string(200'000, 'x'));
}

TEST(SimNetwork, a_short_partition_delays_and_a_long_one_breaks) {
  World world;
  ASSERT_TRUE(world.ask("warm").has_value());
  for (const bool one_way : {true, false}) {
    const Instant begin = world.scheduler.now();
    world.network.block(kA, kB);
    if (!one_way) world.network.block(kB, kA);
    world.scheduler.call_after(1s, [&] { world.network.heal(); });
    EXPECT_EQ(world.ask("late").value(), "late");
    EXPECT_GE(world.scheduler.now(), begin + 1s);
  }
  world.network.isolate(kB);
  const Instant begin = world.scheduler.now();
  EXPECT_EQ(world.ask("lost").error().code, ErrorCode::Unavailable);
  EXPECT_GE(world.scheduler.now(), begin + world.network.options.idle_timeout);
  EXPECT_EQ(world.ask("refused").error().code, ErrorCode::Unavailable);
  world.network.heal();
  EXPECT_TRUE(try_run(world.host_a.process, sleep_for(world.host_a.clock, 1s)));
  EXPECT_EQ(world.ask("back").value(), "back");
}

TEST(SimNetwork, the_answer_way_alone_can_be_cut) {
  World world;
  ASSERT_TRUE(world.ask("warm").has_value());
  world.network.block(kB, kA);
  const int before = world.accepted;
  EXPECT_FALSE(world.ask("heard, not answered").has_value());
  EXPECT_EQ(world.accepted, before + 1);
}

TEST(SimNetwork, a_paused_peer_accepts_and_does_not_answer) {
  World world;
  ASSERT_TRUE(world.ask("warm").has_value());
  world.host_b.process.pause();
  world.network.watch(kB);
  EXPECT_EQ(world.ask("hello", 1s).error().code, ErrorCode::TimedOut);
  EXPECT_EQ(world.ask("hello", 10s).error().code, ErrorCode::Unavailable);
  world.host_b.process.resume();
  EXPECT_TRUE(try_run(world.host_a.process, sleep_for(world.host_a.clock, 1s)));
  EXPECT_EQ(world.ask("back").value(), "back");
}

TEST(SimNetwork, a_killed_peer_is_noticed_late_and_can_come_back) {
  World world;
  ASSERT_TRUE(world.ask("warm").has_value());
  world.network.detach(kB);
  EXPECT_EQ(world.ask("gone").error().code, ErrorCode::Unavailable);
  EXPECT_TRUE(try_run(world.host_b.process, world.group.join()).has_value());
  world.b.reset();
  world.start_b();
  EXPECT_TRUE(try_run(world.host_a.process, sleep_for(world.host_a.clock, 1s)));
  EXPECT_EQ(world.ask("back").value(), "back");
}

TEST(SimNetwork, a_clogged_link_is_slow_in_its_direction) {
  World world;
  ASSERT_TRUE(world.ask("warm").has_value());
  world.network.clog(kB, kA, 2s);
  const Instant begin = world.scheduler.now();
  EXPECT_EQ(world.ask("slow").value(), "slow");
  EXPECT_GE(world.scheduler.now(), begin + 2s);
}

TEST(SimNetwork, streams_and_connections_are_lost_when_told) {
  World world;
  world.network.faults.stream_loss = 1;
  EXPECT_EQ(world.ask("lost").error().code, ErrorCode::Unavailable);
  world.network.faults = {};
  EXPECT_EQ(world.ask("kept").value(), "kept");
  world.network.faults.connection_loss = 1;
  EXPECT_EQ(world.ask("lost").error().code, ErrorCode::Unavailable);
  world.network.faults = {};
  EXPECT_EQ(world.ask("kept").value(), "kept");
}

TEST(SimNetwork, a_writer_whose_peer_does_not_read_waits_for_the_window) {
  World world;
  world.host_b.process.pause();  // before it was watched: the connection lives
  world.host_b.process.resume();
  auto flood = [](World& in) -> Task<Result<void>> {
    const Instant deadline = in.host_a.clock.now() + 1s;
    PREDA_CO_TRY(auto stream, co_await in.a->open(kB, net::Lane::raft, deadline));
    in.host_b.process.pause();
    PREDA_CO_CHECK(co_await stream->write(Buffer::copy_of(std::string(200'000, 'x')), deadline));
    co_return co_await stream->write(Buffer::copy_of(std::string(200'000, 'x')), deadline);
  };
  EXPECT_EQ((*try_run(world.host_a.process, flood(world))).error().code, ErrorCode::TimedOut);
  world.host_b.process.resume();
}

}  // namespace
}  // namespace predastore::sim
