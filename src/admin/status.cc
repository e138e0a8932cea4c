#include "admin/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/text.h"

namespace predastore::admin {

namespace {

namespace json = boost::json;

json::object to_json(const repair::UpkeepStatus& upkeep) {
  json::object out;
  out["swept_shards"] = upkeep.sweep.removed;
  out["swept_bytes"] = upkeep.sweep.removed_bytes;
  out["sweeps"] = upkeep.sweep.passes;
  out["reconciles"] = upkeep.reconcile.passes;
  out["reconciling"] = upkeep.reconcile.is_running;
  out["reconciled_chunks"] = upkeep.reconcile.chunks_compared;
  out["reconcile_expected_chunks"] = upkeep.reconcile.chunks_expected;
  out["missing_shards"] = upkeep.reconcile.shards_missing;
  out["rolled_back_drives"] = upkeep.drives_rolled_back;
  return out;
}

std::string hex_id(NodeId id) { return fmt::format("{:016x}", id.value()); }

// More shards of this chunk that may be lost with the chunk still readable; negative when it is
// not.
int shards_to_spare(const ChunkLayout& layout, const std::set<NodeId>& good) {
  int present = 0;
  for (const ShardPlace& place : layout.places) {
    if (!place.is_stored) {
      ++present;  // a role without bytes is known to be zero, wherever it would be
    } else if (!place.is_missing && good.count(place.node) != 0) {
      ++present;
    }
  }
  return present - static_cast<int>(layout.rs.data_shards);
}

// A node that has no part in anything is not missed while it is down: it has not joined yet, or is
// a spare one.
bool is_missed(const NodeReport& node) { return node.is_up || node.may_hold_data || node.is_voter; }

// Of chunks that are not in the repair queue: all their shards were made durable, and in the worst
// case one lies on every node that is down.
int whole_chunks_to_spare(const ClusterReport& report, const std::set<NodeId>& good) {
  const auto down =
      static_cast<int>(std::ranges::count_if(report.nodes, [&](const NodeReport& node) {
        return is_missed(node) && !good.contains(node.id);
      }));
  return static_cast<int>(report.rs.parity_shards) -
         std::min(down, static_cast<int>(report.rs.width()));
}

int voters_to_spare(const ClusterReport& report) {
  int voters = 0;
  int up = 0;
  for (const NodeReport& node : report.nodes) {
    if (!node.is_voter) continue;
    ++voters;
    if (node.is_up && node.voter_failure.empty()) ++up;
  }
  return up - (voters / 2 + 1);
}

void explain_drives(const NodeReport& node, Verdict& verdict) {
  bool is_explained = false;
  for (const shard::DriveInfo& drive : node.drives) {
    const std::string name = fmt::format("drive {} of node {}", drive.place, node.name);
    if (shard::is_accounted_for(drive) && drive.state == shard::DriveState::failed) {
      verdict.warnings.push_back(
          fmt::format("{} was given up, and is to be replaced: {}", name, drive.problem));
    } else if (drive.state == shard::DriveState::failed) {
      verdict.reasons.push_back(fmt::format(
          "{} is out of order{}: {}", name,
          drive.is_given_up ? ", and what it held is being looked for" : "", drive.problem));
      is_explained = true;
    } else if (drive.state == shard::DriveState::rebuilding) {
      verdict.reasons.push_back(fmt::format("the index of {} is being rebuilt: {} %", name,
                                            shard::per_cent(drive.rebuild)));
      is_explained = true;
    } else if (drive.is_unreconciled) {
      verdict.reasons.push_back(fmt::format(
          "{} is new: what the one before it held is being looked for and rebuilt", name));
      is_explained = true;
    }
    if (drive.state == shard::DriveState::full) {
      verdict.warnings.push_back(fmt::format("{} is full: it takes no new data", name));
    } else if (drive.state == shard::DriveState::near_full) {
      verdict.warnings.push_back(fmt::format("{} is near full", name));
    }
  }
  if (!node.is_drive_good && !is_explained)
    verdict.reasons.push_back(fmt::format("the drive of node {} is out of order", node.name));
}

void explain(const ClusterReport& report, int data_spare, Verdict& verdict) {
  for (const NodeReport& node : report.nodes) {
    if (!is_missed(node)) {
      verdict.warnings.push_back(fmt::format(
          "node {} holds nothing and is not up: it is to join, or a spare one", node.name));
    } else if (!node.is_up) {
      verdict.reasons.push_back(fmt::format("node {} is down: {}", node.name, node.problem));
    } else {
      explain_drives(node, verdict);
    }
  }
  for (const NodeReport& node : report.nodes) {
    if (node.is_up && !node.voter_failure.empty())
      verdict.reasons.push_back(
          fmt::format("the voter of node {} has stopped: {}", node.name, node.voter_failure));
  }
  if (!report.state) verdict.reasons.emplace_back("the metadata has no leader with a majority");
  if (data_spare < 0)
    verdict.reasons.emplace_back("some data has too few shards on nodes that are up");
  if (!report.state) return;
  for (const NodeRecord& node : report.state->nodes) {
    if (!report.state->unsettled_nodes.contains(node.node)) continue;
    verdict.reasons.push_back(fmt::format(
        "what node {} held, which is gone, is being looked for: see `job ls` for the rebalance",
        node.name));
  }
  if (verdict.repair_pending > 0) {
    verdict.reasons.push_back(fmt::format("{} chunks wait for repair", verdict.repair_pending));
  }
}

}  // namespace

std::string_view name_of(State state) {
  switch (state) {
    case State::healthy: return "healthy";
    case State::degraded: return "degraded";
    case State::unavailable: break;
  }
  return "unavailable";
}

Verdict judge(const ClusterReport& report) {
  Verdict verdict;
  std::set<NodeId> good;
  for (const NodeReport& node : report.nodes) {
    if (node.is_up) ++verdict.nodes_up;
    if (node.is_up && node.is_drive_good) good.insert(node.id);
  }
  if (report.state) verdict.repair_pending = report.state->repair_pending;
  int spare = whole_chunks_to_spare(report, good);
  for (const ChunkLayout& layout : report.waiting) {
    spare = std::min(spare, shards_to_spare(layout, good));
  }
  // What waits and was not looked at has lost one shard more than what is whole, at least.
  if (verdict.repair_pending > report.waiting.size()) {
    spare = std::min(spare, whole_chunks_to_spare(report, good) - 1);
  }
  // In the worst case a chunk has a shard on each node that is gone. Whether it is still readable
  // is not for a guess to deny: reads find out.
  const bool is_settled = !report.state || report.state->unsettled_nodes.empty();
  if (!is_settled) {
    const auto gone = static_cast<int>(report.state->unsettled_nodes.size());
    spare = std::min(spare, std::max(0, whole_chunks_to_spare(report, good) - gone));
  }
  verdict.is_readable = report.state.has_value() && spare >= 0;
  if (verdict.is_readable) {
    verdict.failures_left =
        static_cast<std::uint32_t>(std::max(0, std::min(spare, voters_to_spare(report))));
  }
  const bool all_vote =
      std::all_of(report.nodes.begin(), report.nodes.end(),
                  [](const NodeReport& node) { return node.voter_failure.empty(); });
  const bool all_good = all_vote && std::ranges::all_of(report.nodes, [&](const NodeReport& node) {
                          return good.contains(node.id) || !is_missed(node);
                        });
  if (!verdict.is_readable) {
    verdict.state = State::unavailable;
  } else {
    const bool is_whole = all_good && is_settled && verdict.repair_pending == 0;
    verdict.state = is_whole ? State::healthy : State::degraded;
  }
  explain(report, spare, verdict);
  return verdict;
}

namespace {

json::array drives_json(const NodeReport& node) {
  json::array drives;
  for (const shard::DriveInfo& drive : node.drives) {
    json::object entry;
    entry["id"] = to_hex(drive.id.span());
    entry["place"] = drive.place;
    entry["state"] = shard::name_of(drive.state);
    entry["reconciled"] = !drive.is_unreconciled;
    entry["capacity_bytes"] = drive.status.capacity_bytes;
    entry["used_bytes"] = drive.status.used_bytes;
    entry["live_bytes"] = drive.status.live_bytes;
    entry["damage_count"] = drive.status.damage_count;
    entry["error_count"] = drive.status.read_error_count + drive.status.write_error_count;
    entry["given_up"] = drive.is_given_up;
    if (drive.state == shard::DriveState::rebuilding)
      entry["rebuilt_per_cent"] = shard::per_cent(drive.rebuild);
    if (!drive.problem.empty()) entry["problem"] = drive.problem;
    drives.push_back(std::move(entry));
  }
  return drives;
}

}  // namespace

std::string status_json(const ClusterReport& report, const Verdict& verdict) {
  json::array nodes;
  for (const NodeReport& node : report.nodes) {
    json::object entry;
    entry["id"] = hex_id(node.id);
    entry["name"] = node.name;
    entry["state"] = node.is_up ? "up" : "down";
    if (!is_missed(node)) entry["unused"] = true;
    entry["drive_ok"] = node.is_drive_good;
    entry["voter"] = node.is_voter;
    entry["leader"] = report.leader == node.id;
    entry["cluster_address"] = node.cluster_address;
    entry["s3_address"] = node.s3_address;
    entry["admin_address"] = node.admin_address;
    entry["version"] = node.version;
    entry["capacity_bytes"] = node.capacity_bytes;
    entry["used_bytes"] = node.used_bytes;
    entry["damage_count"] = node.damage_count;
    entry["applied_index"] = node.applied_index;
    entry["drives"] = drives_json(node);
    if (node.is_up) entry["upkeep"] = to_json(node.upkeep);
    if (!node.is_up) entry["problem"] = node.problem;
    if (!node.voter_failure.empty()) entry["voter_failure"] = node.voter_failure;
    nodes.push_back(std::move(entry));
  }
  std::string leader_name;
  for (const NodeReport& node : report.nodes) {
    if (report.leader == node.id) leader_name = node.name;
  }
  json::object out;
  out["cluster_id"] = to_hex(report.cluster_id.span());
  out["state"] = name_of(verdict.state);
  out["reasons"] = json::array(verdict.reasons.begin(), verdict.reasons.end());
  out["warnings"] = json::array(verdict.warnings.begin(), verdict.warnings.end());
  out["readable"] = verdict.is_readable;
  out["failures_left"] = verdict.failures_left;
  out["repair_pending"] = verdict.repair_pending;
  out["garbage_pending"] = report.state ? report.state->garbage_pending : 0;
  out["objects"] = report.state ? report.state->object_count : 0;
  out["ring_epoch"] = report.state ? report.state->ring.epoch.value() : 0;
  out["write_epoch"] = report.state ? report.state->write_epoch.value() : 0;
  out["rs"] = fmt::format("{}+{}", report.rs.data_shards, report.rs.parity_shards);
  if (leader_name.empty()) {
    out["leader"] = nullptr;
  } else {
    out["leader"] = leader_name;
  }
  out["term"] = report.term;
  out["nodes_up"] = verdict.nodes_up;
  out["nodes"] = std::move(nodes);
  return json::serialize(out);
}

}  // namespace predastore::admin
