#include <gtest/gtest.h>

#include "raft/identity.h"
#include "raft/snapshot_messages.h"
#include "raft/testing/test_cluster.h"

// Members that come, go and come back as others, and states that come from others, with the driver
// as it is in production.
namespace predastore::raft {
namespace {

using raft::testing::TestCluster;
using Kind = MemberChange::Kind;

constexpr VoterId kNewId{0xABCDEF0123456789};

NodeId other_than(NodeId id, std::size_t which = 0) { return NodeId{(id.value() + which) % 3 + 1}; }

Result<void> change(TestCluster& cluster, Kind kind, VoterId id, NodeId node = {}) {
  const NodeId leader = cluster.await_leader();
  return cluster.world.run(cluster.at(leader).replica->change_members(
      {kind, id, node}, cluster.world.clock.now() + 20s));
}

// Until it is done: a learner has to catch up first.
void await_change(TestCluster& cluster, Kind kind, VoterId id, NodeId node = {}) {
  Result<void> last;
  for (int i = 0; i < 300; ++i) {
    last = change(cluster, kind, id, node);
    if (last || last.error().code != ErrorCode::Unavailable) break;
    cluster.world.run_for(200ms);
  }
  ASSERT_TRUE(last) << last.error().to_string();
}

void propose_some(TestCluster& cluster, int from, int count, std::size_t size_bytes = 10) {
  const NodeId leader = cluster.await_leader();
  for (int i = from; i < from + count; ++i)
    ASSERT_TRUE(cluster.propose(leader, std::to_string(i) + std::string(size_bytes, 'x')));
}

// A log so short that whoever is away for a while needs a snapshot.
void keep_little(TestCluster& cluster) {
  cluster.options.cache_bytes_max = 4096;
  cluster.options.log_file_bytes = 16384;
  cluster.options.log_bytes_max = 65536;
  cluster.options.snapshot_piece_bytes = 3000;
}

// The others have let go of the log that `away` lacks.
void leave_behind(TestCluster& cluster, NodeId away, int from = 0) {
  propose_some(cluster, from, 150, 3000);
  for (const NodeId id : cluster.voters)
    if (id != away) cluster.at(id).machine.flush();
  cluster.world.run_for(5s);
}

bool await_caught_up(TestCluster& cluster, NodeId id, std::size_t count) {
  return cluster.world.run_until([&] { return cluster.at(id).machine.live.size() >= count; }, 120s);
}

TEST(Members, a_new_replica_learns_and_then_votes) {
  TestCluster cluster(3);
  cluster.start_all();
  propose_some(cluster, 0, 20);
  cluster.add_node(NodeId{4}, kNewId);
  ASSERT_TRUE(cluster.start(NodeId{4}));
  ASSERT_TRUE(change(cluster, Kind::add_learner, kNewId, NodeId{4}));
  await_change(cluster, Kind::promote, kNewId);
  EXPECT_TRUE(cluster.at(NodeId{4}).replica->status().is_voter);
  // Three of four are a majority, and the new one is needed for it.
  const NodeId gone = other_than(cluster.await_leader());
  cluster.crash(gone);
  propose_some(cluster, 20, 20);
  ASSERT_TRUE(await_caught_up(cluster, NodeId{4}, 40));
  cluster.check_equal_prefixes();
}

TEST(Members, a_replica_that_was_added_is_so_after_a_restart_of_all) {
  TestCluster cluster(3);
  cluster.start_all();
  propose_some(cluster, 0, 5);
  cluster.add_node(NodeId{4}, kNewId);
  ASSERT_TRUE(cluster.start(NodeId{4}));
  ASSERT_TRUE(change(cluster, Kind::add_learner, kNewId, NodeId{4}));
  await_change(cluster, Kind::promote, kNewId);
  for (const NodeId id : cluster.voters) cluster.crash(id);
  for (const NodeId id : cluster.voters) ASSERT_TRUE(cluster.start(id));
  const NodeId leader = cluster.await_leader();
  EXPECT_EQ(cluster.at(leader).replica->group().members.size(), 4u);
  propose_some(cluster, 5, 5);
  ASSERT_TRUE(cluster.await_equal());
  cluster.check_equal_prefixes();
}

TEST(Members, a_wiped_voter_takes_its_own_place_as_another) {
  TestCluster cluster(3);
  cluster.start_all();
  propose_some(cluster, 0, 20);
  const NodeId wiped = other_than(cluster.await_leader());
  cluster.wipe(wiped, kNewId);
  ASSERT_TRUE(cluster.start(wiped));
  ASSERT_TRUE(change(cluster, Kind::add_learner, kNewId, wiped));
  await_change(cluster, Kind::promote, kNewId);
  ASSERT_TRUE(change(cluster, Kind::remove, first_id_of(wiped)));
  const NodeId gone =
      other_than(wiped) == cluster.await_leader() ? other_than(wiped, 1) : other_than(wiped);
  cluster.crash(gone);
  propose_some(cluster, 20, 20);
  ASSERT_TRUE(await_caught_up(cluster, wiped, 40));
  cluster.check_equal_prefixes();
}

// With the vote of its old self the two that are left would be a majority.
TEST(Members, a_wiped_voter_never_votes_or_stores_as_its_old_self) {
  TestCluster cluster(3);
  cluster.start_all();
  propose_some(cluster, 0, 5);
  const NodeId leader = cluster.await_leader();
  const NodeId wiped = other_than(leader);
  const NodeId away = other_than(leader, 1);
  cluster.crash(away);
  cluster.wipe(wiped, kNewId);
  ASSERT_TRUE(cluster.start(wiped));
  EXPECT_FALSE(cluster.propose(leader, "lost", 10s).has_value());
  cluster.world.run_for(20s);
  EXPECT_FALSE(cluster.leader().has_value());
  EXPECT_FALSE(cluster.at(wiped).replica->status().is_voter);
  EXPECT_EQ(cluster.at(wiped).machine.live.size(), 0u);
  ASSERT_TRUE(cluster.start(away));
  propose_some(cluster, 5, 5);
}

TEST(Members, what_would_cost_the_majority_is_refused) {
  TestCluster cluster(3);
  cluster.start_all();
  propose_some(cluster, 0, 1);
  const NodeId leader = cluster.await_leader();
  cluster.crash(other_than(leader));
  cluster.world.run_for(5s);
  const auto refused = change(cluster, Kind::remove, first_id_of(other_than(leader, 1)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_NE(refused.error().detail.find("majority"), std::string::npos);
  EXPECT_TRUE(change(cluster, Kind::remove, first_id_of(other_than(leader))));
}

TEST(Members, those_of_another_group_are_not_heard) {
  TestCluster cluster(3);
  cluster.start_all();
  const NodeId leader = cluster.await_leader();
  const NodeId moved = other_than(leader);
  cluster.crash(moved);
  cluster.options.group = 7;
  ASSERT_TRUE(cluster.start(moved));
  propose_some(cluster, 0, 5);
  cluster.world.run_for(20s);
  EXPECT_EQ(cluster.at(moved).machine.live.size(), 0u);
  EXPECT_EQ(cluster.await_leader(), leader);
}

TEST(Snapshots, who_was_away_for_long_gets_the_state_and_goes_on) {
  TestCluster cluster(3);
  keep_little(cluster);
  cluster.start_all();
  const NodeId away = other_than(cluster.await_leader());
  cluster.crash(away);
  leave_behind(cluster, away);
  ASSERT_TRUE(cluster.start(away));
  ASSERT_TRUE(await_caught_up(cluster, away, 150));
  EXPECT_EQ(cluster.at(away).machine.installs, 1u);
  propose_some(cluster, 150, 10);
  ASSERT_TRUE(await_caught_up(cluster, away, 160));
  // It is a voter as before, and one of the others may go.
  cluster.crash(other_than(away) == cluster.await_leader() ? other_than(away, 1)
                                                           : other_than(away));
  propose_some(cluster, 160, 10);
  cluster.check_equal_prefixes();
  cluster.crash(away);
  ASSERT_TRUE(cluster.start(away));
  ASSERT_TRUE(await_caught_up(cluster, away, 170));
  cluster.check_equal_prefixes();
}

TEST(Snapshots, a_new_replica_that_comes_late_gets_the_state) {
  TestCluster cluster(3);
  keep_little(cluster);
  cluster.start_all();
  cluster.await_leader();
  leave_behind(cluster, NodeId{});
  leave_behind(cluster, NodeId{}, 150);
  cluster.add_node(NodeId{4}, kNewId);
  ASSERT_TRUE(cluster.start(NodeId{4}));
  ASSERT_TRUE(change(cluster, Kind::add_learner, kNewId, NodeId{4}));
  await_change(cluster, Kind::promote, kNewId);
  ASSERT_TRUE(await_caught_up(cluster, NodeId{4}, 300));
  EXPECT_EQ(cluster.at(NodeId{4}).machine.installs, 1u);
  EXPECT_TRUE(cluster.at(NodeId{4}).replica->status().is_voter);
  cluster.check_equal_prefixes();
}

std::size_t pieces_of(TestCluster& cluster, NodeId id, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      cluster.at(id).disk.live_names,
      [&](const auto& item) { return item.first.find(name) != std::string::npos; }));
}

TEST(Snapshots, a_fetch_goes_on_after_a_restart_of_either_end) {
  TestCluster cluster(3);
  keep_little(cluster);
  cluster.options.snapshot_bytes_per_second = 50'000;  // 450 KB of state
  cluster.start_all();
  const NodeId away = other_than(cluster.await_leader());
  cluster.crash(away);
  leave_behind(cluster, away);
  ASSERT_TRUE(cluster.start(away));
  const auto has_some = [&](std::size_t count) {
    return [&cluster, away, count] { return pieces_of(cluster, away, ".fetched/files/") >= count; };
  };
  ASSERT_TRUE(cluster.world.run_until(has_some(5), 60s));
  cluster.crash(away);
  ASSERT_TRUE(cluster.start(away));
  EXPECT_GE(pieces_of(cluster, away, ".fetched/files/"), 4u);
  ASSERT_TRUE(cluster.world.run_until(has_some(9), 60s));
  const NodeId leader = cluster.await_leader();
  cluster.crash(leader);
  ASSERT_TRUE(cluster.start(leader));
  ASSERT_TRUE(await_caught_up(cluster, away, 150));
  std::size_t checkpoints = 0;
  for (const NodeId id : cluster.voters) checkpoints += cluster.at(id).machine.checkpoints;
  EXPECT_LE(checkpoints, 2u);  // of the leader then and the one of now
  cluster.check_equal_prefixes();
}

TEST(Snapshots, the_cluster_serves_while_one_is_fetched) {
  TestCluster cluster(3);
  keep_little(cluster);
  cluster.options.snapshot_bytes_per_second = 50'000;
  cluster.start_all();
  const NodeId away = other_than(cluster.await_leader());
  cluster.crash(away);
  leave_behind(cluster, away);
  ASSERT_TRUE(cluster.start(away));
  cluster.world.run_for(2s);
  ASSERT_EQ(cluster.at(away).machine.installs, 0u);
  propose_some(cluster, 150, 50);
  ASSERT_EQ(cluster.at(away).machine.installs, 0u);
  ASSERT_TRUE(await_caught_up(cluster, away, 200));
  cluster.check_equal_prefixes();
}

// Whatever the machine does last: after it is started again it catches up, and what it holds is a
// prefix of what everybody holds.
TEST(Snapshots, a_crash_at_any_operation_of_the_installation_is_survived) {
  std::uint64_t operations = 1;
  for (std::uint64_t crash_at = 0; crash_at < operations; crash_at += 1 + crash_at / 40) {
    SCOPED_TRACE(crash_at);
    TestCluster cluster(3, crash_at + 1);
    keep_little(cluster);
    cluster.options.snapshot_piece_bytes = 100'000;
    cluster.start_all();
    const NodeId away = other_than(cluster.await_leader());
    cluster.crash(away);
    leave_behind(cluster, away);
    ASSERT_TRUE(cluster.start(away));
    const std::uint64_t begun = cluster.at(away).disk.operation_count;
    cluster.at(away).disk.crash_at = begun + crash_at;
    cluster.world.run_until(
        [&] {
          return cluster.at(away).disk.is_crashed() || cluster.at(away).machine.live.size() >= 150;
        },
        60s);
    cluster.world.run_for(2s);
    operations = std::max(operations, cluster.at(away).disk.operation_count - begun);
    cluster.crash(away);
    const auto started = cluster.start(away);
    ASSERT_TRUE(started) << started.error().to_string();
    ASSERT_TRUE(await_caught_up(cluster, away, 150));
    propose_some(cluster, 150, 5);
    ASSERT_TRUE(await_caught_up(cluster, away, 155));
    cluster.check_equal_prefixes();
  }
  EXPECT_GT(operations, 30u);
}

TEST(Snapshots, what_comes_is_believed_only_as_it_was_sent) {
  SnapshotManifest manifest;
  manifest.id = 5;
  manifest.snapshot = {10, 2, {3, configuration_of({{VoterId{1}, NodeId{1}, true}})}};
  manifest.files = {{"000012.sst", 1000}, {"CURRENT", 16}};
  const std::string text = encode_manifest(manifest);
  const auto decoded = decode_manifest(as_bytes(text));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->files, manifest.files);
  EXPECT_EQ(decoded->snapshot.configuration, manifest.snapshot.configuration);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    EXPECT_FALSE(decode_manifest(as_bytes(changed))) << i;
  }
  for (const char* name : {"", ".", "..", "a/b", "../x"}) {
    manifest.files = {{name, 1}};
    EXPECT_FALSE(decode_manifest(as_bytes(encode_manifest(manifest)))) << name;
  }
  const Buffer piece = encode_piece(Buffer::copy_of("some bytes"));
  EXPECT_EQ(decode_piece(piece)->text(), "some bytes");
  std::string flipped(piece.text());
  flipped[7] = static_cast<char>(flipped[7] ^ 1);
  EXPECT_FALSE(decode_piece(Buffer::take(flipped)));
}

TEST(Identity, is_read_as_it_was_written_or_not_at_all) {
  ReplicaIdentity identity;
  identity.cluster.bytes[3] = std::byte{9};
  identity.group = 77;
  identity.id = kNewId;
  identity.first = {NodeId{1}, NodeId{2}};
  const std::string text = encode_identity(identity);
  EXPECT_EQ(decode_identity(as_bytes(text)).value(), identity);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    EXPECT_FALSE(decode_identity(as_bytes(changed))) << i;
    EXPECT_FALSE(decode_identity(as_bytes(text.substr(0, i)))) << i;
  }
}

}  // namespace
}  // namespace predastore::raft
