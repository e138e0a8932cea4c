#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "env/environment.h"

// For unit tests of any folder: a loop in virtual time, and disks in memory that lose at a crash
// what was not synced, a random part of it. (A whole cluster with drawn faults is sim/.)
namespace predastore::fakes {

class TestRandom final : public Random {
 public:
  explicit TestRandom(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  void fill(MutableByteSpan bytes) override {
    for (std::byte& byte : bytes) {
      state_ ^= state_ << 13;
      state_ ^= state_ >> 7;
      state_ ^= state_ << 17;
      byte = static_cast<std::byte>(state_ >> 32);
    }
  }

 private:
  std::uint64_t state_;
};

class TestClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return WallTime{}; }
  TimerId call_at(Instant when, std::function<void()> callback) override {
    timers_[{when, ++last_id_}] = std::move(callback);
    return last_id_;
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  void advance(Duration duration) {
    const Instant until = now_ + duration;
    while (!timers_.empty() && timers_.begin()->first.first <= until) fire_next();
    now_ = until;
  }
  bool fire_next() {
    if (timers_.empty()) return false;
    auto first = timers_.begin();
    now_ = std::max(now_, first->first.first);
    auto callback = std::move(first->second);
    timers_.erase(first);
    callback();
    return true;
  }

 private:
  Instant now_{};
  TimerId last_id_ = 0;
  std::map<std::pair<Instant, TimerId>, std::function<void()>> timers_;
};

class TestBlocking final : public Blocking {
 public:
  void submit(Executor executor, std::function<void()> work, std::function<void()> done) override {
    boost::asio::post(executor, [work = std::move(work), done = std::move(done)] {
      work();
      done();
    });
  }
};

// What survives a crash, and what goes wrong before it.
struct TestDisk {
  struct Inode {
    std::string live;
    std::string durable;
    struct Change {
      std::uint64_t offset = 0;
      std::string bytes;
      bool is_truncation = false;  // to `offset`
    };
    std::vector<Change> unsynced;
  };
  std::map<std::string, std::shared_ptr<Inode>> live_names;
  std::map<std::string, std::shared_ptr<Inode>> durable_names;
  std::uint64_t capacity_bytes = 1ULL << 40;
  std::uint64_t operation_count = 0;  // writes, syncs, creations and removals
  std::optional<std::uint64_t>
      crash_at;  // from this operation on nothing happens any more, and all of it fails
  std::function<Result<void>(std::string_view operation, const std::string& path)> fault;
  Clock* clock = nullptr;  // of sync_time
  Duration sync_time{};

  bool is_crashed() const { return crash_at && operation_count > *crash_at; }
  Result<void> step(std::string_view operation, const std::string& path) {
    ++operation_count;
    if (is_crashed()) return make_error(ErrorCode::Io, "the machine is off");
    return fault ? fault(operation, path) : Result<void>{};
  }
  std::uint64_t used_bytes() const {
    std::uint64_t used = 0;
    for (const auto& [name, inode] : live_names) used += inode->live.size();
    return used;
  }
  static void apply(std::string& content, std::uint64_t offset, std::string_view bytes) {
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    content.replace(offset, bytes.size(), bytes);
  }
  // Of what was not synced, every block is kept or lost by itself.
  void lose_power(Random& random) {
    crash_at.reset();
    std::map<std::string, std::shared_ptr<Inode>> names;
    for (const auto& [name, inode] : live_names) {
      if (durable_names.contains(name) || random.below(2) == 0) names[name] = inode;
    }
    for (const auto& [name, inode] : durable_names) {
      if (!live_names.contains(name) && random.below(2) == 0) names[name] = inode;
    }
    for (const auto& [name, inode] : names) {
      std::string content = inode->durable;
      for (const auto& [offset, bytes, is_truncation] : inode->unsynced) {
        const bool all = random.below(4) == 0;
        if (is_truncation && random.below(2) == 0) content.resize(std::min(content.size(), offset));
        for (std::size_t at = 0; at < bytes.size(); at += 512) {
          if (all || random.below(2) == 0)
            apply(content, offset + at, std::string_view{bytes}.substr(at, 512));
        }
      }
      *inode = Inode{content, content, {}};
    }
    live_names = durable_names = names;
  }
};

class TestFile final : public File {
 public:
  TestFile(TestDisk& disk, std::string path, std::shared_ptr<TestDisk::Inode> inode, FileMode mode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)), mode_(mode) {}
  Task<Result<Buffer>> read(std::uint64_t offset, std::size_t size) override {
    PREDA_ASSERT(!mode_.direct || (offset % 4096 == 0 && size % 4096 == 0));
    if (disk_.fault) {
      PREDA_CO_CHECK(disk_.fault("read", path_));
    }
    const std::string& live = inode_->live;
    if (offset >= live.size()) co_return Buffer{};
    co_return Buffer::copy_of(std::string_view{live}.substr(offset, size));
  }
  Task<Result<void>> write(std::uint64_t offset, BufferChain chain) override {
    PREDA_ASSERT(mode_.write);
    PREDA_ASSERT(!mode_.direct || (offset % 4096 == 0 && chain.size() % 4096 == 0));
    PREDA_CO_CHECK(disk_.step("write", path_));
    const Buffer bytes = chain.flatten();
    if (disk_.used_bytes() + bytes.size() > disk_.capacity_bytes)
      co_return make_error(ErrorCode::NoSpace, "disk full");
    TestDisk::apply(inode_->live, offset, bytes.text());
    inode_->unsynced.push_back({offset, std::string{bytes.text()}, false});
    co_return Result<void>{};
  }
  // Takes the disk's sync time, if it has one; what is durable is what was there when it began.
  Task<Result<void>> sync() override {
    PREDA_CO_CHECK(disk_.step("sync", path_));
    if (disk_.clock != nullptr && disk_.sync_time > Duration::zero()) {
      const std::size_t begun = inode_->unsynced.size();
      const std::string content = inode_->live;
      co_await sleep_for(*disk_.clock, disk_.sync_time);
      if (disk_.is_crashed()) co_return make_error(ErrorCode::Io, "the machine is off");
      inode_->durable = content;
      inode_->unsynced.erase(inode_->unsynced.begin(),
                             inode_->unsynced.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                            begun, inode_->unsynced.size())));
      co_return Result<void>{};
    }
    inode_->durable = inode_->live;
    inode_->unsynced.clear();
    co_return Result<void>{};
  }
  Task<Result<void>> preallocate(std::uint64_t) override { co_return Result<void>{}; }
  Task<Result<void>> truncate(std::uint64_t size) override {
    PREDA_ASSERT(mode_.write);
    PREDA_CO_CHECK(disk_.step("truncate", path_));
    inode_->live.resize(size);
    inode_->unsynced.push_back({size, {}, true});
    co_return Result<void>{};
  }
  Task<Result<std::uint64_t>> size_bytes() override {
    co_return std::uint64_t{inode_->live.size()};
  }

 private:
  TestDisk& disk_;
  std::string path_;
  std::shared_ptr<TestDisk::Inode> inode_;
  FileMode mode_;
};

class TestFiles final : public FileSystem {
 public:
  explicit TestFiles(TestDisk& disk) : disk_(disk) {}
  Task<Result<std::shared_ptr<File>>> open(std::string path, FileMode mode) override {
    auto found = disk_.live_names.find(path);
    if (found == disk_.live_names.end()) {
      if (!mode.create) co_return make_error(ErrorCode::NotFound, path);
      PREDA_CO_CHECK(disk_.step("create", path));
      found = disk_.live_names.emplace(path, std::make_shared<TestDisk::Inode>()).first;
    } else if (mode.create && mode.exclusive) {
      co_return make_error(ErrorCode::AlreadyExists, path);
    }
    std::shared_ptr<File> file = std::make_shared<TestFile>(disk_, path, found->second, mode);
    co_return file;
  }
  Task<Result<void>> rename(std::string from, std::string to) override {
    PREDA_CO_CHECK(disk_.step("rename", from));
    auto found = disk_.live_names.extract(from);
    if (!found.empty()) {
      disk_.live_names[to] = std::move(found.mapped());
      co_return Result<void>{};
    }
    const auto inside = names_in(from);
    if (inside.empty()) co_return make_error(ErrorCode::NotFound, from);
    for (const std::string& path : inside)
      disk_.live_names[to + path.substr(from.size())] = disk_.live_names.extract(path).mapped();
    co_return Result<void>{};
  }
  Task<Result<void>> remove(std::string path) override {
    PREDA_CO_CHECK(disk_.step("remove", path));
    disk_.live_names.erase(path);
    co_return Result<void>{};
  }
  Task<Result<void>> remove_tree(std::string path) override {
    const auto inside = names_in(path);
    if (inside.empty()) co_return Result<void>{};
    PREDA_CO_CHECK(disk_.step("remove", path));
    for (const std::string& name : inside) disk_.live_names.erase(name);
    co_return Result<void>{};
  }
  Task<Result<std::vector<std::string>>> list(std::string directory) override {
    std::vector<std::string> names;
    for (const std::string& path : names_in(directory))
      names.push_back(path.substr(directory.size() + 1));
    co_return names;
  }
  Task<Result<void>> create_directories(std::string) override { co_return Result<void>{}; }
  Task<Result<void>> sync_directory(std::string directory) override {
    PREDA_CO_CHECK(disk_.step("sync_directory", directory));
    disk_.durable_names = disk_.live_names;
    co_return Result<void>{};
  }
  Task<Result<SpaceInfo>> space(std::string) override {
    co_return SpaceInfo{disk_.capacity_bytes,
                        disk_.capacity_bytes - std::min(disk_.capacity_bytes, disk_.used_bytes())};
  }

 private:
  // There are no directories here, only names with slashes.
  std::vector<std::string> names_in(const std::string& directory) const {
    std::vector<std::string> names;
    for (const auto& [path, inode] : disk_.live_names) {
      if (path.starts_with(directory + "/")) names.push_back(path);
    }
    return names;
  }

  TestDisk& disk_;
};

// One thread, one loop, virtual time.
struct TestWorld {
  explicit TestWorld(std::uint64_t seed = 1) : random(seed) {}
  Environment env(FileSystem& of) { return {loop.get_executor(), clock, random, of, blocking}; }

  // Runs everything until the task is done, moving the clock whenever nothing is ready.
  template <class T>
  T run(Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    start(std::move(task), result);
    while (!*result) {
      if (!step()) throw std::runtime_error("everything waits for ever");
    }
    return std::move(**result);
  }
  template <class T>
  void start(Task<T> task, std::shared_ptr<std::optional<T>> result) {
    boost::asio::co_spawn(loop, keep(std::move(task), result), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  template <class T>
  static Task<void> keep(Task<T> task, std::shared_ptr<std::optional<T>> result) {
    result->emplace(co_await std::move(task));
  }
  void settle() {  // whatever can go on without time passing does
    do {
      loop.restart();
    } while (loop.poll() > 0);
  }
  bool step() {  // one turn of the loop, or the next timer; false when there is neither
    loop.restart();
    return loop.poll() > 0 || clock.fire_next();
  }
  // False when it does not come true within `limit` of virtual time.
  bool run_until(const std::function<bool()>& condition, Duration limit) {
    const Instant end = clock.now() + limit;
    while (!condition()) {
      if (clock.now() > end || !step()) return false;
    }
    return true;
  }
  void run_for(Duration duration) {
    const Instant end = clock.now() + duration;
    run_until([&] { return clock.now() >= end; }, duration);
  }

  boost::asio::io_context loop;
  TestClock clock;
  TestRandom random;
  TestBlocking blocking;
};

}  // namespace predastore::fakes
