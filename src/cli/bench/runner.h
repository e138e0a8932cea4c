#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/bench/connection.h"
#include "cli/bench/operations.h"
#include "cli/bench/options.h"
#include "cli/bench/pattern.h"
#include "cli/bench/results.h"
#include "env/sync.h"

namespace predastore::cli::bench {

// Prepares the objects, lets the workers loose for the warm-up and the duration, and cleans up.
// One worker is one connection with one request at a time; all of them share one loop.
//
// With a rate, requests are due at fixed times whatever the server does, and latency counts from
// when a request was due: a server that stalls is charged for everything that had to wait for it
// (Tene's "coordinated omission").
class Runner {
 public:
  Runner(Environment env, Options options);

  // Errors: the endpoint cannot be reached, or the objects cannot be made.
  Task<Result<Results>> run();

 private:
  enum class Kind { get, put, list, stat, remove, multipart, ranged };
  struct Work {
    Kind kind = Kind::get;
    std::string key;
    std::uint64_t size_bytes = 0;
  };
  struct Worker {
    Worker(Environment env, const Options& options, const Pattern& pattern, Endpoint endpoint)
        : connection(env, options, pattern, std::move(endpoint)), operations(options, connection) {}
    Connection connection;
    Operations operations;
    ListPlace place;
  };

  Task<Result<void>> prepare();
  Task<void> prepare_some(Worker* worker);
  Task<void> clean_up();
  Task<void> work(Worker* worker);
  Task<Result<Done>> perform(Worker* worker, Work work);
  Task<void> report_progress();
  bool next_work(Work* work);
  Instant next_due();
  Work mixed_work();
  Work new_object(Kind kind);
  Work existing_object(Kind kind);
  std::string key_of(std::uint64_t number) const;
  void account(const Work& work, Instant due, Instant begun, const Result<Done>& done);
  static const char* name_of(Kind kind);

  Environment env_;
  Options options_;
  Pattern pattern_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::string run_name_;        // in the names of what this run makes
  std::uint64_t prepared_ = 0;  // objects made before
  std::uint64_t next_prepared_ = 0;
  std::uint64_t next_new_ = 0;  // number of the next object that a PUT makes
  std::uint64_t next_removed_ = 0;
  std::vector<std::string> own_;  // made by this run and not yet removed
  std::string prepare_error_;
  Instant window_begin_;
  Instant window_end_;
  std::uint64_t started_ = 0;  // requests, in the window
  std::uint64_t due_ = 0;      // requests that were due so far, with a rate
  Instant loop_begin_;
  double progress_bytes_ = 0;
  std::uint64_t progress_requests_ = 0;
  bool is_done_ = false;
  Results results_;
};

}  // namespace predastore::cli::bench
