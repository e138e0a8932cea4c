// What a simulated disk keeps over a crash, and what it does wrong when it is told to.
#include "sim/disk.h"

#include <gtest/gtest.h>

#include <set>

#include "sim/host.h"
#include "sim/key_value.h"

namespace predastore::sim {
namespace {

constexpr FileMode kCreate{.write = true, .create = true};

struct Machine {
  explicit Machine(std::uint64_t seed) : scheduler(seed), disk(scheduler, seed) { start(); }
  void start() { host = std::make_unique<SimHost>(scheduler, disk, "n1", 7); }
  template <class T>
  T run(Task<T> task) {
    return *try_run(host->process, std::move(task));
  }
  std::shared_ptr<File> create(const std::string& path) {
    return *run(host->files->open(path, kCreate));
  }
  void write(File& file, std::uint64_t offset, const std::string& text) {
    run(file.write(offset, Buffer::copy_of(text))).value();
  }
  std::optional<std::string> content(const std::string& path) {
    auto read = run(read_file(*host->files, path, 1 << 20));
    if (!read) return std::nullopt;
    return std::string(read->text());
  }
  void lose_power() {
    disk.lose_power();
    start();
  }

  Scheduler scheduler;
  SimDisk disk;
  std::unique_ptr<SimHost> host;
};

TEST(SimDisk, what_was_synced_survives_a_power_loss_under_every_seed) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Machine machine(seed);
    ASSERT_TRUE(machine.run(machine.host->files->create_directories("/a")).has_value());
    const auto file = machine.create("/a/f");
    machine.write(*file, 0, std::string(10'000, 'x'));
    ASSERT_TRUE(machine.run(file->sync()).has_value());
    ASSERT_TRUE(machine.run(machine.host->files->sync_directory("/a")).has_value());
    machine.write(*file, 0, std::string(20'000, 'y'));
    machine.lose_power();
    const auto content = machine.content("/a/f");
    ASSERT_TRUE(content.has_value());
    ASSERT_GE(content->size(), 10'000u);
    for (std::size_t i = 0; i < 10'000; ++i)
      ASSERT_TRUE((*content)[i] == 'x' || (*content)[i] == 'y');
  }
}

TEST(SimDisk, what_was_not_synced_is_lost_kept_and_torn) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Machine machine(seed);
    const auto file = machine.create("/f");
    ASSERT_TRUE(machine.run(file->sync()).has_value());
    ASSERT_TRUE(machine.run(machine.host->files->sync_directory("/")).has_value());
    machine.write(*file, 0, std::string(4096, 'a'));
    machine.write(*file, 4096, std::string(4096, 'b'));
    machine.lose_power();
    const std::string content = machine.content("/f").value();
    const bool first = content.substr(0, 4096) == std::string(4096, 'a');
    const bool second = content.size() == 8192 && content.substr(4096) == std::string(4096, 'b');
    const bool torn = content.find('a') != std::string::npos && !first;
    outcomes.insert(torn              ? "torn"
                    : first && second ? "all"
                    : first           ? "first"
                    : second          ? "second"
                                      : "none");
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"all", "first", "none", "second", "torn"}));
}

TEST(SimDisk, a_name_is_durable_only_after_its_directory_was_synced) {
  std::set<bool> is_there;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Machine machine(seed);
    const auto file = machine.create("/f");
    machine.write(*file, 0, "bytes");
    ASSERT_TRUE(machine.run(file->sync()).has_value());
    machine.lose_power();
    const auto content = machine.content("/f");
    is_there.insert(content.has_value());
    if (content) {
      EXPECT_EQ(*content, "bytes");
    }
  }
  EXPECT_EQ(is_there.size(), 2u);
}

TEST(SimDisk, a_durable_replacement_is_old_or_new_and_then_new) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Machine machine(seed);
    SimHost& host = *machine.host;
    ASSERT_TRUE(machine.run(write_file_durably(*host.files, "/f", Buffer::copy_of("old"))));
    // Power is lost somewhere in the second replacement.
    const std::uint64_t last = machine.disk.operation_count() + seed % 8;
    machine.disk.hook = [&machine, last](DiskOperation, const std::string&) -> Result<void> {
      if (machine.disk.operation_count() <= last) return {};
      return make_error(ErrorCode::Io, "stopped");
    };
    const bool done =
        machine.run(write_file_durably(*host.files, "/f", Buffer::copy_of("new"))).has_value();
    machine.disk.hook = nullptr;
    machine.lose_power();
    const std::string content = machine.content("/f").value_or("nothing");
    seen.insert(content);
    EXPECT_TRUE(content == "new" || (content == "old" && !done)) << content;
  }
  EXPECT_EQ(seen, (std::set<std::string>{"new", "old"}));
}

TEST(SimDisk, a_process_that_is_killed_loses_only_what_was_under_way) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Machine machine(seed);
    const auto file = machine.create("/f");
    machine.write(*file, 0, std::string(5000, 'x'));
    machine.disk.kill_process();
    machine.start();
    EXPECT_EQ(machine.content("/f").value(), std::string(5000, 'x'));
    // It was never synced, so a power loss can still take it.
    EXPECT_FALSE(machine.run(file->read(0, 1)).has_value());
  }
}

TEST(SimDisk, the_dead_change_nothing) {
  Machine machine(1);
  const auto old_host = std::move(machine.host);
  auto opened = *try_run(old_host->process, old_host->files->open("/f", kCreate));
  const std::shared_ptr<File> file = *opened;
  machine.disk.lose_power();
  machine.start();
  const auto other = machine.create("/g");
  EXPECT_FALSE((*try_run(old_host->process, file->write(0, Buffer::copy_of("x")))).has_value());
  EXPECT_FALSE((*try_run(old_host->process, file->sync())).has_value());
  EXPECT_FALSE((*try_run(old_host->process, old_host->files->remove("/g"))).has_value());
  EXPECT_TRUE(machine.content("/g").has_value());
}

TEST(SimDisk, a_failed_sync_may_lose_what_a_later_one_does_not_bring_back) {
  std::set<bool> lost;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Machine machine(seed);
    const auto file = machine.create("/f");
    ASSERT_TRUE(machine.run(machine.host->files->sync_directory("/")).has_value());
    machine.write(*file, 0, "bytes");
    machine.disk.faults.sync_error = 1;
    EXPECT_FALSE(machine.run(file->sync()).has_value());
    machine.disk.faults.sync_error = 0;
    EXPECT_TRUE(machine.run(file->sync()).has_value());
    machine.lose_power();
    lost.insert(machine.content("/f") != "bytes");
  }
  EXPECT_EQ(lost.size(), 2u);
}

TEST(SimDisk, errors_damage_and_a_full_drive_come_when_told) {
  Machine machine(3);
  const auto file = machine.create("/f");
  machine.write(*file, 0, std::string(1000, 'x'));
  machine.disk.faults.read_error = 1;
  EXPECT_EQ(machine.run(file->read(0, 1)).error().code, ErrorCode::Io);
  machine.disk.faults = {};
  machine.disk.faults.bit_flip = 1;
  EXPECT_NE(machine.run(file->read(0, 1000)).value().text(), std::string(1000, 'x'));
  machine.disk.faults = {};
  EXPECT_NE(machine.content("/f").value(), std::string(1000, 'x'));  // it stays
  EXPECT_EQ(machine.disk.damage_count(), 1u);
  machine.disk.faults.write_error = 1;
  EXPECT_EQ(machine.run(file->write(0, Buffer::copy_of("y"))).error().code, ErrorCode::Io);
  machine.disk.faults = {};
  machine.disk.options.capacity_bytes = 1500;
  EXPECT_TRUE(machine.run(file->write(1000, Buffer::copy_of(std::string(400, 'z')))).has_value());
  EXPECT_EQ(machine.run(file->write(1400, Buffer::copy_of(std::string(400, 'z')))).error().code,
            ErrorCode::NoSpace);
  EXPECT_TRUE(machine.run(file->write(0, Buffer::copy_of(std::string(400, 'z')))).has_value());
  machine.disk.wipe();
  machine.start();
  EXPECT_TRUE(machine.disk.file_paths().empty());
}

TEST(SimStore, a_crash_leaves_what_was_flushed_and_a_prefix) {
  std::set<std::size_t> kept;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Machine machine(seed);
    kv::RocksOptions options;
    options.path = "/kv";
    options.families = {"first", "second"};
    auto store = *open_sim_store(machine.disk, options);
    for (int i = 0; i < 5; ++i) {
      kv::Batch batch;
      batch.put(0, std::to_string(i), "");
      batch.put(1, std::to_string(i), "");
      ASSERT_TRUE(store->write(batch).has_value());
      if (i == 1) {
        ASSERT_TRUE(store->flush().has_value());
      }
    }
    machine.lose_power();
    EXPECT_FALSE(store->write(kv::Batch{}).has_value());
    EXPECT_FALSE(store->flush().has_value());
    auto after = *open_sim_store(machine.disk, options);
    std::size_t count = 0;
    while (after->get(0, std::to_string(count)).value()) {
      EXPECT_TRUE(after->get(1, std::to_string(count)).value().has_value());
      ++count;
    }
    for (std::size_t i = count; i < 5; ++i)
      EXPECT_FALSE(after->get(0, std::to_string(i)).value().has_value());
    kept.insert(count);
  }
  EXPECT_EQ(kept, (std::set<std::size_t>{2, 3, 4, 5}));
}

TEST(SimStore, goes_with_its_directory) {
  Machine machine(1);
  kv::RocksOptions options;
  options.path = "/drive/kv";
  options.families = {"first"};
  auto store = *open_sim_store(machine.disk, options);
  kv::Batch batch;
  batch.put(0, "a", "1");
  ASSERT_TRUE(store->write(batch).has_value());
  store.reset();
  ASSERT_TRUE(machine.run(machine.host->files->remove_tree("/drive/kv")).has_value());
  store = *open_sim_store(machine.disk, options);
  EXPECT_FALSE(store->get(0, "a").value().has_value());
}

}  // namespace
}  // namespace predastore::sim
