#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "env/environment.h"
#include "env/sync.h"
#include "env/testing/fakes.h"
#include "kv/kv.h"
#include "segment/checksum.h"
#include "shard/shard_store.h"

// Only for tests of this folder: an index in memory that loses at a crash what was not synced, and
// a machine of it and the fakes of env/.
namespace predastore::shard::testing {

using fakes::TestBlocking;
using fakes::TestClock;
using fakes::TestDisk;
using fakes::TestFile;
using fakes::TestFiles;
using fakes::TestRandom;

// Keeps, over a crash, what was flushed and a prefix of the batches since.
struct TestIndex {
  using Content = std::map<std::pair<kv::Family, std::string>, std::string>;
  Content live;
  Content durable;
  std::vector<kv::Batch> since_flush;
  std::function<Result<void>()> write_fault;

  static void apply(Content& content, const kv::Batch& batch) {
    for (const kv::Operation& operation : batch.operations()) {
      const std::pair key{operation.family, operation.key};
      switch (operation.kind) {
        case kv::Operation::Kind::put: content[key] = operation.value; break;
        case kv::Operation::Kind::erase: content.erase(key); break;
        case kv::Operation::Kind::erase_range:
          content.erase(content.lower_bound(key),
                        content.lower_bound({operation.family, operation.value}));
          break;
      }
    }
  }
  void lose_power(Random& random) {
    const std::uint64_t kept = random.below(since_flush.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) apply(durable, since_flush[i]);
    live = durable;
    since_flush.clear();
  }
};

class TestKeyValueStore final : public kv::KeyValueStore {
 public:
  explicit TestKeyValueStore(TestIndex& index) : index_(index) {}
  Result<std::optional<std::string>> get(kv::Family family, std::string_view key) override {
    const auto found = index_.live.find({family, std::string{key}});
    if (found == index_.live.end()) return std::optional<std::string>{};
    return std::optional<std::string>{found->second};
  }
  Result<void> write(const kv::Batch& batch) override {
    if (index_.write_fault) {
      PREDA_CHECK(index_.write_fault());
    }
    TestIndex::apply(index_.live, batch);
    index_.since_flush.push_back(batch);
    return {};
  }
  std::unique_ptr<kv::Iterator> iterate(kv::Family family) override {
    class Walk final : public kv::Iterator {
     public:
      Walk(TestIndex::Content content, kv::Family family)
          : content_(std::move(content)), family_(family), at_(content_.end()) {}
      void seek(std::string_view key) override {
        at_ = content_.lower_bound({family_, std::string{key}});
      }
      bool valid() const override { return at_ != content_.end() && at_->first.first == family_; }
      void next() override { ++at_; }
      std::string_view key() const override { return at_->first.second; }
      std::string_view value() const override { return at_->second; }
      Result<void> status() const override { return {}; }

     private:
      TestIndex::Content content_;
      kv::Family family_;
      TestIndex::Content::const_iterator at_;
    };
    return std::make_unique<Walk>(index_.live, family);
  }
  Result<void> flush() override {
    index_.durable = index_.live;
    index_.since_flush.clear();
    return {};
  }

 private:
  TestIndex& index_;
};

// One machine: what is on its disk outlives the stores that are opened on it.
struct TestMachine {
  explicit TestMachine(std::uint64_t seed = 1) : random(seed) {
    options.directory = "/drive";
    options.cluster.bytes[0] = std::byte{1};
    options.node = NodeId{7};
    options.drive.bytes[0] = std::byte{2};
    options.reserve_bytes = 1024 * 1024;
    options.run_compaction = false;  // tests call compact_once()
    options.compaction_bytes_per_second = 0;
    options.run_scrub = false;
    options.open_index = [this](kv::RocksOptions) -> Result<std::unique_ptr<kv::KeyValueStore>> {
      return std::unique_ptr<kv::KeyValueStore>{std::make_unique<TestKeyValueStore>(index)};
    };
    options.on_damage = [this](const Damage& found) { damage.push_back(found); };
  }
  ~TestMachine() {
    if (store) (void)run(store->close());
  }
  Environment env() { return {loop.get_executor(), clock, random, files, blocking}; }

  // Runs everything until the task is done, in virtual time.
  template <class T>
  T run(Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(loop, keep(std::move(task), result), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    while (!*result) {
      loop.restart();
      if (loop.poll() > 0) continue;
      if (!*result && !clock.fire_next()) throw std::runtime_error("everything waits for ever");
    }
    return std::move(**result);
  }
  template <class T>
  static Task<void> keep(Task<T> task, std::shared_ptr<std::optional<T>> result) {
    result->emplace(co_await std::move(task));
  }
  void settle() {  // whatever can go on without time passing does
    do {
      loop.restart();
    } while (loop.poll() > 0);
  }
  Instant soon() const { return clock.now() + 10s; }

  Result<void> open() {
    auto opened = run(ShardStore::open(env(), options));
    if (!opened) return opened.error();
    store = std::move(*opened);
    return {};
  }
  Result<void> close() {
    auto closed = run(store->close());
    store.reset();
    return closed;
  }
  void kill() {  // only the process ends; the index has an unsynced log
    if (!disk.crash_at) disk.crash_at = disk.operation_count;
    const TestIndex kept = index;
    (void)close();
    index = kept;
    disk.crash_at.reset();
  }
  void lose_power() {  // the store is closed on a disk that does nothing any more
    if (!disk.crash_at) disk.crash_at = disk.operation_count;
    const TestIndex kept = index;
    (void)close();
    index = kept;
    disk.lose_power(random);
    index.lose_power(random);
  }

  boost::asio::io_context loop;
  TestClock clock;
  TestRandom random;
  TestBlocking blocking;
  TestDisk disk;
  TestFiles files{disk};
  TestIndex index;
  ShardStoreOptions options;
  std::vector<Damage> damage;
  std::unique_ptr<ShardStore> store;
};

inline ShardKey key_of(std::uint32_t number, std::uint8_t role = 0) {
  ShardKey key{ObjectId{}, ChunkIndex{number}, ShardRole{role}};
  std::memcpy(key.object_id.bytes.data() + 3, &number, sizeof number);
  return key;
}

inline ShardStamp stamp_of(std::uint64_t write_id, std::uint32_t generation = 1) {
  return {WriteId{write_id}, Generation{generation}, WriteEpoch{5}, Incarnation{9}};
}

// Bytes that tell which try and segment they are of.
inline Segment segment_of(std::uint64_t write_id, std::uint32_t index, std::uint32_t size_bytes) {
  std::string bytes(size_bytes, '\0');
  std::uint64_t state = write_id * 1000003 + index;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  Segment segment;
  segment.index = SegmentIndex{index};
  segment.logical_size_bytes = size_bytes;
  segment.stored = Buffer::take(std::move(bytes));
  segment.crc32 = segment::crc32(segment.stored);
  return segment;
}

// Sizes of the segments of a shard: all full but the last.
inline std::vector<Segment> segments_of(std::uint64_t write_id, std::uint64_t size_bytes) {
  std::vector<Segment> segments;
  for (std::uint32_t i = 0; size_bytes > 0; ++i) {
    const auto size =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(size_bytes, kSegmentSizeBytes));
    segments.push_back(segment_of(write_id, i, size));
    size_bytes -= size;
  }
  return segments;
}

inline Task<Result<void>> write_shard(Result<std::unique_ptr<ShardWriter>> writer,
                                      std::vector<Segment> segments, Instant deadline) {
  if (!writer) co_return writer.error();
  PREDA_CO_CHECK(co_await (*writer)->append(std::move(segments), deadline));
  co_return co_await (*writer)->commit(deadline);
}

inline bool same(const Segment& a, const Segment& b) {
  return a.index == b.index && a.logical_size_bytes == b.logical_size_bytes && a.codec == b.codec &&
         a.crc32 == b.crc32 && a.stored.text() == b.stored.text();
}
inline bool same(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Segment& x, const Segment& y) { return same(x, y); });
}

}  // namespace predastore::shard::testing
