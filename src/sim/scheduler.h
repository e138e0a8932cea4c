#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "env/blocking.h"
#include "env/clock.h"
#include "env/run_task.h"
#include "env/task.h"
#include "sim/random.h"

namespace predastore::sim {

class Process;

// The one thread and the one time line of a simulation. Whatever is ready runs first; when nothing
// is, the clock moves to the next timer. Timers of one instant fire in an order drawn from the
// seed. Everything that takes time in the simulated world is a timer here.
class Scheduler {
 public:
  using TimerId = Clock::TimerId;

  explicit Scheduler(std::uint64_t seed);
  ~Scheduler();  // all processes are gone
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Instant now() const { return now_; }
  std::uint64_t seed() const { return seed_; }
  // Of a process: does not fire while it is paused. Of none (the network, the injector of faults):
  // always.
  TimerId call_at(Instant when, std::function<void()> callback, Process* process = nullptr);
  TimerId call_after(Duration delay, std::function<void()> callback, Process* process = nullptr) {
    return call_at(now_ + delay, std::move(callback), process);
  }
  void cancel(TimerId id);

  // Runs until `is_done` says so; false when `until` came first or nothing is left to happen.
  bool run(const std::function<bool()>& is_done, Instant until = kNever);
  // Everything that can happen without time passing.
  void settle();
  // A number that tells two histories apart: of every timer that fired, and when.
  std::uint64_t history_hash() const { return history_hash_; }
  std::uint64_t event_count() const { return event_count_; }
  // Adds what happened to the history.
  void note(std::uint64_t value);
  void note(std::string_view text);
  // One more draw of the stream that breaks ties: whoever drew differently before gets another.
  std::uint64_t final_draw() { return random_.next(); }

 private:
  friend class Process;
  using Key = std::pair<std::pair<Instant, std::uint64_t>, TimerId>;
  struct Timer {
    std::function<void()> callback;
    Process* process = nullptr;
  };
  bool run_ready();  // one handler of each process that has one
  bool fire_next(Instant until);
  void release(Process& process);  // timers that came due while it was paused
  void forget(Process& process);

  std::uint64_t seed_;
  SimRandom random_;
  Instant now_;
  TimerId next_id_ = 1;
  std::map<Key, Timer> timers_;
  std::map<TimerId, Key> keys_;
  std::map<TimerId, Timer> held_;  // due, but their process is paused
  std::vector<Process*> processes_;
  std::uint64_t history_hash_ = 0xCBF29CE484222325ULL;
  std::uint64_t event_count_ = 0;
};

// A run queue: one incarnation of a node, or the clients. Coroutines that were not ended when it is
// destroyed are never resumed.
class Process {
 public:
  Process(Scheduler& scheduler, std::string name);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  Executor executor() { return io_.get_executor(); }
  Scheduler& scheduler() { return scheduler_; }
  const std::string& name() const { return name_; }
  // SIGSTOP: nothing of it runs; time goes on, and its timers are late.
  void pause() { is_paused_ = true; }
  void resume();
  bool is_paused() const { return is_paused_; }

 private:
  friend class Scheduler;
  Scheduler& scheduler_;
  std::string name_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  bool is_paused_ = false;
};

// The clock of one process. Monotonic time is everybody's; the wall clock can be wrong by an offset
// and a drift.
class SimClock final : public Clock {
 public:
  explicit SimClock(Process& process) : process_(process) {}
  Instant now() const override { return process_.scheduler().now(); }
  WallTime wall_now() const override;
  TimerId call_at(Instant when, std::function<void()> callback) override {
    return process_.scheduler().call_at(when, std::move(callback), &process_);
  }
  void cancel(TimerId id) override { process_.scheduler().cancel(id); }

  std::chrono::milliseconds wall_offset{0};
  double wall_drift = 0;  // 0.001: a millisecond a second fast

 private:
  Process& process_;
};

// Work runs on the only thread, after a drawn delay.
class SimBlocking final : public Blocking {
 public:
  SimBlocking(Process& process, std::uint64_t seed) : process_(process), random_(seed) {}
  void submit(Executor executor, std::function<void()> work, std::function<void()> done) override;

  Duration delay_max = 200us;

 private:
  Process& process_;
  SimRandom random_;
};

namespace scheduler_detail {
template <class T>
Task<void> keep(Task<T> task, std::shared_ptr<std::optional<T>> result) {
  result->emplace(co_await std::move(task));
}
inline Task<void> keep_void(Task<void> task, std::shared_ptr<std::optional<bool>> result) {
  co_await std::move(task);
  result->emplace(true);
}
inline void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}
}  // namespace scheduler_detail

// Runs the whole simulation until `task`, on `process`, is done. None: it never ends, or not by
// `until`.
template <class T>
std::optional<T> try_run(Process& process, Task<T> task, Instant until = kNever) {
  auto result = std::make_shared<std::optional<T>>();
  boost::asio::co_spawn(process.executor(), scheduler_detail::keep(std::move(task), result),
                        scheduler_detail::rethrow);
  process.scheduler().run([&] { return result->has_value(); }, until);
  return std::move(*result);
}
inline bool try_run(Process& process, Task<void> task, Instant until = kNever) {
  auto result = std::make_shared<std::optional<bool>>();
  boost::asio::co_spawn(process.executor(), scheduler_detail::keep_void(std::move(task), result),
                        scheduler_detail::rethrow);
  return process.scheduler().run([&] { return result->has_value(); }, until);
}

}  // namespace predastore::sim
