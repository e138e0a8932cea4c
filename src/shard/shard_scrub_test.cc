// Scrub finds everything that is not as it must be, and nothing else.
#include "shard/scrubber.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

class ShardScrub : public ::testing::Test {
 protected:
  ShardScrub() { machine_.options.shard_file_size_bytes = 256 * 1024; }

  void put(std::uint32_t number, std::uint64_t size) {
    auto writer = machine_.store->create(key_of(number), stamp_of(number + 1));
    ASSERT_TRUE(machine_.run(
        write_shard(std::move(writer), segments_of(number + 1, size), machine_.soon())));
  }
  // One sealed file with shards of many sizes, a removed one among them.
  void fill() {
    ASSERT_TRUE(machine_.open());
    for (std::uint32_t number = 0; number < 6; ++number) put(number, 100 + number * 1500);
    ASSERT_TRUE(
        machine_.run(machine_.store->remove({{key_of(2), Generation{1}}}, machine_.soon())));
    reopen();
  }
  void reopen() {
    ASSERT_TRUE(machine_.close());
    ASSERT_TRUE(machine_.open());
  }
  ScrubReport scrub() {
    const auto report = machine_.run(machine_.store->scrub_once());
    EXPECT_TRUE(report) << report.error().to_string();
    return report ? *report : ScrubReport{};
  }
  TestDisk::Inode& only_file() { return *machine_.disk.live_names.begin()->second; }
  bool knows_of(std::uint32_t number) const {
    return std::ranges::any_of(machine_.damage, [&](const Damage& damage) {
      return damage.key && *damage.key == key_of(number);
    });
  }

  TestMachine machine_;
};

TEST_F(ShardScrub, a_good_drive_has_no_damage) {
  fill();
  const ScrubReport report = scrub();
  EXPECT_EQ(report.file_count, 1U);
  EXPECT_EQ(report.damage_count, 0U);
  EXPECT_EQ(report.record_count, 12U);  // 5 shards of one segment, 6 commits, a tombstone
}

TEST_F(ShardScrub, every_flipped_bit_that_matters_is_found) {
  fill();
  ASSERT_EQ(machine_.disk.live_names.size(), 1U);
  const TestDisk::Inode good = only_file();
  std::size_t found = 0;
  for (std::size_t at = 0; at < good.live.size(); ++at) {
    TestDisk::Inode& file = only_file();
    file.live[at] = static_cast<char>(file.live[at] ^ (1 << at % 8));
    machine_.damage.clear();
    if (scrub().damage_count > 0) {
      ++found;
      EXPECT_FALSE(machine_.damage.empty());
    } else {
      // Padding, or the segment of the shard that was removed.
      const bool is_padding = good.live[at] == 0;
      const std::string dead(segments_of(3, 3100).front().stored.text());
      const std::size_t dead_at = good.live.find(dead.substr(0, 64));
      ASSERT_NE(dead_at, std::string::npos);
      const bool is_dead =
          at >= dead_at - segment::kRecordHeaderSizeBytes && at < dead_at + dead.size();
      EXPECT_TRUE(is_padding || is_dead) << "byte " << at << " of " << good.live.size();
    }
    only_file() = good;
  }
  EXPECT_GT(found, 20000U);  // all of the shards' bytes, at least
  EXPECT_EQ(scrub().damage_count, 0U);
}

TEST_F(ShardScrub, a_good_block_in_the_wrong_place_is_damage) {
  ASSERT_TRUE(machine_.open());
  for (std::uint32_t number = 0; number < 4; ++number) put(number, 3000);  // a block each
  reopen();
  std::string& bytes = only_file().live;
  const std::string first = bytes.substr(kFileHeaderSizeBytes, kDiskBlockBytes);
  bytes.replace(kFileHeaderSizeBytes, kDiskBlockBytes,
                bytes.substr(kFileHeaderSizeBytes + kDiskBlockBytes, kDiskBlockBytes));
  bytes.replace(kFileHeaderSizeBytes + kDiskBlockBytes, kDiskBlockBytes, first);
  EXPECT_GE(scrub().damage_count, 2U);
  EXPECT_TRUE(knows_of(0));
  EXPECT_TRUE(knows_of(1));
  EXPECT_FALSE(knows_of(2));
}

TEST_F(ShardScrub, every_block_of_zeros_or_junk_and_every_cut_and_tail_is_found) {
  fill();
  const TestDisk::Inode good = only_file();
  const std::size_t blocks = good.live.size() / kDiskBlockBytes;
  const std::string zeros(kDiskBlockBytes, '\0');
  std::string junk(kDiskBlockBytes, '\0');
  machine_.random.fill(std::as_writable_bytes(std::span{junk.data(), junk.size()}));
  std::size_t found = 0;
  const auto expect_found = [&](const std::string& what, std::size_t block) {
    machine_.damage.clear();
    const std::size_t count = scrub().damage_count;
    EXPECT_GT(count, 0U) << what << " at block " << block;
    found += count > 0 ? 1 : 0;
    only_file() = good;
  };
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t at = block * kDiskBlockBytes;
    const bool is_padding = good.live.compare(at, kDiskBlockBytes, zeros) == 0;
    if (!is_padding) {
      only_file().live.replace(at, kDiskBlockBytes, zeros);
      expect_found("zeros", block);
      only_file().live.replace(at, kDiskBlockBytes, junk);
      expect_found("junk", block);
    }
    if (block > 0) {
      only_file().live.resize(at);
      expect_found("a cut", block);
    }
  }
  only_file().live += junk;
  expect_found("a tail", blocks);
  EXPECT_GT(found, 2 * blocks);
  EXPECT_EQ(scrub().damage_count, 0U);
}

TEST_F(ShardScrub, a_file_that_is_cut_or_gone_is_found_with_all_its_shards) {
  fill();
  std::string& bytes = only_file().live;
  bytes.resize(kFileHeaderSizeBytes + 2 * kDiskBlockBytes);
  EXPECT_GT(scrub().damage_count, 0U);
  EXPECT_TRUE(knows_of(5));
  machine_.damage.clear();
  machine_.disk.live_names.clear();
  EXPECT_GT(scrub().damage_count, 0U);
  for (const std::uint32_t number : {0U, 1U, 3U, 4U, 5U}) EXPECT_TRUE(knows_of(number)) << number;
  EXPECT_FALSE(knows_of(2));
}

TEST_F(ShardScrub, a_block_that_cannot_be_read_is_damage_of_its_shards) {
  fill();
  machine_.disk.fault = [](std::string_view operation, const std::string&) -> Result<void> {
    if (operation == "read") return make_error(ErrorCode::Io, "injected");
    return {};
  };
  (void)machine_.run(machine_.store->scrub_once());
  machine_.disk.fault = nullptr;
  EXPECT_TRUE(knows_of(0));
  EXPECT_TRUE(knows_of(5));
}

TEST_F(ShardScrub, a_file_with_a_damaged_frame_is_written_anew) {
  fill();
  const std::string name = machine_.disk.live_names.begin()->first;
  only_file().live[20] = static_cast<char>(only_file().live[20] ^ 1);  // the file's header
  EXPECT_EQ(scrub().damage_count, 1U);
  EXPECT_EQ(machine_.run(machine_.store->compact_once()).value(), 1U);
  EXPECT_FALSE(machine_.disk.live_names.contains(name));
  EXPECT_EQ(scrub().damage_count, 0U);
  machine_.index = {};
  reopen();
  for (const std::uint32_t number : {0U, 1U, 3U, 4U, 5U})
    EXPECT_TRUE(machine_.run(machine_.store->verify(key_of(number), machine_.soon()))) << number;
  EXPECT_FALSE(machine_.run(machine_.store->stat(key_of(2), machine_.soon())));
}

TEST_F(ShardScrub, a_pass_takes_its_period_and_goes_on_after_a_restart) {
  machine_.options.run_scrub = true;
  machine_.options.scrub_period = 1h;
  ASSERT_TRUE(machine_.open());
  for (std::uint32_t number = 0; number < 40; ++number) put(number, 60000);
  reopen();
  machine_.settle();
  // Damage that appears behind the scrub's back is found within two periods, whenever it comes.
  machine_.clock.advance(20min);
  machine_.settle();
  ASSERT_TRUE(machine_.close());
  std::string& bytes = machine_.disk.live_names.rbegin()->second->live;
  bytes[kFileHeaderSizeBytes + 500] = static_cast<char>(bytes[kFileHeaderSizeBytes + 500] ^ 4);
  ASSERT_TRUE(machine_.open());
  for (int minute = 0; minute < 120 && machine_.damage.empty(); ++minute) {
    machine_.clock.advance(1min);
    machine_.settle();
  }
  EXPECT_FALSE(machine_.damage.empty());
}

}  // namespace
}  // namespace predastore::shard
