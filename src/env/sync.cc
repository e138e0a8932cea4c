#include "env/sync.h"

#include <algorithm>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "base/assert.h"

namespace predastore {
namespace asio = boost::asio;
namespace {

using Handler = asio::any_completion_handler<void(bool)>;

// Posts rather than calls, so that whoever notifies never runs the waiter's code inside its own.
void complete(const Executor& executor, Handler handler, bool notified) {
  asio::post(executor, [h = std::move(handler), notified]() mutable { std::move(h)(notified); });
}

[[noreturn]] void task_threw() {
  PREDA_ASSERT(!"an exception left a spawned task");
  std::abort();
}

}  // namespace

struct Signal::Waiter {
  Executor executor;
  Handler handler;
  Clock::TimerId timer = 0;
};

Signal::Signal(Clock& clock) : clock_(clock) {}

Signal::~Signal() {
  // Coroutines that were abandoned together with their loop (a stopped io_context) are destroyed,
  // not resumed.
  for (auto& waiter : waiters_) clock_.cancel(waiter->timer);
}

bool Signal::has_waiters() const { return !waiters_.empty(); }

void Signal::notify_one() {
  if (waiters_.empty()) return;
  auto waiter = std::move(waiters_.front());
  waiters_.pop_front();
  if (waiter->timer != 0) clock_.cancel(waiter->timer);
  complete(waiter->executor, std::move(waiter->handler), true);
}

void Signal::notify_all() {
  for (std::size_t count = waiters_.size(); count > 0; --count) notify_one();
}

Task<bool> Signal::wait_until(Instant deadline) {
  if (deadline != kNever && deadline <= clock_.now()) {
    // Still a turn of the loop, so that a caller that retries cannot spin without letting others
    // run.
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return false;
  }
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [this, deadline, &executor](Handler handler) {
    auto waiter = std::make_shared<Waiter>();
    waiter->executor = executor;
    waiter->handler = std::move(handler);
    waiters_.push_back(waiter);
    if (deadline == kNever) return;
    auto position = std::prev(waiters_.end());
    waiter->timer = clock_.call_at(deadline, [this, position] {
      auto expired = std::move(*position);
      waiters_.erase(position);
      complete(expired->executor, std::move(expired->handler), false);
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
      initiate, asio::use_awaitable);
}

Task<void> Signal::wait() { co_await wait_until(kNever); }

Semaphore::Semaphore(Clock& clock, std::uint64_t available)
    : changed_(clock), capacity_(available), available_(available) {}

bool Semaphore::try_acquire(std::uint64_t count) {
  if (!queue_.empty() || count > available_) return false;
  available_ -= count;
  return true;
}

Task<Result<void>> Semaphore::acquire(std::uint64_t count, Instant deadline) {
  if (count > capacity_)
    co_return make_error(ErrorCode::InvalidArgument, "more than the whole budget was asked for");
  if (try_acquire(count)) co_return Result<void>{};
  const std::uint64_t ticket = next_ticket_++;
  queue_.push_back(ticket);
  while (queue_.front() != ticket || count > available_) {
    if (!co_await changed_.wait_until(deadline)) {
      std::erase(queue_, ticket);
      changed_.notify_all();
      co_return make_error(ErrorCode::TimedOut, "waiting for a budget");
    }
  }
  queue_.pop_front();
  available_ -= count;
  if (!queue_.empty()) changed_.notify_all();
  co_return Result<void>{};
}

void Semaphore::release(std::uint64_t count) {
  available_ += count;
  PREDA_ASSERT(available_ <= capacity_);
  changed_.notify_all();
}

TaskGroup::TaskGroup(Executor executor, Clock& clock)
    : executor_(std::move(executor)), state_(std::make_shared<State>(clock)) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(Task<void> task) {
  ++state_->running;
  asio::co_spawn(executor_, std::move(task), [state = state_](std::exception_ptr thrown) {
    if (thrown) task_threw();
    if (--state->running == 0) state->idle.notify_all();
  });
}

void TaskGroup::spawn(Task<Result<void>> task) {
  ++state_->running;
  asio::co_spawn(executor_, std::move(task),
                 [state = state_](std::exception_ptr thrown, Result<void> result) {
                   if (thrown) task_threw();
                   if (!result && state->first_error.has_value())
                     state->first_error = std::move(result);
                   if (--state->running == 0) state->idle.notify_all();
                 });
}

Task<Result<void>> TaskGroup::join() {
  auto state = state_;
  while (state->running > 0) co_await state->idle.wait();
  co_return state->first_error;
}

}  // namespace predastore
