#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/clock.h"
#include "env/task.h"
#include "meta/meta_service.h"
#include "model/layout.h"
#include "repair/heal_status.h"
#include "repair/upkeep_status.h"
#include "shard/drive_set.h"

namespace predastore::admin {

// One node as this one sees it now.
struct NodeReport {
  NodeId id;
  std::string name;
  std::string cluster_address;
  std::string s3_address;
  std::string admin_address;
  bool is_self = false;
  bool is_up = false;          // answered a ping
  bool is_drive_good = false;  // and all its drives are accounted for
  bool is_voter = true;
  bool may_hold_data = true;  // some ring names it
  std::string problem;        // why it is not up, for people
  std::string voter_failure;  // why it no longer takes part in Raft; empty when it does
  std::string version;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t damage_count = 0;
  std::uint64_t applied_index = 0;
  std::vector<shard::DriveInfo> drives;  // empty: of a version that did not tell
  repair::UpkeepStatus upkeep;           // of its own drives
  repair::HealStatus heal;
  std::uint64_t node_digest = 0;  // of the nodes it knows; 0: of a version that did not tell
};

// What is needed to judge the state of the cluster; gathered by ClusterView::look().
struct ClusterReport {
  ClusterId cluster_id;
  NodeId self;
  RsConfig rs;  // of new buckets; the worst case where a layout is not known
  std::vector<NodeReport> nodes;
  std::optional<NodeId> leader;
  std::uint64_t term = 0;
  // None: the metadata could not be read (no leader that has a majority).
  std::optional<meta::ClusterState> state;
  std::vector<ChunkLayout> waiting;  // layouts of the repair queue, as many as were asked for
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;
  // Asks every node at once; who has not answered by `deadline` is down.
  virtual Task<ClusterReport> look(Instant deadline) = 0;
};

enum class State : std::uint8_t { healthy, degraded, unavailable };
std::string_view name_of(State state);

// What is said of the cluster. Nothing in it is better than the worst that is possible with what is
// known: data whose layouts are not looked at counts as lying on every node that is down.
struct Verdict {
  State state = State::unavailable;
  bool is_readable = false;         // all data, through S3
  std::uint32_t failures_left = 0;  // more nodes that may fail and all data is still readable
  std::uint64_t repair_pending = 0;
  std::uint32_t nodes_up = 0;
  std::vector<std::string> reasons;  // empty when healthy
  // What will be a reason if nobody does anything about it.
  std::vector<std::string> warnings;
};

Verdict judge(const ClusterReport& report);

// The answer of GET /v1/status; see src/admin/openapi.yaml.
std::string status_json(const ClusterReport& report, const Verdict& verdict);

}  // namespace predastore::admin
