#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/testing/fakes.h"
#include "raft/log/entry_log.h"

namespace predastore::raft::testing {

using Entries = std::vector<Entry>;
using FilesContent = std::map<std::string, std::string>;

inline constexpr const char* kLogDirectory = "/log";

// One log on a disk in memory, beside the list that it should hold.
struct LogOnDisk {
  explicit LogOnDisk(std::uint64_t seed = 1) : world(seed) {}

  Result<void> open() {
    EntryLogOptions options;
    options.directory = kLogDirectory;
    options.file_size_bytes = file_size_bytes;
    auto opened = world.run(EntryLog::open(files, options));
    if (!opened.has_value()) return opened.error();
    log = std::move(*opened);
    return {};
  }
  Result<void> append(Entries entries) { return world.run(log->append(std::move(entries))); }
  Result<void> trim_to(std::uint64_t index) { return world.run(log->trim_to(index)); }
  Task<Result<void>> prepare_spare_of(EntryLog* of) {
    co_await of->prepare_spare();
    co_return Result<void>{};
  }
  void prepare_spare() { (void)world.run(prepare_spare_of(log.get())); }
  Result<void> settle() { return world.run(log->settle()); }
  Result<Entries> read_all() {
    Entries all;
    for (std::uint64_t next = log->terms().base_index() + 1; next <= log->terms().last_index();) {
      auto some = world.run(log->read(next, log->terms().last_index(), 300));
      if (!some.has_value()) return some.error();
      next += some->size();
      all.insert(all.end(), some->begin(), some->end());
    }
    return all;
  }
  FilesContent content() const {
    FilesContent all;
    for (const auto& [path, inode] : disk.live_names) all[path] = inode->live;
    return all;
  }
  void restore(const FilesContent& all) {
    disk.live_names.clear();
    for (const auto& [path, bytes] : all) {
      auto inode = std::make_shared<fakes::TestDisk::Inode>();
      inode->live = inode->durable = bytes;
      disk.live_names[path] = std::move(inode);
    }
    disk.durable_names = disk.live_names;
  }

  fakes::TestWorld world;
  fakes::TestDisk disk;
  fakes::TestFiles files{disk};
  std::uint64_t file_size_bytes = 5 * 4096;
  std::unique_ptr<EntryLog> log;
};

inline Entries entries_of(std::uint64_t first_index, std::size_t count, std::uint64_t term,
                          std::size_t size_bytes = 20) {
  Entries entries;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t index = first_index + i;
    entries.push_back({index, term, std::to_string(index) + "/" + std::to_string(term)});
    entries.back().command.resize(size_bytes, 'x');
  }
  return entries;
}

inline void put(Entries& model, const Entries& entries) {
  model.resize(std::min<std::size_t>(model.size(), entries.front().index - 1));
  model.insert(model.end(), entries.begin(), entries.end());
}

inline bool is_prefix(const Entries& shorter, const Entries& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

inline void flip_bit(std::string& bytes, std::size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
}

// Damages the files in every way that `damage` makes, and looks at what opens. `acknowledged` is
// what marks vouch for.
template <class Damage>
void expect_never_silently_different(const LogOnDisk& made, const Entries& all,
                                     const Entries& acknowledged, std::size_t stride,
                                     Damage damage) {
  const FilesContent content = made.content();
  std::size_t refused = 0;
  LogOnDisk disk;
  for (const auto& [path, bytes] : content) {
    for (std::size_t at = 0; at < bytes.size(); at += stride) {
      FilesContent damaged = content;
      damage(damaged[path], at);
      disk.log.reset();
      disk.restore(damaged);
      const auto opened = disk.open();
      if (!opened.has_value()) {
        ++refused;
        ASSERT_EQ(opened.error().code, ErrorCode::Corruption);
        continue;
      }
      const auto found = disk.read_all();
      ASSERT_TRUE(found.has_value());
      ASSERT_TRUE(is_prefix(*found, all)) << path << " at " << at;
      ASSERT_GE(found->size(), acknowledged.size()) << path << " at " << at;
    }
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace predastore::raft::testing
