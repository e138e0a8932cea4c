#pragma once

#include <cstdint>
#include <string>

#include "model/ids.h"

namespace predastore {

using JobId = Strong<std::uint64_t, struct JobIdTag>;  // counted from 1

enum class JobKind : std::uint8_t { rs_migrate = 1, rebalance = 2 };
enum class JobState : std::uint8_t { running = 1, paused = 2, done = 3, failed = 4, cancelled = 5 };

// How far a job is. `cursor` means something to its kind only: where a worker goes on.
struct JobProgress {
  std::string cursor;
  std::uint64_t items_done = 0;   // that were changed
  std::uint64_t items_seen = 0;   // that were looked at
  std::uint64_t items_total = 0;  // to change, as far as is known; 0: not known
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t errors = 0;
  std::string detail;  // the last error, or what it waits for; for people
  friend bool operator==(const JobProgress&, const JobProgress&) = default;
};

// Long background work of the cluster, as the metadata keep it. Whoever works on it has claimed it:
// `claim` counts the claims, and progress is accepted under the last one only.
struct JobRecord {
  JobId id;
  JobKind kind = JobKind::rs_migrate;
  std::string argument;  // rs_migrate: a bucket, or empty for all of them
  JobState state = JobState::running;
  std::uint64_t claim = 0;
  NodeId worker;  // who claimed it last
  std::int64_t started_ms = 0;
  std::int64_t updated_ms = 0;
  JobProgress progress;
  friend bool operator==(const JobRecord&, const JobRecord&) = default;
};

inline bool is_active(JobState state) {
  return state == JobState::running || state == JobState::paused;
}

}  // namespace predastore
