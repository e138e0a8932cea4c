#include "admin/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace predastore::admin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Three nodes that are up, RS(2,1), node 1 leads, nothing waits.
ClusterReport three_nodes() {
  ClusterReport report;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    NodeReport node;
    node.id = NodeId{i};
    node.name = "n" + std::to_string(i);
    node.is_up = node.is_drive_good = true;
    report.nodes.push_back(node);
  }
  report.self = report.leader.emplace(NodeId{1});
  report.term = 4;
  report.state.emplace();
  return report;
}

void take_down(ClusterReport& report, std::size_t index) {
  report.nodes[index].is_up = report.nodes[index].is_drive_good = false;
  report.nodes[index].problem = "no answer";
}

// Role 2 is missing on node 3, and so it waits for repair.
ChunkLayout waiting_layout() {
  ChunkLayout layout;
  layout.places = {{NodeId{1}, WriteId{1}, false, true},
                   {NodeId{2}, WriteId{2}, false, true},
                   {NodeId{3}, WriteId{}, true, true}};
  return layout;
}

TEST(Status, all_up_and_nothing_waiting_is_healthy_and_survives_one_failure) {
  const Verdict verdict = judge(three_nodes());
  EXPECT_EQ(verdict.state, State::healthy);
  EXPECT_TRUE(verdict.is_readable);
  EXPECT_EQ(verdict.failures_left, 1U);
  EXPECT_TRUE(verdict.reasons.empty());
}

TEST(Status, one_node_down_is_degraded_readable_and_survives_none) {
  ClusterReport report = three_nodes();
  take_down(report, 2);
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::degraded);
  EXPECT_TRUE(verdict.is_readable);
  EXPECT_EQ(verdict.failures_left, 0U);
  EXPECT_EQ(verdict.nodes_up, 2U);
  ASSERT_EQ(verdict.reasons.size(), 1U);
}

TEST(Status, all_up_with_repair_waiting_is_degraded_and_survives_none) {
  ClusterReport report = three_nodes();
  report.state->repair_pending = 1;
  report.waiting.push_back(waiting_layout());
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::degraded);
  EXPECT_TRUE(verdict.is_readable);
  EXPECT_EQ(verdict.failures_left, 0U);
  EXPECT_EQ(verdict.repair_pending, 1U);
}

TEST(Status, repair_that_was_not_looked_at_counts_as_one_shard_less) {
  ClusterReport report = three_nodes();
  report.state->repair_pending = 5;
  EXPECT_EQ(judge(report).failures_left, 0U);
}

TEST(Status, while_what_a_departed_node_held_is_looked_for_the_cluster_is_degraded) {
  ClusterReport report = three_nodes();
  NodeRecord gone;
  gone.node = NodeId{4};
  gone.name = "n4";
  gone.is_departed = true;
  report.state->nodes.push_back(gone);
  EXPECT_EQ(judge(report).state, State::healthy);
  report.state->unsettled_nodes.insert(gone.node);
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::degraded);
  EXPECT_TRUE(verdict.is_readable);
  EXPECT_EQ(verdict.failures_left, 0U);
  ASSERT_EQ(verdict.reasons.size(), 1U);
  EXPECT_NE(verdict.reasons[0].find("n4"), std::string::npos);
}

TEST(Status, a_node_without_any_part_in_the_cluster_is_not_missed) {
  ClusterReport report = three_nodes();
  NodeReport joining = report.nodes[2];
  joining.id = NodeId{4};
  joining.name = "n4";
  joining.is_voter = joining.may_hold_data = false;
  report.nodes.push_back(joining);
  const Verdict whole = judge(report);
  take_down(report, 3);
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::healthy);
  EXPECT_EQ(verdict.failures_left, whole.failures_left);
  EXPECT_TRUE(verdict.reasons.empty());
  ASSERT_EQ(verdict.warnings.size(), 1U);
  EXPECT_NE(verdict.warnings[0].find("n4"), std::string::npos);
  EXPECT_NE(status_json(report, verdict).find("\"unused\":true"), std::string::npos);
  report.nodes[3].may_hold_data = true;
  EXPECT_EQ(judge(report).state, State::degraded);
}

TEST(Status, another_node_down_than_the_one_repair_waits_for_makes_data_unreadable) {
  ClusterReport report = three_nodes();
  report.state->repair_pending = 1;
  report.waiting.push_back(waiting_layout());
  take_down(report, 0);
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::unavailable);
  EXPECT_FALSE(verdict.is_readable);
  EXPECT_EQ(verdict.failures_left, 0U);
}

TEST(Status, the_same_node_down_as_the_one_repair_waits_for_keeps_data_readable) {
  ClusterReport report = three_nodes();
  report.state->repair_pending = 1;
  report.waiting.push_back(waiting_layout());
  take_down(report, 2);
  EXPECT_TRUE(judge(report).is_readable);
}

TEST(Status, no_metadata_is_unavailable_even_with_all_shards_there) {
  ClusterReport report = three_nodes();
  report.state.reset();
  report.leader.reset();
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::unavailable);
  EXPECT_FALSE(verdict.is_readable);
}

TEST(Status, a_drive_out_of_order_is_degraded) {
  ClusterReport report = three_nodes();
  report.nodes[1].is_drive_good = false;
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::degraded);
  EXPECT_EQ(verdict.failures_left, 0U);
}

TEST(Status, drives_are_named_with_what_is_wrong_with_them) {
  ClusterReport report = three_nodes();
  shard::DriveInfo drive;
  drive.place = "/mnt/a";
  drive.state = shard::DriveState::near_full;
  report.nodes[0].drives.push_back(drive);
  Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::healthy);
  EXPECT_TRUE(verdict.reasons.empty());
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("drive /mnt/a of node n1 is near full")));
  drive.place = "/mnt/b";
  drive.state = shard::DriveState::failed;
  drive.problem = "8 errors";
  report.nodes[1].drives.push_back(drive);
  report.nodes[1].is_drive_good = false;
  verdict = judge(report);
  EXPECT_EQ(verdict.state, State::degraded);
  EXPECT_THAT(verdict.reasons, ElementsAre("drive /mnt/b of node n2 is out of order: 8 errors"));
  const std::string text = status_json(report, verdict);
  EXPECT_THAT(text, HasSubstr("\"place\":\"/mnt/b\",\"state\":\"failed\""));
  EXPECT_THAT(text, HasSubstr("\"problem\":\"8 errors\""));
}

TEST(Status, a_voter_that_has_stopped_is_degraded_and_one_failure_less) {
  ClusterReport report = three_nodes();
  report.nodes[1].voter_failure = "its disk failed";
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.state, State::degraded);
  EXPECT_EQ(verdict.failures_left, 0U);
}

TEST(Status, with_more_parity_than_voters_can_lose_the_voters_decide) {
  ClusterReport report = three_nodes();
  report.rs = RsConfig{1, 2};
  EXPECT_EQ(judge(report).failures_left, 1U);
}

TEST(Status, the_json_has_what_the_design_promises) {
  const ClusterReport report = three_nodes();
  const auto parsed = boost::json::parse(status_json(report, judge(report))).as_object();
  EXPECT_EQ(parsed.at("state").as_string(), "healthy");
  EXPECT_EQ(parsed.at("leader").as_string(), "n1");
  EXPECT_EQ(parsed.at("term").as_int64(), 4);
  EXPECT_TRUE(parsed.at("readable").as_bool());
  EXPECT_EQ(parsed.at("failures_left").as_int64(), 1);
  EXPECT_EQ(parsed.at("repair_pending").as_int64(), 0);
  EXPECT_EQ(parsed.at("nodes").as_array().size(), 3U);
}

TEST(Status, without_a_leader_the_json_says_null) {
  ClusterReport report = three_nodes();
  report.leader.reset();
  const auto parsed = boost::json::parse(status_json(report, judge(report))).as_object();
  EXPECT_TRUE(parsed.at("leader").is_null());
}

}  // namespace
}  // namespace predastore::admin
