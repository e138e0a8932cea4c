#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <utility>

#include "env/clock.h"
#include "env/task.h"

namespace predastore {

// Wakes coroutines of one loop. Everything here is used on that loop only; wake-ups are posted,
// never run inside the call that causes them. State belongs to the caller: wait in a loop and look
// again after each wake-up.
class Signal {
 public:
  explicit Signal(Clock& clock);
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();  // nobody may be waiting

  void notify_all();
  void notify_one();
  // False when the deadline passed first. kNever waits for ever.
  Task<bool> wait_until(Instant deadline);
  Task<void> wait();
  bool has_waiters() const;

 private:
  struct Waiter;
  Clock& clock_;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

// A count of something bounded (bytes, slots). First come, first served, so that a large request is
// not starved.
class Semaphore {
 public:
  Semaphore(Clock& clock, std::uint64_t available);

  // TimedOut when the deadline passes first. A request larger than the whole is InvalidArgument.
  Task<Result<void>> acquire(std::uint64_t count, Instant deadline);
  bool try_acquire(std::uint64_t count);
  void release(std::uint64_t count);
  std::uint64_t available() const { return available_; }

 private:
  Signal changed_;
  std::uint64_t capacity_;
  std::uint64_t available_;
  std::uint64_t next_ticket_ = 0;
  std::deque<std::uint64_t> queue_;
};

// Gives back what was acquired, once.
class SemaphoreHold {
 public:
  SemaphoreHold() = default;
  SemaphoreHold(Semaphore& semaphore, std::uint64_t count)
      : semaphore_(&semaphore), count_(count) {}
  SemaphoreHold(SemaphoreHold&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)),
        count_(std::exchange(other.count_, 0)) {}
  SemaphoreHold& operator=(SemaphoreHold&& other) noexcept {
    release();
    semaphore_ = std::exchange(other.semaphore_, nullptr);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  ~SemaphoreHold() { release(); }
  void release() {
    if (semaphore_ != nullptr) semaphore_->release(std::exchange(count_, 0));
    semaphore_ = nullptr;
  }

 private:
  Semaphore* semaphore_ = nullptr;
  std::uint64_t count_ = 0;
};

// Owns and counts spawned coroutines; the only way to start one that is not awaited. An exception
// that leaves a task is a bug and stops the process. join() must have returned before destruction.
class TaskGroup {
 public:
  TaskGroup(Executor executor, Clock& clock);
  ~TaskGroup();

  void spawn(Task<void> task);
  void spawn(Task<Result<void>> task);  // the first error is kept for join()
  std::size_t running() const { return state_->running; }
  // Waits until all are done; the first error of those that return one.
  Task<Result<void>> join();

 private:
  struct State {
    explicit State(Clock& clock) : idle(clock) {}
    std::size_t running = 0;
    Result<void> first_error;
    Signal idle;
  };
  Executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace predastore
