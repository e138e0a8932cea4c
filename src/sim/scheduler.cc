#include "sim/scheduler.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace predastore::sim {
namespace {

constexpr Instant kBegin{1000s};
constexpr WallTime kWallBegin{std::chrono::milliseconds{1'700'000'000'000}};

}  // namespace

Scheduler::Scheduler(std::uint64_t seed)
    : seed_(seed), random_(SimRandom::derive(seed, "scheduler")), now_(kBegin) {}

Scheduler::~Scheduler() { PREDA_ASSERT(processes_.empty()); }

Scheduler::TimerId Scheduler::call_at(Instant when, std::function<void()> callback,
                                      Process* process) {
  const TimerId id = next_id_++;
  const Key key{{std::max(when, now_), random_.next()}, id};
  timers_.emplace(key, Timer{std::move(callback), process});
  keys_.emplace(id, key);
  return id;
}

void Scheduler::cancel(TimerId id) {
  const auto found = keys_.find(id);
  if (found == keys_.end()) {
    held_.erase(id);
    return;
  }
  const auto timer = timers_.find(found->second);
  auto dropped = std::move(timer->second);  // what it holds may cancel timers as it goes
  timers_.erase(timer);
  keys_.erase(found);
}

bool Scheduler::run(const std::function<bool()>& is_done, Instant until) {
  while (!is_done()) {
    if (run_ready()) continue;
    if (!fire_next(until)) return is_done();
  }
  return true;
}

void Scheduler::settle() {
  while (run_ready()) {
  }
}

bool Scheduler::run_ready() {
  bool any = false;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    Process& process = *processes_[i];
    if (process.is_paused_) continue;
    any = process.io_.poll_one() > 0 || any;
  }
  return any;
}

bool Scheduler::fire_next(Instant until) {
  if (timers_.empty()) return false;
  const auto first = timers_.begin();
  const Instant when = first->first.first.first;
  if (when > until) {
    now_ = std::max(now_, until);
    return false;
  }
  now_ = std::max(now_, when);
  const TimerId id = first->first.second;
  Timer timer = std::move(first->second);
  timers_.erase(first);
  keys_.erase(id);
  if (timer.process != nullptr && timer.process->is_paused_) {
    held_.emplace(id, std::move(timer));
    return true;
  }
  ++event_count_;
  note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  timer.callback();
  return true;
}

void Scheduler::note(std::uint64_t value) {
  history_hash_ ^= value;
  history_hash_ *= 0x9E3779B97F4A7C15ULL;
  history_hash_ ^= history_hash_ >> 29;
}

void Scheduler::note(std::string_view text) {
  for (const char c : text) note(static_cast<unsigned char>(c));
}

void Scheduler::release(Process& process) {
  for (auto held = held_.begin(); held != held_.end();) {
    if (held->second.process != &process) {
      ++held;
      continue;
    }
    const Key key{{now_, random_.next()}, held->first};
    keys_.emplace(held->first, key);
    timers_.emplace(key, std::move(held->second));
    held = held_.erase(held);
  }
}

void Scheduler::forget(Process& process) {
  std::erase(processes_, &process);
  std::vector<Timer> dropped;
  for (auto timer = timers_.begin(); timer != timers_.end();) {
    if (timer->second.process == &process) {
      dropped.push_back(std::move(timer->second));
      keys_.erase(timer->first.second);
      timer = timers_.erase(timer);
    } else {
      ++timer;
    }
  }
  std::erase_if(held_, [&](auto& held) {
    if (held.second.process != &process) return false;
    dropped.push_back(std::move(held.second));
    return true;
  });
}

Process::Process(Scheduler& scheduler, std::string name)
    : scheduler_(scheduler),
      name_(std::move(name)),
      io_(1),
      work_(boost::asio::make_work_guard(io_)) {
  scheduler_.processes_.push_back(this);
}

Process::~Process() { scheduler_.forget(*this); }

void Process::resume() {
  if (!is_paused_) return;
  is_paused_ = false;
  scheduler_.release(*this);
}

WallTime SimClock::wall_now() const {
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now() - kBegin);
  const auto drifted = std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(elapsed.count()) * wall_drift));
  return kWallBegin + elapsed + drifted + wall_offset;
}

void SimBlocking::submit(Executor executor, std::function<void()> work,
                         std::function<void()> done) {
  const Duration delay = random_.between(Duration{0}, delay_max);
  auto run = [executor = std::move(executor), work = std::move(work), done = std::move(done)] {
    work();
    boost::asio::post(executor, done);
  };
  process_.scheduler().call_after(delay, std::move(run), &process_);
}

}  // namespace predastore::sim
