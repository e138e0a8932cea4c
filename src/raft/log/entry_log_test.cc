#include "raft/log/entry_log.h"

#include <gtest/gtest.h>

#include "raft/testing/log_on_disk.h"

namespace predastore::raft {
namespace {

using raft::testing::Entries;
using raft::testing::entries_of;
using raft::testing::expect_never_silently_different;
using raft::testing::FilesContent;
using raft::testing::flip_bit;
using raft::testing::is_prefix;
using raft::testing::LogOnDisk;
using raft::testing::put;

TEST(EntryLog, an_empty_directory_is_an_empty_log) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.log->terms().last_index(), 0u);
  EXPECT_EQ(disk.world.run(disk.log->read(1, 1, 100)).error().code, ErrorCode::NotFound);
}

TEST(EntryLog, what_was_appended_is_there_after_a_restart) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  Entries model;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Entries more = entries_of(model.size() + 1, 1 + i % 3, 1 + i / 7, i * 200);
    put(model, more);
    ASSERT_TRUE(disk.append(more));
  }
  EXPECT_GT(disk.content().size(), 3u);  // several files
  EXPECT_EQ(disk.read_all().value(), model);
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.read_all().value(), model);
  EXPECT_EQ(disk.log->terms().last_term(), model.back().term);
}

TEST(EntryLog, later_entries_take_the_place_of_earlier_ones) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  Entries model;
  for (std::uint64_t i = 0; i < 5; ++i) {
    const Entries more = entries_of(model.size() + 1, 4, 1);
    put(model, more);
    ASSERT_TRUE(disk.append(more));
  }
  for (const std::uint64_t from : {19u, 10u, 3u}) {
    const Entries other = entries_of(from, 2, 20 - from);
    put(model, other);
    ASSERT_TRUE(disk.append(other));
    EXPECT_EQ(disk.read_all().value(), model);
    ASSERT_TRUE(disk.open());
    EXPECT_EQ(disk.read_all().value(), model);
  }
}

TEST(EntryLog, random_operations_equal_a_list) {
  for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    LogOnDisk disk(seed);
    fakes::TestRandom& random = disk.world.random;
    ASSERT_TRUE(disk.open());
    Entries model;
    std::uint64_t term = 1;
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t base = disk.log->terms().base_index();
      switch (random.below(8)) {
        case 0:
          if (model.size() > base) {
            const std::uint64_t from = base + 1 + random.below(model.size() - base);
            const Entries other = entries_of(from, 1 + random.below(3), ++term);
            put(model, other);
            ASSERT_TRUE(disk.append(other));
          }
          break;
        case 1: ASSERT_TRUE(disk.open()); break;
        case 2: ASSERT_TRUE(disk.settle()); break;
        case 3: {
          // As raft would: never beyond what can still be replaced.
          const std::uint64_t index = base + random.below(model.size() - base + 1);
          ASSERT_TRUE(disk.world.run(disk.log->trim_to(index)));
          ASSERT_LE(disk.log->terms().base_index(), index);
          break;
        }
        default: {
          const Entries more =
              entries_of(model.size() + 1, 1 + random.below(5), term, random.below(3000));
          put(model, more);
          ASSERT_TRUE(disk.append(more));
        }
      }
      const std::uint64_t kept_from = disk.log->terms().base_index();
      const Entries kept(model.begin() + static_cast<std::ptrdiff_t>(kept_from), model.end());
      ASSERT_EQ(disk.read_all().value(), kept);
    }
    EXPECT_LT(disk.content().size(), 60u);
  }
}

// Appends, replacements, new files and marks, with what the log holds after each of them.
struct Script {
  struct Step {
    Entries entries;  // none: settle
  };
  std::vector<Step> steps;
  std::vector<Entries> models;  // before step i

  Script() {
    Entries model;
    add(model, entries_of(1, 2, 1));
    add(model, entries_of(3, 3, 1, 1500));  // over a block
    add(model, {});
    add(model, entries_of(6, 1, 2));
    add(model, entries_of(7, 2, 2, 6000));
    add(model, entries_of(9, 1, 2));  // a new file
    add(model, entries_of(10, 1, 2));
    add(model, entries_of(8, 2, 3));  // in the file before
    add(model, entries_of(10, 1, 3));
    add(model, entries_of(10, 2, 4));
    add(model, {});
    models.push_back(model);
  }
  void add(Entries& model, Entries entries) {
    models.push_back(model);
    if (!entries.empty()) put(model, entries);
    steps.push_back({std::move(entries)});
  }
  // The step that failed, or their number.
  std::size_t run(LogOnDisk& disk) const {
    if (!disk.open().has_value()) return 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto done = steps[i].entries.empty() ? disk.settle() : disk.append(steps[i].entries);
      if (!done.has_value()) return i;
    }
    return steps.size();
  }
};

// Before `step` was done, in the middle of it, or after: nothing else.
void expect_between(const Entries& found, const Script& script, std::size_t step) {
  const Entries& before = script.models[step];
  if (step == script.steps.size()) {
    EXPECT_EQ(found, before);
    return;
  }
  const Entries& after = script.models[step + 1];
  const Entries& entries = script.steps[step].entries;
  const std::size_t kept = entries.empty() ? before.size() : entries.front().index - 1;
  const bool is_old = found == before;
  const bool is_partly_new = is_prefix(found, after) && found.size() >= kept;
  EXPECT_TRUE(is_old || is_partly_new) << "step " << step << ": " << found.size() << " entries";
}

TEST(EntryLog, a_crash_between_any_two_operations_loses_nothing_that_was_acknowledged) {
  const Script script;
  std::size_t points = 0;
  for (std::uint64_t crash_at = 0;; ++crash_at) {
    bool is_over = false;
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
      SCOPED_TRACE("crash at operation " + std::to_string(crash_at) + ", seed " +
                   std::to_string(seed));
      LogOnDisk disk(seed);
      disk.disk.crash_at = crash_at;
      const std::size_t step = script.run(disk);
      is_over = step == script.steps.size();
      disk.log.reset();
      disk.disk.lose_power(disk.world.random);
      ASSERT_TRUE(disk.open()) << "a crash is no damage";
      const Entries found = disk.read_all().value();
      expect_between(found, script, step);
      // What it says now it says again, after another loss of power, and it goes on from there.
      disk.log.reset();
      disk.disk.lose_power(disk.world.random);
      ASSERT_TRUE(disk.open());
      ASSERT_EQ(disk.read_all().value(), found);
      Entries model = found;
      const Entries more = entries_of(found.size() + 1, 2, 9);
      put(model, more);
      ASSERT_TRUE(disk.append(more));
      disk.log.reset();
      disk.disk.lose_power(disk.world.random);
      ASSERT_TRUE(disk.open());
      ASSERT_EQ(disk.read_all().value(), model);
    }
    if (is_over) break;
    ++points;
  }
  EXPECT_GT(points, 30u);
}

TEST(EntryLog, a_crash_while_it_is_trimmed_leaves_a_log) {
  for (std::uint64_t crash_at = 0; crash_at < 12; ++crash_at) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      LogOnDisk disk(seed);
      ASSERT_TRUE(disk.open());
      Entries model;
      for (int i = 0; i < 12; ++i) {
        const Entries more = entries_of(model.size() + 1, 2, 1, 3000);
        put(model, more);
        ASSERT_TRUE(disk.append(more));
      }
      disk.disk.operation_count = 0;
      disk.disk.crash_at = crash_at;
      (void)disk.world.run(disk.log->trim_to(20));
      disk.log.reset();
      disk.disk.lose_power(disk.world.random);
      ASSERT_TRUE(disk.open()) << crash_at;
      const std::uint64_t base = disk.log->terms().base_index();
      ASSERT_LE(base, 20u);
      ASSERT_EQ(disk.read_all().value(),
                Entries(model.begin() + static_cast<std::ptrdiff_t>(base), model.end()));
    }
  }
}

Configuration voters_of(std::uint64_t count) {
  Configuration configuration;
  for (std::uint64_t i = 1; i <= count; ++i)
    configuration.members.push_back({VoterId{i}, NodeId{i}, true});
  return configuration;
}

Entry change_at(std::uint64_t index, std::uint64_t term, std::uint64_t voters) {
  return {index, term, encode_configuration(voters_of(voters)), true};
}

TEST(EntryLog, configurations_are_known_after_files_are_begun_cut_and_trimmed) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  EXPECT_EQ(disk.log->configurations(), std::vector<StoredConfiguration>{{}});
  ASSERT_TRUE(disk.append({change_at(1, 1, 3)}));
  for (std::uint64_t index = 2; index < 20; index += 2)
    ASSERT_TRUE(disk.append(entries_of(index, 2, 1, 3000)));
  ASSERT_TRUE(disk.append({change_at(20, 1, 4)}));
  ASSERT_TRUE(disk.append({change_at(21, 1, 5)}));
  const std::vector<StoredConfiguration> all{
      {}, {1, voters_of(3)}, {20, voters_of(4)}, {21, voters_of(5)}};
  const auto reopen = [&] {
    disk.log.reset();
    return disk.open();
  };
  EXPECT_EQ(disk.log->configurations(), all);
  ASSERT_TRUE(reopen());
  EXPECT_EQ(disk.log->configurations(), all);
  ASSERT_TRUE(disk.append(entries_of(21, 1, 2)));  // takes the place of the last one
  EXPECT_EQ(disk.log->configurations().back(), all[2]);
  ASSERT_TRUE(reopen());
  EXPECT_EQ(disk.log->configurations().back(), all[2]);
  ASSERT_TRUE(disk.world.run(disk.log->trim_to(19)));
  ASSERT_GT(disk.log->terms().base_index(), 1u);
  ASSERT_TRUE(reopen());
  EXPECT_EQ(disk.log->configurations(), (std::vector<StoredConfiguration>{all[1], all[2]}));
  EXPECT_EQ(disk.read_all().value().back(), entries_of(21, 1, 2).back());
}

TEST(EntryLog, a_forced_configuration_takes_the_place_of_what_the_log_says) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  ASSERT_TRUE(disk.append({change_at(1, 1, 3)}));
  ASSERT_TRUE(disk.append({change_at(2, 1, 5)}));
  ASSERT_TRUE(disk.world.run(disk.log->force_configuration(voters_of(1))));
  ASSERT_TRUE(disk.append(entries_of(3, 1, 2)));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(disk.log->configurations().back(), (StoredConfiguration{2, voters_of(1)}));
    EXPECT_EQ(disk.log->terms().last_index(), 3u);
    disk.log.reset();
    ASSERT_TRUE(disk.open());
  }
}

TEST(EntryLog, a_crash_while_it_is_begun_anew_leaves_the_old_log_or_the_new_one) {
  std::size_t old_ones = 0;
  std::size_t new_ones = 0;
  for (std::uint64_t crash_at = 0; crash_at < 14; ++crash_at) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      LogOnDisk disk(seed);
      ASSERT_TRUE(disk.open());
      Entries model;
      for (int i = 0; i < 8; ++i) {
        const Entries more = entries_of(model.size() + 1, 2, 1, 3000);
        put(model, more);
        ASSERT_TRUE(disk.append(more));
      }
      disk.disk.operation_count = 0;
      disk.disk.crash_at = crash_at;
      const bool is_done =
          disk.world.run(disk.log->reset_to(100, 7, {90, voters_of(3)})).has_value();
      disk.log.reset();
      disk.disk.lose_power(disk.world.random);
      ASSERT_TRUE(disk.open()) << crash_at;
      const bool is_new = disk.log->terms().base_index() == 100;
      ASSERT_TRUE(is_new || !is_done);
      (is_new ? new_ones : old_ones) += 1;
      if (!is_new) {
        ASSERT_EQ(disk.read_all().value(), model);
        continue;
      }
      ASSERT_EQ(disk.log->terms().last_term(), 7u);
      ASSERT_EQ(disk.log->configurations(), (std::vector<StoredConfiguration>{{90, voters_of(3)}}));
      ASSERT_TRUE(disk.append(entries_of(101, 2, 7)));
      disk.log.reset();
      ASSERT_TRUE(disk.open());
      ASSERT_EQ(disk.read_all().value(), entries_of(101, 2, 7));
    }
  }
  EXPECT_GT(old_ones, 0u);
  EXPECT_GT(new_ones, 0u);
}

TEST(EntryLog, every_damaged_byte_is_refused_or_does_not_matter) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  Entries all;
  for (const Entries& entries :
       {entries_of(1, 2, 1), entries_of(3, 2, 1), entries_of(4, 2, 2), entries_of(6, 1, 2)}) {
    put(all, entries);
    ASSERT_TRUE(disk.append(entries));
  }
  ASSERT_TRUE(disk.settle());
  expect_never_silently_different(disk, all, all, 1, flip_bit);
}

TEST(EntryLog, every_damaged_byte_at_a_torn_end_costs_only_what_no_mark_vouches_for) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  ASSERT_TRUE(disk.append(entries_of(1, 3, 1)));
  ASSERT_TRUE(disk.append(entries_of(4, 2, 1, 3000)));  // the mark of the first goes with it
  Entries all = entries_of(1, 3, 1);
  put(all, entries_of(4, 2, 1, 3000));
  expect_never_silently_different(disk, all, entries_of(1, 3, 1), 1, flip_bit);
}

TEST(EntryLog, every_lost_or_misplaced_block_is_refused_or_does_not_matter) {
  const Script script;
  LogOnDisk disk;
  ASSERT_EQ(script.run(disk), script.steps.size());
  const Entries& all = script.models.back();
  for (const std::size_t from : {0u, 1u, 2u}) {
    const auto misplace = [from](std::string& bytes, std::size_t at) {
      const std::string block = bytes.substr(from * 4096, 4096);
      bytes.replace(at, block.size(), block);
    };
    expect_never_silently_different(disk, all, all, 4096, misplace);
  }
  const auto zero = [](std::string& bytes, std::size_t at) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                std::min<std::size_t>(4096, bytes.size() - at), '\0');
  };
  expect_never_silently_different(disk, all, all, 4096, zero);
}

TEST(EntryLog, a_missing_file_in_the_middle_is_damage) {
  const Script script;
  LogOnDisk disk;
  ASSERT_EQ(script.run(disk), script.steps.size());
  const FilesContent content = disk.content();
  ASSERT_GE(content.size(), 4u);
  for (auto file = std::next(content.begin()); std::next(file) != content.end(); ++file) {
    FilesContent fewer = content;
    fewer.erase(file->first);
    LogOnDisk other;
    other.restore(fewer);
    EXPECT_EQ(other.open().error().code, ErrorCode::Corruption) << file->first;
  }
  FilesContent more = content;
  more["/log/stray.log"] = "x";
  LogOnDisk other;
  other.restore(more);
  EXPECT_EQ(other.open().error().code, ErrorCode::Corruption);
}

TEST(EntryLog, damage_that_comes_after_opening_is_found_by_reading) {
  LogOnDisk disk;
  ASSERT_TRUE(disk.open());
  ASSERT_TRUE(disk.append(entries_of(1, 3, 1)));
  auto inode = disk.disk.live_names.begin()->second;
  inode->live[4096 + 60] ^= 1;
  EXPECT_EQ(disk.world.run(disk.log->read(2, 2, 100)).error().code, ErrorCode::Corruption);
  EXPECT_TRUE(disk.world.run(disk.log->read(3, 3, 100)).has_value());
}

TEST(EntryLog, every_operation_that_fails_is_reported) {
  const Script script;
  for (std::uint64_t failing = 0;; ++failing) {
    LogOnDisk disk(failing);
    std::uint64_t count = 0;
    disk.disk.fault = [&](std::string_view operation, const std::string&) {
      if (operation != "read" && count++ == failing) return Result<void>{ErrorCode::Io};
      return Result<void>{};
    };
    const std::size_t step = script.run(disk);
    if (count <= failing) break;
    ASSERT_LT(step, script.steps.size());
    disk.disk.fault = nullptr;
    ASSERT_TRUE(disk.open());
    expect_between(disk.read_all().value(), script, step);
  }
}

// After a failed sync the kernel calls the pages clean, and reads give what the disk does not have.
TEST(EntryLog, what_opens_after_a_failed_sync_is_durable) {
  for (const bool is_first_group : {true, false}) {
    LogOnDisk disk;
    ASSERT_TRUE(disk.open());
    Entries model = entries_of(1, 2, 1);
    if (!is_first_group) {
      ASSERT_TRUE(disk.append(model));
    }
    // A file is synced once before it has its name; what is in it counts from then on.
    disk.disk.fault = [&disk](std::string_view operation, const std::string&) {
      const bool is_named = std::ranges::any_of(
          disk.disk.live_names, [](const auto& name) { return name.first.ends_with(".log"); });
      if (operation == "sync" && is_named) return Result<void>{ErrorCode::Io};
      return Result<void>{};
    };
    if (!is_first_group) put(model, entries_of(3, 1, 1));
    ASSERT_FALSE(disk.append(is_first_group ? model : entries_of(3, 1, 1)));
    disk.disk.fault = nullptr;
    for (auto& [path, inode] : disk.disk.live_names) inode->unsynced.clear();
    ASSERT_TRUE(disk.open());
    const Entries found = disk.read_all().value();
    const Entries more = entries_of(found.size() + 1, 1, 1);
    ASSERT_TRUE(is_prefix(found, model));
    ASSERT_TRUE(disk.append(more));
    disk.log.reset();
    disk.disk.lose_power(disk.world.random);
    ASSERT_TRUE(disk.open());
    EXPECT_EQ(disk.read_all().value().size(), found.size() + 1);
  }
}

}  // namespace
}  // namespace predastore::raft
