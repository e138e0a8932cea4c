// A ring of 32 nodes with RS(3,2), grown to 33, healed after it lost two of them. Three nodes have
// a replica of the metadata.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "repair/ring_change.h"
#include "sim/operator.h"
#include "telemetry/log.h"

namespace predastore::sim {
namespace {

constexpr std::size_t kBegin = 32;
constexpr std::size_t kMachines = 33;
constexpr std::size_t kObjects = 1500;
constexpr std::size_t kSize = 20'000;  // five shards, with 8 KiB and less of each

class Source final : public object::BodySource {
 public:
  explicit Source(std::string bytes) : rest_(Buffer::take(std::move(bytes))) {}
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
class Sink final : public object::BodySink {
 public:
  Task<Result<void>> write(Buffer bytes) override {
    text += bytes.text();
    co_return Result<void>{};
  }
  std::string text;
};

std::string bytes_of(std::size_t number) {
  std::string bytes(kSize, '\0');
  SimRandom random(number + 1);
  random.fill(std::as_writable_bytes(std::span{bytes.data(), bytes.size()}));
  return bytes;
}

class WideRing : public ::testing::Test {
 protected:
  WideRing() {
    telemetry::set_log_level(telemetry::LogLevel::error);
    tunables_.rs = {3, 2};
    tunables_.chunk_size_bytes = 256 * 1024;
    tunables_.write_epoch_interval = 5s;
    cluster_ = std::make_unique<Cluster>(scheduler_, 77, kMachines, NetworkOptions{}, DiskOptions{},
                                         [this](std::size_t machine, Life& life) {
                                           return std::make_unique<NodeProgram>(
                                               cluster_->disk(machine), life, machine, kBegin,
                                               tunables_, 3);
                                         });
    operator_ = std::make_unique<Operator>(scheduler_, *cluster_, nullptr, host_.clock, "bucket");
    for (std::size_t i = 0; i < kBegin; ++i) cluster_->start(i);
    pass(3s);
  }
  ~WideRing() override {
    EXPECT_TRUE(cluster_->shut_down());
    EXPECT_FALSE(cluster_->problem().has_value()) << *cluster_->problem();
    scheduler_.settle();
  }
  void pass(Duration time) {
    scheduler_.run([] { return false; }, scheduler_.now() + time);
  }
  node::Node& node(std::size_t machine) {
    return static_cast<NodeProgram*>(cluster_->life(machine)->program.get())->node();
  }
  Instant soon() const { return scheduler_.now() + 60s; }
  template <class T>
  T run(Task<T> task, std::size_t machine = 0) {
    auto done =
        try_run(cluster_->life(machine)->host.process, std::move(task), scheduler_.now() + 900s);
    PREDA_ASSERT(done.has_value());
    return std::move(*done);
  }
  Task<Result<void>> put_some(std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) {
      Source source(bytes_of(i));
      object::PutRequest request;
      request.bucket = "bucket";
      request.key = "object-" + std::to_string(i);
      request.body = &source;
      PREDA_CO_TRY([[maybe_unused]] const ObjectRecord record,
                   co_await node(0).objects().put(std::move(request)));
    }
    co_return Result<void>{};
  }
  Task<Result<void>> load() {
    TaskGroup tasks(cluster_->life(0)->host.process.executor(), cluster_->life(0)->host.clock);
    constexpr std::size_t kAtOnce = 10;
    for (std::size_t i = 0; i < kAtOnce; ++i)
      tasks.spawn(put_some(i * kObjects / kAtOnce, kObjects / kAtOnce));
    co_return co_await tasks.join();
  }
  // Every object, through one node after the other of those that are up.
  Task<Result<std::string>> read(std::size_t number, std::size_t machine) {
    PREDA_CO_TRY(auto reader, co_await node(machine).objects().get(
                                  "bucket", "object-" + std::to_string(number)));
    Sink sink;
    object::ByteRange range{0, kSize - 1};
    PREDA_CO_CHECK(co_await reader->send(range, sink));
    co_return std::move(sink.text);
  }
  void expect_all_objects() {
    std::size_t machine = 0;
    for (std::size_t i = 0; i < kObjects; ++i) {
      do {
        machine = (machine + 1) % kMachines;
      } while (!cluster_->is_up(machine));
      const auto text = run(read(i, machine), machine);
      ASSERT_TRUE(text) << text.error().to_string();
      ASSERT_EQ(*text, bytes_of(i));
    }
  }
  std::vector<ChunkLayout> layouts() {
    std::vector<ChunkLayout> all;
    for (std::string after;;) {
      const auto page = run(node(0).meta().layouts_after(after, 1000, soon())).value();
      if (page.empty()) return all;
      all.insert(all.end(), page.begin(), page.end());
      after = chunk_key(page.back().object_id, page.back().chunk_index);
    }
  }
  meta::Topology topology() { return run(node(0).growth().topology(soon())).value(); }
  repair::RingPreview::Counts preview(const RingRecord& ring) {
    repair::RingPreview preview{ring::Ring::make(ring).value()};
    for (const ChunkLayout& layout : layouts()) preview.add(layout);
    return preview.counts();
  }
  // Nothing is left to move, every shard that is named is on its drive, whole, and nodes hold what
  // their weight says: within ten per cent, and within what so few chunks vary by themselves.
  void expect_settled(std::size_t nodes) {
    const auto all = layouts();
    ASSERT_EQ(all.size(), kObjects);
    const repair::RingPreview::Counts counts = preview(topology().ring);
    EXPECT_EQ(counts.shards_moving, 0U);
    std::map<NodeId, std::size_t> held;
    for (const ChunkLayout& layout : all) {
      for (std::uint8_t role = 0; role < layout.places.size(); ++role) {
        const ShardPlace& place = layout.places[role];
        ASSERT_TRUE(place.is_stored && !place.is_missing);
        ++held[place.node];
        const std::size_t machine = place.node.value() - 1;
        const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{role}};
        const auto info = run(node(machine).drives().stat(key, soon()), machine);
        ASSERT_TRUE(info) << info.error().to_string();
        ASSERT_EQ(info->stamp.write_id, place.write_id);
        const auto verified = run(node(machine).drives().verify(key, soon()), machine);
        ASSERT_TRUE(verified) << verified.error().to_string();
      }
    }
    EXPECT_EQ(held.size(), nodes);
    const double fair = 5.0 * kObjects / static_cast<double>(nodes);
    for (const auto& [id, count] : held)
      EXPECT_NEAR(static_cast<double>(count), fair, 0.10 * fair + 3 * std::sqrt(fair))
          << id.value();
  }
  Result<void> perform(const char* step) {
    auto done = try_run(host_.process,
                        operator_->perform(parse_step(step).value(), scheduler_.now() + 600s),
                        scheduler_.now() + 900s);
    PREDA_ASSERT(done.has_value());
    return *done;
  }
  Result<void> await_whole() {
    auto done = try_run(host_.process, operator_->await_whole(scheduler_.now() + 600s),
                        scheduler_.now() + 900s);
    PREDA_ASSERT(done.has_value());
    return *done;
  }

  Scheduler scheduler_{77};
  Tunables tunables_;
  SimDisk no_disk_{scheduler_, 5};
  SimHost host_{scheduler_, no_disk_, "operator", 6};
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Operator> operator_;
};

TEST_F(WideRing, thirty_two_nodes_are_loaded_grown_and_healed_after_losing_two) {
  BucketRecord bucket;
  bucket.name = "bucket";
  bucket.rs = {3, 2};
  ASSERT_TRUE(run(node(0).meta().create_bucket(std::move(bucket), soon())));
  const auto loaded = run(load());
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  expect_settled(32);

  const RingRecord grown = repair::with_node(topology().ring, NodeId{33}, 100, "").value();
  const std::uint64_t must_move = preview(grown).shards_moving;
  EXPECT_NEAR(static_cast<double>(must_move), 5.0 * kObjects / 33, 0.25 * 5.0 * kObjects / 33);
  const auto added = perform("add 33");
  ASSERT_TRUE(added) << added.error().to_string();
  const std::uint64_t moved = operator_->items_done();
  EXPECT_GE(moved, must_move);
  EXPECT_LE(static_cast<double>(moved), 1.2 * static_cast<double>(must_move));
  expect_settled(33);

  const auto lost = perform("lose 9 21");
  ASSERT_TRUE(lost) << lost.error().to_string();
  const auto healed = await_whole();
  ASSERT_TRUE(healed) << healed.error().to_string();
  std::size_t workers = 0;
  for (std::size_t i = 0; i < kMachines; ++i)
    workers += cluster_->is_up(i) && node(i).status().heal.chunks_repaired > 0 ? 1 : 0;
  EXPECT_GE(workers, 25U);  // all nodes take part
  expect_settled(31);
  EXPECT_EQ(run(node(0).meta().cluster_state(soon())).value().repair_pending, 0U);
  expect_all_objects();
}

}  // namespace
}  // namespace predastore::sim
