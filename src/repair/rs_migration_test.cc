#include "repair/rs_migration.h"

#include <gtest/gtest.h>

#include "chunk/testing/test_cluster.h"
#include "digest/hash.h"
#include "meta/testing/test_meta.h"

namespace predastore::repair {
namespace {

using chunk::testing::bytes_of;
using chunk::testing::joined;
using chunk::testing::TestCluster;

constexpr std::size_t kChunkBytes = 1u << 20;

// Six nodes with real shard stores, real metadata commands, and jobs over them.
class RsMigrationTest : public ::testing::Test {
 protected:
  RsMigrationTest() {
    cluster_.run(meta_.open());
    BucketRecord bucket;
    bucket.name = "b";
    bucket.rs = {2, 1};
    EXPECT_TRUE(run(meta().create_bucket(bucket, soon())));
  }
  ~RsMigrationTest() override { cluster_.run(chunks_.stop()); }

  template <class T>
  T run(Task<T> task) {
    return cluster_.run(std::move(task));
  }
  Instant soon() { return cluster_.in(600s); }
  meta::MetaService& meta() { return meta_.service(); }
  meta::Growth& growth() { return meta_.service().growth(); }

  ObjectPart put_part(const meta::WriteContext& context, const std::string& key,
                      std::uint16_t number, const std::string& bytes,
                      std::vector<ChunkLayout>* layouts) {
    ObjectPart part;
    cluster_.random().fill(part.object_id.bytes);
    part.part_number = PartNumber{number};
    part.size_bytes = bytes.size();
    part.chunk_size_bytes = kChunkBytes;
    part.etag_md5 = digest::md5(bytes);
    for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes) {
      chunk::ChunkTarget target;
      target.object_id = part.object_id;
      target.chunk_index =
          ChunkIndex{(std::uint32_t{number} << 16) + static_cast<std::uint32_t>(at / kChunkBytes)};
      target.rs = context.bucket.rs;
      target.write_epoch = context.write_epoch;
      target.incarnation = context.bucket.incarnation;
      auto placed = chunks_.placed(std::move(target), context.ring, "b", key);
      auto layout = run(
          chunk::testing::write_chunk(chunks_, std::move(*placed), bytes.substr(at, kChunkBytes)));
      EXPECT_TRUE(layout) << layout.error().to_string();
      layouts->push_back(*layout);
    }
    return part;
  }
  // An object of parts with these sizes; one: a plain object.
  ObjectRecord put(const std::string& key, const std::vector<std::size_t>& sizes,
                   std::uint64_t seed) {
    const auto context = run(meta().write_context("b", soon())).value();
    meta::PutObject command;
    command.bucket = "b";
    command.key = key;
    command.record.etag = "etag of " + key;
    command.record.incarnation = context.bucket.incarnation;
    std::uint16_t number = sizes.size() > 1 ? 1 : 0;
    for (const std::size_t size : sizes) {
      command.record.parts.push_back(
          put_part(context, key, number, bytes_of(size, seed + number), &command.layouts));
      command.record.size_bytes += size;
      ++number;
    }
    command.write_epoch = context.write_epoch;
    const auto stored = run(meta().put_object(std::move(command), soon()));
    EXPECT_TRUE(stored) << stored.error().to_string();
    return *stored;
  }
  meta::ObjectAndLayouts find(const std::string& key) {
    return run(meta().get_object("b", key, 0, ~std::uint64_t{0}, soon())).value();
  }
  void expect_bytes(const std::string& key, const std::string& bytes) {
    std::string found;
    for (const ChunkLayout& layout : find(key).layouts) {
      const auto read = run(chunks_.read(layout, 0, layout.size_bytes, soon()));
      ASSERT_TRUE(read) << read.error().to_string();
      found += joined(*read);
    }
    EXPECT_TRUE(found == bytes) << key << " has other bytes";
  }
  void set_scheme(RsConfig rs) {
    meta::BucketOptions options;
    options.bucket = "b";
    options.rs = rs;
    const auto set = run(meta().set_bucket_options(options, soon()));
    ASSERT_TRUE(set) << set.error().to_string();
  }
  void expect_scheme(const std::string& key, RsConfig rs) {
    for (const ChunkLayout& layout : find(key).layouts) EXPECT_EQ(layout.rs, rs) << key;
  }
  JobControl claimed() { return claimed(runner_); }
  JobControl claimed(JobRunner& runner) {
    const auto jobs = run(growth().jobs(soon())).value();
    JobRecord job = jobs.empty() || !is_active(jobs.back().state)
                        ? run(growth().start_job(JobKind::rs_migrate, "b", soon())).value()
                        : jobs.back();
    return {runner, run(growth().claim_job(job.id, job.claim, NodeId{1}, soon())).value()};
  }
  Result<void> migrate() { return migrate(runner_); }
  Result<void> migrate(JobRunner& runner) {
    JobControl control = claimed(runner);
    auto done = run(migration_.run(&control));
    progress_ = control.progress();
    (void)run(growth().set_job_state(control.job().id, JobState::cancelled, soon()));
    return done;
  }
  Duration time_of_change(JobRunner& runner, RsConfig rs) {
    set_scheme(rs);
    const Instant began = cluster_.clock().now();
    EXPECT_TRUE(migrate(runner));
    return cluster_.clock().now() - began;
  }
  // Metadata garbage, removed from the stores by hand: what is left must still be enough.
  void remove_garbage() {
    run(meta_.advance(3));
    const auto items = run(meta().garbage_queue(1000, soon())).value();
    for (const auto& item : items) {
      for (const ChunkLayout& layout : item.layouts) {
        for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
          std::vector<shard::ShardRemoval> removals(1);
          removals[0].key = {layout.object_id, layout.chunk_index, ShardRole{role}};
          removals[0].generation = layout.generation;
          (void)run(cluster_.remove(layout.places[role].node, removals, soon()));
        }
      }
    }
  }

  static meta::TestMetaOptions six_nodes() {
    meta::TestMetaOptions options;
    options.node_count = 6;
    return options;
  }
  static RsMigrationOptions few_passes() {
    RsMigrationOptions options;
    options.passes.futile_max = 2;
    return options;
  }
  static JobRunnerOptions runner_options() {
    JobRunnerOptions options;
    options.self = NodeId{1};
    options.bytes_per_second = 0;
    return options;
  }

  TestCluster cluster_{6};
  meta::TestMeta meta_{cluster_.env(), six_nodes()};
  chunk::ChunkService chunks_{cluster_.env(), cluster_, chunk::ChunkOptions{}, {}};
  bool is_active_ = true;
  JobRunner runner_{cluster_.env(), runner_options(), meta(), growth(),
                    [this] { return is_active_; }};
  RsMigration migration_{cluster_.env(), few_passes(), meta(), growth(), chunks_};
  JobProgress progress_;
};

TEST_F(RsMigrationTest, objects_change_their_scheme_and_nothing_else) {
  const ObjectRecord plain = put("plain", {3 * kChunkBytes + 12345}, 10);
  const ObjectRecord parts = put("parts", {2 * kChunkBytes + 1, 700'000, 99}, 20);
  const ObjectRecord tiny = put("tiny", {1}, 30);
  const ObjectRecord empty = put("empty", {0}, 40);
  set_scheme({3, 2});
  const ObjectRecord fresh = put("fresh", {300'000}, 50);
  ASSERT_TRUE(migrate());
  EXPECT_EQ(progress_.items_done, 3U);
  EXPECT_EQ(progress_.items_total, 5U);
  remove_garbage();
  for (const ObjectRecord& before : {plain, parts, tiny, empty, fresh}) {
    const std::string key = before.etag.substr(8);
    ObjectRecord after = find(key).record;
    EXPECT_EQ(after == before, key == "empty" || key == "fresh") << key;
    for (std::size_t i = 0; i < after.parts.size(); ++i)
      after.parts[i].object_id = before.parts[i].object_id;
    EXPECT_EQ(after, before) << key;
    expect_scheme(key, {3, 2});
  }
  expect_bytes("plain", bytes_of(3 * kChunkBytes + 12345, 10));
  expect_bytes("parts",
               bytes_of(2 * kChunkBytes + 1, 21) + bytes_of(700'000, 22) + bytes_of(99, 23));
  expect_bytes("tiny", bytes_of(1, 30));
  expect_bytes("fresh", bytes_of(300'000, 50));
  set_scheme({2, 1});
  ASSERT_TRUE(migrate());
  EXPECT_EQ(progress_.items_done, 4U);
  remove_garbage();
  expect_bytes("plain", bytes_of(3 * kChunkBytes + 12345, 10));
  expect_scheme("plain", {2, 1});
}

// Parity costs the nodes what data costs them, so that a job takes as much of them as one that
// moves shards at the same rate.
TEST_F(RsMigrationTest, the_rate_counts_what_is_written_with_its_parity) {
  put("plain", {3 * kChunkBytes}, 10);
  JobRunnerOptions limited = runner_options();
  limited.bytes_per_second = kChunkBytes;
  JobRunner runner{cluster_.env(), limited, meta(), growth(), [this] { return is_active_; }};
  const auto seconds_of_change_to = [&](RsConfig rs) {
    return std::chrono::duration<double>(time_of_change(runner, rs)).count();
  };
  const double wide = seconds_of_change_to({1, 2});  // 9 chunks are written
  EXPECT_GT(wide, 8.9);
  const double narrow = seconds_of_change_to({3, 1});  // 4 chunks
  EXPECT_GT(narrow, 3.9);
  EXPECT_LT(narrow, wide - 3.0);
}

TEST_F(RsMigrationTest, beside_clients_one_object_is_copied_at_a_time) {
  for (int i = 0; i < 8; ++i) put("plain" + std::to_string(i), {kChunkBytes}, 10);
  for (std::uint64_t i = 1; i <= cluster_.node_count(); ++i) cluster_.node(i).faults.delay = 20ms;
  ClientLoad load;
  JobRunnerOptions options = runner_options();
  options.bytes_per_second = 1u << 30;  // the rate is not what it waits for
  JobRunner runner{
      cluster_.env(),          options, meta(), growth(), [this] { return is_active_; },
      [&load] { return load; }};
  const Duration alone = time_of_change(runner, {1, 2});
  EXPECT_EQ(progress_.items_done, 8U);
  load.in_flight = 1;
  const Duration beside_clients = time_of_change(runner, {2, 1});
  EXPECT_EQ(progress_.items_done, 8U);
  EXPECT_GT(beside_clients, 2 * alone);
}

TEST_F(RsMigrationTest, what_may_not_lie_with_the_metadata_any_more_goes_into_chunks) {
  meta::ClusterOptions options;
  options.inline_max_bytes = 4096;
  ASSERT_TRUE(run(meta().set_cluster_options(options, soon())));
  const std::string bytes = bytes_of(3000, 7);
  const auto context = run(meta().write_context("b", soon())).value();
  meta::PutObject command;
  command.bucket = "b";
  command.key = "small";
  command.record.etag = "etag of small";
  command.record.incarnation = context.bucket.incarnation;
  command.record.size_bytes = bytes.size();
  ObjectPart part = put_part(context, "small", 0, bytes, &command.layouts);
  part.chunk_size_bytes = 0;
  command.record.parts.push_back(part);
  command.layouts.clear();
  command.inline_bytes = bytes;
  command.write_epoch = context.write_epoch;
  const ObjectRecord before = run(meta().put_object(command, soon())).value();
  set_scheme({3, 2});  // six voters bear the loss of two nodes
  ASSERT_TRUE(migrate());
  EXPECT_EQ(find("small").record, before);
  set_scheme({3, 3});
  ASSERT_TRUE(migrate());
  EXPECT_EQ(progress_.items_done, 1U);
  EXPECT_EQ(find("small").inline_bytes, "");
  expect_bytes("small", bytes);
  expect_scheme("small", {3, 3});
  ObjectRecord after = find("small").record;
  EXPECT_EQ(after.parts.front().chunk_size_bytes, kChunkSizeBytes);
  after.parts = before.parts;
  EXPECT_EQ(after, before);
}

TEST_F(RsMigrationTest, damaged_bytes_are_never_written_anew) {
  const ObjectRecord good = put("good", {500'000}, 1);
  ObjectRecord bad = put("bad", {500'000}, 2);
  // Its MD5 is not that of its bytes, as if they had changed under good checksums.
  meta::PutObject again;
  again.bucket = "b";
  again.key = "wrong";
  const auto context = run(meta().write_context("b", soon())).value();
  again.record = bad;
  again.record.parts.clear();
  ObjectPart part = put_part(context, "wrong", 0, bytes_of(400'000, 3), &again.layouts);
  part.etag_md5 = std::string(16, 'x');
  again.record.parts.push_back(part);
  again.record.size_bytes = 400'000;
  again.write_epoch = context.write_epoch;
  ASSERT_TRUE(run(meta().put_object(again, soon())));
  set_scheme({3, 2});
  const auto done = migrate();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::Internal);
  EXPECT_GE(progress_.errors, 1U);
  expect_scheme("good", {3, 2});
  expect_scheme("wrong", {2, 1});
  expect_bytes("wrong", bytes_of(400'000, 3));
}

TEST_F(RsMigrationTest, a_node_that_is_away_stops_nothing) {
  put("k", {2 * kChunkBytes}, 7);
  set_scheme({3, 2});
  cluster_.node(2).faults.is_down = true;
  ASSERT_TRUE(migrate());
  expect_bytes("k", bytes_of(2 * kChunkBytes, 7));
  expect_scheme("k", {3, 2});
}

TEST_F(RsMigrationTest, the_next_worker_goes_on_where_the_last_one_was) {
  for (int i = 0; i < 6; ++i) put("k" + std::to_string(i), {100'000}, 100 + i);
  set_scheme({3, 2});
  {
    JobControl control = claimed();
    is_active_ = false;  // it does not lead any more
    const auto stopped = run(migration_.run(&control));
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::Cancelled);
  }
  is_active_ = true;
  JobControl control = claimed();
  control.progress().cursor = "b/k2";  // reported by the first
  ASSERT_TRUE(run(migration_.run(&control)));
  for (int i = 0; i < 6; ++i) {
    expect_scheme("k" + std::to_string(i), {3, 2});
    expect_bytes("k" + std::to_string(i), bytes_of(100'000, 100 + i));
  }
}

TEST_F(RsMigrationTest, the_runner_claims_a_job_and_reports_its_end) {
  put("k", {100'000}, 1);
  set_scheme({3, 2});
  runner_.handle(JobKind::rs_migrate,
                 [this](JobControl* control) { return migration_.run(control); });
  ASSERT_TRUE(run(growth().start_job(JobKind::rs_migrate, "b", soon())));
  TaskGroup tasks{cluster_.env().executor, cluster_.clock()};
  tasks.spawn(runner_.run());
  JobRecord job;
  for (int i = 0; i < 100 && job.state != JobState::done; ++i) {
    cluster_.advance(1s);
    job = run(growth().jobs(soon())).value().front();
  }
  EXPECT_EQ(job.state, JobState::done);
  EXPECT_EQ(job.worker, NodeId{1});
  EXPECT_EQ(job.progress.items_done, 1U);
  EXPECT_EQ(job.progress.bytes_done, 100'000U);
  runner_.stop();
  (void)run(tasks.join());
  expect_scheme("k", {3, 2});
}

}  // namespace
}  // namespace predastore::repair
