#include "repair/throttle.h"

#include <algorithm>

namespace predastore::repair {
namespace {

constexpr double kShareWithClients = 0.25;
constexpr double kShareMin = 1.0 / 16;
constexpr double kShareStep = 1.0 / 16;
constexpr Duration kStep = 200ms;   // between two changes of the share
constexpr Duration kSlice = 100ms;  // after which the load is looked at again

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Throttle::Throttle(Environment env, std::uint64_t bytes_per_second, Load load)
    : env_(env),
      bytes_per_second_(bytes_per_second),
      load_(std::move(load)),
      paid_at_(env.clock.now()),
      next_step_(env.clock.now()),
      stopped_(env.clock) {}

void Throttle::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
}

double Throttle::current_rate() {
  if (bytes_per_second_ == 0) return 0;
  const ClientLoad load = load_ ? load_() : ClientLoad{};
  const Instant now = env_.clock.now();
  if (now >= next_step_) {
    share_ = load.late > 0 ? std::max(kShareMin, share_ / 2) : std::min(1.0, share_ + kShareStep);
    next_step_ = now + kStep;
  }
  const double full = static_cast<double>(bytes_per_second_) * share_;
  return std::max(1.0, load.in_flight > 0 ? full * kShareWithClients : full);
}

// A time without work is no credit for later.
void Throttle::pay() {
  const Instant now = env_.clock.now();
  paid_bytes_ = std::min(owed_bytes_, paid_bytes_ + current_rate() * seconds_of(now - paid_at_));
  paid_at_ = now;
}

Task<void> Throttle::pass(std::uint64_t bytes, Instant until) {
  if (bytes_per_second_ == 0) co_return;
  pay();
  owed_bytes_ += static_cast<double>(bytes);
  const double goal = owed_bytes_;
  while (!is_stopping_ && bytes_per_second_ != 0 && env_.clock.now() < until) {
    pay();
    const double left = goal - paid_bytes_;
    if (left <= 0.5) co_return;
    const double seconds = left / current_rate();
    const Duration wait =
        seconds >= seconds_of(kSlice)
            ? kSlice
            : std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)) +
                  Duration{1};
    (void)co_await stopped_.wait_until(std::min(until, env_.clock.now() + wait));
  }
  paid_bytes_ = std::max(paid_bytes_, goal);
}

}  // namespace predastore::repair
