// DESIGN's rules that keep data safe, each as the scenario that breaks without it, on whole nodes.
// Where a rule has a limit, the same scenario with the limit out of the way shows that it bites.
// What these do not show is in the unit tests that docs/testing.md names, or in docs/known_gaps.md.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "digest/crc.h"
#include "sim/cluster.h"
#include "sim/key_value.h"
#include "sim/node_program.h"
#include "telemetry/log.h"

namespace predastore::sim {
namespace {

// Bytes that come when the clock says so.
class SlowSource final : public object::BodySource {
 public:
  SlowSource(std::string bytes, Clock& clock, Duration before_end)
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

class TextSink final : public object::BodySink {
 public:
  Task<Result<void>> write(Buffer bytes) override {
    text += bytes.text();
    co_return Result<void>{};
  }
  std::string text;
};

std::string bytes_of(std::size_t size_bytes, std::uint64_t seed) {
  std::string bytes(size_bytes, '\0');
  SimRandom random(seed);
  random.fill(std::as_writable_bytes(std::span{bytes.data(), bytes.size()}));
  return bytes;
}

// Three nodes without faults but those that a test makes.
class Rules : public ::testing::Test {
 protected:
  Rules() { telemetry::set_log_level(telemetry::LogLevel::error); }
  ~Rules() override {
    if (!cluster_) return;
    EXPECT_TRUE(cluster_->shut_down());
    EXPECT_FALSE(cluster_->problem().has_value()) << *cluster_->problem();
    scheduler_.settle();
  }
  void start() {
    cluster_ =
        std::make_unique<Cluster>(scheduler_, 21, 3, NetworkOptions{}, DiskOptions{},
                                  [this](std::size_t machine, Life& life) {
                                    life.host.clock.wall_offset = wall_offset_[machine];
                                    return std::make_unique<NodeProgram>(
                                        cluster_->disk(machine), life, machine, 3, tunables_);
                                  });
    for (std::size_t i = 0; i < 3; ++i) cluster_->start(i);
    pass(2s);
    ASSERT_TRUE(make_bucket().has_value());
  }
  void pass(Duration time) {
    scheduler_.run([] { return false; }, scheduler_.now() + time);
  }
  Process& process(std::size_t machine) { return cluster_->life(machine)->host.process; }
  node::Node& node(std::size_t machine) {
    return static_cast<NodeProgram*>(cluster_->life(machine)->program.get())->node();
  }
  Instant soon() const { return scheduler_.now() + 30s; }
  template <class T>
  T run(Task<T> task, std::size_t machine = 0) {
    auto done = try_run(process(machine), std::move(task), scheduler_.now() + 300s);
    PREDA_ASSERT(done.has_value());
    return std::move(*done);
  }
  Result<BucketRecord> make_bucket(std::size_t machine = 0) {
    BucketRecord bucket;
    bucket.name = "bucket";
    return run(node(machine).meta().create_bucket(std::move(bucket), soon()), machine);
  }
  Task<Result<ObjectRecord>> put(std::size_t machine, std::string key, std::string bytes,
                                 Duration before_end = Duration{0}) {
    SlowSource source(std::move(bytes), cluster_->life(machine)->host.clock, before_end);
    object::PutRequest request;
    request.bucket = "bucket";
    request.key = std::move(key);
    request.body = &source;
    co_return co_await node(machine).objects().put(std::move(request));
  }
  Task<Result<std::string>> get(std::size_t machine, std::string key) {
    PREDA_CO_TRY(auto reader, co_await node(machine).objects().get("bucket", std::move(key)));
    co_return co_await send(std::move(reader));
  }
  static Task<Result<std::string>> send(std::unique_ptr<object::ObjectReader> reader) {
    TextSink sink;
    object::ByteRange range{0, reader->record().size_bytes - 1};
    PREDA_CO_CHECK(co_await reader->send(range, sink));
    co_return std::move(sink.text);
  }
  Result<std::vector<ChunkLayout>> layouts() {
    return run(node(0).meta().layouts_after("", 100, soon()));
  }
  std::size_t leader() {
    for (std::size_t i = 0; i < 3; ++i) {
      if (cluster_->is_up(i) && node(i).replica().status().role == raft::ReplicaRole::leader)
        return i;
    }
    return 3;
  }
  // Of a machine that is down.
  // The scenarios are of one drive a node.
  shard::ShardStore& store_of(std::size_t machine) { return *node(machine).drives().store(0); }
  void remove_index(std::size_t machine) {
    SimHost host(scheduler_, cluster_->disk(machine), "janitor", 5);
    const std::string drive = std::string(NodeProgram::kDataDirectory) + "/drives/0";
    ASSERT_TRUE(*try_run(host.process, host.environment().files.remove_tree(drive + "/kv")));
    ASSERT_TRUE(*try_run(host.process, host.environment().files.sync_directory(drive)));
  }
  template <class T>
  std::shared_ptr<std::optional<T>> begin(Task<T> task, std::size_t machine = 0) {
    auto result = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(process(machine).executor(),
                          scheduler_detail::keep(std::move(task), result),
                          scheduler_detail::rethrow);
    return result;
  }

  Scheduler scheduler_{21};
  Tunables tunables_;
  std::map<std::size_t, std::chrono::milliseconds> wall_offset_;
  std::unique_ptr<Cluster> cluster_;
};

// Rule 1. The shards of an upload that takes longer than G epochs may be swept before it commits.
TEST_F(Rules, write_epoch_a_commit_that_took_too_long_is_refused) {
  tunables_.write_epoch_interval = 1s;
  tunables_.limits.write_epochs = 5;
  start();
  const auto late = run(put(0, "late", bytes_of(300'000, 1), 20s));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::StaleEpoch) << late.error().to_string();
  EXPECT_EQ(run(get(1, "late"), 1).error().code, ErrorCode::NotFound);
  EXPECT_TRUE(run(put(0, "in time", bytes_of(300'000, 1), 2s)).has_value());
}

TEST_F(Rules, write_epoch_nothing_else_stops_a_commit_that_took_long) {
  tunables_.write_epoch_interval = 1s;
  start();
  EXPECT_TRUE(run(put(0, "late", bytes_of(300'000, 1), 20s)).has_value());
}

// Rule 2. A store holds the bytes of one try, and says so when another is asked for.
TEST_F(Rules, write_id_a_layout_never_gets_the_bytes_of_another_try) {
  tunables_.run_repair = false;
  start();
  const std::string bytes = bytes_of(300'000, 2);
  ASSERT_TRUE(run(put(0, "key", bytes)).has_value());
  const auto found = layouts();
  ASSERT_TRUE(found.has_value());
  const ChunkLayout layout = found->front();
  const std::size_t machine = layout.places[0].node.value() - 1;
  // A second try at the same shard, of other bytes, that nobody ever named in a layout.
  const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{0}};
  shard::ShardStamp stamp{WriteId{4711}, layout.generation, layout.write_epoch, Incarnation{1}};
  auto write = [](shard::ShardStore& drive, ShardKey at, shard::ShardStamp with, Buffer wrong,
                  Instant deadline) -> Task<Result<void>> {
    PREDA_CO_TRY(auto writer, drive.create(at, with));
    shard::Segment segment;
    segment.logical_size_bytes = static_cast<std::uint32_t>(wrong.size());
    segment.stored = wrong;
    segment.crc32 = digest::crc32(wrong);
    std::vector<shard::Segment> segments{segment};
    PREDA_CO_CHECK(co_await writer->append(std::move(segments), deadline));
    co_return co_await writer->commit(deadline);
  };
  ASSERT_TRUE(
      run(write(store_of(machine), key, stamp, Buffer::copy_of(bytes_of(64 * 1024, 3)), soon()),
          machine)
          .has_value());
  EXPECT_EQ(run(store_of(machine).stat(key, soon()), machine)->stamp.write_id, WriteId{4711});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(run(get(i, "key"), i).value(), bytes);
}

// Rule 2 and 3. What repair made of a higher generation is not undone by a late commit or delete.
TEST_F(Rules, generation_a_late_commit_or_delete_of_a_lower_one_changes_nothing) {
  tunables_.run_repair = false;
  start();
  const std::string bytes = bytes_of(300'000, 2);
  ASSERT_TRUE(run(put(0, "key", bytes)).has_value());
  ChunkLayout layout = layouts()->front();
  const std::size_t machine = layout.places[0].node.value() - 1;
  shard::ShardStore& drive = store_of(machine);
  const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{0}};
  const auto segments = run(drive.fetch(key, WriteId{}, SegmentIndex{0}, 16, soon()), machine);
  ASSERT_TRUE(segments.has_value());
  auto write = [](shard::ShardStore& at, ShardKey name, shard::ShardStamp with,
                  std::vector<shard::Segment> all, Instant deadline) -> Task<Result<void>> {
    PREDA_CO_TRY(auto writer, at.create(name, with));
    PREDA_CO_CHECK(co_await writer->append(std::move(all), deadline));
    co_return co_await writer->commit(deadline);
  };
  const shard::ShardStamp newer{WriteId{1}, Generation{2}, layout.write_epoch, Incarnation{1}};
  const shard::ShardStamp older{WriteId{2}, Generation{1}, layout.write_epoch, Incarnation{1}};
  ASSERT_TRUE(run(write(drive, key, newer, *segments, soon()), machine).has_value());
  EXPECT_EQ(run(write(drive, key, older, *segments, soon()), machine).error().code,
            ErrorCode::Conflict);
  std::vector<shard::ShardRemoval> removals{{key, Generation{1}, {}}};
  ASSERT_TRUE(run(drive.remove(std::move(removals), soon()), machine).has_value());
  EXPECT_EQ(run(drive.stat(key, soon()), machine)->stamp.write_id, WriteId{1});
  // And of two that change a layout from one generation, one is refused.
  layout.places[0].write_id = WriteId{1};
  layout.generation = Generation{layout.generation.value() + 1};
  const meta::SwapLayout swap{layout, layout.write_epoch};
  ASSERT_TRUE(run(node(0).meta().swap_layout(swap, soon())).has_value());
  meta::SwapLayout other = swap;
  other.layout.places[0].write_id = WriteId{99};
  EXPECT_EQ(run(node(1).meta().swap_layout(other, soon()), 1).error().code, ErrorCode::Conflict);
}

// A shard of one segment, without its commit so far, past all that is above the drive.
Task<Result<std::unique_ptr<shard::ShardWriter>>> write_segment(shard::ShardStore* drive,
                                                                ShardKey key,
                                                                shard::ShardStamp stamp,
                                                                std::string bytes,
                                                                Instant deadline) {
  PREDA_CO_TRY(auto writer, drive->create(key, stamp));
  shard::Segment segment;
  segment.logical_size_bytes = static_cast<std::uint32_t>(bytes.size());
  segment.stored = Buffer::take(std::move(bytes));
  segment.crc32 = digest::crc32(segment.stored);
  std::vector<shard::Segment> segments{segment};
  PREDA_CO_CHECK(co_await writer->append(std::move(segments), deadline));
  co_return std::move(writer);
}

// Rule 2. Segments are on the drive, good and durable; without their commit record they are
// nothing, after the loss of the index too, when only the files say what there is.
TEST_F(Rules, commit_record_segments_without_one_are_no_shard) {
  tunables_.run_repair = false;
  start();
  const ShardKey begun{ObjectId{}, ChunkIndex{1}, ShardRole{0}};
  const ShardKey done{ObjectId{}, ChunkIndex{2}, ShardRole{0}};
  const shard::ShardStamp stamp{WriteId{11}, Generation{1}, WriteEpoch{1}, Incarnation{1}};
  shard::ShardStore* drive = &store_of(1);
  auto unfinished = run(write_segment(drive, begun, stamp, bytes_of(60'000, 1), soon()), 1).value();
  auto finished = run(write_segment(drive, done, stamp, bytes_of(60'000, 2), soon()), 1).value();
  // The sync of this commit makes the other shard's segments durable as well.
  ASSERT_TRUE(run(finished->commit(soon()), 1).has_value());
  const std::uint64_t written = drive->status().used_bytes;
  EXPECT_GT(written, 120'000u);
  unfinished.reset();
  finished.reset();
  for (int round = 0; round < 2; ++round) {
    cluster_->kill(1, Cluster::Death::power);
    if (round == 1) remove_index(1);
    cluster_->start(1);
    pass(5s);
    EXPECT_EQ(run(store_of(1).stat(begun, soon()), 1).error().code, ErrorCode::NotFound);
    EXPECT_TRUE(run(store_of(1).stat(done, soon()), 1).has_value());
    EXPECT_GE(store_of(1).status().used_bytes, written);  // the segments are still there
  }
}

// Rule 2. Two tries of one generation lie in the files; sequences say which was decided later, when
// names and places of the files say nothing (their ids are random).
TEST_F(Rules, sequence_of_two_tries_of_a_generation_the_later_holds_after_a_rebuild) {
  tunables_.run_repair = false;
  start();
  for (std::uint32_t round = 0; round < 6; ++round) {
    const ShardKey key{ObjectId{}, ChunkIndex{round}, ShardRole{0}};
    for (const std::uint64_t write_id : {21, 22}) {
      const shard::ShardStamp stamp{WriteId{write_id}, Generation{1}, WriteEpoch{1},
                                    Incarnation{1}};
      auto writer =
          run(write_segment(&store_of(1), key, stamp, bytes_of(50'000, write_id), soon()), 1)
              .value();
      ASSERT_TRUE(run(writer->commit(soon()), 1).has_value());
      writer.reset();
      cluster_->kill(1, Cluster::Death::power);  // each try in a file of its own
      cluster_->start(1);
      pass(5s);
    }
  }
  cluster_->kill(1, Cluster::Death::power);
  remove_index(1);
  cluster_->start(1);
  pass(5s);
  EXPECT_TRUE(store_of(1).status().was_rebuilt);
  for (std::uint32_t round = 0; round < 6; ++round) {
    const ShardKey key{ObjectId{}, ChunkIndex{round}, ShardRole{0}};
    EXPECT_EQ(run(store_of(1).stat(key, soon()), 1)->stamp.write_id, WriteId{22}) << round;
  }
}

// The chunk's checksum. Every segment of this chunk is what its header says, and comes from the try
// that the layout names; the bytes are wrong all the same, and only the layout's checksum knows.
TEST_F(Rules, chunk_checksum_good_segments_of_wrong_bytes_are_not_served_or_spread) {
  tunables_.run_repair = false;
  start();
  const std::string bytes = bytes_of(50'000, 12);
  ASSERT_TRUE(run(put(0, "key", bytes)).has_value());
  ChunkLayout layout = layouts()->front();
  const std::size_t machine = layout.places[0].node.value() - 1;
  const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{0}};
  const auto good =
      run(store_of(machine).fetch(key, WriteId{}, SegmentIndex{0}, 16, soon()), machine);
  ASSERT_TRUE(good.has_value());
  ASSERT_EQ(good->size(), 1u);
  std::string wrong(good->front().stored.text());
  wrong[7] = static_cast<char>(wrong[7] ^ 1);
  const shard::ShardStamp stamp{layout.places[0].write_id, layout.generation, layout.write_epoch,
                                Incarnation{1}};
  auto writer =
      run(write_segment(&store_of(machine), key, stamp, std::move(wrong), soon()), machine).value();
  ASSERT_TRUE(run(writer->commit(soon()), machine).has_value());
  writer.reset();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto read = run(get(i, "key"), i);
    EXPECT_TRUE(!read.has_value() || *read == bytes) << "through " << i;
  }
}

// Rule 5. Who reads an object while it is overwritten reads on: its shards wait G' epochs.
TEST_F(Rules, garbage_waits_for_those_who_still_read_it) {
  tunables_.write_epoch_interval = 2s;
  tunables_.repair_interval = 100ms;
  tunables_.limits.garbage_epochs = 20;
  start();
  const std::string bytes = bytes_of(900'000, 4);
  ASSERT_TRUE(run(put(0, "key", bytes)).has_value());
  auto reader = run(node(0).objects().get("bucket", "key"));
  ASSERT_TRUE(reader.has_value());
  ASSERT_TRUE(run(put(1, "key", bytes_of(1000, 5)), 1).has_value());
  pass(15s);
  EXPECT_EQ(run(send(std::move(*reader))).value(), bytes);
}

TEST_F(Rules, garbage_that_does_not_wait_breaks_those_who_read_it_and_never_lies_to_them) {
  tunables_.write_epoch_interval = 1s;
  tunables_.repair_interval = 100ms;
  tunables_.limits.garbage_epochs = 1;
  start();
  const std::string bytes = bytes_of(900'000, 4);
  ASSERT_TRUE(run(put(0, "key", bytes)).has_value());
  auto reader = run(node(0).objects().get("bucket", "key"));
  ASSERT_TRUE(reader.has_value());
  ASSERT_TRUE(run(put(1, "key", bytes_of(1000, 5)), 1).has_value());
  pass(30s);
  const auto read = run(send(std::move(*reader)));
  EXPECT_FALSE(read.has_value());
  // It is gone from every drive, and nothing else is.
  std::size_t shard_count = 0;
  for (std::size_t i = 0; i < 3; ++i)
    shard_count += run(store_of(i).inventory(std::nullopt, 1000), i)->size();
  std::size_t named_count = 0;
  const auto named = layouts();
  ASSERT_TRUE(named.has_value());
  for (const ChunkLayout& layout : *named) {
    for (const ShardPlace& place : layout.places) named_count += place.is_stored ? 1 : 0;
  }
  EXPECT_EQ(shard_count, named_count);
}

// Rule 6. A layout that names a ring epoch nobody knows could never be found again.
TEST_F(Rules, ring_epoch_a_layout_of_an_unknown_one_is_refused) {
  start();
  ASSERT_TRUE(run(put(0, "key", bytes_of(1000, 6))).has_value());
  const ChunkLayout known = layouts()->front();
  const auto context = run(node(0).meta().write_context("bucket", soon()));
  ASSERT_TRUE(context.has_value());
  meta::PutObject command;
  command.bucket = "bucket";
  command.key = "lost";
  command.write_epoch = context->write_epoch;
  command.record.incarnation = context->bucket.incarnation;
  command.record.size_bytes = known.size_bytes;
  ObjectPart part;
  part.object_id.bytes[0] = std::byte{1};
  part.size_bytes = known.size_bytes;
  part.chunk_size_bytes = tunables_.chunk_size_bytes;
  command.record.parts.push_back(part);
  ChunkLayout layout = known;
  layout.object_id = part.object_id;
  layout.write_epoch = context->write_epoch;
  layout.ring_epoch = RingEpoch{99};
  command.layouts.push_back(layout);
  EXPECT_FALSE(run(node(0).meta().put_object(std::move(command), soon())).has_value());
  EXPECT_FALSE(run(get(0, "lost")).has_value());
}

// Rule 7. A command whose answer was lost is sent again; it must not happen twice. Here every
// answer of the leader is lost for a while: a delete between the two sendings would be undone.
TEST_F(Rules, sessions_a_put_whose_answer_was_lost_is_not_executed_again) {
  start();
  const std::size_t led_by = leader();
  ASSERT_LT(led_by, 3u);
  const std::size_t asker = (led_by + 1) % 3;
  const std::size_t other = (led_by + 2) % 3;
  // The way back from the leader is cut; the third node keeps the leader in office.
  cluster_->network().clog(cluster_->node_of(led_by), cluster_->node_of(asker), 1500ms);
  const std::string bytes = bytes_of(1000, 7);
  auto first = begin(put(asker, "key", bytes), asker);
  pass(100ms);
  bool was_seen = false;
  for (int i = 0; i < 200 && !was_seen; ++i) {
    pass(50ms);
    was_seen = run(get(other, "key"), other).has_value();
  }
  ASSERT_TRUE(was_seen);
  std::vector<std::string> keys{"key"};
  ASSERT_TRUE(run(node(other).meta().delete_objects("bucket", std::move(keys), meta::Precondition{},
                                                    soon()),
                  other)
                  .has_value());
  cluster_->network().break_connections(cluster_->node_of(led_by), cluster_->node_of(asker));
  cluster_->network().heal();
  ASSERT_TRUE(scheduler_.run([&] { return first->has_value(); }, scheduler_.now() + 60s));
  pass(10s);
  EXPECT_EQ(run(get(other, "key"), other).error().code, ErrorCode::NotFound);
}

// Rule 8. A put that began in one life of a bucket does not land in the next.
TEST_F(Rules, incarnation_a_put_does_not_land_in_the_next_bucket_of_that_name) {
  start();
  auto slow = begin(put(0, "key", bytes_of(300'000, 8), 5s));
  pass(2s);
  ASSERT_TRUE(run(node(1).meta().delete_bucket("bucket", soon()), 1).has_value());
  ASSERT_TRUE(make_bucket(1).has_value());
  ASSERT_TRUE(scheduler_.run([&] { return slow->has_value(); }, scheduler_.now() + 60s));
  EXPECT_FALSE((*slow)->has_value());
  EXPECT_EQ(run(get(1, "key"), 1).error().code, ErrorCode::NotFound);
}

// Rule 9. A drive that holds the files of another node is refused, and nothing is written to it.
TEST_F(Rules, identity_the_drive_of_another_node_is_refused) {
  start();
  ASSERT_TRUE(run(put(0, "key", bytes_of(300'000, 9))).has_value());
  cluster_->kill(1, Cluster::Death::process);
  const auto files = cluster_->disk(1).file_paths();
  SimHost host(scheduler_, cluster_->disk(1), "thief", 5);
  shard::ShardStoreOptions options;
  options.directory = std::string(NodeProgram::kDataDirectory) + "/drives/0";
  options.node = NodeId{3};
  options.cluster.bytes[0] = std::byte{7};
  options.shard_file_size_bytes = tunables_.shard_file_size_bytes;
  options.open_index = [this](kv::RocksOptions index) {
    return open_sim_store(cluster_->disk(1), index);
  };
  const auto opened = *try_run(host.process, shard::ShardStore::open(host.environment(), options));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(cluster_->disk(1).file_paths(), files);
}

// Rule 11. LastModified is of the leader that proposes, and leaders' clocks differ.
TEST_F(Rules, last_modified_never_goes_back_whoever_leads) {
  start();
  std::int64_t last = 0;
  for (int round = 0; round < 4; ++round) {
    const std::size_t led_by = leader();
    ASSERT_LT(led_by, 3u);
    cluster_->life(led_by)->host.clock.wall_offset = std::chrono::minutes(-20 * round);
    const auto stored = run(put(led_by, "key", bytes_of(100, 10)), led_by);
    ASSERT_TRUE(stored.has_value());
    EXPECT_GE(stored->last_modified_ms, last);
    last = stored->last_modified_ms;
    cluster_->kill(led_by, Cluster::Death::process);
    pass(10s);
    cluster_->start(led_by);
    pass(2s);
  }
}

}  // namespace
}  // namespace predastore::sim
