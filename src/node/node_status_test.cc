#include "node/node_status.h"

#include <gtest/gtest.h>

namespace predastore::node {
namespace {

NodeStatus sample() {
  NodeStatus status;
  status.node = NodeId{0x0102030405060708};
  status.replica.role = raft::ReplicaRole::candidate;
  status.replica.leader = NodeId{7};
  status.replica.term = 11;
  status.replica.commit_index = 12;
  status.replica.applied_index = 13;
  status.drive.is_available = false;
  status.drive.was_rebuilt = true;
  status.drive.capacity_bytes = 1;
  status.drive.used_bytes = 2;
  status.drive.abandoned_file_count = 3;
  status.version = "0.1.0";
  status.replica.failure = "the log cannot be written";
  status.upkeep.sweep.removed = 21;
  status.upkeep.sweep.passes = 22;
  status.upkeep.reconcile.shards_missing = 23;
  status.upkeep.reconcile.is_running = true;
  status.upkeep.drives_rolled_back = 1;
  status.heal.chunks_repaired = 31;
  status.heal.clients = {4, 1};
  status.node_digest = 0x3132333435363738;
  repair::HealProgress& progress = status.heal.progress;
  progress.is_leading = progress.is_paused = true;
  progress.chunks_left = 32;
  progress.limit_bytes_per_second = 33;
  progress.chunks_by_redundancy[repair::kRedundancyLevels - 1] = 34;
  progress.damaged.push_back({ObjectId{}, ChunkIndex{35}, 1, 2});
  for (int i = 0; i < 2; ++i) {
    shard::DriveInfo& drive = status.drives.emplace_back();
    drive.id.bytes[0] = std::byte{7};
    drive.place = "/mnt/d" + std::to_string(i);
    drive.state = i == 0 ? shard::DriveState::near_full : shard::DriveState::failed;
    drive.problem = i == 0 ? "" : "8 errors";
    drive.is_unreconciled = i == 1;
    drive.status.used_bytes = 5;
    drive.status.write_error_count = 6;
  }
  status.drives[1].is_given_up = true;
  shard::DriveInfo& third = status.drives.emplace_back();
  third.place = "/mnt/d2";
  third.state = shard::DriveState::rebuilding;
  third.rebuild.files_done = 42;
  third.rebuild.files_total = 100;
  return status;
}

TEST(NodeStatus, what_is_encoded_comes_back) {
  const auto back = decode_node_status(as_bytes(encode_node_status(sample())));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->node, sample().node);
  EXPECT_EQ(back->replica.role, raft::ReplicaRole::candidate);
  EXPECT_EQ(back->replica.leader, NodeId{7});
  EXPECT_EQ(back->replica.term, 11U);
  EXPECT_EQ(back->replica.applied_index, 13U);
  EXPECT_FALSE(back->drive.is_available);
  EXPECT_TRUE(back->drive.was_rebuilt);
  EXPECT_EQ(back->drive.used_bytes, 2U);
  EXPECT_EQ(back->drive.abandoned_file_count, 3U);
  EXPECT_EQ(back->version, "0.1.0");
  EXPECT_EQ(back->replica.failure, "the log cannot be written");
  EXPECT_EQ(back->upkeep.sweep.removed, 21U);
  EXPECT_EQ(back->upkeep.sweep.passes, 22U);
  EXPECT_EQ(back->upkeep.reconcile.shards_missing, 23U);
  EXPECT_TRUE(back->upkeep.reconcile.is_running);
  EXPECT_EQ(back->upkeep.drives_rolled_back, 1U);
  EXPECT_EQ(back->heal.chunks_repaired, 31U);
  EXPECT_EQ(back->heal.clients.in_flight, 4U);
  EXPECT_EQ(back->heal.clients.late, 1U);
  EXPECT_EQ(back->node_digest, 0x3132333435363738U);
  EXPECT_TRUE(back->heal.progress.is_leading && back->heal.progress.is_paused);
  EXPECT_EQ(back->heal.progress.chunks_left, 32U);
  EXPECT_EQ(back->heal.progress.limit_bytes_per_second, 33U);
  EXPECT_EQ(back->heal.progress.chunks_by_redundancy, sample().heal.progress.chunks_by_redundancy);
  EXPECT_EQ(back->heal.progress.damaged, sample().heal.progress.damaged);
  ASSERT_EQ(back->drives.size(), 3U);
  EXPECT_FALSE(back->drives[0].is_given_up);
  EXPECT_TRUE(back->drives[1].is_given_up);
  EXPECT_EQ(back->drives[2].state, shard::DriveState::rebuilding);
  EXPECT_FALSE(back->drives[2].status.is_available);
  EXPECT_EQ(back->drives[2].rebuild.files_done, 42U);
  EXPECT_EQ(back->drives[2].rebuild.files_total, 100U);
  EXPECT_EQ(back->drives[0].id, sample().drives[0].id);
  EXPECT_EQ(back->drives[0].place, "/mnt/d0");
  EXPECT_EQ(back->drives[0].state, shard::DriveState::near_full);
  EXPECT_FALSE(back->drives[0].is_unreconciled);
  EXPECT_EQ(back->drives[1].state, shard::DriveState::failed);
  EXPECT_EQ(back->drives[1].problem, "8 errors");
  EXPECT_TRUE(back->drives[1].is_unreconciled);
  EXPECT_EQ(back->drives[1].status.used_bytes, 5U);
  EXPECT_EQ(back->drives[1].status.write_error_count, 6U);
}

TEST(NodeStatus, every_shorter_answer_is_refused) {
  const std::string whole = encode_node_status(sample());
  NodeStatus without = sample();
  without.drives.clear();
  constexpr std::size_t kUpkeepSize = 66;
  constexpr std::size_t kHealSize = 33 + 1 + 9 * 8 + repair::kRedundancyLevels * 8 + 4 + 38;
  const std::size_t more_size = 18 * sample().drives.size();
  const std::size_t old_size = encode_node_status(without).size() - 4 - kUpkeepSize - kHealSize;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (size == old_size) {  // as the version before wrote it
      const auto old = decode_node_status(as_bytes(std::string_view{whole}.substr(0, size)));
      ASSERT_TRUE(old.has_value());
      EXPECT_TRUE(old->drives.empty());
      continue;
    }
    // The version after that told of its drives and not of their upkeep, the next not of what is
    // done for a drive that failed, the next of no healing.
    const bool is_known = size == whole.size() - kHealSize - more_size - kUpkeepSize ||
                          size == whole.size() - kHealSize - more_size ||
                          size == whole.size() - kHealSize;
    EXPECT_EQ(decode_node_status(as_bytes(std::string_view{whole}.substr(0, size))).has_value(),
              is_known)
        << size;
  }
}

TEST(NodeStatus, of_a_node_that_does_not_lead_the_progress_is_left_out) {
  NodeStatus status = sample();
  status.heal.progress.is_leading = false;
  const auto back = decode_node_status(as_bytes(encode_node_status(status)));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->heal.chunks_repaired, 31U);
  EXPECT_FALSE(back->heal.progress.is_leading);
  EXPECT_EQ(back->heal.progress.chunks_left, 0U);
}

TEST(NodeStatus, an_unknown_role_is_refused) {
  std::string bytes = encode_node_status(sample());
  bytes[8] = 9;
  EXPECT_FALSE(decode_node_status(as_bytes(bytes)));
}

}  // namespace
}  // namespace predastore::node
