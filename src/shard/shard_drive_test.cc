// The store on a real disk with a real index, by io_uring and by threads.
#include <gtest/gtest.h>

#include <filesystem>

#include "env/host.h"
#include "env/run_task.h"
#include "kv/kv.h"
#include "shard/scrubber.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

class ShardDrive : public ::testing::TestWithParam<IoBackend> {
 protected:
  ShardDrive() {
    std::string name = std::filesystem::temp_directory_path() / "predastore-drive-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    options_.directory = directory_;
    options_.drive.bytes[0] = std::byte{2};
    options_.run_compaction = false;
    options_.compaction_bytes_per_second = 0;
    options_.run_scrub = false;
    options_.open_index = kv::open_rocks;
    options_.on_damage = [this](const Damage& found) { damage_.push_back(found); };
  }
  ~ShardDrive() override {
    if (store_) close();
    host_.reset();
    std::filesystem::remove_all(directory_);
  }
  void SetUp() override {
    const auto chosen = host_->choose_io(GetParam());
    if (!chosen) GTEST_SKIP() << "no io_uring on this machine: " << chosen.error().detail;
    open();
  }
  void open() {
    auto opened = run(ShardStore::open(host_->environment(), options_));
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_ = std::move(*opened);
  }
  void close() {
    ASSERT_TRUE(run(store_->close()));
    store_.reset();
    // What is left in the loop and its threads may hold the index for a moment, and RocksDB its
    // lock.
    host_ = std::make_unique<ProductionHost>(4);
    ASSERT_TRUE(host_->choose_io(GetParam()));
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_->loop, std::move(task));
  }
  Instant soon() { return host_->loop.clock().now() + 60s; }

  Task<Result<void>> put(std::uint32_t number, std::uint64_t write_id, std::uint64_t size_bytes,
                         std::uint32_t generation = 1) {
    auto writer = store_->create(key_of(number), stamp_of(write_id, generation));
    auto segments = segments_of(write_id, size_bytes);
    const Instant deadline = soon();
    co_return co_await write_shard(std::move(writer), std::move(segments), deadline);
  }
  // Shards first .. first+count-1, `at_a_time` of them under way.
  Task<Result<void>> put_many(std::uint32_t first, std::uint32_t count, std::uint64_t size_bytes,
                              std::uint32_t at_a_time) {
    TaskGroup group(host_->loop.executor(), host_->loop.clock());
    for (std::uint32_t lane = 0; lane < at_a_time; ++lane)
      group.spawn(put_lane(first + lane, first + count, at_a_time, size_bytes));
    co_return co_await group.join();
  }
  Task<Result<void>> put_lane(std::uint32_t number, std::uint32_t end, std::uint32_t step,
                              std::uint64_t size_bytes) {
    for (; number < end; number += step) {
      PREDA_CO_CHECK(co_await put(number, number + 1, size_bytes));
    }
    co_return Result<void>{};
  }
  bool holds(std::uint32_t number, std::uint64_t write_id, std::uint64_t size_bytes) {
    const auto held =
        run(store_->fetch(key_of(number), WriteId{write_id}, SegmentIndex{0}, 16, soon()));
    return held && same(*held, segments_of(write_id, size_bytes));
  }
  std::size_t files_on_disk() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/shards"))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }

  std::string directory_;
  std::unique_ptr<ProductionHost> host_ = std::make_unique<ProductionHost>(4);
  ShardStoreOptions options_;
  std::vector<Damage> damage_;
  std::unique_ptr<ShardStore> store_;
};

TEST_P(ShardDrive, shards_are_written_read_replaced_removed_compacted_and_found_again) {
  options_.shard_file_size_bytes = 1024 * 1024;
  close();
  open();
  ASSERT_TRUE(run(put_many(0, 60, 150'000, 12)));
  for (std::uint32_t i = 0; i < 60; ++i) ASSERT_TRUE(holds(i, i + 1, 150'000)) << i;
  for (std::uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(run(put(i, 100 + i, 90'001, 2)));
  std::vector<ShardRemoval> removals;
  for (std::uint32_t i = 20; i < 40; ++i) removals.push_back({key_of(i), Generation{1}});
  ASSERT_TRUE(run(store_->remove(removals, soon())));
  const std::uint64_t used = store_->status().used_bytes;
  for (int round = 0; round < 20; ++round) {
    const auto removed = run(store_->compact_once());
    ASSERT_TRUE(removed) << removed.error().to_string();
    if (*removed == 0) break;
  }
  EXPECT_LT(store_->status().used_bytes, used * 3 / 4);
  for (int reopened = 0; reopened < 2; ++reopened) {
    const auto report = run(store_->scrub_once());
    ASSERT_TRUE(report);
    EXPECT_EQ(report->damage_count, 0U);
    for (std::uint32_t i = 0; i < 20; ++i) EXPECT_TRUE(holds(i, 100 + i, 90'001)) << i;
    for (std::uint32_t i = 20; i < 40; ++i)
      EXPECT_EQ(run(store_->stat(key_of(i), soon())).error().code, ErrorCode::NotFound) << i;
    for (std::uint32_t i = 40; i < 60; ++i) EXPECT_TRUE(holds(i, i + 1, 150'000)) << i;
    close();
    if (reopened == 0) std::filesystem::remove_all(directory_ + "/kv");  // and rebuilt
    open();
    EXPECT_EQ(store_->status().was_rebuilt, reopened == 0);
  }
  EXPECT_TRUE(damage_.empty());
}

// A million objects of 20 KiB at RS(2,1) are shards of 10 KiB on each node: files and bytes for
// them follow from this sample, linearly.
TEST_P(ShardDrive, small_shards_share_files_and_cost_little_more_than_their_bytes) {
  constexpr std::uint32_t kCount = 20'000;
  constexpr std::uint64_t kSize = 10 * 1024;
  ASSERT_TRUE(run(put_many(0, kCount, kSize, 256)));
  close();
  const std::size_t files = files_on_disk();
  open();
  const DriveStatus status = store_->status();
  EXPECT_FALSE(status.was_rebuilt);
  const double overhead =
      static_cast<double>(status.used_bytes) / kCount - static_cast<double>(kSize);
  RecordProperty("files", static_cast<int>(files));
  RecordProperty("overhead_bytes_per_shard", static_cast<int>(overhead));
  // 3000 shards and more a file of 32 MiB; a million need some 330 files.
  EXPECT_LE(files, kCount / 2500) << "a million would need " << files * (1'000'000 / kCount);
  // Two record headers, two of them again in the footer, a share of a group's padding.
  EXPECT_LT(overhead, 600) << overhead;
  EXPECT_GT(overhead, 480) << overhead;
  EXPECT_TRUE(holds(0, 1, kSize));
  EXPECT_TRUE(holds(kCount - 1, kCount, kSize));
  std::printf("%u shards of %llu bytes: %zu files, %.0f bytes more a shard, %llu groups\n", kCount,
              static_cast<unsigned long long>(kSize), files, overhead,
              static_cast<unsigned long long>(status.group_count));
}

TEST_P(ShardDrive, a_rebuild_says_how_far_it_is) {
  options_.shard_file_size_bytes = 1024 * 1024;
  close();
  open();
  ASSERT_TRUE(run(put_many(0, 60, 100'000, 12)));
  close();
  const std::size_t files = files_on_disk();
  std::filesystem::remove_all(directory_ + "/kv");
  std::vector<RebuildProgress> told;
  options_.on_rebuild = [&](const RebuildProgress& progress) { told.push_back(progress); };
  open();
  ASSERT_EQ(told.size(), files + 1);
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].drive, options_.drive);
    EXPECT_EQ(told[i].files_done, i);
    EXPECT_EQ(told[i].files_total, files);
  }
  EXPECT_EQ(told.back().record_count, 60U * 3);  // two segments and a commit each
  EXPECT_EQ(store_->status().rebuilt_file_count, files);
  EXPECT_EQ(store_->status().rebuilt_record_count, 60U * 3);
  told.clear();
  close();
  open();
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(store_->status().rebuilt_file_count, 0U);
}

std::string name_of_backend(const ::testing::TestParamInfo<IoBackend>& backend) {
  return backend.param == IoBackend::threads ? "threads" : "io_uring";
}

INSTANTIATE_TEST_SUITE_P(Backends, ShardDrive,
                         ::testing::Values(IoBackend::threads, IoBackend::io_uring),
                         name_of_backend);

}  // namespace
}  // namespace predastore::shard
