#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/text.h"
#include "env/testing/fakes.h"
#include "kv/memory_store.h"
#include "meta/replicated_meta_service.h"
#include "meta/testing/test_objects.h"
#include "net/memory_transport.h"

namespace predastore::meta {
namespace {

// Three nodes with real replicas on one loop in virtual time, disks and network in memory.
class Cluster {
 public:
  struct Node {
    fakes::TestDisk disk;
    std::unique_ptr<fakes::TestFiles> files;
    std::shared_ptr<kv::MemoryDisk> kv = std::make_shared<kv::MemoryDisk>(kFamilyCount);
    std::unique_ptr<StateMachine> state;
    std::unique_ptr<net::Transport> transport;
    std::unique_ptr<rpc::Server> server;
    std::unique_ptr<rpc::Client> client;
    std::unique_ptr<raft::Replica> replica;
    std::unique_ptr<ReplicatedMetaService> service;
    std::unique_ptr<TaskGroup> tasks;
  };

  explicit Cluster(std::uint64_t seed = 1) : world(seed) {
    network = std::make_unique<net::MemoryNetwork>(world.env(no_files));
    for (std::uint64_t id = 1; id <= 3; ++id) {
      nodes[NodeId{id}].files = std::make_unique<fakes::TestFiles>(nodes[NodeId{id}].disk);
      start(NodeId{id});
    }
    EXPECT_TRUE(world.run_until(
        [&] { return all([](Node& n) { return n.state->is_initialised(); }); }, 60s));
  }
  ~Cluster() {
    for (auto& [id, node] : nodes) stop(id);
    world.settle();
  }

  template <class Condition>
  bool all(Condition condition) {
    return std::ranges::all_of(
        nodes, [&](auto& entry) { return !entry.second.replica || condition(entry.second); });
  }
  void start(NodeId id) {
    Node& node = nodes.at(id);
    const Environment env = world.env(*node.files);
    node.state = StateMachine::open(env, kv::open_memory(node.kv)).value();
    node.transport = network->endpoint(id);
    node.server = std::make_unique<rpc::Server>(env, *node.transport);
    node.client = std::make_unique<rpc::Client>(env, *node.transport);
    raft::ReplicaOptions options;
    options.directory = "/raft";
    options.self = id;
    options.voters = {NodeId{1}, NodeId{2}, NodeId{3}};
    node.replica =
        world.run(raft::open_replica(env, options, *node.server, *node.client, *node.state))
            .value();
    MetaOptions meta;
    meta.self = id;
    meta.bootstrap.emplace();
    for (const NodeId voter : options.voters) {
      NodeRecord record;
      record.node = voter;
      meta.bootstrap->nodes.push_back(record);
    }
    node.service = ReplicatedMetaService::make(env, meta, *node.state, *node.replica,
                                               node.server.get(), node.client.get());
    node.tasks = std::make_unique<TaskGroup>(world.loop.get_executor(), world.clock);
    node.tasks->spawn(node.server->run());
    node.tasks->spawn(node.replica->run());
    node.tasks->spawn(node.service->run());
  }
  static Task<Result<void>> end(Node& node) {
    co_await node.replica->stop();
    co_await node.transport->stop();
    co_await node.service->stop();
    co_return co_await node.tasks->join();
  }
  void stop(NodeId id) {
    Node& node = nodes.at(id);
    if (node.replica == nullptr) return;
    ASSERT_TRUE(world.run(end(node)).has_value());
    world.settle();
    node.service.reset();
    node.replica.reset();
    node.tasks.reset();
    node.server.reset();
    node.client.reset();
    node.transport.reset();
    node.state.reset();
  }
  // Power loss: of the metadata state only what was flushed is left.
  void crash(NodeId id) {
    Node& node = nodes.at(id);
    node.disk.crash_at = node.disk.operation_count;
    network->down(id);
    stop(id);
    network->up(id);
    node.disk.lose_power(world.random);
    node.kv->crash();
  }
  NodeId leader() {
    NodeId found;
    std::uint64_t term = 0;
    for (auto& [id, node] : nodes) {
      if (node.replica == nullptr) continue;
      const raft::ReplicaStatus status = node.replica->status();
      if (status.role == raft::ReplicaRole::leader && status.term > term) {
        found = id;
        term = status.term;
      }
    }
    return found;
  }
  NodeId follower() {
    for (auto& [id, node] : nodes) {
      if (node.replica != nullptr && id != leader()) return id;
    }
    return {};
  }
  MetaService& service(NodeId id) { return *nodes.at(id).service; }
  Instant soon() { return world.clock.now() + 60s; }
  bool await_equal() {
    const auto is_equal = [&] {
      std::uint64_t highest = 0;
      for (auto& [id, node] : nodes)
        if (node.state) highest = std::max(highest, node.state->applied_index());
      return all([&](Node& node) { return node.state->applied_index() == highest; });
    };
    return world.run_until(is_equal, 60s);
  }
  void expect_equal_states() {
    ASSERT_TRUE(await_equal());
    std::string first;
    for (auto& [id, node] : nodes) {
      if (node.state == nullptr) continue;
      const std::string hash = to_hex(as_bytes(content_hash(node.state->store()).value()));
      if (first.empty()) first = hash;
      EXPECT_EQ(hash, first);
    }
  }

  fakes::TestWorld world;
  fakes::TestDisk no_disk;
  fakes::TestFiles no_files{no_disk};
  std::unique_ptr<net::MemoryNetwork> network;
  std::map<NodeId, Node> nodes;
};

BucketRecord bucket_named(const std::string& name) {
  BucketRecord bucket;
  bucket.name = name;
  return bucket;
}

TEST(MetaCluster, whichever_node_is_asked_sees_what_another_wrote) {
  Cluster cluster;
  TestObjects objects;
  ASSERT_TRUE(cluster.world.run(
      cluster.service(NodeId{1}).create_bucket(bucket_named("b"), cluster.soon())));
  for (std::uint64_t i = 0; i < 9; ++i) {
    MetaService& writer = cluster.service(NodeId{i % 3 + 1});
    MetaService& reader = cluster.service(NodeId{(i + 1) % 3 + 1});
    const auto context = cluster.world.run(writer.write_context("b", cluster.soon()));
    ASSERT_TRUE(context.has_value());
    const std::string key = std::to_string(i);
    const auto stored =
        cluster.world.run(writer.put_object(objects.put("b", key, 2500, *context), cluster.soon()));
    ASSERT_TRUE(stored.has_value()) << stored.error().to_string();
    const auto read = cluster.world.run(reader.get_object("b", key, 0, 5000, cluster.soon()));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->record, *stored);
    EXPECT_EQ(read->layouts.size(), 3U);
  }
  cluster.expect_equal_states();
}

// The leader loses its power after so many steps of the loop since the proposal began: before it
// came, while it is stored, after it was applied, after it was answered. Whenever it was, the
// proposer's retry at the next leader finds out what became of the first try.
TEST(MetaCluster, a_proposal_whose_leader_dies_is_executed_once) {
  int before = 0;
  int applied_not_answered = 0;
  int answered = 0;
  for (int steps = 0; answered == 0 && steps < 1000; ++steps) {
    SCOPED_TRACE(steps);
    Cluster cluster;
    TestObjects objects;
    const NodeId leader = cluster.leader();
    MetaService& service = cluster.service(cluster.follower());
    ASSERT_TRUE(
        cluster.world.run(service.create_bucket(bucket_named("b"), cluster.soon())).has_value());
    const auto context = cluster.world.run(service.write_context("b", cluster.soon())).value();
    PutObject put = objects.put("b", "k", 2500, context);
    put.precondition.if_none_match_any = true;
    auto stored = std::make_shared<std::optional<Result<ObjectRecord>>>();
    cluster.world.start(service.put_object(std::move(put), cluster.soon()), stored);
    for (int i = 0; i < steps; ++i) {
      cluster.world.loop.restart();
      if (cluster.world.loop.poll_one() == 0) break;
    }
    const auto objects_there = cluster.nodes.at(leader).state->store().iterate(kObjects);
    objects_there->seek({});
    if (stored->has_value())
      ++answered;
    else
      ++(objects_there->valid() ? applied_not_answered : before);
    cluster.crash(leader);
    ASSERT_TRUE(cluster.world.run_until([&] { return stored->has_value(); }, 120s));
    ASSERT_TRUE((**stored).has_value()) << (**stored).error().to_string();
    const auto state = cluster.world.run(service.cluster_state(cluster.soon())).value();
    EXPECT_EQ(state.object_count, 1U);
    EXPECT_EQ(state.garbage_pending, 0U);
    cluster.start(leader);
    cluster.expect_equal_states();
  }
  // The cuts are everywhere, or the test shows nothing.
  EXPECT_GT(before, 0);
  EXPECT_GT(applied_not_answered, 0);
  EXPECT_GT(answered, 0);
}

TEST(MetaCluster, what_was_acknowledged_survives_the_power_of_all) {
  Cluster cluster;
  TestObjects objects;
  MetaService& service = cluster.service(NodeId{1});
  ASSERT_TRUE(
      cluster.world.run(service.create_bucket(bucket_named("b"), cluster.soon())).has_value());
  for (int i = 0; i < 20; ++i) {
    const auto context = cluster.world.run(service.write_context("b", cluster.soon())).value();
    ASSERT_TRUE(cluster.world
                    .run(service.put_object(objects.put("b", std::to_string(i), 10, context),
                                            cluster.soon()))
                    .has_value());
    if (i == 9) {
      StateMachine& state = *cluster.nodes.at(NodeId{2}).state;
      ASSERT_TRUE(cluster.world.run(state.flush()).has_value());
      EXPECT_GT(state.durable_index(), 0U);
    }
  }
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.crash(NodeId{id});
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.start(NodeId{id});
  const auto state =
      cluster.world.run(cluster.service(NodeId{3}).cluster_state(cluster.soon())).value();
  EXPECT_EQ(state.object_count, 20U);
  cluster.expect_equal_states();
}

TEST(MetaCluster, the_leader_advances_the_write_epoch_and_the_state_is_flushed) {
  Cluster cluster;
  cluster.world.run_for(200s);
  const auto state =
      cluster.world.run(cluster.service(NodeId{1}).cluster_state(cluster.soon())).value();
  EXPECT_GE(state.write_epoch, WriteEpoch{3});
  EXPECT_LE(state.write_epoch, WriteEpoch{5});
  for (auto& [id, node] : cluster.nodes) EXPECT_GT(node.state->durable_index(), 0U);
}

// What a database may do that lost a write, or a machine whose memory fails.
void lose_object(Cluster& cluster, NodeId at) {
  kv::KeyValueStore& store = cluster.nodes.at(at).state->store();
  const auto iterator = store.iterate(kObjects);
  iterator->seek({});
  ASSERT_TRUE(iterator->valid());
  kv::Batch batch;
  batch.erase(kObjects, std::string{iterator->key()});
  ASSERT_TRUE(store.write(batch).has_value());
}

void expect_the_altered_one_stops(bool is_leader) {
  Cluster cluster;
  TestObjects objects;
  const NodeId altered = is_leader ? cluster.leader() : cluster.follower();
  const auto failure_at = [&](NodeId id) { return cluster.nodes.at(id).replica->status().failure; };
  const auto others_go_on = [&] {
    return std::ranges::all_of(cluster.nodes, [&](auto& entry) {
      return entry.first == altered || failure_at(entry.first).empty();
    });
  };
  const NodeId other{altered.value() % 3 + 1};
  MetaService& service = cluster.service(other);
  const auto put = [&](const std::string& key, Precondition precondition = {}) {
    const auto context = cluster.world.run(service.write_context("b", cluster.soon())).value();
    PutObject command = objects.put("b", key, 2500, context);
    command.precondition = std::move(precondition);
    return cluster.world.run(service.put_object(std::move(command), cluster.soon()));
  };
  ASSERT_TRUE(cluster.world.run(service.create_bucket(bucket_named("b"), cluster.soon())));
  ASSERT_TRUE(put("k"));
  ASSERT_TRUE(cluster.await_equal());
  cluster.world.run_for(60s);
  EXPECT_EQ(failure_at(altered), "");
  lose_object(cluster, altered);
  Precondition is_new;
  is_new.if_none_match_any = true;
  (void)put("k", is_new);  // there it is new, at the others it is not
  ASSERT_TRUE(cluster.world.run_until([&] { return !failure_at(altered).empty(); }, 200s));
  EXPECT_NE(failure_at(altered).find("the metadata is another"), std::string::npos)
      << failure_at(altered);
  EXPECT_TRUE(others_go_on());
  ASSERT_TRUE(put("more"));
  // A restart makes it no better.
  cluster.stop(altered);
  cluster.start(altered);
  ASSERT_TRUE(cluster.world.run_until([&] { return !failure_at(altered).empty(); }, 200s));
  EXPECT_TRUE(others_go_on());
}

TEST(MetaCluster, a_follower_whose_state_was_altered_is_found_and_stops) {
  expect_the_altered_one_stops(false);
}

TEST(MetaCluster, a_leader_whose_state_was_altered_is_found_and_stops) {
  expect_the_altered_one_stops(true);
}

TEST(MetaCluster, two_that_differ_say_so_and_go_on) {
  Cluster cluster;
  TestObjects objects;
  const NodeId leader = cluster.leader();
  const NodeId altered = cluster.follower();
  const NodeId away{6 - leader.value() - altered.value()};
  MetaService& service = cluster.service(leader);
  ASSERT_TRUE(cluster.world.run(service.create_bucket(bucket_named("b"), cluster.soon())));
  const auto context = cluster.world.run(service.write_context("b", cluster.soon())).value();
  ASSERT_TRUE(
      cluster.world.run(service.put_object(objects.put("b", "k", 2500, context), cluster.soon())));
  ASSERT_TRUE(cluster.await_equal());
  cluster.stop(away);
  lose_object(cluster, altered);
  std::vector<std::string> keys{"k"};
  (void)cluster.world.run(service.delete_objects("b", keys, {}, cluster.soon()));
  cluster.world.run_for(200s);
  EXPECT_EQ(cluster.nodes.at(leader).replica->status().failure, "");
  EXPECT_EQ(cluster.nodes.at(altered).replica->status().failure, "");
  cluster.start(away);  // and decides it
  ASSERT_TRUE(cluster.world.run_until(
      [&] { return !cluster.nodes.at(altered).replica->status().failure.empty(); }, 200s));
  EXPECT_EQ(cluster.nodes.at(leader).replica->status().failure, "");
}

}  // namespace
}  // namespace predastore::meta
