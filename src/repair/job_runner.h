#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "repair/throttle.h"

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
  Duration again_min = 60s;  // before a job that failed is tried again; doubled each time
  Duration again_max = 1h;
};

// What one pass over all items of a job did.
struct JobPass {
  std::uint64_t changed = 0;  // items, those that somebody else changed meanwhile included
  std::uint64_t failed = 0;
};
struct JobPassOptions {
  Duration delay = 5s;             // before a pass over what could not be done in the last
  std::uint32_t futile_max = 24;   // passes in a row that changed nothing and failed somewhere
  const char* failure = "failed";  // what is said of the items: "7 FAILURE; the last: ..."
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
  // Whether clients are at work: then small steps, one after the other, cost them least.
  bool has_clients() const;
  // The same as step() for a while without work.
  Task<Result<void>> wait(Duration duration);
  // Makes passes until one that began at the beginning finds nothing to do, so that what came
  // behind the cursor is found as well. A pass goes on from the cursor of the progress and leaves
  // it at its end; an error of it ends the work. Internal: passes bring nothing more.
  Task<Result<void>> repeat(JobPassOptions options, std::function<Task<Result<JobPass>>()> pass);

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
// it and goes on from the cursor. A job that failed is tried again, less and less often, until it
// is cancelled or a later one does the same. Two that work on one job for a moment (the old one has
// not heard yet) do no harm: every change that a job makes is by comparison.
class JobRunner {
 public:
  // Goes on from the cursor of the job; called anew after an error that may pass (Unavailable,
  // TimedOut, StaleEpoch, Conflict). `control` lives until it returns.
  using Work = std::function<Task<Result<void>>(JobControl* control)>;

  // Everything given by reference outlives this. `load`: what clients want of the cluster.
  JobRunner(Environment env, JobRunnerOptions options, meta::MetaService& meta,
            meta::Growth& growth, std::function<bool()> is_active, Throttle::Load load = {});

  void handle(JobKind kind, Work work);  // before run()
  Task<void> run();                      // until stop()
  void stop();

 private:
  friend class JobControl;
  Task<void> look();
  Task<void> try_again(const JobRecord& job);
  Task<void> run_job(JobRecord job);
  Task<Result<JobRecord>> claim(const JobRecord& job);
  Instant call_deadline() const { return env_.clock.now() + options_.call_timeout; }

  Environment env_;
  JobRunnerOptions options_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  std::function<bool()> is_active_;
  std::map<JobKind, Work> works_;
  std::set<JobId> running_;
  struct Failed {
    Duration delay{};
    Instant next_try{};
    std::uint64_t claim = 0;  // under which it failed
  };
  std::map<JobId, Failed> failed_;  // while this node leads
  Throttle throttle_;               // of all jobs of this worker together
  bool is_stopping_ = false;
  Signal stopped_;
  TaskGroup tasks_;
};

}  // namespace predastore::repair
