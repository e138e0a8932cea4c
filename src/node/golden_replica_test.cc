// The metadata directory of a node, log and state together, as this version wrote it, kept in
// tests/golden/meta_replica_v1: later versions must open it with what nodes use and find every
// record. The state was flushed in the middle, so that the end of the log has to be applied.
// PREDASTORE_WRITE_GOLDEN=1 writes it anew.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "env/host.h"
#include "env/run_task.h"
#include "meta/replicated_meta_service.h"
#include "meta/testing/test_objects.h"
#include "net/memory_transport.h"
#include "node/member_replica.h"

namespace predastore::node {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(PREDASTORE_SOURCE_DIR) / "tests" / "golden" / "meta_replica_v1";
constexpr std::uint64_t kWholeObject = ~std::uint64_t{0};

ClusterId golden_cluster() {
  ClusterId id;
  id.bytes.fill(std::byte{0x5A});
  return id;
}

// A node's metadata, assembled as the node does it, alone in its group.
class GoldenNode {
 public:
  explicit GoldenNode(fs::path directory) : directory_(std::move(directory)) {
    auto state = run(meta::StateMachine::open_in(env_, directory_ / "state", kv::open_rocks));
    if (!state) {
      ADD_FAILURE() << state.error().to_string();
      return;
    }
    state_ = *std::move(state);
    opened_at_ = state_->applied_index();
    MemberReplicaOptions options;
    options.directory = directory_;
    options.cluster = golden_cluster();
    options.self = NodeId{1};
    options.first_voters = {NodeId{1}};
    options.replica.log_file_bytes = 16 * 1024;
    auto replica =
        run(MemberReplica::open(env_, std::move(options), {server_, client_, *state_},
                                RemoteReplica::Ask{}, [] { return std::vector<NodeId>{}; }));
    if (!replica) {
      ADD_FAILURE() << replica.error().to_string();
      return;
    }
    replica_ = *std::move(replica);
    meta::MetaOptions service;
    service.self = NodeId{1};
    service.bootstrap = bootstrap();
    service.write_context_cache = 0s;
    service_ = meta::ReplicatedMetaService::make(env_, std::move(service), *state_, *replica_,
                                                 &server_, &client_);
    tasks_.spawn(server_.run());
    tasks_.spawn(replica_->run());
    const Instant until = env_.clock.now() + 60s;
    while (replica_->status().role != raft::ReplicaRole::leader && env_.clock.now() < until)
      run_until_done(host_.loop, sleep_for(env_.clock, 10ms));
    is_whole_ = replica_->status().role == raft::ReplicaRole::leader;
    EXPECT_TRUE(is_whole_) << replica_->status().failure;
  }
  ~GoldenNode() {
    if (replica_ != nullptr && service_ != nullptr) {
      run_until_done(host_.loop, replica_->stop());
      run_until_done(host_.loop, transport_->stop());
      (void)run(tasks_.join());
    }
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  Instant soon() { return env_.clock.now() + 30s; }
  bool is_whole() const { return is_whole_; }
  // What the state has made durable goes from the log.
  void await_trimmed_log() {
    const fs::path first = directory_ / "raft" / "0000000000000001.log";
    const Instant until = env_.clock.now() + 60s;
    while (fs::exists(first) && env_.clock.now() < until)
      run_until_done(host_.loop, sleep_for(env_.clock, 20ms));
    EXPECT_FALSE(fs::exists(first));
  }
  std::uint64_t opened_at() const { return opened_at_; }
  meta::StateMachine& state() { return *state_; }
  meta::ReplicatedMetaService& service() { return *service_; }

 private:
  static meta::Bootstrap bootstrap() {
    meta::Bootstrap made;
    made.cluster_id = golden_cluster();
    made.limits.part_size_min_bytes = 1000;
    made.limits.inline_max_bytes = 4096;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      NodeRecord node;
      node.node = NodeId{id};
      node.name = "n" + std::to_string(id);
      node.cluster_address = node.name + ":7700";
      made.nodes.push_back(std::move(node));
    }
    return made;
  }

  fs::path directory_;
  ProductionHost host_{2};
  Environment env_ = host_.environment();
  net::MemoryNetwork network_{env_};
  std::unique_ptr<net::Transport> transport_ = network_.endpoint(NodeId{1});
  rpc::Server server_{env_, *transport_};
  rpc::Client client_{env_, *transport_};
  TaskGroup tasks_{env_.executor, env_.clock};
  std::unique_ptr<meta::StateMachine> state_;
  std::unique_ptr<MemberReplica> replica_;
  std::unique_ptr<meta::ReplicatedMetaService> service_;
  std::uint64_t opened_at_ = 0;
  bool is_whole_ = false;
};

// Something in every family of the state.
class Writer {
 public:
  explicit Writer(GoldenNode& node) : node_(node), service_(node.service()) {}

  void write() {
    expect(node_.run(service_.initialise(node_.soon())));
    BucketRecord bucket;
    bucket.name = "photos";
    bucket.rs = {2, 1};
    bucket.region = "eu-golden-1";
    expect(node_.run(service_.create_bucket(bucket, node_.soon())));
    meta::BucketOptions options;
    options.bucket = "photos";
    options.compression = Compression::zstd;
    expect(node_.run(service_.set_bucket_options(options, node_.soon())));
    put_objects();
    put_uploads();
    put_rest();
    expect(node_.run(node_.state().flush()));
    node_.await_trimmed_log();
    // From here on it is in the log alone.
    put("after/the-flush", 1500);
    expect(node_.run(service_.put_setting("late", "too", node_.soon())));
  }

 private:
  template <class T>
  static void expect(const Result<T>& result) {
    EXPECT_TRUE(result) << result.error().to_string();
  }
  meta::WriteContext context() {
    return node_.run(service_.write_context("photos", node_.soon())).value();
  }
  void put(const std::string& key, std::uint64_t size_bytes) {
    expect(node_.run(
        service_.put_object(objects_.put("photos", key, size_bytes, context()), node_.soon())));
  }
  void put_objects() {
    meta::PutObject chunks = objects_.put("photos", "in/chunks", 2500, context());
    chunks.record.headers = {{"content-type", "image/png"}, {"cache-control", "no-store"}};
    chunks.record.user_metadata = {{"colour", "blue"}};
    chunks.record.checksum = {ChecksumAlgorithm::crc32, ChecksumType::full_object, "abcd"};
    damaged_ = {chunks.layouts[1].object_id, chunks.layouts[1].chunk_index, ShardRole{2}};
    expect(node_.run(service_.put_object(std::move(chunks), node_.soon())));
    expect(node_.run(service_.set_tagging("photos", "in/chunks", "a=b", node_.soon())));
    meta::PutObject small = objects_.put("photos", "in/metadata", 5, context());
    small.record.parts.front().chunk_size_bytes = 0;
    small.layouts.clear();
    small.inline_bytes = "small";
    expect(node_.run(service_.put_object(std::move(small), node_.soon())));
    put("old/name", 700);
    meta::RenameObject rename;
    rename.bucket = "photos";
    rename.source = "old/name";
    rename.key = "new/name";
    rename.client_token = "token";
    expect(node_.run(service_.rename_object(rename, node_.soon())));
    put("gone", 900);
    std::vector<std::string> gone{"gone"};
    expect(node_.run(service_.delete_objects("photos", std::move(gone), {}, node_.soon())));
  }
  meta::UploadRecord create_upload(const std::string& key) {
    meta::UploadRecord upload;
    upload.bucket = "photos";
    upload.key = key;
    upload.headers["content-type"] = "text/plain";
    return node_.run(service_.create_upload(upload, node_.soon())).value();
  }
  ObjectPart put_part(const meta::UploadRecord& upload, std::uint16_t number) {
    meta::PutPart command = objects_.put_part(upload, number, 1000 + number, context());
    const ObjectPart part = command.part;
    expect(node_.run(service_.put_part(std::move(command), node_.soon())));
    return part;
  }
  void put_uploads() {
    const meta::UploadRecord whole = create_upload("in/parts");
    meta::CompleteUpload complete;
    complete.bucket = whole.bucket;
    complete.key = whole.key;
    complete.upload_id = whole.upload_id;
    complete.incarnation = whole.incarnation;
    for (const std::uint16_t number : {std::uint16_t{1}, std::uint16_t{5}}) {
      const ObjectPart part = put_part(whole, number);
      complete.parts.push_back({part.part_number, to_hex(as_bytes(part.etag_md5))});
    }
    expect(node_.run(service_.complete_upload(std::move(complete), node_.soon())));
    put_part(create_upload("under/way"), 3);
  }
  void put_rest() {
    std::vector<ShardKey> damage{damaged_};
    expect(node_.run(service_.report_damage(std::move(damage), node_.soon())));
    expect(node_.run(service_.put_setting("key/AKIA", "secret", node_.soon())));
    meta::DriveMark mark;
    mark.drive.bytes.fill(std::byte{3});
    mark.sequence = 77;
    std::vector<meta::DriveMark> marks{mark};
    expect(node_.run(service_.report_drives(NodeId{2}, std::move(marks), node_.soon())));
    NodeRecord fourth;
    fourth.node = NodeId{4};
    fourth.name = "n4";
    fourth.cluster_address = "n4:7700";
    meta::Growth& growth = service_.growth();
    expect(node_.run(growth.put_node(fourth, node_.soon())));
    RingRecord ring = context().ring;
    ring.slots.push_back(ring.slots.back());
    ring.slots.back().slot = SlotId{3};
    ring.slots.back().node = NodeId{4};
    expect(node_.run(growth.new_ring(ring.epoch, ring, node_.soon())));
    expect(node_.run(growth.start_job(JobKind::rebalance, "", node_.soon())));
    expect(node_.run(service_.advance_write_epoch(node_.soon())));
  }

  GoldenNode& node_;
  meta::ReplicatedMetaService& service_;
  meta::TestObjects objects_;
  ShardKey damaged_;
};

// What a node leaves when it dies now, but for what makes no difference to who opens it.
void copy_files(const fs::path& from, const fs::path& to) {
  for (const auto& file : fs::recursive_directory_iterator(from)) {
    const std::string name = file.path().filename();
    const bool is_of_no_use = name.starts_with("LOG") || name.starts_with("OPTIONS-") ||
                              name == "LOCK" || name == "IDENTITY" || name.ends_with(".spare");
    if (!file.is_regular_file() || is_of_no_use) continue;
    const fs::path target = to / fs::relative(file.path(), from);
    fs::create_directories(target.parent_path());
    fs::copy_file(file.path(), target, fs::copy_options::overwrite_existing);
  }
}

class GoldenReplica : public ::testing::Test {
 protected:
  GoldenReplica() {
    std::string name = fs::temp_directory_path() / "predastore-golden-XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~GoldenReplica() override { fs::remove_all(directory_); }

  // Of a service in which everything is there.
  static void expect_objects(GoldenNode& node) {
    meta::MetaService& service = node.service();
    const auto listed = node.run(service.list_objects(
        {.bucket = "photos", .prefix = "", .delimiter = "", .start_after = "", .max_entries = 100},
        node.soon()));
    ASSERT_TRUE(listed) << listed.error().to_string();
    std::vector<std::string> keys;
    for (const meta::ListedObject& each : listed->objects) keys.push_back(each.key);
    EXPECT_EQ(keys, (std::vector<std::string>{"after/the-flush", "in/chunks", "in/metadata",
                                              "in/parts", "new/name"}));
    const auto get = [&](const std::string& key) {
      auto found = node.run(service.get_object("photos", key, 0, kWholeObject, node.soon()));
      EXPECT_TRUE(found) << key << ": " << found.error().to_string();
      return found ? *std::move(found) : meta::ObjectAndLayouts{};
    };
    const meta::ObjectAndLayouts chunks = get("in/chunks");
    EXPECT_EQ(chunks.record.size_bytes, 2500U);
    EXPECT_EQ(chunks.record.headers.at("content-type"), "image/png");
    EXPECT_EQ(chunks.record.headers.at("x-amz-tagging"), "a=b");
    EXPECT_EQ(chunks.record.user_metadata.at("colour"), "blue");
    EXPECT_EQ(chunks.record.checksum.algorithm, ChecksumAlgorithm::crc32);
    ASSERT_EQ(chunks.layouts.size(), 3U);
    meta::TestObjects objects;
    EXPECT_EQ(chunks.record.parts.front().object_id, objects.next_id());
    EXPECT_EQ(chunks.layouts[2].size_bytes, 500U);
    EXPECT_EQ(chunks.layouts[2].crc64nvme, 1002U);
    EXPECT_EQ(chunks.layouts[2].places.at(1).node, NodeId{2});
    EXPECT_EQ(chunks.layouts[2].places.at(1).write_id, WriteId{102});
    EXPECT_EQ(get("in/metadata").inline_bytes, "small");
    const meta::ObjectAndLayouts parts = get("in/parts");
    ASSERT_EQ(parts.record.parts.size(), 2U);
    EXPECT_EQ(parts.record.parts[1].part_number, PartNumber{5});
    EXPECT_EQ(parts.record.size_bytes, 2006U);
    EXPECT_EQ(parts.layouts.size(), 4U);
    EXPECT_EQ(get("new/name").layouts.size(), 1U);
    EXPECT_EQ(get("after/the-flush").layouts.size(), 2U);
  }
  static void expect_uploads(GoldenNode& node) {
    meta::MetaService& service = node.service();
    meta::ListUploadsQuery query;
    query.bucket = "photos";
    const auto uploads = node.run(service.list_uploads(query, node.soon()));
    ASSERT_TRUE(uploads && uploads->uploads.size() == 1);
    EXPECT_EQ(uploads->uploads.front().key, "under/way");
    const auto parts = node.run(service.list_parts(
        "photos", "under/way", uploads->uploads.front().upload_id, 0, 10, node.soon()));
    ASSERT_TRUE(parts && parts->parts.size() == 1);
    EXPECT_EQ(parts->parts.front().part.size_bytes, 1003U);
  }
  static void expect_cluster(GoldenNode& node) {
    meta::ReplicatedMetaService& service = node.service();
    const auto bucket = node.run(service.get_bucket("photos", node.soon()));
    ASSERT_TRUE(bucket);
    EXPECT_EQ(bucket->region, "eu-golden-1");
    EXPECT_EQ(bucket->compression, Compression::zstd);
    const auto cluster = node.run(service.cluster_state(node.soon()));
    ASSERT_TRUE(cluster);
    EXPECT_EQ(cluster->cluster_id, golden_cluster());
    EXPECT_EQ(cluster->object_count, 5U);
    EXPECT_EQ(cluster->repair_pending, 1U);
    EXPECT_EQ(cluster->garbage_pending, 1U);
    EXPECT_EQ(cluster->inline_max_bytes, 4096U);
    EXPECT_EQ(cluster->ring.epoch, RingEpoch{2});
    EXPECT_EQ(cluster->ring.slots.size(), 4U);
    const auto repairs = node.run(service.repair_queue(10, node.soon()));
    ASSERT_TRUE(repairs && repairs->size() == 1);
    EXPECT_EQ(repairs->front().damaged, std::vector<ShardRole>{ShardRole{2}});
    EXPECT_EQ(node.run(service.get_setting("key/AKIA", node.soon())).value(), "secret");
    EXPECT_EQ(node.run(service.get_setting("late", node.soon())).value(), "too");
    const auto marks = node.run(service.drive_marks(NodeId{2}, node.soon()));
    ASSERT_TRUE(marks && marks->size() == 1);
    EXPECT_EQ(marks->front().sequence, 77U);
    const auto topology = node.run(service.growth().topology(node.soon()));
    ASSERT_TRUE(topology);
    EXPECT_EQ(topology->nodes.size(), 4U);
    EXPECT_EQ(topology->layouts_by_epoch.at(RingEpoch{1}), 11U);
    EXPECT_EQ(topology->layouts_by_epoch.at(RingEpoch{2}), 2U);
    const auto jobs = node.run(service.growth().jobs(node.soon()));
    ASSERT_TRUE(jobs && jobs->size() == 1);
    EXPECT_EQ(jobs->front().kind, JobKind::rebalance);
    EXPECT_EQ(jobs->front().state, JobState::running);
  }

  fs::path directory_;
};

TEST_F(GoldenReplica, log_and_state_of_version_1_are_opened_and_every_record_is_found) {
  if (std::getenv("PREDASTORE_WRITE_GOLDEN") != nullptr) {
    GoldenNode node(directory_ / "written");
    ASSERT_TRUE(node.is_whole());
    Writer{node}.write();
    fs::remove_all(kGolden);
    copy_files(directory_ / "written", kGolden);
  }
  copy_files(kGolden, directory_ / "meta");
  // Twice: as it was written, and as this build leaves it.
  for (int i = 0; i < 2; ++i) {
    GoldenNode node(directory_ / "meta");
    ASSERT_TRUE(node.is_whole());
    EXPECT_GT(node.opened_at(), 0U) << "of the state";
    expect_objects(node);
    expect_uploads(node);
    expect_cluster(node);
    EXPECT_TRUE(i == 1 || node.state().applied_index() > node.opened_at() + 1) << "of the log";
  }
}

// And it is no museum: the group that it holds goes on.
TEST_F(GoldenReplica, of_version_1_takes_new_commands) {
  copy_files(kGolden, directory_ / "meta");
  {
    GoldenNode node(directory_ / "meta");
    ASSERT_TRUE(node.is_whole());
    ASSERT_TRUE(node.run(node.service().put_setting("new", "value", node.soon())));
    std::vector<std::string> keys{"in/chunks"};
    ASSERT_TRUE(
        node.run(node.service().delete_objects("photos", std::move(keys), {}, node.soon())));
  }
  GoldenNode node(directory_ / "meta");
  ASSERT_TRUE(node.is_whole());
  EXPECT_EQ(node.run(node.service().get_setting("new", node.soon())).value(), "value");
  EXPECT_EQ(node.run(node.service().cluster_state(node.soon()))->object_count, 4U);
}

}  // namespace
}  // namespace predastore::node
