#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

#include "admin/status.h"
#include "http/server.h"
#include "shard/shard_store.h"

namespace predastore::admin {

// What only this process knows of itself.
struct LocalNumbers {
  std::string version;
  shard::DriveStatus drive;  // of all drives together
  std::vector<shard::DriveInfo> drives;
  http::ServerStats s3;
  std::uint64_t raft_term = 0;
  std::uint64_t raft_commit_index = 0;
  std::uint64_t raft_applied_index = 0;
  bool is_raft_leader = false;
  std::uint64_t resident_memory_bytes = 0;
  double cpu_seconds = 0;
  std::uint64_t open_files = 0;
  repair::UpkeepStatus upkeep;
  repair::HealStatus heal;
  std::vector<prometheus::MetricFamily> more;  // of the S3 face, as they are
};

// The answer of GET /metrics, in Prometheus' text format. The names are those of
// docs/operations.md; what needs a look at other nodes is as they answered just now.
std::string metrics_text(const ClusterReport& report, const Verdict& verdict,
                         const LocalNumbers& local);

}  // namespace predastore::admin
