#include "admin/metrics.h"

#include <prometheus/text_serializer.h>

#include <map>
#include <vector>

namespace predastore::admin {

namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Families in the order in which they are first named, each with its samples.
class Page {
 public:
  void gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family(name, help, prometheus::MetricType::Gauge).metric.push_back(std::move(metric));
  }
  void counter(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    family(name, help, prometheus::MetricType::Counter).metric.push_back(std::move(metric));
  }
  void add(const std::vector<prometheus::MetricFamily>& families) {
    families_.insert(families_.end(), families.begin(), families.end());
  }
  std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

 private:
  prometheus::MetricFamily& family(const std::string& name, const std::string& help,
                                   prometheus::MetricType type) {
    const auto [found, is_new] = at_.try_emplace(name, families_.size());
    if (is_new) families_.push_back({name, help, type, {}});
    return families_[found->second];
  }
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, std::size_t> at_;
};

double of(std::uint64_t value) { return static_cast<double>(value); }

// Of the nodes that answer; how many drives the others have is not known.
void add_cluster_drives(Page& page, const ClusterReport& report) {
  std::map<shard::DriveState, std::uint64_t> counts;
  for (const NodeReport& node : report.nodes) {
    if (!node.is_up) continue;
    for (const shard::DriveInfo& drive : node.drives) ++counts[drive.state];
    if (node.drives.empty())
      ++counts[node.is_drive_good ? shard::DriveState::ok : shard::DriveState::failed];
  }
  for (std::size_t i = 0; i < shard::kDriveStateCount; ++i) {
    const auto state = static_cast<shard::DriveState>(i);
    page.gauge("predastore_cluster_drives", "Drives of nodes that are up, by state.",
               of(counts[state]), {{"state", std::string{shard::name_of(state)}}});
  }
}

void add_cluster(Page& page, const ClusterReport& report, const Verdict& verdict) {
  std::uint64_t raw = 0;
  std::uint64_t used = 0;
  for (const NodeReport& node : report.nodes) {
    if (!node.is_up) continue;
    raw += node.capacity_bytes;
    used += node.used_bytes;
  }
  const std::uint64_t total = report.nodes.size();
  const std::string nodes = "predastore_cluster_nodes";
  page.gauge(nodes, "Nodes by state, as this node sees them.", of(verdict.nodes_up),
             {{"state", "up"}});
  page.gauge(nodes, "", of(total - verdict.nodes_up), {{"state", "down"}});
  add_cluster_drives(page, report);
  page.gauge("predastore_cluster_health_status", "0 healthy, 1 degraded, 2 unavailable.",
             static_cast<double>(verdict.state));
  page.gauge("predastore_cluster_failures_left",
             "More nodes that may fail with all data still readable.", verdict.failures_left);
  const std::string capacity = "predastore_capacity_bytes";
  page.gauge(capacity, "Of all nodes that are up.", of(raw), {{"kind", "raw"}});
  page.gauge(capacity, "", of(raw) * report.rs.data_shards / report.rs.width(),
             {{"kind", "usable"}});
  page.gauge(capacity, "", of(used), {{"kind", "used"}});
  if (!report.state) return;  // unknown is left out, never zero
  page.gauge("predastore_objects", "Objects in all buckets.", of(report.state->object_count));
  page.gauge("predastore_repair_pending_chunks", "Chunks with missing or damaged shards.",
             of(report.state->repair_pending));
  page.gauge("predastore_garbage_pending_objects", "Object records whose shards are to be deleted.",
             of(report.state->garbage_pending));
}

void add_drives(Page& page, const std::vector<shard::DriveInfo>& drives) {
  for (const shard::DriveInfo& drive : drives) {
    const Labels labels{{"drive", drive.place}};
    page.gauge("predastore_drive_available", "1 when this drive of this node takes part.",
               drive.status.is_available ? 1 : 0, labels);
    page.gauge("predastore_drive_reconciled", "0 while a new drive may lack shards.",
               drive.is_unreconciled ? 0 : 1, labels);
    page.gauge("predastore_drive_given_up", "1 when what it held is made again elsewhere.",
               drive.is_given_up ? 1 : 0, labels);
    page.gauge("predastore_drive_rebuild_files",
               "Whose records the index has, while it is rebuilt.", of(drive.rebuild.files_done),
               labels);
    page.gauge("predastore_drive_rebuild_files_expected", "0 while it is not being rebuilt.",
               of(drive.rebuild.files_total), labels);
    page.gauge("predastore_drive_capacity_bytes", "Of this drive.", of(drive.status.capacity_bytes),
               labels);
    page.gauge("predastore_drive_used_bytes", "By shard files, garbage included.",
               of(drive.status.used_bytes), labels);
    page.gauge("predastore_drive_live_bytes", "Of these, records that count.",
               of(drive.status.live_bytes), labels);
  }
}

// Of all drives of this node together.
void add_drive(Page& page, const shard::DriveStatus& drive) {
  page.gauge("predastore_drive_queued_bytes", "Taken and not yet written.", of(drive.queued_bytes));
  page.gauge("predastore_drive_shard_files", "Shard files on this node's drive.",
             of(drive.shard_file_count));
  page.counter("predastore_drive_written_bytes_total", "Written to shard files.",
               of(drive.written_bytes));
  page.counter("predastore_drive_read_bytes_total", "Read from shard files.", of(drive.read_bytes));
  page.counter("predastore_drive_groups_total", "Groups of records written.",
               of(drive.group_count));
  page.counter("predastore_drive_syncs_total", "Syncs of shard files.", of(drive.sync_count));
  const std::string errors = "predastore_drive_errors_total";
  page.counter(errors, "Errors of this node's drives by kind.", of(drive.damage_count),
               {{"kind", "damage"}});
  page.counter(errors, "", of(drive.abandoned_file_count), {{"kind", "abandoned_file"}});
  page.counter(errors, "", of(drive.read_error_count), {{"kind", "read"}});
  page.counter(errors, "", of(drive.write_error_count), {{"kind", "write"}});
}

void add_upkeep(Page& page, const repair::UpkeepStatus& upkeep) {
  page.counter("predastore_sweep_removed_total", "Shards that nothing named, deleted by this node.",
               of(upkeep.sweep.removed));
  page.counter("predastore_sweep_removed_bytes_total", "Their logical bytes.",
               of(upkeep.sweep.removed_bytes));
  page.counter("predastore_sweep_shards_total", "Shards that the sweep looked at.",
               of(upkeep.sweep.looked_at));
  page.counter("predastore_sweep_passes_total", "Sweeps of all of this node's drives.",
               of(upkeep.sweep.passes));
  page.counter("predastore_reconcile_passes_total", "Comparisons of layouts and drives that ended.",
               of(upkeep.reconcile.passes));
  page.counter("predastore_reconcile_missing_total",
               "Shards that layouts named and this node did not have.",
               of(upkeep.reconcile.shards_missing_total));
  page.gauge("predastore_reconcile_running", "1 while this node compares.",
             upkeep.reconcile.is_running ? 1 : 0);
  page.gauge("predastore_drives_rolled_back",
             "Drives that opened behind what they were and are not reconciled.",
             of(upkeep.drives_rolled_back));
}

// The progress is known to the node that leads, and shown by it alone.
void add_heal(Page& page, const repair::HealStatus& heal) {
  page.counter("predastore_heal_chunks_total", "Chunks that this node has repaired.",
               of(heal.chunks_repaired));
  page.counter("predastore_heal_bytes_total", "Their logical bytes.", of(heal.bytes_repaired));
  page.gauge("predastore_client_requests", "Requests for bytes, now or within the last second.",
             heal.clients.in_flight);
  page.gauge("predastore_client_requests_late",
             "Of them, those that wait too long for the cluster.", heal.clients.late);
  const repair::HealProgress& progress = heal.progress;
  if (!progress.is_leading) return;
  page.gauge("predastore_heal_paused", "1 while an operator wants no healing.",
             progress.is_paused ? 1 : 0);
  page.gauge("predastore_heal_left_chunks", "Chunks that are to be repaired.",
             of(progress.chunks_left));
  page.gauge("predastore_heal_left_bytes", "Their logical bytes.", of(progress.bytes_left));
  page.gauge("predastore_heal_waiting_chunks", "Of them, those that wait for a node.",
             of(progress.chunks_waiting));
  page.gauge("predastore_heal_unrepairable_chunks", "Damaged beyond what parity gives.",
             of(progress.chunks_unrepairable));
  page.gauge("predastore_heal_bytes_per_second", "Repaired in the last seconds, by all nodes.",
             of(progress.bytes_per_second));
}

void add_process(Page& page, const LocalNumbers& local) {
  page.gauge("predastore_build_info", "Always 1; the version is in the label.", 1,
             {{"version", local.version}});
  page.gauge("predastore_raft_term", "This voter's term.", of(local.raft_term));
  page.gauge("predastore_raft_commit_index", "What this voter knows to be committed.",
             of(local.raft_commit_index));
  page.gauge("predastore_raft_applied_index", "What this voter has applied.",
             of(local.raft_applied_index));
  page.gauge("predastore_raft_is_leader", "1 on the leader.", local.is_raft_leader ? 1 : 0);
  page.gauge("predastore_s3_connections", "Open connections of S3 clients.",
             of(local.s3.connections));
  page.counter("predastore_s3_connections_total", "Connections accepted.", of(local.s3.accepted));
  page.counter("predastore_s3_connections_refused_total", "Connections above the limit.",
               of(local.s3.refused));
  page.counter("predastore_s3_http_requests_total", "Requests with a head that could be read.",
               of(local.s3.requests));
  page.counter("predastore_s3_http_bad_requests_total", "Requests that were no HTTP.",
               of(local.s3.bad_requests));
  page.counter("predastore_s3_timeouts_total", "Connections closed because nothing moved.",
               of(local.s3.timeouts));
  page.gauge("process_resident_memory_bytes", "Resident memory.", of(local.resident_memory_bytes));
  page.gauge("process_open_fds", "Open file descriptors.", of(local.open_files));
  page.counter("process_cpu_seconds_total", "User and system time.", local.cpu_seconds);
}

}  // namespace

std::string metrics_text(const ClusterReport& report, const Verdict& verdict,
                         const LocalNumbers& local) {
  Page page;
  add_cluster(page, report, verdict);
  add_drives(page, local.drives);
  add_drive(page, local.drive);
  add_upkeep(page, local.upkeep);
  add_heal(page, local.heal);
  add_process(page, local);
  page.add(local.more);
  return page.text();
}

}  // namespace predastore::admin
