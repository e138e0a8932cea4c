#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chunk/chunk_service.h"
#include "ring/ring.h"
#include "shard/test_support.h"

// For tests of chunks and of what stands on them: some nodes with real shard stores on disks in
// memory, on one loop in virtual time, and a ShardService over them that fails as told.
namespace predastore::chunk::testing {

// What is wrong with one node. Everything off: nothing.
struct NodeFaults {
  bool is_down = false;                     // refuses every call at once
  bool hangs = false;                       // never answers
  Duration delay{};                         // before every call; half of it to all of it
  std::optional<std::uint64_t> dies_after;  // is down after so many more calls
  bool loses_commit_answers = false;        // commits, and says nothing
  bool is_full = false;                     // takes no shard
  bool flips_bits = false;                  // segments arrive with a wrong byte
  // The answer to a fetch of this segment, alone or among others.
  std::function<std::optional<ErrorCode>(const ShardKey&, SegmentIndex)> segment_fault;
};

struct TestNode {
  explicit TestNode(NodeId node) : id(node) {}
  NodeId id;
  shard::testing::TestDisk disk;
  shard::testing::TestFiles files{disk};
  shard::testing::TestIndex index;
  std::unique_ptr<shard::ShardStore> store;
  NodeFaults faults;
  std::uint64_t call_count = 0;
  std::uint64_t fetch_count = 0;
  std::uint64_t fetched_segment_count = 0;
};

class TestCluster final : public shard::ShardService {
 public:
  explicit TestCluster(std::uint32_t node_count, std::uint64_t seed = 1) : random_(seed) {
    ring_record_.epoch = RingEpoch{1};
    ring_record_.vnodes_per_slot = 64;
    for (std::uint32_t i = 0; i < node_count; ++i) add_node();
  }
  ~TestCluster() override {
    for (auto& [id, node] : nodes_) {
      if (node->store) (void)run(node->store->close());
    }
  }

  Environment env() { return {loop_.get_executor(), clock_, random_, files_, blocking_}; }
  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  Instant in(Duration duration) { return clock_.now() + duration; }
  // Nodes are numbered from 1.
  TestNode& node(std::uint64_t number) { return *nodes_.at(NodeId{number}); }
  TestNode& node(NodeId id) { return *nodes_.at(id); }
  std::size_t node_count() const { return nodes_.size(); }
  const RingRecord& ring_record() const { return ring_record_; }
  std::vector<NodeId> candidates(std::uint64_t hash) const {
    return ring::Ring::make(ring_record_)->candidates(hash, nodes_.size());
  }
  void heal() {
    for (auto& [id, node] : nodes_) node->faults = {};
  }
  TestNode& add_node() {
    const NodeId id{nodes_.size() + 1};
    ring_record_.slots.push_back(
        {.slot = SlotId{static_cast<std::uint32_t>(nodes_.size())}, .node = id, .zone = {}});
    auto& added = *nodes_.emplace(id, std::make_unique<TestNode>(id)).first->second;
    open(added);
    return added;
  }

  // Runs everything until the task is done, in virtual time.
  template <class T>
  T run(Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(loop_, keep(std::move(task), result), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    while (!*result) step();
    return std::move(**result);
  }
  void run(Task<void> task) {
    bool is_done = false;
    boost::asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
      is_done = true;
    });
    while (!is_done) step();
  }

  // Lets time pass, and everything run that can.
  void advance(Duration duration) {
    settle();
    clock_.advance(duration);
    settle();
  }
  void settle() {
    do {
      loop_.restart();
    } while (loop_.poll() > 0);
  }

  // ---- ShardService

  Task<Result<std::unique_ptr<shard::ShardWriter>>> create(NodeId id, ShardKey key,
                                                           shard::ShardStamp stamp,
                                                           Instant deadline) override {
    TestNode& at = node(id);
    PREDA_CO_CHECK(co_await pass(at, deadline));
    if (at.faults.is_full) co_return make_error(ErrorCode::NoSpace, "full");
    PREDA_CO_TRY(auto inner, at.store->create(key, stamp));
    std::unique_ptr<shard::ShardWriter> writer =
        std::make_unique<Writer>(*this, at, std::move(inner));
    co_return std::move(writer);
  }
  Task<Result<std::vector<shard::Segment>>> fetch(NodeId id, ShardKey key, WriteId write_id,
                                                  SegmentIndex first, std::uint16_t count,
                                                  Instant deadline) override {
    TestNode& at = node(id);
    ++at.fetch_count;
    PREDA_CO_CHECK(co_await pass(at, deadline));
    for (std::uint32_t i = 0; i < count && at.faults.segment_fault; ++i) {
      const auto fault = at.faults.segment_fault(key, SegmentIndex{first.value() + i});
      if (fault) co_return make_error(*fault, "as the test wants it");
    }
    auto segments = co_await at.store->fetch(key, write_id, first, count, deadline);
    if (!segments) co_return segments;
    at.fetched_segment_count += segments->size();
    if (at.faults.flips_bits)
      co_return make_error(ErrorCode::Corruption, "a segment arrived damaged");
    co_return segments;
  }
  Task<Result<shard::ShardInfo>> stat(NodeId id, ShardKey key, Instant deadline) override {
    TestNode& at = node(id);
    PREDA_CO_CHECK(co_await pass(at, deadline));
    co_return co_await at.store->stat(key, deadline);
  }
  Task<Result<void>> remove(NodeId id, std::vector<shard::ShardRemoval> removals,
                            Instant deadline) override {
    TestNode& at = node(id);
    PREDA_CO_CHECK(co_await pass(at, deadline));
    co_return co_await at.store->remove(std::move(removals), deadline);
  }

  std::uint64_t fetch_count() const {
    std::uint64_t count = 0;
    for (const auto& [id, node] : nodes_) count += node->fetch_count;
    return count;
  }
  // How many shards a node holds, whole.
  std::size_t shard_count(NodeId id) {
    return run(node(id).store->inventory(std::nullopt, 1'000'000)).value().size();
  }

 private:
  class Writer final : public shard::ShardWriter {
   public:
    Writer(TestCluster& cluster, TestNode& node, std::unique_ptr<shard::ShardWriter> inner)
        : cluster_(cluster), node_(node), inner_(std::move(inner)) {}
    Task<Result<void>> append(std::vector<shard::Segment> segments, Instant deadline) override {
      PREDA_CO_CHECK(co_await cluster_.pass(node_, deadline));
      co_return co_await inner_->append(std::move(segments), deadline);
    }
    Task<Result<void>> commit(Instant deadline) override {
      PREDA_CO_CHECK(co_await cluster_.pass(node_, deadline));
      auto committed = co_await inner_->commit(deadline);
      if (!node_.faults.loses_commit_answers) co_return committed;
      co_await sleep_until(cluster_.clock_, deadline);
      co_return make_error(ErrorCode::TimedOut, "no answer");
    }

   private:
    TestCluster& cluster_;
    TestNode& node_;
    std::unique_ptr<shard::ShardWriter> inner_;
  };

  // What happens to a call on its way.
  Task<Result<void>> pass(TestNode& at, Instant deadline) {
    ++at.call_count;
    if (at.faults.dies_after) {
      if (*at.faults.dies_after == 0) at.faults.is_down = true;
      if (*at.faults.dies_after > 0) --*at.faults.dies_after;
    }
    if (at.faults.delay > Duration{}) {
      const auto half = static_cast<std::uint64_t>(at.faults.delay.count()) / 2 + 1;
      const Instant until =
          clock_.now() + Duration{static_cast<Duration::rep>(half + random_.below(half))};
      co_await sleep_until(clock_, std::min(until, deadline));
      if (until >= deadline) co_return make_error(ErrorCode::TimedOut, "slow");
    }
    if (at.faults.hangs) {
      co_await sleep_until(clock_, deadline);
      co_return make_error(ErrorCode::TimedOut, "no answer");
    }
    if (at.faults.is_down) co_return make_error(ErrorCode::Unavailable, "down");
    co_return Result<void>{};
  }

  void open(TestNode& node) {
    shard::ShardStoreOptions options;
    options.directory = "/drive";
    options.cluster.bytes[0] = std::byte{1};
    options.node = node.id;
    options.drive.bytes[0] = static_cast<std::byte>(node.id.value());
    options.reserve_bytes = 1024 * 1024;
    options.open_index =
        [&index = node.index](kv::RocksOptions) -> Result<std::unique_ptr<kv::KeyValueStore>> {
      return std::unique_ptr<kv::KeyValueStore>{
          std::make_unique<shard::testing::TestKeyValueStore>(index)};
    };
    Environment environment{loop_.get_executor(), clock_, random_, node.files, blocking_};
    auto opened = run(shard::ShardStore::open(environment, std::move(options)));
    PREDA_ASSERT(opened.has_value());
    node.store = std::move(*opened);
  }

  void step() {
    loop_.restart();
    if (loop_.poll() > 0) return;
    if (!clock_.fire_next()) throw std::runtime_error("everything waits for ever");
  }
  template <class T>
  static Task<void> keep(Task<T> task, std::shared_ptr<std::optional<T>> result) {
    result->emplace(co_await std::move(task));
  }

  boost::asio::io_context loop_;
  shard::testing::TestClock clock_;
  shard::testing::TestRandom random_;
  shard::testing::TestBlocking blocking_;
  shard::testing::TestDisk no_disk_;
  shard::testing::TestFiles files_{no_disk_};
  RingRecord ring_record_;
  std::map<NodeId, std::unique_ptr<TestNode>> nodes_;
};

// Bytes that are the same for the same seed, and else are not.
inline std::string bytes_of(std::size_t size, std::uint64_t seed) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 7;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

inline ChunkTarget target_of(const TestCluster& cluster, RsConfig rs, std::uint32_t number) {
  ChunkTarget target;
  target.object_id.bytes[0] = static_cast<std::byte>(number);
  target.object_id.bytes[1] = static_cast<std::byte>(number >> 8);
  target.rs = rs;
  target.ring_epoch = RingEpoch{1};
  target.placement_hash = ring::placement_hash("bucket", std::to_string(number), ChunkIndex{0});
  target.candidates = cluster.candidates(target.placement_hash);
  target.write_epoch = WriteEpoch{5};
  target.incarnation = Incarnation{9};
  return target;
}

inline Task<Result<ChunkLayout>> write_chunk(ChunkService& service, ChunkTarget target,
                                             std::string bytes) {
  const std::size_t step = stripe_size_bytes(target.rs);
  PREDA_CO_TRY(auto writer, service.create(std::move(target)));
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    Buffer stripe = Buffer::copy_of(std::string_view{bytes}.substr(at, step));
    auto written = co_await writer->write(std::move(stripe), nullptr);
    if (!written) {
      writer->abandon();
      co_return written.error();
    }
  }
  co_return co_await writer->finish();
}

inline std::string joined(const std::vector<Buffer>& buffers) {
  std::string all;
  for (const Buffer& buffer : buffers) all += buffer.text();
  return all;
}

}  // namespace predastore::chunk::testing
