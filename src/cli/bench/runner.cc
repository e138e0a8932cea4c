#include "cli/bench/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace predastore::cli::bench {

namespace {

constexpr std::size_t kRemovedAtOnce = 1000;
constexpr Duration kAfterError = 50ms;  // so that a server that is away is not flooded

std::uint64_t default_objects(Mode mode) {
  switch (mode) {
    case Mode::put:
    case Mode::multipart: return 0;
    case Mode::hot_key: return 1;
    case Mode::list: return 10'000;
    case Mode::remove: return 5'000;
    default: return 256;
  }
}

double overlap(Instant begin, Instant end, Instant window_begin, Instant window_end) {
  const Duration inside = std::min(end, window_end) - std::max(begin, window_begin);
  if (inside <= Duration{}) return 0;
  return static_cast<double>(inside.count()) / static_cast<double>((end - begin).count());
}

}  // namespace

Runner::Runner(Environment env, Options options) : env_(env), options_(std::move(options)) {
  run_name_ = fmt::format("{:012x}", env_.random.next_u64() >> 16);
  prepared_ = options_.objects > 0 ? options_.objects : default_objects(options_.mode);
}

std::string Runner::key_of(std::uint64_t number) const {
  return fmt::format("{}{:010}", options_.prefix, number);
}

const char* Runner::name_of(Kind kind) {
  switch (kind) {
    case Kind::get: return "get";
    case Kind::put: return "put";
    case Kind::list: return "list";
    case Kind::stat: return "stat";
    case Kind::remove: return "delete";
    case Kind::multipart: return "multipart";
    case Kind::ranged: return "ranged";
  }
  return "";
}

Runner::Work Runner::new_object(Kind kind) {
  const std::uint64_t number = next_new_++;
  return {kind, fmt::format("{}{}-{:08}", options_.prefix, run_name_, number),
          options_.sizes.draw(number)};
}

Runner::Work Runner::existing_object(Kind kind) {
  const std::uint64_t number = env_.random.below(prepared_);
  return {kind, key_of(number), options_.sizes.draw(number)};
}

// The shares of warp: 45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE. What is deleted was put by this
// run and is read by nobody.
Runner::Work Runner::mixed_work() {
  const std::uint64_t at = env_.random.below(100);
  if (at < 45) return existing_object(Kind::get);
  if (at < 75) return existing_object(Kind::stat);
  if (at < 90 || own_.empty()) return new_object(Kind::put);
  Work work{Kind::remove, own_.back(), 0};
  own_.pop_back();
  return work;
}

bool Runner::next_work(Work* work) {
  switch (options_.mode) {
    case Mode::get: *work = existing_object(Kind::get); return true;
    case Mode::put: *work = new_object(Kind::put); return true;
    case Mode::mixed: *work = mixed_work(); return true;
    case Mode::list: *work = Work{Kind::list, "", 0}; return true;
    case Mode::stat: *work = existing_object(Kind::stat); return true;
    case Mode::remove:
      if (next_removed_ == prepared_) return false;
      *work = Work{Kind::remove, key_of(next_removed_++), 0};
      return true;
    case Mode::multipart: *work = new_object(Kind::multipart); return true;
    case Mode::ranged: *work = existing_object(Kind::ranged); return true;
    case Mode::hot_key: *work = Work{Kind::get, key_of(0), options_.sizes.draw(0)}; return true;
  }
  return false;
}

Task<Result<Done>> Runner::perform(Worker* worker, Work work) {
  Operations& operations = worker->operations;
  switch (work.kind) {
    case Kind::get: co_return co_await operations.get(work.key);
    case Kind::put: co_return co_await operations.put(work.key, work.size_bytes);
    case Kind::list: co_return co_await operations.list(&worker->place);
    case Kind::stat: co_return co_await operations.stat(work.key);
    case Kind::remove: co_return co_await operations.remove(work.key);
    case Kind::multipart: co_return co_await operations.put_multipart(work.key, work.size_bytes);
    case Kind::ranged: {
      const std::uint64_t size = std::min(options_.range_bytes, work.size_bytes);
      const std::uint64_t offset = env_.random.below(work.size_bytes - size + 1);
      co_return co_await operations.get_range(work.key, offset, size);
    }
  }
  co_return make_error(ErrorCode::Internal, "no such work");
}

Instant Runner::next_due() {
  if (options_.rate_per_s <= 0) return env_.clock.now();
  const double seconds = static_cast<double>(due_++) / options_.rate_per_s;
  return loop_begin_ + Duration(static_cast<std::int64_t>(seconds * 1e9));
}

void Runner::account(const Work& work, Instant due, Instant begun, const Result<Done>& done) {
  const Instant now = env_.clock.now();
  const double share = overlap(begun, now, window_begin_, window_end_);
  const bool is_sample = due >= window_begin_ && due < window_end_;
  if (share <= 0 && !is_sample) return;
  OperationResult& result = results_.operations[name_of(work.kind)];
  if (!done) {
    ++result.errors;
    ++results_.errors[done.error().detail];
    return;
  }
  result.requests += share;
  result.bytes += share * static_cast<double>(done->bytes);
  result.items += share * static_cast<double>(done->items);
  if (!is_sample) return;
  result.latency.record(now - due);
  result.first_byte.record(done->first_byte);
}

Task<void> Runner::work(Worker* worker) {
  while (true) {
    const Instant due = next_due();
    if (due >= window_end_) break;
    if (due > env_.clock.now()) co_await sleep_until(env_.clock, due);
    Work work;
    const bool is_full = options_.requests_max > 0 && started_ >= options_.requests_max;
    if (is_full || !next_work(&work)) {
      window_end_ = std::min(window_end_, env_.clock.now());
      break;
    }
    const Instant begun = env_.clock.now();
    if (begun >= window_begin_) ++started_;
    Work copy = work;
    const Result<Done> done = co_await perform(worker, std::move(copy));
    account(work, due, begun, done);
    if (!done) {
      co_await sleep_for(env_.clock, kAfterError);
      continue;
    }
    ++progress_requests_;
    progress_bytes_ += static_cast<double>(done->bytes);
    if (work.kind == Kind::put || work.kind == Kind::multipart) own_.push_back(work.key);
  }
}

Task<void> Runner::prepare_some(Worker* worker) {
  while (next_prepared_ < prepared_ && prepare_error_.empty()) {
    const std::uint64_t number = next_prepared_++;
    const Result<Done> done =
        co_await worker->operations.put(key_of(number), options_.sizes.draw(number));
    if (!done) prepare_error_ = done.error().detail;
    ++progress_requests_;
    if (done) progress_bytes_ += static_cast<double>(done->bytes);
  }
}

Task<Result<void>> Runner::prepare() {
  for (const std::string& text : options_.endpoints) {
    PREDA_CO_TRY(Endpoint endpoint, parse_endpoint(text));
    endpoints_.push_back(std::move(endpoint));
  }
  for (std::uint32_t i = 0; i < options_.concurrency; ++i)
    workers_.push_back(
        std::make_unique<Worker>(env_, options_, pattern_, endpoints_[i % endpoints_.size()]));
  if (options_.is_prepared) co_return Result<void>{};
  PREDA_CO_TRY(const Done created, co_await workers_.front()->operations.create_bucket());
  static_cast<void>(created);
  TaskGroup group(env_.executor, env_.clock);
  for (const auto& worker : workers_) group.spawn(prepare_some(worker.get()));
  static_cast<void>(co_await group.join());
  if (!prepare_error_.empty())
    co_return make_error(ErrorCode::Unavailable, "cannot make the objects: " + prepare_error_);
  co_return Result<void>{};
}

Task<void> Runner::clean_up() {
  if (options_.keep) co_return;
  std::vector<std::string> keys = std::move(own_);
  if (!options_.is_prepared)
    for (std::uint64_t i = next_removed_; i < prepared_; ++i) keys.push_back(key_of(i));
  for (std::size_t at = 0; at < keys.size(); at += kRemovedAtOnce) {
    const auto begin = keys.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(kRemovedAtOnce, keys.size() - at);
    std::vector<std::string> some(begin, begin + static_cast<std::ptrdiff_t>(count));
    const Result<Done> removed = co_await workers_.front()->operations.remove_all(std::move(some));
    if (!removed) {
      fmt::print(stderr, "bench: objects are left: {}\n", removed.error().detail);
      co_return;
    }
  }
}

Task<void> Runner::report_progress() {
  double bytes_before = 0;
  std::uint64_t requests_before = 0;
  while (!is_done_) {
    co_await sleep_for(env_.clock, 1s);
    fmt::print(stderr, "\r{:>10.1f} MiB/s {:>9} requests/s {:>10} requests ",
               (progress_bytes_ - bytes_before) / (1 << 20), progress_requests_ - requests_before,
               progress_requests_);
    std::fflush(stderr);
    bytes_before = progress_bytes_;
    requests_before = progress_requests_;
  }
  fmt::print(stderr, "\r{:60}\r", "");
}

Task<Result<Results>> Runner::run() {
  TaskGroup progress(env_.executor, env_.clock);
  if (options_.show_progress) progress.spawn(report_progress());
  const Result<void> prepared = co_await prepare();
  if (prepared) {
    loop_begin_ = env_.clock.now();
    window_begin_ = loop_begin_ + options_.warm_up;
    window_end_ = window_begin_ + options_.duration;
    TaskGroup group(env_.executor, env_.clock);
    for (const auto& worker : workers_) group.spawn(work(worker.get()));
    static_cast<void>(co_await group.join());
    results_.measured = std::max(window_end_ - window_begin_, Duration{});
    if (options_.show_progress) fmt::print(stderr, "\rcleaning up{:50}\r", "");
    co_await clean_up();
  }
  is_done_ = true;
  static_cast<void>(co_await progress.join());
  if (!prepared) co_return prepared.error();
  co_return std::move(results_);
}

}  // namespace predastore::cli::bench
