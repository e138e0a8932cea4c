#include "repair/job_runner.h"

#include <algorithm>
#include <charconv>

#include "telemetry/log.h"

namespace predastore::repair {
namespace {

// Another try, a little later, may do.
bool is_passing(ErrorCode code) {
  return code == ErrorCode::Unavailable || code == ErrorCode::TimedOut ||
         code == ErrorCode::StaleEpoch || code == ErrorCode::Conflict ||
         code == ErrorCode::NotLeader;
}

constexpr std::size_t kDetailMaxBytes = 500;

}  // namespace

// ---- one claim

bool JobControl::is_stopped() const {
  return is_lost_ || runner_.is_stopping_ || !runner_.is_active_();
}

bool JobControl::has_clients() const { return runner_.throttle_.has_clients(); }

Task<Result<void>> JobControl::step(std::uint64_t bytes) {
  if (!is_stopped() && bytes > 0) co_await runner_.throttle_.pass(bytes);
  if (is_stopped()) co_return make_error(ErrorCode::Cancelled, "the job is not ours any more");
  const Instant now = runner_.env_.clock.now();
  if (now - reported_ < runner_.options_.report_interval) co_return Result<void>{};
  reported_ = now;
  const auto told = co_await report(JobState::running);
  // Without a leader there is nobody to tell; what is done is done all the same.
  if (!told && !is_passing(told.error().code)) co_return told;
  if (is_stopped()) co_return make_error(ErrorCode::Cancelled, "the job is not ours any more");
  co_return Result<void>{};
}

Task<Result<void>> JobControl::wait(Duration duration) {
  const Instant until = runner_.env_.clock.now() + duration;
  while (runner_.env_.clock.now() < until) {
    PREDA_CO_CHECK(co_await step(0));
    const Instant look =
        std::min(until, runner_.env_.clock.now() + runner_.options_.report_interval);
    (void)co_await runner_.stopped_.wait_until(look);
  }
  co_return Result<void>{};
}

Task<Result<void>> JobControl::repeat(JobPassOptions options,
                                      std::function<Task<Result<JobPass>>()> pass) {
  std::uint32_t futile = 0;
  for (;;) {
    // A pass that goes on from a cursor has not seen what lies before it.
    const bool is_whole = progress().cursor.empty();
    if (is_whole) progress().items_seen = 0;
    PREDA_CO_TRY(const JobPass done, co_await pass());
    progress().cursor.clear();
    if (done.failed == 0 && done.changed == 0 && is_whole) co_return Result<void>{};
    if (done.failed == 0) continue;
    futile = done.changed == 0 ? futile + 1 : 0;
    if (futile == options.futile_max)
      co_return make_error(
          ErrorCode::Internal,
          std::to_string(done.failed) + " " + options.failure + "; the last: " + progress().detail);
    PREDA_CO_CHECK(co_await wait(options.delay));
  }
}

Task<Result<void>> JobControl::report(JobState state) {
  JobProgress progress = job_.progress;
  if (progress.detail.size() > kDetailMaxBytes) progress.detail.resize(kDetailMaxBytes);
  auto answer = co_await runner_.growth_.report_job(job_.id, job_.claim, state, std::move(progress),
                                                    runner_.call_deadline());
  if (answer) {
    if (answer->state != JobState::running) is_lost_ = true;
    co_return Result<void>{};
  }
  if (answer.error().code == ErrorCode::Conflict || answer.error().code == ErrorCode::NotFound) {
    is_lost_ = true;
    co_return Result<void>{};
  }
  co_return answer.error();
}

// ---- the runner

JobRunner::JobRunner(Environment env, JobRunnerOptions options, meta::MetaService& meta,
                     meta::Growth& growth, std::function<bool()> is_active, Throttle::Load load)
    : env_(env),
      options_(options),
      meta_(meta),
      growth_(growth),
      is_active_(std::move(is_active)),
      throttle_(env, options.bytes_per_second, std::move(load)),
      stopped_(env.clock),
      tasks_(env.executor, env.clock) {}

void JobRunner::handle(JobKind kind, Work work) { works_[kind] = std::move(work); }

void JobRunner::stop() {
  is_stopping_ = true;
  throttle_.stop();
  stopped_.notify_all();
}

Task<void> JobRunner::run() {
  while (!is_stopping_) {
    if (is_active_()) {
      co_await look();
    } else {
      failed_.clear();
    }
    const Instant until = env_.clock.now() + options_.look_interval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
  }
  (void)co_await tasks_.join();
}

Task<void> JobRunner::look() {
  const auto jobs = co_await growth_.jobs(call_deadline());
  if (!jobs) co_return;
  bool is_any = false;
  for (const JobRecord& job : *jobs) {
    if (job.state == JobState::failed && works_.contains(job.kind)) co_await try_again(job);
    if (job.state != JobState::running || !works_.contains(job.kind)) continue;
    is_any = true;
    if (running_.contains(job.id)) continue;
    running_.insert(job.id);
    tasks_.spawn(run_job(job));
  }
  if (!is_any) co_return;
  const auto setting = co_await meta_.get_setting(kJobRateSetting, call_deadline());
  if (!setting) co_return;
  std::uint64_t rate = options_.bytes_per_second;
  if (!setting->has_value()) {
    throttle_.set_rate(rate);
    co_return;
  }
  const std::string& text = **setting;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error == std::errc{} && end == text.data() + text.size()) throttle_.set_rate(rate);
}

// Whether it may run again is decided when the command is applied.
Task<void> JobRunner::try_again(const JobRecord& job) {
  const Instant now = env_.clock.now();
  Failed& failed = failed_[job.id];
  if (failed.claim != job.claim) {
    failed.claim = job.claim;
    failed.delay = std::min(options_.again_max, std::max(options_.again_min, 2 * failed.delay));
    failed.next_try = now + failed.delay;
  }
  if (now < failed.next_try) co_return;
  failed.next_try = now + options_.again_max;
  (void)co_await growth_.set_job_state(job.id, JobState::running, call_deadline());
}

Task<Result<JobRecord>> JobRunner::claim(const JobRecord& job) {
  co_return co_await growth_.claim_job(job.id, job.claim, options_.self, call_deadline());
}

Task<void> JobRunner::run_job(JobRecord job) {
  const JobId id = job.id;
  auto claimed = co_await claim(job);
  if (!claimed) {
    running_.erase(id);
    co_return;
  }
  JobControl control{*this, std::move(*claimed)};
  control.reported_ = env_.clock.now();
  telemetry::log_info("work on a job", {{"job", id.value()}, {"claim", control.job().claim}});
  const Work& work = works_.at(control.job().kind);
  const auto result = co_await work(&control);
  if (!control.is_lost_) {
    JobState state = JobState::running;
    if (result) {
      state = JobState::done;
    } else if (result.error().code != ErrorCode::Cancelled) {
      control.progress().detail = result.error().to_string();
      if (!is_passing(result.error().code)) state = JobState::failed;
    }
    (void)co_await control.report(state);
    telemetry::log_info("end work on a job",
                        {{"job", id.value()},
                         {"state", static_cast<int>(state)},
                         {"items", control.progress().items_done},
                         {"bytes", control.progress().bytes_done},
                         {"detail", result ? std::string{} : result.error().to_string()}});
    if (!result && is_passing(result.error().code)) {
      const Instant until = env_.clock.now() + options_.retry_delay;
      while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
    }
  }
  running_.erase(id);
}

}  // namespace predastore::repair
