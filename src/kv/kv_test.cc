#include "kv/kv.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "kv/memory_store.h"

namespace predastore::kv {
namespace {

// One store that can be closed and opened again; the contract holds for every kind.
class Fixture {
 public:
  virtual ~Fixture() = default;
  virtual std::unique_ptr<KeyValueStore> open() = 0;
};

class RocksFixture final : public Fixture {
 public:
  explicit RocksFixture(bool use_wal) : use_wal_(use_wal) {
    std::string name = std::filesystem::temp_directory_path() / "predastore-kv-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~RocksFixture() override { std::filesystem::remove_all(path_); }
  std::unique_ptr<KeyValueStore> open() override {
    RocksOptions options;
    options.path = path_ + "/kv";
    options.families = {"first", "second"};
    options.use_wal = use_wal_;
    auto store = open_rocks(options);
    EXPECT_TRUE(store.has_value());
    return *std::move(store);
  }

 private:
  std::string path_;
  bool use_wal_;
};

class MemoryFixture final : public Fixture {
 public:
  std::unique_ptr<KeyValueStore> open() override { return open_memory(disk_); }

 private:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>(2);
};

std::unique_ptr<Fixture> make_fixture(const std::string& kind) {
  if (kind == "memory") return std::make_unique<MemoryFixture>();
  return std::make_unique<RocksFixture>(kind == "rocks_with_wal");
}

std::map<std::string, std::string> contents(KeyValueStore& store, Family family,
                                            std::string_view from = "") {
  std::map<std::string, std::string> all;
  auto iterator = store.iterate(family);
  for (iterator->seek(from); iterator->valid(); iterator->next())
    all.emplace(iterator->key(), iterator->value());
  EXPECT_TRUE(iterator->status().has_value());
  return all;
}

class KvContract : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Fixture> fixture_ = make_fixture(GetParam());
};

TEST_P(KvContract, a_batch_is_seen_as_a_whole_in_all_families) {
  auto store = fixture_->open();
  Batch batch;
  batch.put(0, "a", "1");
  batch.put(1, "a", "2");
  batch.put(0, "a", "3");
  batch.erase(1, "a");
  ASSERT_TRUE(store->write(batch));
  EXPECT_EQ(store->get(0, "a").value(), "3");
  EXPECT_EQ(store->get(1, "a").value(), std::nullopt);
}

TEST_P(KvContract, keys_are_ordered_by_bytes_and_may_hold_any) {
  auto store = fixture_->open();
  Batch batch;
  const std::vector<std::string> keys = {
      std::string("\0", 1), "a", std::string("a\0b", 3), "b", "\x7f", "\x80", "\xff", "\xff\xff"};
  for (const auto& key : keys) batch.put(0, key, key);
  ASSERT_TRUE(store->write(batch));
  std::vector<std::string> seen;
  auto iterator = store->iterate(0);
  for (iterator->seek(""); iterator->valid(); iterator->next()) seen.emplace_back(iterator->key());
  EXPECT_EQ(seen, keys);
  iterator->seek("b\x01");
  ASSERT_TRUE(iterator->valid());
  EXPECT_EQ(iterator->key(), "\x7f");
}

TEST_P(KvContract, an_iterator_sees_the_store_as_it_was) {
  auto store = fixture_->open();
  Batch before;
  before.put(0, "a", "1");
  before.put(0, "b", "1");
  ASSERT_TRUE(store->write(before));
  auto iterator = store->iterate(0);
  Batch after;
  after.put(0, "a", "2");
  after.erase(0, "b");
  after.put(0, "c", "2");
  ASSERT_TRUE(store->write(after));
  iterator->seek("");
  ASSERT_TRUE(iterator->valid());
  EXPECT_EQ(iterator->value(), "1");
  iterator->next();
  ASSERT_TRUE(iterator->valid());
  EXPECT_EQ(iterator->key(), "b");
  iterator->next();
  EXPECT_FALSE(iterator->valid());
}

TEST_P(KvContract, a_range_is_erased_without_its_end) {
  auto store = fixture_->open();
  Batch batch;
  for (const char* key : {"a", "b", "c", "d"}) batch.put(0, key, "");
  batch.erase_range(0, "b", "d");
  batch.erase_range(0, "d", "a");  // backwards: nothing
  ASSERT_TRUE(store->write(batch));
  EXPECT_EQ(contents(*store, 0), (std::map<std::string, std::string>{{"a", ""}, {"d", ""}}));
}

TEST_P(KvContract, what_was_flushed_is_there_after_opening_again) {
  auto store = fixture_->open();
  Batch batch;
  batch.put(0, "a", "1");
  batch.put(1, "b", std::string(100000, 'x'));
  ASSERT_TRUE(store->write(batch));
  ASSERT_TRUE(store->flush());
  store.reset();
  store = fixture_->open();
  EXPECT_EQ(store->get(0, "a").value(), "1");
  EXPECT_EQ(store->get(1, "b").value().value().size(), 100000u);
}

TEST_P(KvContract, random_operations_equal_a_map) {
  auto store = fixture_->open();
  std::map<std::string, std::string> model;
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Batch batch;
    for (int i = 0; i < 5; ++i) {
      const std::string key = std::to_string(random() % 50);
      const std::string other = std::to_string(random() % 50);
      switch (random() % 5) {
        case 0:
          batch.erase(0, key);
          model.erase(key);
          break;
        case 1:
          if (random() % 4 == 0) {
            batch.erase_range(0, key, other);
            if (key < other) model.erase(model.lower_bound(key), model.lower_bound(other));
          }
          break;
        default: batch.put(0, key, std::to_string(round)); model[key] = std::to_string(round);
      }
    }
    ASSERT_TRUE(store->write(batch));
    if (round % 50 == 49) {
      ASSERT_TRUE(store->flush());
      store.reset();
      store = fixture_->open();
    }
    ASSERT_EQ(contents(*store, 0), model) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, KvContract,
                         testing::Values("memory", "rocks_without_wal", "rocks_with_wal"),
                         [](const auto& kind) { return kind.param; });

TEST(MemoryDisk, a_crash_leaves_what_was_flushed_and_a_prefix) {
  auto disk = std::make_shared<MemoryDisk>(1);
  auto store = open_memory(disk);
  for (int i = 0; i < 4; ++i) {
    Batch batch;
    batch.put(0, std::to_string(i), "");
    ASSERT_TRUE(store->write(batch));
    if (i == 0) {
      ASSERT_TRUE(store->flush());
    }
  }
  EXPECT_EQ(disk->unflushed_count(), 3u);
  disk->crash(1);
  EXPECT_EQ(contents(*store, 0).size(), 2u);
  disk->crash();
  EXPECT_EQ(contents(*store, 0).size(), 2u);
}

TEST(RocksStore, a_directory_that_cannot_be_made_is_an_error) {
  RocksOptions options;
  options.path = "/proc/predastore-kv";
  options.families = {"first"};
  EXPECT_FALSE(open_rocks(options).has_value());
}

}  // namespace
}  // namespace predastore::kv
