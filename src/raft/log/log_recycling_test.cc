// Files that lie in the space of older ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "raft/log/log_format.h"
#include "raft/testing/log_on_disk.h"

namespace predastore::raft {
namespace {

using raft::testing::Entries;
using raft::testing::entries_of;
using raft::testing::expect_never_silently_different;
using raft::testing::flip_bit;
using raft::testing::LogOnDisk;
using raft::testing::put;

using Inodes = std::set<fakes::TestDisk::Inode*>;

Inodes inodes_of(const LogOnDisk& disk) {
  Inodes found;
  for (const auto& [path, inode] : disk.disk.live_names) found.insert(inode.get());
  return found;
}

Entries kept_of(const LogOnDisk& disk, const Entries& model) {
  const auto base = static_cast<std::ptrdiff_t>(disk.log->terms().base_index());
  return {model.begin() + base, model.end()};
}

void append_some(LogOnDisk& disk, Entries& model, int groups, std::size_t size_bytes = 3000) {
  for (int i = 0; i < groups; ++i) {
    const Entries more = entries_of(model.size() + 1, 1, 1, size_bytes);
    put(model, more);
    ASSERT_TRUE(disk.append(more));
  }
}

// A log of which the last file, and one before it, lie in the space of older ones, with old groups
// and marks behind its end.
void make_recycled(LogOnDisk& disk, Entries& model) {
  disk.file_size_bytes = 4 * 4096;
  ASSERT_TRUE(disk.open());
  append_some(disk, model, 8);
  const Inodes before = inodes_of(disk);
  ASSERT_TRUE(disk.trim_to(model.size()));
  append_some(disk, model, 3, 300);
  for (fakes::TestDisk::Inode* inode : inodes_of(disk)) EXPECT_TRUE(before.contains(inode));
  ASSERT_EQ(disk.read_all().value(), kept_of(disk, model));
}

TEST(LogRecycling, a_new_file_takes_the_space_of_one_that_was_trimmed) {
  LogOnDisk disk;
  Entries model;
  make_recycled(disk, model);
  const auto content = disk.content();
  const std::string& last = content.rbegin()->second;
  ASSERT_TRUE(content.rbegin()->first.ends_with(".log"));
  EXPECT_GE(last.size(), disk.file_size_bytes);
  // What the older one held is there, and is not this one's.
  std::size_t strange_marks = 0;
  for (std::size_t at = 0; at < last.size(); at += kLogBlockBytes) {
    const auto mark = decode_log_mark(as_bytes(last).subspan(at));
    strange_marks += mark.has_value() && last.compare(0, 4, "PSL3") == 0 &&
                             mark->sequence != decode_log_head(as_bytes(last))->sequence
                         ? 1
                         : 0;
  }
  EXPECT_GT(strange_marks, 0u);
  disk.log.reset();
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.read_all().value(), kept_of(disk, model));
  append_some(disk, model, 10);
  disk.log.reset();
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.read_all().value(), kept_of(disk, model));
}

TEST(LogRecycling, a_record_belongs_to_one_file_only) {
  Encoder out;
  encode_log_record(out, 7, {3, 2, "command"}, 99);
  const std::string bytes = std::move(out).take();
  const auto record = decode_log_record(7, as_bytes(bytes));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->entry, (Entry{3, 2, "command"}));
  EXPECT_EQ(record->chain, 99u);
  EXPECT_FALSE(decode_log_record(6, as_bytes(bytes)).has_value());
}

TEST(LogRecycling, every_damaged_byte_in_recycled_files_is_refused_or_does_not_matter) {
  LogOnDisk disk;
  Entries model;
  make_recycled(disk, model);
  ASSERT_TRUE(disk.settle());
  const Entries all = kept_of(disk, model);
  expect_never_silently_different(disk, all, all, 1, flip_bit);
}

TEST(LogRecycling, every_damaged_byte_at_a_torn_end_costs_only_what_no_mark_vouches_for) {
  LogOnDisk disk;
  Entries model;
  make_recycled(disk, model);  // the last group has no mark
  const Entries all = kept_of(disk, model);
  const Entries marked(all.begin(), all.end() - 1);
  expect_never_silently_different(disk, all, marked, 1, flip_bit);
}

TEST(LogRecycling, every_misplaced_block_of_any_file_is_refused_or_does_not_matter) {
  LogOnDisk disk;
  Entries model;
  make_recycled(disk, model);
  ASSERT_TRUE(disk.settle());
  const Entries all = kept_of(disk, model);
  for (const auto& [path, content] : disk.content()) {
    for (std::size_t from = 0; from + 4096 <= content.size(); from += 4096) {
      const std::string block = content.substr(from, 4096);
      const auto misplace = [&](std::string& bytes, std::size_t at) {
        bytes.replace(at, block.size(), block);
      };
      expect_never_silently_different(disk, all, all, 4096, misplace);
    }
  }
}

// The model is what was acknowledged; what is found may have what was being written, too.
TEST(LogRecycling, a_crash_between_any_two_operations_loses_nothing_that_was_acknowledged) {
  std::size_t points = 0;
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    bool is_over = false;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      SCOPED_TRACE("operation " + std::to_string(crash_at) + ", seed " + std::to_string(seed));
      LogOnDisk disk(seed);
      disk.file_size_bytes = 4 * 4096;
      Entries acknowledged;
      Entries tried;
      std::uint64_t trimmed_to = 0;
      disk.disk.crash_at = crash_at;
      const auto work = [&] {
        if (!disk.open()) return false;
        for (int i = 0; i < 14; ++i) {
          const Entries more = entries_of(acknowledged.size() + 1, 1 + i % 2, 1, i % 3 * 1500);
          tried = acknowledged;
          put(tried, more);
          if (!disk.append(more)) return false;
          acknowledged = tried;
          if (i % 4 == 1) disk.prepare_spare();
          if (i % 3 == 2) {
            trimmed_to = acknowledged.size() - 1;
            if (!disk.trim_to(trimmed_to)) return false;
          }
        }
        return true;
      };
      is_over = work();
      for (int restart = 0; restart < 2; ++restart) {
        disk.log.reset();
        disk.disk.lose_power(disk.world.random);
        const auto opened = disk.open();
        ASSERT_TRUE(opened) << opened.error().to_string();
        const Entries found = disk.read_all().value();
        const std::uint64_t base = disk.log->terms().base_index();
        ASSERT_LE(base, trimmed_to);
        ASSERT_GE(base + found.size(), acknowledged.size());
        ASSERT_LE(base + found.size(), tried.size());
        ASSERT_TRUE(std::equal(found.begin(), found.end(),
                               tried.begin() + static_cast<std::ptrdiff_t>(base)));
        // What it says now it says again.
        tried.resize(base + found.size());
        acknowledged = tried;
        const Entries more = entries_of(tried.size() + 1, 2, 9, 2500);
        put(acknowledged, more);
        tried = acknowledged;
        ASSERT_TRUE(disk.append(more));
      }
    }
    if (is_over) break;
    ++points;
  }
  EXPECT_GT(points, 60u);
}

TEST(LogRecycling, a_spare_file_is_written_ahead_and_not_again_and_again_on_a_full_disk) {
  LogOnDisk disk;
  disk.file_size_bytes = 8 * 4096;
  ASSERT_TRUE(disk.open());
  EXPECT_FALSE(disk.log->wants_spare());
  Entries model;
  append_some(disk, model, 2);
  ASSERT_TRUE(disk.log->wants_spare());
  disk.prepare_spare();
  EXPECT_FALSE(disk.log->wants_spare());
  const Inodes prepared = inodes_of(disk);
  while (disk.log->size_bytes() < 9 * 4096) append_some(disk, model, 1);
  EXPECT_EQ(inodes_of(disk), prepared);
  EXPECT_EQ(disk.content().rbegin()->second.size(), disk.file_size_bytes);

  append_some(disk, model, 2);
  ASSERT_TRUE(disk.log->wants_spare());
  disk.disk.capacity_bytes = disk.disk.used_bytes() + 2 * 4096;
  disk.prepare_spare();
  EXPECT_FALSE(disk.log->wants_spare());
  disk.disk.capacity_bytes = 1u << 30;
  append_some(disk, model, 8);
  disk.log.reset();
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.read_all().value(), kept_of(disk, model));
}

TEST(LogRecycling, files_that_were_set_aside_are_not_kept_over_a_restart) {
  LogOnDisk disk;
  Entries model;
  make_recycled(disk, model);
  append_some(disk, model, 8);
  ASSERT_TRUE(disk.trim_to(model.size()));
  const auto is_spare = [](const auto& file) { return file.first.ends_with(".spare"); };
  EXPECT_LE(std::ranges::count_if(disk.content(), is_spare), 2);
  EXPECT_GT(std::ranges::count_if(disk.content(), is_spare), 0);
  disk.log.reset();
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(std::ranges::count_if(disk.content(), is_spare), 0);
}

}  // namespace
}  // namespace predastore::raft
