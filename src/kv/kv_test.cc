#include "kv/kv.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "kv/memory_store.h"
#include "kv/testing/kv_contract.h"

namespace predastore::kv {
namespace {

class RocksFixture final : public testing::Fixture {
 public:
  explicit RocksFixture(bool use_wal) : use_wal_(use_wal) {
    std::string name = std::filesystem::temp_directory_path() / "predastore-kv-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~RocksFixture() override { std::filesystem::remove_all(path_); }
  std::string path_of(const std::string& name) override { return path_ + "/" + name; }
  bool keeps_in_memory() const override { return true; }
  std::unique_ptr<KeyValueStore> open() override { return open_copy(path_ + "/kv"); }
  std::unique_ptr<KeyValueStore> open_copy(const std::string& path) override {
    RocksOptions options;
    options.path = path;
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

class MemoryFixture final : public testing::Fixture {
 public:
  std::unique_ptr<KeyValueStore> open() override { return open_memory(disk_); }

 private:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>(2);
};

template <class Made, class... Arguments>
testing::FixtureMaker maker(std::string name, Arguments... arguments) {
  return {std::move(name), [=] { return std::make_unique<Made>(arguments...); }};
}

}  // namespace

namespace testing {
INSTANTIATE_TEST_SUITE_P(Stores, KvContract,
                         ::testing::Values(maker<MemoryFixture>("memory"),
                                           maker<RocksFixture>("rocks_without_wal", false),
                                           maker<RocksFixture>("rocks_with_wal", true)),
                         name_of_maker);
}  // namespace testing

namespace {

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
  EXPECT_EQ(testing::contents(*store, 0).size(), 2u);
  disk->crash();
  EXPECT_EQ(testing::contents(*store, 0).size(), 2u);
}

// No family reaches its own limit. Waits for what RocksDB does in the background.
TEST(RocksStore, what_all_families_keep_in_memory_is_bounded) {
  std::string directory = std::filesystem::temp_directory_path() / "predastore-kv-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  RocksOptions options;
  options.path = directory + "/kv";
  options.families = {"a", "b", "c", "d", "e", "f", "g", "h"};
  options.write_buffer_bytes = 1u << 20;
  auto store = open_rocks(options);
  ASSERT_TRUE(store.has_value());
  const auto has_tables = [&options] {
    const std::filesystem::directory_iterator files{options.path};
    return std::any_of(begin(files), end(files),
                       [](const auto& file) { return file.path().extension() == ".sst"; });
  };
  for (int i = 0; i < 600; ++i) {  // 600 KiB in each
    Batch batch;
    for (Family family = 0; family < 8; ++family)
      batch.put(family, std::to_string(i), std::string(1000, 'x'));
    ASSERT_TRUE((*store)->write(batch));
  }
  for (int i = 0; i < 6000 && !has_tables(); ++i) ::usleep(10'000);
  EXPECT_TRUE(has_tables());
  store->reset();
  std::filesystem::remove_all(directory);
}

TEST(RocksStore, a_directory_that_cannot_be_made_is_an_error) {
  RocksOptions options;
  options.path = "/proc/predastore-kv";
  options.families = {"first"};
  EXPECT_FALSE(open_rocks(options).has_value());
}

}  // namespace
}  // namespace predastore::kv
