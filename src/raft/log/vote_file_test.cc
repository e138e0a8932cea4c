#include "raft/log/vote_file.h"

#include <gtest/gtest.h>

#include <map>

#include "env/testing/fakes.h"

namespace predastore::raft {
namespace {

struct VoteOnDisk {
  explicit VoteOnDisk(std::uint64_t seed = 1) : world(seed) {}
  Result<HardState> open() {
    auto opened = world.run(VoteFile::open(files, "/raft"));
    if (!opened.has_value()) return opened.error();
    file = std::move(*opened);
    return file->state();
  }
  Result<void> write(HardState state) { return world.run(file->write(state)); }

  fakes::TestWorld world;
  fakes::TestDisk disk;
  fakes::TestFiles files{disk};
  std::unique_ptr<VoteFile> file;
};

const std::vector<HardState> kStates{
    {1, VoterId{1}}, {2, std::nullopt}, {2, VoterId{3}}, {7, VoterId{2}}, {8, VoterId{1}}};

TEST(VoteFile, nothing_there_is_term_zero) {
  VoteOnDisk disk;
  EXPECT_EQ(disk.open().value(), HardState{});
}

TEST(VoteFile, what_was_written_is_there_after_a_restart) {
  VoteOnDisk disk;
  ASSERT_TRUE(disk.open());
  for (const HardState& state : kStates) {
    ASSERT_TRUE(disk.write(state));
    EXPECT_EQ(disk.file->state(), state);
    EXPECT_EQ(disk.open().value(), state);
  }
}

TEST(VoteFile, a_crash_between_any_two_operations_keeps_the_last_or_the_next) {
  std::size_t points = 0;
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    std::size_t done = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      SCOPED_TRACE("crash at operation " + std::to_string(crash_at) + ", seed " +
                   std::to_string(seed));
      VoteOnDisk disk(seed);
      disk.disk.crash_at = crash_at;
      done = 0;
      if (disk.open().has_value()) {
        while (done < kStates.size() && disk.write(kStates[done]).has_value()) ++done;
      }
      disk.file.reset();
      disk.disk.lose_power(disk.world.random);
      const auto found = disk.open();
      ASSERT_TRUE(found.has_value()) << "a crash is no damage";
      const HardState last = done == 0 ? HardState{} : kStates[done - 1];
      EXPECT_TRUE(*found == last || (done < kStates.size() && *found == kStates[done]));
      // And that is what it stays.
      disk.file.reset();
      disk.disk.lose_power(disk.world.random);
      EXPECT_EQ(disk.open().value(), *found);
    }
    if (done == kStates.size()) break;
    ++points;
  }
  EXPECT_GT(points, 20u);
}

TEST(VoteFile, one_damaged_copy_does_no_harm_and_two_are_refused) {
  VoteOnDisk made;
  ASSERT_TRUE(made.open());
  ASSERT_TRUE(made.write(kStates[3]));
  const std::string bytes = made.disk.live_names.at("/raft/vote.0")->live;
  ASSERT_EQ(bytes, made.disk.live_names.at("/raft/vote.1")->live);
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    for (std::size_t second = 0; second <= bytes.size(); ++second) {
      VoteOnDisk disk;
      const std::size_t places[2] = {first, second};
      for (int copy = 0; copy < 2; ++copy) {
        auto inode = std::make_shared<fakes::TestDisk::Inode>();
        inode->live = bytes;
        if (places[copy] < bytes.size()) inode->live[places[copy]] ^= 0x20;
        inode->durable = inode->live;
        disk.disk.live_names["/raft/vote." + std::to_string(copy)] = inode;
      }
      disk.disk.durable_names = disk.disk.live_names;
      const auto found = disk.open();
      const bool is_any_good = first == bytes.size() || second == bytes.size();
      ASSERT_EQ(found.has_value(), is_any_good);
      if (found.has_value()) {
        ASSERT_EQ(*found, kStates[3]);
      } else {
        ASSERT_EQ(found.error().code, ErrorCode::Corruption);
      }
    }
  }
}

TEST(VoteFile, a_write_that_fails_is_reported) {
  for (std::uint64_t failing = 0; failing < 4; ++failing) {
    VoteOnDisk disk;
    ASSERT_TRUE(disk.open());
    ASSERT_TRUE(disk.write(kStates[0]));
    std::uint64_t count = 0;
    disk.disk.fault = [&](std::string_view operation, const std::string&) {
      if (operation != "read" && count++ == failing) return Result<void>{ErrorCode::Io};
      return Result<void>{};
    };
    EXPECT_FALSE(disk.write(kStates[1]));
    disk.disk.fault = nullptr;
    const auto found = disk.open();
    ASSERT_TRUE(found);
    EXPECT_TRUE(*found == kStates[0] || *found == kStates[1]);
  }
}

}  // namespace
}  // namespace predastore::raft
