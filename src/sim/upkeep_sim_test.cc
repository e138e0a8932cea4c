// Rules 4 and 10 on whole nodes: the sweep, and drives that are put back to an earlier state. With
// the rule out of the way the same scenario shows what it is for.
#include <gtest/gtest.h>

#include <map>

#include "env/file.h"
#include "sim/cluster.h"
#include "sim/node_program.h"
#include "telemetry/log.h"

namespace predastore::sim {
namespace {

class Source final : public object::BodySource {
 public:
  Source(std::string bytes, Clock& clock, Duration before_end)
      : rest_(Buffer::take(std::move(bytes))), clock_(clock), before_end_(before_end) {}
  Task<Result<Buffer>> read(std::size_t max_bytes) override {
    if (rest_.empty() && before_end_ > Duration{0}) {
      const Duration wait = std::exchange(before_end_, Duration{0});
      co_await sleep_for(clock_, wait);
    }
    const Buffer piece = rest_.slice(0, std::min(max_bytes, rest_.size()));
    rest_ = rest_.slice(piece.size());
    co_return piece;
  }
  std::optional<std::uint64_t> size_bytes() const override { return std::nullopt; }
  ObjectChecksum checksum() const override { return {}; }

 private:
  Buffer rest_;
  Clock& clock_;
  Duration before_end_;
};

class Sink final : public object::BodySink {
 public:
  Task<Result<void>> write(Buffer bytes) override {
    text += bytes.text();
    co_return Result<void>{};
  }
  std::string text;
};

std::string bytes_of(std::uint64_t seed) {
  std::string bytes(300'000, '\0');
  SimRandom random(seed);
  random.fill(std::as_writable_bytes(std::span{bytes.data(), bytes.size()}));
  return bytes;
}

using Contents = std::map<std::string, Buffer>;
const std::string kDrive = std::string{NodeProgram::kDataDirectory} + "/drives/0";
const std::string kShards = kDrive + "/shards";
const std::string kKv = kDrive + "/kv";

Task<Result<Contents>> save(FileSystem& files) {
  Contents saved;
  PREDA_CO_TRY(const auto names, co_await files.list(kShards));
  for (const std::string& name : names) {
    PREDA_CO_TRY(Buffer bytes, co_await read_file(files, kShards + "/" + name, 64u << 20));
    saved.emplace(name, std::move(bytes));
  }
  co_return saved;
}
Task<Result<void>> restore(FileSystem& files, Contents saved) {
  PREDA_CO_CHECK(co_await files.remove_tree(kKv));
  PREDA_CO_TRY(const auto names, co_await files.list(kShards));
  for (const std::string& name : names) {
    PREDA_CO_CHECK(co_await files.remove(kShards + "/" + name));
  }
  for (const auto& [name, bytes] : saved) {
    PREDA_CO_CHECK(co_await write_file_durably(files, kShards + "/" + name, bytes));
  }
  co_return co_await files.sync_directory(kShards);
}

class UpkeepRules : public ::testing::Test {
 protected:
  UpkeepRules() {
    telemetry::set_log_level(telemetry::LogLevel::error);
    tunables_.write_epoch_interval = 1s;
  }
  ~UpkeepRules() override {
    EXPECT_TRUE(cluster_->shut_down());
    EXPECT_FALSE(cluster_->problem().has_value()) << *cluster_->problem();
    scheduler_.settle();
    telemetry::set_log_level(telemetry::LogLevel::error);
  }
  void start() {
    cluster_ =
        std::make_unique<Cluster>(scheduler_, 31, 3, NetworkOptions{}, DiskOptions{},
                                  [this](std::size_t machine, Life& life) {
                                    return std::make_unique<NodeProgram>(
                                        cluster_->disk(machine), life, machine, 3, tunables_);
                                  });
    for (std::size_t i = 0; i < 3; ++i) cluster_->start(i);
    pass(2s);
    BucketRecord bucket;
    bucket.name = "bucket";
    ASSERT_TRUE(run(node(0).meta().create_bucket(std::move(bucket), soon())));
  }
  void pass(Duration time) {
    scheduler_.run([] { return false; }, scheduler_.now() + time);
  }
  node::Node& node(std::size_t machine) {
    return static_cast<NodeProgram*>(cluster_->life(machine)->program.get())->node();
  }
  Instant soon() const { return scheduler_.now() + 30s; }
  template <class T>
  T run(Task<T> task, std::size_t machine = 0) {
    auto done =
        try_run(cluster_->life(machine)->host.process, std::move(task), scheduler_.now() + 300s);
    PREDA_ASSERT(done.has_value());
    return std::move(*done);
  }
  Task<Result<ObjectRecord>> put(std::string key, std::uint64_t seed,
                                 Duration before_end = Duration{0}) {
    Source source(bytes_of(seed), cluster_->life(0)->host.clock, before_end);
    object::PutRequest request;
    request.bucket = "bucket";
    request.key = std::move(key);
    request.body = &source;
    co_return co_await node(0).objects().put(std::move(request));
  }
  Task<Result<std::string>> get(std::string key, std::size_t machine = 0) {
    PREDA_CO_TRY(auto reader, co_await node(machine).objects().get("bucket", std::move(key)));
    Sink sink;
    object::ByteRange range{0, reader->record().size_bytes - 1};
    PREDA_CO_CHECK(co_await reader->send(range, sink));
    co_return std::move(sink.text);
  }
  std::size_t stored() {
    std::size_t count = 0;
    for (std::size_t i = 0; i < 3; ++i)
      count += run(node(i).drives().inventory(std::nullopt, 10'000), i)->size();
    return count;
  }
  // Of a machine that is down.
  template <class T>
  T at_disk(std::size_t machine, Task<T> (*work)(FileSystem&)) {
    SimHost host(scheduler_, cluster_->disk(machine), "janitor", 5);
    auto done = try_run(host.process, work(host.environment().files));
    PREDA_ASSERT(done.has_value());
    return std::move(*done);
  }

  // The drive of node 2 loses everything since some moment, while it is down; what was written
  // and deleted since then is read without node 3.
  void put_back_drive_of_node_2() {
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(run(put("old-" + std::to_string(i), i)));
    cluster_->kill(1, Cluster::Death::process);
    const Contents saved = at_disk(1, save).value();
    cluster_->start(1);
    pass(5s);
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(run(put("new-" + std::to_string(i), 10 + i)));
    std::vector<std::string> gone{"old-0"};
    ASSERT_TRUE(run(node(0).meta().delete_objects("bucket", std::move(gone), {}, soon())));
    pass(8s);  // how far the drive is has been recorded; the garbage is done
    cluster_->kill(1, Cluster::Death::process);
    {
      SimHost host(scheduler_, cluster_->disk(1), "janitor", 6);
      auto done = try_run(host.process, restore(host.environment().files, saved));
      ASSERT_TRUE(done.has_value());
      ASSERT_TRUE(*done);
    }
    cluster_->start(1);
    pass(20s);
    cluster_->kill(2, Cluster::Death::process);
    pass(5s);
  }

  Scheduler scheduler_{31};
  Tunables tunables_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(UpkeepRules, sweep_orphans_of_a_refused_upload_go_when_they_are_old_enough) {
  tunables_.limits.write_epochs = 5;
  tunables_.sweep_interval = 2s;
  start();
  ASSERT_TRUE(run(put("kept", 1)));
  EXPECT_EQ(run(put("late", 2, 12s)).error().code, ErrorCode::StaleEpoch);
  pass(20s);
  const auto layouts = run(node(0).meta().layouts_after("", 100, soon())).value();
  std::size_t named = 0;
  for (const ChunkLayout& layout : layouts) {
    for (const ShardPlace& place : layout.places) named += place.is_stored ? 1 : 0;
  }
  EXPECT_EQ(stored(), named);
  EXPECT_EQ(run(get("kept")).value(), bytes_of(1));
}

TEST_F(UpkeepRules, sweep_nothing_else_removes_orphans) {
  tunables_.limits.write_epochs = 5;
  start();
  ASSERT_TRUE(run(put("kept", 1)));
  const std::size_t named = stored();
  EXPECT_EQ(run(put("late", 2, 12s)).error().code, ErrorCode::StaleEpoch);
  pass(60s);
  EXPECT_GT(stored(), named);
}

TEST_F(UpkeepRules, sweep_an_upload_that_is_slow_and_in_time_loses_nothing) {
  tunables_.limits.write_epochs = 12;
  tunables_.sweep_interval = 1s;
  start();
  ASSERT_TRUE(run(put("slow", 3, 8s)));
  pass(30s);
  EXPECT_EQ(run(get("slow")).value(), bytes_of(3));
}

TEST_F(UpkeepRules, roll_back_a_drive_that_was_put_back_is_reconciled_and_nothing_comes_back) {
  start();
  put_back_drive_of_node_2();
  const repair::UpkeepStatus status = node(1).care().status();
  EXPECT_GE(status.reconcile.shards_missing_total, 4U);
  EXPECT_EQ(status.drives_rolled_back, 0U);
  for (std::uint64_t i = 0; i < 4; ++i)
    EXPECT_EQ(run(get("new-" + std::to_string(i))).value(), bytes_of(10 + i));
  for (std::uint64_t i = 1; i < 4; ++i)
    EXPECT_EQ(run(get("old-" + std::to_string(i))).value(), bytes_of(i));
  EXPECT_EQ(run(get("old-0")).error().code, ErrorCode::NotFound);
}

TEST_F(UpkeepRules, roll_back_without_the_rule_the_next_failure_loses_data) {
  tunables_.run_repair = false;
  start();
  put_back_drive_of_node_2();
  std::size_t lost = 0;
  for (std::uint64_t i = 0; i < 4; ++i)
    lost += run(get("new-" + std::to_string(i))).has_value() ? 0 : 1;
  EXPECT_GT(lost, 0U);
}

// One of two drives of node 2 dies while it is used.
class DyingDrive : public UpkeepRules {
 protected:
  static constexpr std::uint64_t kObjects = 24;
  DyingDrive() {
    tunables_.drive_count = 2;
    tunables_.limits.write_epochs = 8;
    tunables_.sweep_interval = 2s;
  }
  // Everything is written before the drive dies or while it does; a few are deleted since.
  void let_it_die() {
    start();
    for (std::uint64_t i = 0; i < kObjects / 2; ++i) ASSERT_TRUE(run(put(name(i), i)));
    cluster_->disk(1).hook = [](DiskOperation, const std::string& path) -> Result<void> {
      if (path.find("/drives/1") == std::string::npos) return {};
      return make_error(ErrorCode::Io, "the drive is dead");
    };
    for (std::uint64_t i = kObjects / 2; i < kObjects; ++i) ASSERT_TRUE(run(put(name(i), i)));
    pass(2s);
    ASSERT_EQ(drive().state, shard::DriveState::failed);
    std::vector<std::string> gone{name(0), name(1), name(2)};
    ASSERT_TRUE(run(node(0).meta().delete_objects("bucket", std::move(gone), {}, soon())));
    pass(90s);
  }
  static std::string name(std::uint64_t i) { return "o-" + std::to_string(i); }
  shard::DriveInfo drive() { return node(1).drives().drives().at(1); }
  std::uint64_t pending() {
    return run(node(0).meta().cluster_state(soon())).value().repair_pending;
  }
  std::size_t unreadable(std::size_t machine) {
    std::size_t count = 0;
    for (std::uint64_t i = 3; i < kObjects; ++i) {
      const auto bytes = run(get(name(i), machine), machine);
      count += bytes ? 0 : 1;
      if (bytes) {
        EXPECT_EQ(*bytes, bytes_of(i)) << i;
      }
    }
    return count;
  }
};

TEST_F(DyingDrive, a_drive_that_dies_while_it_is_used_is_made_up_for_without_a_restart) {
  let_it_die();
  EXPECT_TRUE(drive().is_given_up);
  EXPECT_FALSE(drive().is_unreconciled);
  EXPECT_GT(node(1).care().status().reconcile.shards_missing_total, 0U);
  EXPECT_EQ(pending(), 0U);
  for (const std::size_t other : {2U, 0U}) {
    cluster_->kill(other, Cluster::Death::process);
    pass(5s);
    EXPECT_EQ(unreadable(1), 0U) << "without node " << other + 1;
    cluster_->start(other);
    pass(10s);
  }
}

TEST_F(DyingDrive, when_it_comes_back_it_raises_nothing_and_the_sweep_takes_what_is_left_on_it) {
  let_it_die();
  cluster_->disk(1).hook = {};
  cluster_->kill(1, Cluster::Death::process);
  cluster_->start(1);
  pass(60s);
  EXPECT_EQ(drive().state, shard::DriveState::ok);
  EXPECT_FALSE(drive().is_unreconciled);
  EXPECT_EQ(unreadable(1), 0U);
  for (std::uint64_t i = 0; i < 3; ++i)
    EXPECT_EQ(run(get(name(i))).error().code, ErrorCode::NotFound) << i;
  const auto layouts = run(node(0).meta().layouts_after("", 1000, soon())).value();
  std::size_t named = 0;
  for (const ChunkLayout& layout : layouts) {
    for (const ShardPlace& place : layout.places) named += place.is_stored ? 1 : 0;
  }
  EXPECT_EQ(stored(), named);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(DyingDrive, without_giving_it_up_the_next_failure_takes_data_away) {
  tunables_.drive_give_up_after = 24h;
  let_it_die();
  EXPECT_FALSE(drive().is_given_up);
  cluster_->kill(2, Cluster::Death::process);
  pass(5s);
  EXPECT_GT(unreadable(1), 0U);
}

}  // namespace
}  // namespace predastore::sim
