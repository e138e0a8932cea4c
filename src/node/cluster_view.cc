#include "node/cluster_view.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "node/member_replica.h"
#include "node/registry.h"

namespace predastore::node {

namespace {

constexpr std::uint32_t kWaitingMax = 1000;  // layouts of the repair queue that are looked at

admin::NodeReport report_of(const NodeRecord& entry, NodeId self) {
  admin::NodeReport report;
  report.id = entry.node;
  report.name = entry.name;
  report.cluster_address = entry.cluster_address;
  report.s3_address = entry.s3_address;
  report.admin_address = entry.admin_address;
  report.is_self = entry.node == self;
  report.is_voter = entry.is_voter;
  return report;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// As people count: n2 before n10.
bool comes_before(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const auto number_of = [](std::string_view text) {
      return text.substr(0, std::min(text.size(), text.find_first_not_of("0123456789")));
    };
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view one = number_of(a);
      const std::string_view two = number_of(b);
      if (one.size() != two.size()) return one.size() < two.size();
      if (one != two) return one < two;
      a.remove_prefix(one.size());
      b.remove_prefix(two.size());
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

// Who votes is what the leader says, not what a configuration said once. While a node's new replica
// learns, the one that votes in its name is not there any more.
void note_members(const raft::GroupStatus& group, admin::ClusterReport& report) {
  for (admin::NodeReport& entry : report.nodes) {
    std::size_t replicas = 0;
    bool votes = false;
    bool is_heard = false;
    for (const raft::MemberStatus& each : group.members) {
      if (each.member.node != entry.id) continue;
      ++replicas;
      votes = votes || each.member.is_voter;
      is_heard = is_heard || (each.member.is_voter && each.is_heard);
    }
    entry.is_voter = votes;
    if (votes && replicas > 1 && !is_heard && entry.voter_failure.empty())
      entry.voter_failure = "its replica was lost; a new one is being made";
  }
}

}  // namespace

Task<admin::ClusterReport> NodeClusterView::look(Instant deadline) {
  const Config& config = node_.config();
  admin::ClusterReport report;
  report.cluster_id = config.cluster_id;
  report.self = config.node_id;
  report.rs = config.rs;
  const Registry& registry = node_.registry();
  if (registry.parity_min())
    report.rs.parity_shards = std::min(report.rs.parity_shards, *registry.parity_min());
  for (const NodeRecord& entry : registry.nodes())
    report.nodes.push_back(report_of(entry, config.node_id));
  for (admin::NodeReport& entry : report.nodes)
    entry.may_hold_data = registry.may_hold_data(entry.id);
  std::ranges::sort(report.nodes, comes_before, &admin::NodeReport::name);
  const raft::ReplicaStatus own = node_.status().replica;
  report.leader = own.leader;
  report.term = own.term;
  TaskGroup questions{env_.executor, env_.clock};
  for (admin::NodeReport& entry : report.nodes) questions.spawn(ask(&entry, &report, deadline));
  questions.spawn(read_metadata(&report, deadline));
  std::optional<raft::GroupStatus> group;
  questions.spawn(read_members(&group, deadline));
  (void)co_await questions.join();
  if (group) note_members(*group, report);
  co_return report;
}

// `group` is the caller's, which waits for this.
Task<void> NodeClusterView::read_members(std::optional<raft::GroupStatus>* group,
                                         Instant deadline) {
  auto found = co_await node_.members().list(deadline);
  if (found) *group = std::move(*found);
}

// `entry` and `report` are the caller's, which waits for this.
Task<void> NodeClusterView::ask(admin::NodeReport* entry, admin::ClusterReport* report,
                                Instant deadline) {
  auto status = co_await node_.ping(entry->id, deadline);
  if (!status) {
    entry->problem = status.error().to_string();
    co_return;
  }
  entry->is_up = true;
  entry->drives = std::move(status->drives);
  entry->is_drive_good = status->drive.is_available;
  for (const shard::DriveInfo& drive : entry->drives) {
    if (!shard::is_accounted_for(drive)) entry->is_drive_good = false;
  }
  entry->upkeep = status->upkeep;
  if (entry->upkeep.drives_rolled_back > 0) entry->is_drive_good = false;
  entry->heal = std::move(status->heal);
  entry->node_digest = status->node_digest;
  entry->version = status->version;
  entry->voter_failure = status->replica.failure;
  entry->capacity_bytes = status->drive.capacity_bytes;
  entry->used_bytes = status->drive.used_bytes;
  entry->damage_count = status->drive.damage_count;
  entry->applied_index = status->replica.applied_index;
  // A node that was cut off may know less than another one.
  if (status->replica.term >= report->term && status->replica.leader) {
    report->term = status->replica.term;
    report->leader = status->replica.leader;
  }
}

Task<void> NodeClusterView::read_metadata(admin::ClusterReport* report, Instant deadline) {
  auto state = co_await node_.meta().cluster_state(deadline);
  if (!state) co_return;
  if (state->repair_pending > 0) {
    auto waiting = co_await node_.meta().repair_queue(kWaitingMax, deadline);
    if (waiting) {
      for (meta::RepairItem& item : *waiting) report->waiting.push_back(std::move(item.layout));
    }
  }
  report->state = std::move(*state);
}

}  // namespace predastore::node
