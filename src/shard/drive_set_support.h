#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shard/drive_set.h"
#include "shard/test_support.h"

// Only for tests of this folder: a node with several drives on one disk in memory, each with an
// index of its own.
namespace predastore::shard::testing {

struct DriveMachine : fakes::TestWorld {
  explicit DriveMachine(std::uint64_t seed = 1, std::size_t drive_count = 3)
      : fakes::TestWorld(seed) {
    options.list_path = "/data/drives.list";
    for (std::size_t i = 0; i < drive_count; ++i) {
      const std::string place = "d" + std::to_string(i);
      options.drives.push_back({{"/" + place, place}, 64u << 20});
    }
    options.store.cluster.bytes[0] = std::byte{7};
    options.store.node = NodeId{9};
    options.store.reserve_bytes = 1 << 20;
    options.store.shard_file_size_bytes = 512 * 1024;
    options.store.run_compaction = false;
    options.store.run_scrub = false;
    options.store.open_index =
        [this](kv::RocksOptions rocks) -> Result<std::unique_ptr<kv::KeyValueStore>> {
      if (index_fault && rocks.path.starts_with(*index_fault))
        return make_error(ErrorCode::Io, "the index cannot be opened");
      return std::unique_ptr<kv::KeyValueStore>{
          std::make_unique<TestKeyValueStore>(indexes[rocks.path])};
    };
    options.on_failed = [this](const DriveInfo& info) { failed.push_back(info.place); };
    disk.fault = [this](std::string_view operation, const std::string& path) -> Result<void> {
      for (const auto& [prefix, failing] : faults) {
        if (path.starts_with(prefix) && (failing.empty() || failing == operation))
          return make_error(ErrorCode::Io, "injected");
      }
      return {};
    };
  }
  ~DriveMachine() {
    if (set) (void)close();
  }
  Environment env() { return TestWorld::env(files); }
  Instant soon() { return clock.now() + 10s; }

  Result<void> open() {
    auto opened = run(DriveSet::open(env(), options));
    if (!opened) return opened.error();
    set = std::move(*opened);
    if (waits_until_opened) (void)run(opened_now());
    return {};
  }
  Task<bool> opened_now() {
    co_await set->wait_until_opened();
    co_return true;
  }
  Result<void> close() {
    auto closed = run(set->close());
    set.reset();
    return closed;
  }
  void kill() {  // only the process ends
    disk.crash_at = disk.operation_count;
    const auto kept = indexes;
    (void)close();
    indexes = kept;
    disk.crash_at.reset();
  }
  // While it is not open.
  void wipe(const std::string& directory) {
    for (auto* const names : {&disk.live_names, &disk.durable_names})
      std::erase_if(*names,
                    [&](const auto& name) { return name.first.starts_with(directory + "/"); });
    indexes.erase(directory + "/kv");
  }
  void swap(const std::string& one, const std::string& other) {
    move(one, "/aside");
    move(other, one);
    move("/aside", other);
  }
  void move(const std::string& from, const std::string& to) {
    for (auto* const names : {&disk.live_names, &disk.durable_names}) {
      std::map<std::string, std::shared_ptr<TestDisk::Inode>> moved;
      for (const auto& [name, inode] : *names) {
        const bool is_there = name.starts_with(from + "/");
        moved[is_there ? to + name.substr(from.size()) : name] = inode;
      }
      *names = std::move(moved);
    }
    indexes[to + "/kv"] = indexes[from + "/kv"];
    indexes.erase(from + "/kv");
  }
  void write_text(const std::string& path, const std::string& text) {
    ASSERT_TRUE(run(write_file_durably(files, path, Buffer::copy_of(text))));
  }
  std::string read_text(const std::string& path) {
    const auto found = disk.live_names.find(path);
    return found == disk.live_names.end() ? std::string{} : found->second->live;
  }

  Result<void> put(std::uint32_t number, std::uint64_t write_id, std::uint64_t size_bytes,
                   std::uint32_t generation = 1) {
    return run(write(key_of(number), stamp_of(write_id, generation),
                     segments_of(write_id, size_bytes), soon()));
  }
  Task<Result<void>> write(ShardKey key, ShardStamp stamp, std::vector<Segment> segments,
                           Instant deadline) {
    auto writer = co_await set->begin(key, stamp, deadline);
    co_return co_await write_shard(std::move(writer), std::move(segments), deadline);
  }
  Result<std::vector<Segment>> get(std::uint32_t number, std::uint64_t write_id = 0) {
    return run(set->fetch(key_of(number), WriteId{write_id}, SegmentIndex{0}, 16, soon()));
  }
  Result<ShardInfo> stat(std::uint32_t number) { return run(set->stat(key_of(number), soon())); }
  Result<void> remove(std::uint32_t number, std::uint32_t generation = 1) {
    std::vector<ShardRemoval> removals{{key_of(number), Generation{generation}, {}}};
    return run(set->remove(std::move(removals), soon()));
  }
  void expect_holds(std::uint32_t number, std::uint64_t write_id, std::uint64_t size_bytes) {
    const auto got = get(number);
    ASSERT_TRUE(got.has_value()) << number << ": " << got.error().to_string();
    EXPECT_TRUE(same(*got, segments_of(write_id, size_bytes))) << number;
  }
  bool is_on(std::size_t drive, std::uint32_t number) {
    return set->store(drive) != nullptr &&
           run(set->store(drive)->is_indexed(key_of(number))).value();
  }
  std::size_t drive_of(std::uint32_t number) {  // the number of drives when it is on none
    std::size_t drive = 0;
    while (drive < options.drives.size() && !is_on(drive, number)) ++drive;
    return drive;
  }

  TestDisk disk;
  TestFiles files{disk};
  std::map<std::string, TestIndex> indexes;  // by path
  bool waits_until_opened = true;
  std::optional<std::string> index_fault;     // drives whose index cannot be opened, by their path
  std::map<std::string, std::string> faults;  // path -> operation (empty: all) that fails
  std::vector<std::string> failed;            // places, as they were told
  DriveSetOptions options;
  std::unique_ptr<DriveSet> set;
};

}  // namespace predastore::shard::testing
