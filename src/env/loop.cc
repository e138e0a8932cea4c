#include "env/loop.h"

#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace predastore {
namespace asio = boost::asio;
namespace {

std::chrono::steady_clock::time_point to_steady(Instant instant) {
  return std::chrono::steady_clock::time_point(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(instant.time_since_epoch()));
}

}  // namespace

struct LoopClock::SystemTimer {
  explicit SystemTimer(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
};

LoopClock::LoopClock(asio::io_context& io) : timer_(std::make_unique<SystemTimer>(io)) {}

LoopClock::~LoopClock() = default;

Instant LoopClock::now() const {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

WallTime LoopClock::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

Clock::TimerId LoopClock::call_at(Instant when, std::function<void()> callback) {
  const TimerId id = next_id_++;
  if (timer_ == nullptr) return id;
  timers_.emplace(std::pair{when, id}, std::move(callback));
  when_.emplace(id, when);
  if (when < armed_for_) arm();
  return id;
}

void LoopClock::cancel(TimerId id) {
  // The system's timer stays as it is: it fires, finds nothing due and is armed for the next one.
  const auto found = when_.find(id);
  if (found == when_.end()) return;
  timers_.erase({found->second, id});
  when_.erase(found);
}

void LoopClock::shut_down() {
  timer_.reset();
  auto timers = std::exchange(timers_, {});
  when_.clear();
}

void LoopClock::arm() {
  armed_for_ = timers_.empty() ? kNever : timers_.begin()->first.first;
  if (armed_for_ == kNever) return;
  timer_->timer.expires_at(to_steady(armed_for_));
  timer_->timer.async_wait([this](boost::system::error_code error) {
    if (!error) run_due();
  });
}

void LoopClock::run_due() {
  armed_for_ = kNever;
  const Instant due = now();
  while (timer_ != nullptr && !timers_.empty() && timers_.begin()->first.first <= due) {
    auto entry = timers_.extract(timers_.begin());
    when_.erase(entry.key().second);
    entry.mapped()();
  }
  if (timer_ != nullptr) arm();
}

Loop::Loop() : io_(std::make_unique<asio::io_context>(1)), work_(asio::make_work_guard(*io_)) {
  clock_ = std::make_unique<LoopClock>(*io_);
}

Loop::~Loop() {
  work_.reset();
  clock_->shut_down();
  io_.reset();
}

void Loop::run() { io_->run(); }
void Loop::run_one() { io_->run_one(); }
void Loop::stop() { io_->stop(); }

}  // namespace predastore
