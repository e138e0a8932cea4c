#include "shard/fsck.h"

#include "shard/shard_index.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

class Fsck : public ::testing::Test {
 protected:
  Fsck() {
    machine_.options.shard_file_size_bytes = 256 * 1024;
    EXPECT_TRUE(machine_.open());
    for (std::uint32_t number = 0; number < 20; ++number) {
      auto writer = machine_.store->create(key_of(number), stamp_of(number + 1));
      EXPECT_TRUE(machine_.run(write_shard(
          std::move(writer), segments_of(number + 1, 1000 + number * 9000), machine_.soon())));
    }
    EXPECT_TRUE(
        machine_.run(machine_.store->remove({{key_of(3), Generation{1}}}, machine_.soon())));
    live_bytes_ = machine_.store->status().live_bytes;
    EXPECT_TRUE(machine_.close());
  }
  FsckReport check(bool repair_index = false) {
    auto report =
        machine_.run(check_drive(machine_.env(), {.directory = "/drive",
                                                  .open_index = machine_.options.open_index,
                                                  .repair_index = repair_index}));
    EXPECT_TRUE(report) << report.error().to_string();
    return report ? *report : FsckReport{};
  }

  TestMachine machine_;
  std::uint64_t live_bytes_ = 0;
};

TEST_F(Fsck, a_good_drive_is_clean_and_fully_accounted) {
  const FsckReport report = check();
  EXPECT_TRUE(report.problems.empty()) << report.problems.front();
  EXPECT_TRUE(report.notes.empty());
  EXPECT_EQ(report.shard_count, 19U);
  EXPECT_EQ(report.live_bytes, live_bytes_);
  EXPECT_EQ(report.used_bytes, machine_.disk.used_bytes());
}

TEST_F(Fsck, changes_nothing) {
  const auto before = machine_.disk.operation_count;
  const auto index = machine_.index.live;
  check();
  EXPECT_EQ(machine_.disk.operation_count, before + machine_.disk.live_names.size());  // syncs
  EXPECT_EQ(machine_.index.live, index);
}

TEST_F(Fsck, a_flipped_bit_of_a_payload_is_a_problem_of_its_shard) {
  auto& bytes = machine_.disk.live_names.begin()->second->live;
  const std::size_t at = kFileHeaderSizeBytes + segment::kRecordHeaderSizeBytes + 10;
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  const FsckReport report = check();
  ASSERT_FALSE(report.problems.empty());
  EXPECT_NE(report.problems.front().find("damaged"), std::string::npos);
}

TEST_F(Fsck, an_index_that_differs_from_the_files_is_named_and_repaired) {
  const std::string lost = encode_shard_key(key_of(5));
  const std::string moved = encode_shard_key(key_of(6));
  const std::string extra = encode_shard_key(key_of(77));
  const auto good = machine_.index.live;
  IndexEntry entry = decode_entry(machine_.index.live.at({kShardFamily, moved})).value();
  entry.extents.front().offset_bytes += 4096;
  machine_.index.live.at({kShardFamily, moved}) = encode_entry(entry);
  machine_.index.live[{kShardFamily, extra}] = encode_entry(entry);
  machine_.index.live.erase({kShardFamily, lost});
  EXPECT_EQ(check().problems.size(), 3U);
  EXPECT_TRUE(check(true).is_index_repaired);
  EXPECT_EQ(machine_.index.live, good);
  EXPECT_TRUE(check().problems.empty());
  ASSERT_TRUE(machine_.open());
  EXPECT_FALSE(machine_.store->status().was_rebuilt);
}

TEST_F(Fsck, what_a_start_puts_right_is_a_note) {
  machine_.index = {};
  EXPECT_TRUE(check().problems.empty());
  EXPECT_EQ(check().notes.size(), 1U);
  ASSERT_TRUE(machine_.open());
  auto writer = machine_.store->create(key_of(50), stamp_of(99));
  ASSERT_TRUE(
      machine_.run(write_shard(std::move(writer), segments_of(99, 70000), machine_.soon())));
  machine_.kill();
  const FsckReport report = check();
  EXPECT_TRUE(report.problems.empty()) << report.problems.front();
  EXPECT_EQ(report.notes.size(), 1U);  // the open file
  EXPECT_EQ(report.shard_count, 20U);
}

TEST_F(Fsck, a_file_is_described_record_by_record) {
  const std::string path = machine_.disk.live_names.begin()->first;
  const auto text = machine_.run(describe_file(machine_.env(), path));
  ASSERT_TRUE(text) << text.error().to_string();
  EXPECT_NE(text->find("header  cluster 01"), std::string::npos);
  EXPECT_NE(text->find("commit"), std::string::npos);
  EXPECT_NE(text->find("footer  at"), std::string::npos);
  EXPECT_EQ(text->find("DAMAGED"), std::string::npos);
}

}  // namespace
}  // namespace predastore::shard
