#include <algorithm>
#include <utility>

#include "sim/disk.h"
#include "sim/inode.h"

namespace predastore::sim {
namespace {

constexpr std::uint64_t kDirectAlignment = 4096;

}  // namespace

// What the operations of one mount share. Coroutines hold it by value: a file may be closed while
// one is under way.
struct Mount {
  SimDisk& disk;
  Clock& clock;
  std::uint64_t incarnation;
};

class SimFile final : public File {
 public:
  struct State {
    std::shared_ptr<Mount> mount;
    std::string path;
    std::shared_ptr<SimDisk::Inode> inode;
    FileMode mode;
  };
  explicit SimFile(State state) : state_(std::make_shared<State>(std::move(state))) {}

  Task<Result<Buffer>> read(std::uint64_t offset_bytes, std::size_t size_bytes) override {
    return read(state_, offset_bytes, size_bytes);
  }
  Task<Result<void>> write(std::uint64_t offset_bytes, BufferChain chain) override {
    return write(state_, offset_bytes, std::move(chain));
  }
  Task<Result<void>> sync() override { return sync(state_); }
  Task<Result<void>> preallocate(std::uint64_t size_bytes) override {
    return preallocate(state_, size_bytes);
  }
  Task<Result<void>> truncate(std::uint64_t size_bytes) override {
    return truncate(state_, size_bytes);
  }
  Task<Result<std::uint64_t>> size_bytes() override { return size_bytes(state_); }

 private:
  using Shared = std::shared_ptr<State>;

  static Task<Result<Buffer>> read(Shared state, std::uint64_t offset, std::size_t size);
  static Task<Result<void>> write(Shared state, std::uint64_t offset, BufferChain chain);
  static Task<Result<void>> sync(Shared state);
  static Task<Result<void>> preallocate(Shared state, std::uint64_t size);
  static Task<Result<void>> truncate(Shared state, std::uint64_t size);
  static Task<Result<std::uint64_t>> size_bytes(Shared state);
  static Result<void> start(const State& state, DiskOperation operation);
  static Task<Result<void>> finish(Shared state);
  static std::shared_ptr<ContentChange> record(State& state, ContentChange change);

  Shared state_;
};

Result<void> SimDisk::begin(DiskOperation operation, const std::string& path,
                            std::uint64_t incarnation) {
  PREDA_CHECK(alive(incarnation));
  ++operation_count_;
  return hook ? hook(operation, path) : Result<void>{};
}

Result<void> SimFile::start(const State& state, DiskOperation operation) {
  return state.mount->disk.begin(operation, state.path, state.mount->incarnation);
}

// Waits as long as the disk takes; fails when the machine went meanwhile.
Task<Result<void>> SimFile::finish(Shared state) {
  SimDisk& disk = state->mount->disk;
  const Instant when = disk.draw_completion();
  co_await sleep_until(state->mount->clock, when);
  co_return disk.alive(state->mount->incarnation);
}

std::shared_ptr<ContentChange> SimFile::record(State& state, ContentChange change) {
  auto recorded = std::make_shared<ContentChange>(std::move(change));
  recorded->apply(state.inode->content);
  state.inode->changes.push_back(recorded);
  return recorded;
}

Task<Result<Buffer>> SimFile::read(Shared state, std::uint64_t offset, std::size_t size) {
  SimDisk& disk = state->mount->disk;
  PREDA_CO_CHECK(start(*state, DiskOperation::read));
  PREDA_CO_CHECK(co_await finish(state));
  if (disk.random_.chance(disk.faults.read_error))
    co_return make_error(ErrorCode::Io, "read " + state->path);
  const std::string& content = state->inode->content;
  if (offset >= content.size()) co_return Buffer{};
  const std::size_t count = std::min<std::size_t>(size, content.size() - offset);
  const auto& faults = disk.faults;
  if (count > 0 && disk.random_.chance(faults.bit_flip) &&
      (!faults.may_damage || faults.may_damage(state->path))) {
    disk.flip_bit(state->path, offset + disk.random_.below(count));
  }
  co_return Buffer::copy_of(std::string_view{content}.substr(offset, count));
}

Task<Result<void>> SimFile::write(Shared state, std::uint64_t offset, BufferChain chain) {
  SimDisk& disk = state->mount->disk;
  PREDA_ASSERT(state->mode.write);
  if (state->mode.direct) {
    PREDA_ASSERT(offset % kDirectAlignment == 0);
    for (const Buffer& buffer : chain.buffers())
      PREDA_ASSERT(buffer.size() % kDirectAlignment == 0);
  }
  PREDA_CO_CHECK(start(*state, DiskOperation::write));
  ContentChange change;
  change.offset_bytes = offset;
  change.bytes = chain.flatten().text();
  const std::uint64_t size = state->inode->content.size();
  const std::uint64_t end = offset + change.bytes.size();
  if (end > size && disk.used_bytes() + (end - size) > disk.options.capacity_bytes)
    co_return make_error(ErrorCode::NoSpace, "write " + state->path);
  if (disk.random_.chance(disk.faults.write_error)) {
    change.bytes.resize(disk.random_.below(change.bytes.size() + 1));
    record(*state, std::move(change));
    co_return make_error(ErrorCode::Io, "write " + state->path);
  }
  if (disk.random_.chance(disk.faults.misdirected_write) && size >= 2 * kDirectAlignment &&
      (!disk.faults.may_damage || disk.faults.may_damage(state->path))) {
    change.offset_bytes = disk.random_.below(size / kDirectAlignment) * kDirectAlignment;
    ++disk.damage_count_;
  }
  const auto recorded = record(*state, std::move(change));
  PREDA_CO_CHECK(co_await finish(state));
  recorded->is_complete = true;
  co_return Result<void>{};
}

Task<Result<void>> SimFile::sync(Shared state) {
  SimDisk& disk = state->mount->disk;
  PREDA_CO_CHECK(start(*state, DiskOperation::sync));
  // Only what was written before the call is covered.
  std::vector<std::shared_ptr<ContentChange>> covered;
  for (const auto& change : state->inode->changes) {
    if (change->is_complete) covered.push_back(change);
  }
  PREDA_CO_CHECK(co_await finish(state));
  if (disk.random_.chance(disk.faults.lying_sync)) co_return Result<void>{};
  const bool failed = disk.random_.chance(disk.faults.sync_error);
  SimDisk::Inode& inode = *state->inode;
  for (const auto& change : covered) {
    const auto found = std::ranges::find(inode.changes, change);
    if (found == inode.changes.end()) continue;  // another sync was faster
    inode.changes.erase(found);
    if (!failed || disk.random_.below(2) == 0) change->apply(inode.durable_content);
  }
  if (failed) co_return make_error(ErrorCode::Io, "sync " + state->path);
  co_return Result<void>{};
}

Task<Result<void>> SimFile::preallocate(Shared state, std::uint64_t) {
  PREDA_CO_CHECK(start(*state, DiskOperation::write));
  co_return co_await finish(state);
}

Task<Result<void>> SimFile::truncate(Shared state, std::uint64_t size) {
  PREDA_ASSERT(state->mode.write);
  PREDA_CO_CHECK(start(*state, DiskOperation::truncate));
  ContentChange change;
  change.kind = ContentChange::Kind::truncate;
  change.offset_bytes = size;
  const auto recorded = record(*state, std::move(change));
  PREDA_CO_CHECK(co_await finish(state));
  recorded->is_complete = true;
  co_return Result<void>{};
}

Task<Result<std::uint64_t>> SimFile::size_bytes(Shared state) {
  PREDA_CO_CHECK(state->mount->disk.alive(state->mount->incarnation));
  co_return std::uint64_t{state->inode->content.size()};
}

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(std::shared_ptr<Mount> mount) : mount_(std::move(mount)) {}

  Task<Result<std::shared_ptr<File>>> open(std::string path, FileMode mode) override;
  Task<Result<void>> rename(std::string from, std::string to) override;
  Task<Result<void>> remove(std::string path) override;
  Task<Result<void>> remove_tree(std::string path) override;
  Task<Result<std::vector<std::string>>> list(std::string directory) override;
  Task<Result<void>> create_directories(std::string path) override;
  Task<Result<void>> sync_directory(std::string path) override;
  Task<Result<SpaceInfo>> space(std::string path) override;

 private:
  using Inode = SimDisk::Inode;
  using NameChange = SimDisk::NameChange;

  Result<void> start(DiskOperation operation, const std::string& path) const {
    return mount_->disk.begin(operation, path, mount_->incarnation);
  }
  Task<Result<void>> finish() {
    auto mount = mount_;
    const Instant when = mount->disk.draw_completion();
    co_await sleep_until(mount->clock, when);
    co_return mount->disk.alive(mount->incarnation);
  }
  void unlink(const std::string& path) {
    auto change = std::make_shared<NameChange>();
    change->edits.push_back({mount_->disk.find(parent_path(path)), last_component(path), nullptr});
    mount_->disk.change_names(std::move(change));
  }

  std::shared_ptr<Mount> mount_;
};

std::unique_ptr<FileSystem> SimDisk::mount(Clock& clock) {
  return std::make_unique<SimFileSystem>(
      std::make_shared<Mount>(Mount{*this, clock, incarnation_}));
}

Task<Result<std::shared_ptr<File>>> SimFileSystem::open(std::string path, FileMode mode) {
  PREDA_CO_CHECK(start(DiskOperation::open, path));
  PREDA_CO_CHECK(co_await finish());
  std::shared_ptr<Inode> inode = mount_->disk.find(path);
  if (inode && inode->is_directory) co_return make_error(ErrorCode::Io, path + " is a directory");
  if (inode && mode.create && mode.exclusive) co_return make_error(ErrorCode::AlreadyExists, path);
  if (!inode) {
    if (!mode.create) co_return make_error(ErrorCode::NotFound, path);
    const auto parent = mount_->disk.find(parent_path(path));
    if (!parent || !parent->is_directory) co_return make_error(ErrorCode::NotFound, path);
    PREDA_CO_CHECK(start(DiskOperation::create, path));
    inode = std::make_shared<Inode>();
    auto change = std::make_shared<NameChange>();
    change->edits.push_back({parent, last_component(path), inode});
    mount_->disk.change_names(std::move(change));
  }
  std::shared_ptr<File> file =
      std::make_shared<SimFile>(SimFile::State{mount_, std::move(path), std::move(inode), mode});
  co_return file;
}

Task<Result<void>> SimFileSystem::rename(std::string from, std::string to) {
  PREDA_CO_CHECK(start(DiskOperation::rename, from));
  PREDA_CO_CHECK(co_await finish());
  const auto inode = mount_->disk.find(from);
  const auto target = mount_->disk.find(parent_path(to));
  if (!inode || !target) co_return make_error(ErrorCode::NotFound, from);
  const auto old = mount_->disk.find(to);
  if (old && old->is_directory && !old->entries.empty())
    co_return make_error(ErrorCode::Io, to + " is a directory that is not empty");
  auto change = std::make_shared<NameChange>();
  change->edits.push_back({mount_->disk.find(parent_path(from)), last_component(from), nullptr});
  change->edits.push_back({target, last_component(to), inode});
  mount_->disk.change_names(std::move(change));
  co_return Result<void>{};
}

Task<Result<void>> SimFileSystem::remove(std::string path) {
  PREDA_CO_CHECK(start(DiskOperation::remove, path));
  PREDA_CO_CHECK(co_await finish());
  const auto inode = mount_->disk.find(path);
  if (!inode) co_return make_error(ErrorCode::NotFound, path);
  if (!inode->entries.empty()) co_return make_error(ErrorCode::Io, path + " is not empty");
  unlink(path);
  co_return Result<void>{};
}

Task<Result<void>> SimFileSystem::remove_tree(std::string path) {
  PREDA_CO_CHECK(start(DiskOperation::remove, path));
  PREDA_CO_CHECK(co_await finish());
  // Depth first, one name at a time, as it is done on a real disk: a crash may leave any of them.
  std::vector<std::string> names;
  std::vector<std::string> open{path};
  while (!open.empty()) {
    const std::string next = open.back();
    open.pop_back();
    const auto inode = mount_->disk.find(next);
    if (!inode) continue;
    names.push_back(next);
    for (const auto& [name, child] : inode->entries) open.push_back(next + "/" + name);
  }
  for (auto name = names.rbegin(); name != names.rend(); ++name) unlink(*name);
  co_return Result<void>{};
}

Task<Result<std::vector<std::string>>> SimFileSystem::list(std::string directory) {
  PREDA_CO_CHECK(start(DiskOperation::open, directory));
  PREDA_CO_CHECK(co_await finish());
  const auto inode = mount_->disk.find(directory);
  if (!inode || !inode->is_directory) co_return make_error(ErrorCode::NotFound, directory);
  std::vector<std::string> names;
  for (const auto& [name, child] : inode->entries) names.push_back(name);
  co_return names;
}

Task<Result<void>> SimFileSystem::create_directories(std::string path) {
  PREDA_CO_CHECK(start(DiskOperation::create, path));
  PREDA_CO_CHECK(co_await finish());
  if (!mount_->disk.make_directories(path, true))
    co_return make_error(ErrorCode::AlreadyExists, path + " is there and is not a directory");
  co_return Result<void>{};
}

Task<Result<void>> SimFileSystem::sync_directory(std::string path) {
  PREDA_CO_CHECK(start(DiskOperation::sync_directory, path));
  const auto directory = mount_->disk.find(path);
  if (!directory) co_return make_error(ErrorCode::NotFound, path);
  // As with a file, what changes while it is under way need not be covered.
  const std::vector<std::shared_ptr<NameChange>> before(mount_->disk.name_changes_.begin(),
                                                        mount_->disk.name_changes_.end());
  PREDA_CO_CHECK(co_await finish());
  mount_->disk.make_durable(directory, before);
  co_return Result<void>{};
}

Task<Result<SpaceInfo>> SimFileSystem::space(std::string) {
  PREDA_CO_CHECK(mount_->disk.alive(mount_->incarnation));
  const std::uint64_t capacity = mount_->disk.options.capacity_bytes;
  co_return SpaceInfo{capacity, capacity - std::min(capacity, mount_->disk.used_bytes())};
}

}  // namespace predastore::sim
