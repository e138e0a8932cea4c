// Three nodes of real parts in one process, over a network in memory and files in a temporary
// directory.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "admin/member_api.h"
#include "crypto/certificates.h"
#include "env/host.h"
#include "env/run_task.h"
#include "net/memory_transport.h"
#include "node/cluster_view.h"
#include "node/member_replica.h"
#include "node/node.h"

namespace predastore::node {
namespace {

namespace fs = std::filesystem;

class TextSource final : public object::BodySource {
 public:
  explicit TextSource(std::string text) : rest_(Buffer::take(std::move(text))) {}
  Task<Result<Buffer>> read(std::size_t max_bytes) override {
    const Buffer piece = rest_.slice(0, std::min(max_bytes, rest_.size()));
    rest_ = rest_.slice(piece.size());
    co_return piece;
  }
  std::optional<std::uint64_t> size_bytes() const override { return std::nullopt; }
  ObjectChecksum checksum() const override { return {}; }

 private:
  Buffer rest_;
};

class TextSink final : public object::BodySink {
 public:
  Task<Result<void>> write(Buffer bytes) override {
    text += bytes.text();
    co_return Result<void>{};
  }
  std::string text;
};

std::string text_of(std::size_t size_bytes, int seed) {
  std::string text(size_bytes, '\0');
  for (std::size_t i = 0; i < size_bytes; ++i)
    text[i] = static_cast<char>((i * 131 + i / 251 + static_cast<std::size_t>(seed)) & 0xff);
  return text;
}

// What is put into the index of a drive waits here.
class Gate {
 public:
  void pass() {
    std::unique_lock lock{mutex_};
    opened_.wait(lock, [this] { return is_open_; });
  }
  void open() {
    const std::lock_guard lock{mutex_};
    is_open_ = true;
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

class GatedStore final : public kv::KeyValueStore {
 public:
  GatedStore(std::unique_ptr<kv::KeyValueStore> inner, std::shared_ptr<Gate> gate)
      : inner_(std::move(inner)), gate_(std::move(gate)) {}
  Result<std::optional<std::string>> get(kv::Family family, std::string_view key) override {
    return inner_->get(family, key);
  }
  Result<void> write(const kv::Batch& batch) override {
    const bool puts = std::ranges::any_of(batch.operations(), [](const kv::Operation& operation) {
      return operation.kind == kv::Operation::Kind::put;
    });
    if (puts) gate_->pass();
    return inner_->write(batch);
  }
  std::unique_ptr<kv::Iterator> iterate(kv::Family family) override {
    return inner_->iterate(family);
  }
  Result<void> flush() override { return inner_->flush(); }

 private:
  std::unique_ptr<kv::KeyValueStore> inner_;
  std::shared_ptr<Gate> gate_;
};

// Damage that is met when it is next read or written; what is opened in its place is good.
class DamagedStore final : public kv::KeyValueStore {
 public:
  DamagedStore(std::unique_ptr<kv::KeyValueStore> inner, std::shared_ptr<std::atomic<bool>> damaged)
      : inner_(std::move(inner)), damaged_(std::move(damaged)) {}
  ~DamagedStore() override {
    if (is_met_) *damaged_ = false;
  }
  Result<std::optional<std::string>> get(kv::Family family, std::string_view key) override {
    PREDA_CHECK(check());
    return inner_->get(family, key);
  }
  Result<void> write(const kv::Batch& batch) override {
    PREDA_CHECK(check());
    return inner_->write(batch);
  }
  std::unique_ptr<kv::Iterator> iterate(kv::Family family) override {
    return inner_->iterate(family);
  }
  Result<void> flush() override { return inner_->flush(); }

 private:
  Result<void> check() {
    if (!*damaged_) return {};
    is_met_ = true;
    return make_error(ErrorCode::Corruption, "a block that is not what was written");
  }

  std::unique_ptr<kv::KeyValueStore> inner_;
  std::shared_ptr<std::atomic<bool>> damaged_;
  std::atomic<bool> is_met_ = false;
};

class NodeCluster : public ::testing::Test {
 public:  // the scenarios are free coroutines
  void SetUp() override {
    std::string path = (fs::temp_directory_path() / "predastore-node-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    base_ = path;
    network_ = std::make_unique<net::MemoryNetwork>(host_.environment());
  }
  void TearDown() override {
    nodes_.clear();
    transports_.clear();
    network_.reset();
    fs::remove_all(base_);
  }

  Config config_of(std::size_t index) const {
    Config config;
    for (std::uint64_t i = 1; i <= 3; ++i) {
      NodeEntry entry;
      entry.id = NodeId{i};
      entry.name = "n" + std::to_string(i);
      entry.cluster_address = "127.0.0.1:" + std::to_string(7700 + i);
      config.nodes.push_back(std::move(entry));
    }
    config.node_id = config.nodes[index].id;
    config.node_name = config.nodes[index].name;
    config.data_dir = base_ + "/" + config.node_name;
    config.limits.put_memory_bytes = config.limits.get_memory_bytes = 64U << 20;
    config.region = "us-east-1";
    return config;
  }

  Task<void> start(std::size_t index) {
    NodeOptions options;
    options.config = config_of(index);
    options.root_key =
        access::AccessKey{"AKIDOFTHETESTTEST", crypto::Secret{"a secret of tests"}, true};
    options.direct_io = false;
    options.shard_file_size_bytes = 512 * 1024;
    if (open_kv_) options.open_kv = open_kv_;
    transports_[index] = network_->endpoint(NodeId{index + 1});
    auto node = co_await Node::open(host_.environment(), *transports_[index], std::move(options));
    EXPECT_TRUE(node.has_value()) << node.error().to_string();
    if (!node) co_return;
    nodes_[index] = std::move(*node);
    running_.spawn(nodes_[index]->run());
  }
  Task<void> stop(std::size_t index) {
    co_await nodes_[index]->stop();
    nodes_[index].reset();
    transports_[index].reset();
  }
  Task<void> start_all() {
    nodes_.resize(3);
    transports_.resize(3);
    for (std::size_t i = 0; i < 3; ++i) co_await start(i);
    for (auto& node : nodes_) {
      const auto ready = co_await node->wait_until_ready(now() + 60s);
      EXPECT_TRUE(ready.has_value()) << ready.error().to_string();
    }
  }
  Task<void> stop_all() {
    for (std::size_t i = 0; i < 3; ++i) {
      if (nodes_[i]) co_await stop(i);
    }
    (void)co_await running_.join();
  }
  Instant now() { return host_.environment().clock.now(); }

  Task<void> make_bucket(Node& node) {
    BucketRecord bucket;
    bucket.name = "bucket";
    const auto made = co_await node.meta().create_bucket(std::move(bucket), now() + 30s);
    EXPECT_TRUE(made.has_value()) << made.error().to_string();
  }
  Task<Result<ObjectRecord>> put(Node& node, std::string key, std::string text) {
    TextSource source{std::move(text)};
    object::PutRequest request;
    request.bucket = "bucket";
    request.key = std::move(key);
    request.body = &source;
    co_return co_await node.objects().put(std::move(request));
  }
  Task<Result<std::string>> get(Node& node, std::string key) {
    PREDA_CO_TRY(auto reader, co_await node.objects().get("bucket", std::move(key)));
    TextSink sink;
    object::ByteRange range;
    if (reader->record().size_bytes == 0) co_return std::string{};
    range.last = reader->record().size_bytes - 1;
    PREDA_CO_CHECK(co_await reader->send(range, sink));
    co_return std::move(sink.text);
  }
  Task<bool> await(std::function<bool()> condition) {
    const Instant deadline = now() + 120s;
    while (!condition() && now() < deadline) co_await sleep_for(host_.environment().clock, 20ms);
    co_return condition();
  }
  std::optional<std::size_t> leader() const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i] && nodes_[i]->replica().status().role == raft::ReplicaRole::leader) return i;
    }
    return std::nullopt;
  }
  // Node 3 damaged, as leader or as one that follows.
  static Task<void> heal_while_running(NodeCluster* test, bool leads);
  void run(Task<void> task) { run_until_done(host_.loop, std::move(task)); }

  OpenKv open_kv_;  // of nodes that are started from now on; empty: as in production
  ProductionHost host_{4};
  std::string base_;
  std::unique_ptr<net::MemoryNetwork> network_;
  std::vector<std::unique_ptr<net::Transport>> transports_;
  std::vector<std::unique_ptr<Node>> nodes_;
  TaskGroup running_{host_.environment().executor, host_.environment().clock};
};

TEST_F(NodeCluster, an_object_put_through_one_node_reads_through_every_other) {
  const auto scenario = [](NodeCluster* test) -> Task<void> {
    co_await test->start_all();
    co_await test->make_bucket(*test->nodes_[0]);
    for (const std::size_t size : {0U, 1U, 70'000U, 3'000'000U}) {
      const std::string text = text_of(size, 1);
      const auto stored = co_await test->put(*test->nodes_[0], "k", text);
      EXPECT_TRUE(stored.has_value()) << stored.error().to_string();
      for (auto& node : test->nodes_) {
        const auto back = co_await test->get(*node, "k");
        EXPECT_TRUE(back.has_value()) << back.error().to_string();
        EXPECT_TRUE(back.has_value() && *back == text) << size;
      }
    }
    co_await test->stop_all();
  };
  run(scenario(this));
}

TEST_F(NodeCluster, a_cluster_that_was_stopped_has_its_objects_when_it_starts_again) {
  const auto scenario = [](NodeCluster* test) -> Task<void> {
    co_await test->start_all();
    co_await test->make_bucket(*test->nodes_[0]);
    const std::string text = text_of(500'000, 2);
    const auto stored = co_await test->put(*test->nodes_[1], "k", text);
    EXPECT_TRUE(stored.has_value()) << stored.error().to_string();
    co_await test->stop_all();
    co_await test->start_all();
    const auto back = co_await test->get(*test->nodes_[2], "k");
    EXPECT_TRUE(back.has_value()) << back.error().to_string();
    EXPECT_TRUE(back.has_value() && *back == text);
    co_await test->stop_all();
  };
  run(scenario(this));
}

TEST_F(NodeCluster, with_one_node_gone_objects_read_and_write_and_repair_makes_it_whole_again) {
  const auto scenario = [](NodeCluster* test) -> Task<void> {
    co_await test->start_all();
    co_await test->make_bucket(*test->nodes_[0]);
    const std::string before = text_of(200'000, 3);
    const auto stored = co_await test->put(*test->nodes_[0], "before", before);
    EXPECT_TRUE(stored.has_value()) << stored.error().to_string();
    test->network_->down(NodeId{3});
    co_await test->stop(2);
    const std::string during = text_of(300'000, 4);
    const auto degraded = co_await test->put(*test->nodes_[0], "during", during);
    EXPECT_TRUE(degraded.has_value()) << degraded.error().to_string();
    const auto back = co_await test->get(*test->nodes_[1], "before");
    EXPECT_TRUE(back.has_value() && *back == before);
    NodeClusterView view{test->host_.environment(), *test->nodes_[0]};
    admin::ClusterReport report = co_await view.look(test->now() + 2s);
    admin::Verdict verdict = admin::judge(report);
    EXPECT_EQ(verdict.state, admin::State::degraded);
    EXPECT_EQ(verdict.repair_pending, 1U);
    EXPECT_EQ(verdict.failures_left, 0U);
    test->network_->up(NodeId{3});
    co_await test->start(2);
    const Instant deadline = test->now() + 60s;
    do {
      co_await sleep_for(test->host_.environment().clock, 100ms);
      report = co_await view.look(test->now() + 2s);
      verdict = admin::judge(report);
    } while (verdict.state != admin::State::healthy && test->now() < deadline);
    EXPECT_EQ(verdict.state, admin::State::healthy);
    EXPECT_EQ(verdict.failures_left, 1U);
    const auto through_it = co_await test->get(*test->nodes_[2], "during");
    EXPECT_TRUE(through_it.has_value() && *through_it == during);
    co_await test->stop_all();
  };
  run(scenario(this));
}

TEST_F(NodeCluster,
       a_node_works_and_says_how_far_it_is_while_the_index_of_its_drive_is_made_again) {
  const auto scenario = [](NodeCluster* test) -> Task<void> {
    co_await test->start_all();
    co_await test->make_bucket(*test->nodes_[0]);
    const std::string text = text_of(3'000'000, 5);
    const auto stored = co_await test->put(*test->nodes_[0], "k", text);
    EXPECT_TRUE(stored.has_value()) << stored.error().to_string();
    const auto layouts = co_await test->nodes_[0]->meta().layouts_after("", 10, test->now() + 10s);
    EXPECT_TRUE(layouts.has_value() && layouts->size() == 1);
    const ChunkLayout& layout = layouts->front();
    ShardKey key{layout.object_id, layout.chunk_index, ShardRole{0}};
    while (layout.places[key.role.value()].node != NodeId{3})
      key.role = ShardRole{static_cast<std::uint8_t>(key.role.value() + 1)};

    co_await test->stop(2);
    fs::remove_all(test->base_ + "/n3/drives/0/kv");
    const auto gate = std::make_shared<Gate>();
    test->open_kv_ =
        [gate](kv::RocksOptions options) -> Result<std::unique_ptr<kv::KeyValueStore>> {
      const bool is_of_drive = options.path.find("/drives/") != std::string::npos;
      PREDA_TRY(auto inner, kv::open_rocks(std::move(options)));
      if (!is_of_drive) return inner;
      return std::unique_ptr<kv::KeyValueStore>{
          std::make_unique<GatedStore>(std::move(inner), gate)};
    };
    co_await test->start(2);
    test->open_kv_ = {};
    // Others hear of it, and it takes part in everything but its shards.
    NodeClusterView view{test->host_.environment(), *test->nodes_[0]};
    const admin::ClusterReport report = co_await view.look(test->now() + 5s);
    const auto third = std::ranges::find(report.nodes, NodeId{3}, &admin::NodeReport::id);
    EXPECT_TRUE(third->is_up);
    EXPECT_FALSE(third->is_drive_good);
    EXPECT_EQ(third->drives.size(), 1U);
    EXPECT_EQ(third->drives[0].state, shard::DriveState::rebuilding);
    EXPECT_GT(third->drives[0].rebuild.files_total, 2U);
    EXPECT_EQ(third->drives[0].rebuild.files_done, 0U);
    EXPECT_NE(admin::status_json(report, admin::judge(report)).find("\"rebuilt_per_cent\":0"),
              std::string::npos);
    const auto asked = co_await test->nodes_[0]->shards().stat(NodeId{3}, key, test->now() + 5s);
    EXPECT_EQ(asked.error().code, ErrorCode::Unavailable);  // never NotFound
    test->network_->down(NodeId{2});
    co_await test->stop(1);
    BucketRecord other;
    other.name = "other";
    const auto made =
        co_await test->nodes_[2]->meta().create_bucket(std::move(other), test->now() + 30s);
    EXPECT_TRUE(made.has_value()) << "it does not vote: " << made.error().to_string();
    test->network_->up(NodeId{2});
    co_await test->start(1);
    const auto back = co_await test->get(*test->nodes_[2], "k");
    EXPECT_TRUE(back.has_value() && *back == text);

    gate->open();
    const Instant deadline = test->now() + 60s;
    while (test->nodes_[2]->drives().drives()[0].state == shard::DriveState::rebuilding &&
           test->now() < deadline)
      co_await sleep_for(test->host_.environment().clock, 20ms);
    EXPECT_EQ(test->nodes_[2]->drives().drives()[0].state, shard::DriveState::ok);
    const auto again = co_await test->nodes_[0]->shards().stat(NodeId{3}, key, test->now() + 5s);
    EXPECT_TRUE(again.has_value()) << again.error().to_string();
    co_await test->stop_all();
  };
  run(scenario(this));
}

Task<void> NodeCluster::heal_while_running(NodeCluster* test, bool leads) {
  const auto damaged = std::make_shared<std::atomic<bool>>(false);
  test->open_kv_ =
      [damaged](kv::RocksOptions options) -> Result<std::unique_ptr<kv::KeyValueStore>> {
    const bool is_meant = options.path.ends_with("/n3/meta/state");
    PREDA_TRY(auto inner, kv::open_rocks(std::move(options)));
    if (!is_meant) return inner;
    return std::unique_ptr<kv::KeyValueStore>{
        std::make_unique<DamagedStore>(std::move(inner), damaged)};
  };
  co_await test->start_all();
  co_await test->make_bucket(*test->nodes_[0]);
  const NodeId wanted{leads ? 3U : 1U};
  const auto has_led = [test, wanted] { return test->leader() == wanted.value() - 1; };
  if (!has_led()) (void)co_await test->nodes_[0]->members().lead_from(wanted, test->now() + 20s);
  const bool led = co_await test->await(has_led);
  EXPECT_TRUE(led);
  const auto before = co_await test->nodes_[0]->members().list(test->now() + 20s);
  EXPECT_TRUE(before.has_value() && before->members.size() == 3);

  *damaged = true;
  const auto set = co_await test->nodes_[0]->meta().put_setting("met", "it", test->now() + 60s);
  EXPECT_TRUE(set.has_value()) << set.error().to_string();
  const auto is_replaced = [damaged] { return !*damaged; };
  const bool replaced = co_await test->await(is_replaced);
  EXPECT_TRUE(replaced) << "the state was not opened anew";
  const auto is_whole = [test] {
    const auto at = test->leader();
    if (!at || *at == 2) return false;
    const raft::GroupStatus group = test->nodes_[*at]->replica().group();
    const auto status = test->nodes_[2]->replica().status();
    return group.members.size() == 3 && status.is_voter && status.failure.empty() &&
           std::ranges::all_of(group.members, [](auto& each) { return each.member.is_voter; }) &&
           status.applied_index >= test->nodes_[*at]->replica().status().applied_index;
  };
  const bool whole = co_await test->await(is_whole);
  EXPECT_TRUE(whole);
  const auto after = co_await test->nodes_[0]->members().list(test->now() + 20s);
  EXPECT_TRUE(after.has_value() && before.has_value() &&
              after->members.back().member.id != before->members.back().member.id)
      << "it votes as its old self";
  const auto there = co_await test->nodes_[2]->meta().get_setting("met", test->now() + 20s);
  EXPECT_TRUE(there.has_value() && *there == "it");
  const auto are_equal = [test] {
    return test->nodes_[0]->state().hash_here() == test->nodes_[2]->state().hash_here();
  };
  const bool equal = co_await test->await(are_equal);
  EXPECT_TRUE(equal);
  co_await test->stop_all();
}

TEST_F(NodeCluster, damage_of_a_follower_that_is_met_while_it_runs_heals_without_a_restart) {
  run(heal_while_running(this, false));
}

TEST_F(NodeCluster, damage_of_the_leader_that_is_met_while_it_runs_heals_without_a_restart) {
  run(heal_while_running(this, true));
}

TEST_F(NodeCluster, a_replica_that_is_to_vote_does_so_when_it_has_caught_up) {
  const auto scenario = [](NodeCluster* test) -> Task<void> {
    using Kind = raft::MemberChange::Kind;
    co_await test->start_all();
    co_await test->make_bucket(*test->nodes_[0]);
    MemberReplica& members = test->nodes_[0]->members();
    if (test->leader() != 0U) (void)co_await members.lead_from(NodeId{1}, test->now() + 20s);
    const auto first_leads = [test] { return test->leader() == 0U; };
    const bool leads = co_await test->await(first_leads);
    EXPECT_TRUE(leads);
    // Which a new leader can tell when it has committed something; then it changes members, too.
    const auto listed = co_await members.list(test->now() + 20s);
    EXPECT_TRUE(listed.has_value());
    const auto demoted = co_await members.change_node(Kind::demote, NodeId{3}, test->now() + 20s);
    EXPECT_TRUE(demoted.has_value()) << demoted.error().to_string();
    const auto votes = [test] { return test->nodes_[2]->replica().status().is_voter; };
    const auto votes_not = [votes] { return !votes(); };
    const bool learns = co_await test->await(votes_not);
    EXPECT_TRUE(learns);
    // Of one that is not there nothing is left, either.
    const std::vector<std::string> wanted{admin::promotion_of(NodeId{3}),
                                          admin::promotion_of(NodeId{77})};
    for (const std::string& name : wanted) {
      const auto set = co_await test->nodes_[1]->meta().put_setting(name, "1", test->now() + 20s);
      EXPECT_TRUE(set.has_value());
    }
    const bool promoted = co_await test->await(votes);
    EXPECT_TRUE(promoted);
    const Instant deadline = test->now() + 60s;
    bool is_left = true;
    while (is_left && test->now() < deadline) {
      const auto left = co_await test->nodes_[1]->meta().list_settings(admin::kPromotions, "", 10,
                                                                       test->now() + 20s);
      is_left = !left || !left->settings.empty();
      co_await sleep_for(test->host_.environment().clock, 20ms);
    }
    EXPECT_FALSE(is_left);
    co_await test->stop_all();
  };
  run(scenario(this));
}

TEST_F(NodeCluster, the_first_access_key_of_the_file_is_known_to_every_node) {
  const auto scenario = [](NodeCluster* test) -> Task<void> {
    co_await test->start_all();
    const Instant deadline = test->now() + 60s;
    for (auto& node : test->nodes_) {
      for (;;) {
        const auto secret = co_await node->keys().secret_of("AKIDOFTHETESTTEST", deadline);
        if (secret && secret->has_value()) {
          EXPECT_EQ((*secret)->reveal(), "a secret of tests");
          break;
        }
        if (test->now() >= deadline) {
          ADD_FAILURE() << "the key never came";
          break;
        }
        co_await sleep_for(test->host_.environment().clock, 50ms);
      }
    }
    co_await test->stop_all();
  };
  run(scenario(this));
}

}  // namespace
}  // namespace predastore::node
