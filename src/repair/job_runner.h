#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/growth.h"
#include "meta/meta_service.h"

namespace predastore::repair {

// The setting of the cluster with the bytes a second that all jobs of one worker may read, in
// decimal; 0 is without a limit. None: JobRunnerOptions.
inline constexpr const char* kJobRateSetting = "jobs.bytes_per_second";

struct JobRunnerOptions {
  NodeId self;
  Duration look_interval = 1s;    // between looks at the jobs of the cluster
  Duration report_interval = 1s;  // between reports of one job's progress
  Duration retry_delay = 3s;      // after an error that may pass
  Duration call_timeout = 10s;
  std::uint64_t bytes_per_second = 128u << 20;
};

class JobRunner;

// What a worker is given for one claim of one job. On the loop.
class JobControl {
 public:
  JobControl(JobRunner& runner, JobRecord job) : runner_(runner), job_(std::move(job)) {}

  const JobRecord& job() const { return job_; }
  JobProgress& progress() { return job_.progress; }
  // To be called often, with the bytes that were read since: keeps to the rate, and reports the
  // progress now and then. Cancelled: the job is paused or has ended, or is another worker's, or
  // this node does not lead any more; the worker ends with that error.
  Task<Result<void>> step(std::uint64_t bytes);
  // The same for a while without work.
  Task<Result<void>> wait(Duration duration);

 private:
  friend class JobRunner;
  Task<Result<void>> report(JobState state);
  bool is_stopped() const;

  JobRunner& runner_;
  JobRecord job_;
  Instant reported_{};
  bool is_lost_ = false;
};

// Works on the jobs of the cluster, on the node for which `is_active` says so (the leader of the
// metadata). A job is claimed before it is worked on; when its worker dies, the next leader claims
// it and goes on from the cursor. Two that work on one job for a moment (the old one has not heard
// yet) do no harm: every change that a job makes is by comparison.
class JobRunner {
 public:
  // Goes on from the cursor of the job; called anew after an error that may pass (Unavailable,
  // TimedOut, StaleEpoch, Conflict). `control` lives until it returns.
  using Work = std::function<Task<Result<void>>(JobControl* control)>;

  // Everything given by reference outlives this.
  JobRunner(Environment env, JobRunnerOptions options, meta::MetaService& meta,
            meta::Growth& growth, std::function<bool()> is_active);

  void handle(JobKind kind, Work work);  // before run()
  Task<void> run();                      // until stop()
  void stop();

 private:
  friend class JobControl;
  Task<void> look();
  Task<void> run_job(JobRecord job);
  Task<Result<JobRecord>> claim(const JobRecord& job);
  Task<void> pace(std::uint64_t bytes);
  Instant call_deadline() const { return env_.clock.now() + options_.call_timeout; }

  Environment env_;
  JobRunnerOptions options_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  std::function<bool()> is_active_;
  std::map<JobKind, Work> works_;
  std::set<JobId> running_;
  std::uint64_t bytes_per_second_;
  Instant paced_until_;
  bool is_stopping_ = false;
  Signal stopped_;
  TaskGroup tasks_;
};

}  // namespace predastore::repair
