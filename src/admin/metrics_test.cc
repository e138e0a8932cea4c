#include "admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace predastore::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ClusterReport two_of_three() {
  ClusterReport report;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    NodeReport node;
    node.id = NodeId{i};
    node.is_up = node.is_drive_good = i != 2;
    node.capacity_bytes = 300;
    node.used_bytes = 30;
    report.nodes.push_back(node);
  }
  report.state.emplace();
  report.state->object_count = 7;
  return report;
}

TEST(Metrics, are_prometheus_text_with_one_help_and_type_a_family) {
  const ClusterReport report = two_of_three();
  LocalNumbers local;
  local.drive.written_bytes = 12;
  local.version = "0.1.0";
  const std::string text = metrics_text(report, judge(report), local);
  EXPECT_THAT(text, HasSubstr("predastore_cluster_nodes{state=\"up\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("predastore_cluster_nodes{state=\"down\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("predastore_capacity_bytes{kind=\"raw\"} 600\n"));
  EXPECT_THAT(text, HasSubstr("predastore_capacity_bytes{kind=\"usable\"} 400\n"));
  EXPECT_THAT(text, HasSubstr("predastore_objects 7\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE predastore_drive_written_bytes_total counter\n"));
  EXPECT_THAT(text, HasSubstr("predastore_drive_written_bytes_total 12\n"));
  EXPECT_THAT(text, HasSubstr("predastore_build_info{version=\"0.1.0\"} 1\n"));
  const std::string type = "# TYPE predastore_cluster_nodes gauge\n";
  EXPECT_EQ(text.find(type), text.rfind(type));
}

TEST(Metrics, drives_are_counted_by_state_and_shown_by_place) {
  ClusterReport report = two_of_three();
  LocalNumbers local;
  local.drive.read_error_count = 4;
  for (const auto state : {shard::DriveState::ok, shard::DriveState::failed}) {
    shard::DriveInfo drive;
    drive.place = state == shard::DriveState::ok ? "/mnt/a" : "/mnt/b";
    drive.state = state;
    drive.status.is_available = state == shard::DriveState::ok;
    drive.status.used_bytes = 5;
    local.drives.push_back(drive);
  }
  report.nodes[0].drives = local.drives;
  const std::string text = metrics_text(report, judge(report), local);
  EXPECT_THAT(text, HasSubstr("predastore_cluster_drives{state=\"ok\"} 2\n"));  // and one of node 3
  EXPECT_THAT(text, HasSubstr("predastore_cluster_drives{state=\"failed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("predastore_cluster_drives{state=\"full\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("predastore_drive_available{drive=\"/mnt/b\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("predastore_drive_used_bytes{drive=\"/mnt/a\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("predastore_drive_errors_total{kind=\"read\"} 4\n"));
}

TEST(Metrics, what_is_not_known_is_left_out) {
  ClusterReport report = two_of_three();
  report.state.reset();
  const std::string text = metrics_text(report, judge(report), LocalNumbers{});
  EXPECT_THAT(text, Not(HasSubstr("predastore_objects")));
  EXPECT_THAT(text, HasSubstr("predastore_cluster_health_status 2\n"));
}

}  // namespace
}  // namespace predastore::admin
