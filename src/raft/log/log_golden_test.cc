// A log of format version 3, kept in tests/golden: later versions of this code must read it, and a
// change of what is written is a new version, not an accident.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "raft/testing/log_on_disk.h"

namespace predastore::raft {
namespace {

using raft::testing::Entries;
using raft::testing::entries_of;
using raft::testing::FilesContent;
using raft::testing::LogOnDisk;
using raft::testing::put;

const std::filesystem::path kGolden =
    std::filesystem::path(PREDASTORE_SOURCE_DIR) / "tests" / "golden" / "raft_log_v3";

Configuration voters_of(std::uint64_t count) {
  Configuration configuration;
  for (std::uint64_t i = 1; i <= count; ++i)
    configuration.members.push_back({VoterId{i}, NodeId{i}, true});
  return configuration;
}

// Groups, marks, a configuration, entries that took the place of others, a file in the space of an
// older one. What it holds then, from its base on.
Entries fill(LogOnDisk& disk) {
  disk.file_size_bytes = 3 * 4096;
  Entries model;
  EXPECT_TRUE(disk.open());
  const auto append = [&](const Entries& entries) {
    put(model, entries);
    EXPECT_TRUE(disk.append(entries));
  };
  append({{1, 1, encode_configuration(voters_of(3)), true}});
  append(entries_of(2, 3, 1));
  append(entries_of(5, 2, 2, 3000));
  append(entries_of(6, 1, 3));
  EXPECT_TRUE(disk.trim_to(5));
  append(entries_of(7, 2, 3, 5000));
  append(entries_of(9, 1, 3));
  append(entries_of(10, 1, 3));
  return {model.begin() + static_cast<std::ptrdiff_t>(disk.log->terms().base_index()), model.end()};
}

FilesContent golden() {
  FilesContent files;
  for (const auto& file : std::filesystem::directory_iterator(kGolden)) {
    std::ifstream bytes(file.path(), std::ios::binary);
    files["/log/" + file.path().filename().string()] =
        std::string(std::istreambuf_iterator<char>(bytes), {});
  }
  return files;
}

TEST(LogGolden, what_is_written_is_version_3_to_the_byte) {
  LogOnDisk disk;
  (void)fill(disk);
  const FilesContent written = disk.content();
  if (std::getenv("PREDASTORE_WRITE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(kGolden);
    for (const auto& [path, bytes] : written)
      std::ofstream(kGolden / std::filesystem::path(path).filename(), std::ios::binary) << bytes;
  }
  EXPECT_TRUE(written == golden())
      << "the format has changed: give it a new version, keep the old files and read both";
}

TEST(LogGolden, version_3_is_read) {
  LogOnDisk expected;
  const Entries entries = fill(expected);
  LogOnDisk disk;
  disk.restore(golden());
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.read_all().value(), entries);
  EXPECT_EQ(disk.log->configurations().back(), (StoredConfiguration{1, voters_of(3)}));
}

TEST(LogGolden, a_version_that_is_not_known_is_no_damage) {
  FilesContent files = golden();
  for (auto& [path, bytes] : files) bytes.replace(0, 4, "PSL4");
  LogOnDisk disk;
  disk.restore(files);
  EXPECT_EQ(disk.open().error().code, ErrorCode::Unsupported);
}

}  // namespace
}  // namespace predastore::raft
