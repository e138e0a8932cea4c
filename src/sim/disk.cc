#include "sim/disk.h"

#include <algorithm>
#include <utility>

#include "sim/inode.h"

namespace predastore::sim {

namespace {

constexpr const char* kCopyName = "content";  // the file of a copied store

}  // namespace

void ContentChange::apply(std::string& content) const {
  if (kind == Kind::truncate) {
    content.resize(offset_bytes);
    return;
  }
  if (content.size() < offset_bytes + bytes.size()) content.resize(offset_bytes + bytes.size());
  content.replace(offset_bytes, bytes.size(), bytes);
}

void SimDisk::NameChange::apply(Inode::Entries Inode::* entries) const {
  for (const Edit& edit : edits) {
    Inode::Entries& names = (*edit.directory).*entries;
    if (edit.inode) {
      names[edit.name] = edit.inode;
    } else {
      names.erase(edit.name);
    }
  }
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

std::string parent_path(std::string_view path) {
  auto parts = split_path(path);
  std::string parent;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) parent += "/" + parts[i];
  return parent.empty() ? "/" : parent;
}

std::string last_component(std::string_view path) {
  auto parts = split_path(path);
  return parts.empty() ? std::string{} : parts.back();
}

SimDisk::SimDisk(Scheduler& scheduler, std::uint64_t seed, DiskOptions disk_options)
    : options(disk_options),
      scheduler_(scheduler),
      random_(seed),
      root_(std::make_shared<Inode>()) {
  root_->is_directory = true;
}

SimDisk::~SimDisk() = default;

void SimDisk::wipe() {
  ++incarnation_;
  root_ = std::make_shared<Inode>();
  root_->is_directory = true;
  name_changes_.clear();
}

void SimDisk::wipe(const std::string& path) {
  const auto parent = find(parent_path(path));
  if (!parent) return;
  auto change = std::make_shared<NameChange>();
  change->edits.push_back({parent, last_component(path), nullptr});
  change_names(std::move(change));
  make_durable(parent);
}

std::shared_ptr<SimDisk::Inode> SimDisk::find(const std::string& path) const {
  std::shared_ptr<Inode> inode = root_;
  for (const std::string& part : split_path(path)) {
    const auto found = inode->entries.find(part);
    if (found == inode->entries.end()) return nullptr;
    inode = found->second;
  }
  return inode;
}

std::shared_ptr<SimDisk::Inode> SimDisk::make_directories(const std::string& path, bool durably) {
  std::shared_ptr<Inode> inode = root_;
  for (const std::string& part : split_path(path)) {
    auto found = inode->entries.find(part);
    if (found == inode->entries.end()) {
      auto made = std::make_shared<Inode>();
      made->is_directory = true;
      auto change = std::make_shared<NameChange>();
      change->edits.push_back({inode, part, made});
      change_names(change);
      if (durably) make_durable(inode);
      found = inode->entries.find(part);
    }
    if (!found->second->is_directory) return nullptr;
    inode = found->second;
  }
  return inode;
}

void SimDisk::change_names(std::shared_ptr<NameChange> change) {
  change->apply(&Inode::entries);
  name_changes_.push_back(std::move(change));
}

void SimDisk::make_durable(const std::shared_ptr<Inode>& directory) {
  make_durable(directory, {name_changes_.begin(), name_changes_.end()});
}

void SimDisk::make_durable(const std::shared_ptr<Inode>& directory,
                           const std::vector<std::shared_ptr<NameChange>>& changes) {
  for (const auto& change : changes) {
    const bool touches = std::ranges::any_of(
        change->edits, [&](const auto& edit) { return edit.directory == directory; });
    const auto found = std::ranges::find(name_changes_, change);
    if (!touches || found == name_changes_.end()) continue;
    name_changes_.erase(found);
    change->apply(&Inode::durable_entries);
  }
}

Result<std::shared_ptr<kv::MemoryDisk>> SimDisk::key_value_disk(const std::string& path,
                                                                std::size_t family_count) {
  const auto directory = make_directories(path, true);
  PREDA_ASSERT(directory != nullptr);
  if (directory->key_value) return directory->key_value;
  const auto copied = directory->entries.find(kCopyName);
  if (copied != directory->entries.end()) {
    PREDA_TRY(directory->key_value, kv::MemoryDisk::of_dump(copied->second->content));
  } else {
    directory->key_value = std::make_shared<kv::MemoryDisk>(family_count);
  }
  return directory->key_value;
}

Result<void> SimDisk::copy_key_value(const kv::MemoryDisk& from, const std::string& path) {
  if (find(path)) return make_error(ErrorCode::AlreadyExists, path);
  const auto directory = make_directories(path, true);
  if (!directory) return make_error(ErrorCode::Io, path);
  auto file = std::make_shared<Inode>();
  file->content = from.dump();
  if (used_bytes() + file->content.size() > options.capacity_bytes)
    return make_error(ErrorCode::NoSpace, path);
  file->durable_content = file->content;
  directory->entries[kCopyName] = file;
  directory->durable_entries[kCopyName] = file;
  return {};
}

namespace {

template <class Visit>
void walk(const std::shared_ptr<SimDisk::Inode>& inode, const std::string& path, Visit&& visit) {
  visit(path, *inode);
  for (const auto& [name, child] : inode->entries) walk(child, path + "/" + name, visit);
}

}  // namespace

// What is in flight when the process ends may be written in part; the rest is in the page cache.
void SimDisk::kill_process() {
  ++incarnation_;
  walk(root_, "", [&](const std::string&, Inode& inode) {
    crash_contents(inode, true);
    // No write-ahead log is synced: what the store had in memory goes with the process.
    if (inode.key_value)
      inode.key_value->crash(random_.below(inode.key_value->unflushed_count() + 1));
  });
}

void SimDisk::lose_power() {
  ++incarnation_;
  crash_names();
  walk(root_, "", [&](const std::string&, Inode& inode) {
    crash_contents(inode, false);
    if (inode.key_value)
      inode.key_value->crash(random_.below(inode.key_value->unflushed_count() + 1));
  });
}

void SimDisk::crash_names() {
  const std::uint64_t manner = random_.below(4);
  const std::uint64_t prefix = random_.below(name_changes_.size() + 1);
  std::uint64_t position = 0;
  for (const auto& change : name_changes_) {
    const bool kept = manner == 0   ? false
                      : manner == 1 ? true
                      : manner == 2 ? position < prefix
                                    : random_.below(2) == 0;
    if (kept) change->apply(&Inode::durable_entries);
    ++position;
  }
  name_changes_.clear();
  // Every directory that can still be reached has the names that are durable.
  std::vector<std::shared_ptr<Inode>> reached{root_};
  while (!reached.empty()) {
    const auto directory = reached.back();
    reached.pop_back();
    directory->entries = directory->durable_entries;
    for (const auto& [name, child] : directory->entries) {
      if (child->is_directory) reached.push_back(child);
    }
  }
}

namespace {

// Applies a part of one write: whole, none, or any of its blocks.
void apply_torn(const ContentChange& change, SimRandom& random, std::string& content) {
  if (change.kind == ContentChange::Kind::truncate) {
    if (random.below(2) == 0) change.apply(content);
    return;
  }
  const std::size_t block = random.below(2) == 0 ? 512 : 4096;
  for (std::size_t at = 0; at < change.bytes.size(); at += block) {
    if (random.below(2) != 0) continue;
    ContentChange piece;
    piece.offset_bytes = change.offset_bytes + at;
    piece.bytes = change.bytes.substr(at, block);
    piece.apply(content);
  }
}

}  // namespace

void SimDisk::crash_contents(Inode& inode, bool only_in_flight) {
  if (only_in_flight) {
    if (inode.changes.empty()) return;
    // The content has the bytes of writes under way already: it is built anew without some of them.
    std::string content = inode.durable_content;
    for (const auto& change : inode.changes) {
      if (change->is_complete) {
        change->apply(content);
      } else {
        apply_torn(*change, random_, content);
      }
      change->is_complete = true;
    }
    // What was torn is now simply what the page cache holds.
    auto whole = std::make_shared<ContentChange>();
    whole->kind = ContentChange::Kind::truncate;
    whole->offset_bytes = content.size();
    whole->is_complete = true;
    auto bytes = std::make_shared<ContentChange>();
    bytes->bytes = content;
    bytes->is_complete = true;
    inode.changes = {whole, bytes};
    inode.content = std::move(content);
    return;
  }
  const std::uint64_t manner = random_.below(5);
  const std::uint64_t prefix = random_.below(inode.changes.size() + 1);
  std::string content = inode.durable_content;
  std::uint64_t position = 0;
  for (const auto& change : inode.changes) {
    const bool in_prefix = position++ < prefix;
    if (manner == 0) continue;
    if (manner == 1 || (manner == 2 && in_prefix)) {
      change->apply(content);
    } else if (manner >= 3 || position == prefix + 1) {
      apply_torn(*change, random_, content);
    }
  }
  // The size may have become durable without the bytes.
  if (manner == 4 && content.size() < inode.content.size()) content.resize(inode.content.size());
  inode.changes.clear();
  inode.durable_content = content;
  inode.content = std::move(content);
}

bool SimDisk::flip_bit(const std::string& path, std::uint64_t offset_bytes) {
  const auto inode = find(path);
  if (!inode || inode->is_directory || offset_bytes >= inode->content.size()) return false;
  const char mask = static_cast<char>(1u << random_.below(8));
  inode->content[offset_bytes] = static_cast<char>(inode->content[offset_bytes] ^ mask);
  if (offset_bytes < inode->durable_content.size())
    inode->durable_content[offset_bytes] =
        static_cast<char>(inode->durable_content[offset_bytes] ^ mask);
  ++damage_count_;
  return true;
}

std::vector<std::string> SimDisk::file_paths() const {
  std::vector<std::string> paths;
  walk(root_, "", [&](const std::string& path, Inode& inode) {
    if (!inode.is_directory) paths.push_back(path);
  });
  return paths;
}

std::uint64_t SimDisk::used_bytes() const {
  std::uint64_t used = 0;
  walk(root_, "", [&](const std::string&, Inode& inode) { used += inode.content.size(); });
  return used;
}

Result<void> SimDisk::alive(std::uint64_t incarnation) const {
  if (incarnation == incarnation_) return {};
  return make_error(ErrorCode::Io, "the machine is off");
}

Instant SimDisk::draw_completion() {
  const Duration taken = random_.chance(faults.slow)
                             ? faults.slow_delay
                             : random_.between(options.latency_min, options.latency_max);
  return scheduler_.now() + taken;
}

}  // namespace predastore::sim
