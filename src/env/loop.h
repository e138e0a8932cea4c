#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <unordered_map>

#include "env/clock.h"
#include "env/task.h"

namespace predastore {

// The production clock of one loop: any number of timers behind one of the system's.
class LoopClock final : public Clock {
 public:
  explicit LoopClock(boost::asio::io_context& io);
  ~LoopClock() override;

  Instant now() const override;
  WallTime wall_now() const override;
  TimerId call_at(Instant when, std::function<void()> callback) override;
  void cancel(TimerId id) override;
  // Before the io_context goes: no callback runs any more, and call_at() only hands out ids.
  void shut_down();

 private:
  struct SystemTimer;
  using Timers = std::map<std::pair<Instant, TimerId>, std::function<void()>>;

  void arm();
  void run_due();

  std::unique_ptr<SystemTimer> timer_;
  Timers timers_;  // by time, then in the order of the calls
  std::unordered_map<TimerId, Instant> when_;
  TimerId next_id_ = 1;
  Instant armed_for_ = kNever;
};

// One event loop, for one thread: run() works until stop(), whether or not there is anything to do.
// Everything that is left in it is destroyed, not run, with the loop.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  boost::asio::io_context& io() { return *io_; }
  Executor executor() { return io_->get_executor(); }
  Clock& clock() { return *clock_; }
  void run();
  void run_one();  // waits for one handler and runs it
  void stop();     // any thread

 private:
  // The coroutines that io_ destroys cancel their timers, so the clock goes last.
  std::unique_ptr<LoopClock> clock_;
  std::unique_ptr<boost::asio::io_context> io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
};

}  // namespace predastore
