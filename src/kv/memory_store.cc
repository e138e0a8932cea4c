#include "kv/memory_store.h"

#include <algorithm>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::kv {

MemoryDisk::MemoryDisk(std::size_t family_count) {
  for (std::size_t i = 0; i < family_count; ++i) current_.push_back(std::make_shared<Family>());
  flushed_ = current_;
}

void MemoryDisk::apply(Families& families, const Batch& batch) {
  for (const Operation& operation : batch.operations()) {
    auto& family = families.at(operation.family);
    if (family.use_count() > 1) family = std::make_shared<Family>(*family);
    switch (operation.kind) {
      case Operation::Kind::put: family->insert_or_assign(operation.key, operation.value); break;
      case Operation::Kind::erase: family->erase(operation.key); break;
      case Operation::Kind::erase_range:
        if (operation.key < operation.value)
          family->erase(family->lower_bound(operation.key), family->lower_bound(operation.value));
        break;
    }
  }
}

void MemoryDisk::crash(std::size_t unflushed_kept) {
  const std::lock_guard lock(mutex_);
  current_ = flushed_;
  unflushed_.resize(std::min(unflushed_kept, unflushed_.size()));
  for (const Batch& batch : unflushed_) apply(current_, batch);
  flushed_ = current_;
  unflushed_.clear();
}

std::size_t MemoryDisk::unflushed_count() const {
  const std::lock_guard lock(mutex_);
  return unflushed_.size();
}

// family count u32 | families, each: key count u64 | keys and values, strings; crc u32 of all that
std::string MemoryDisk::dump() const {
  const std::lock_guard lock(mutex_);
  Encoder out;
  out.le(static_cast<std::uint32_t>(current_.size()));
  for (const auto& family : current_) {
    out.le(std::uint64_t{family->size()});
    for (const auto& [key, value] : *family) out.string(key).string(value);
  }
  out.le(digest::crc32(as_bytes(out.str())));
  return std::move(out).take();
}

Result<std::shared_ptr<MemoryDisk>> MemoryDisk::of_dump(std::string_view bytes) {
  const Error damaged = make_error(ErrorCode::Corruption, "a damaged copy of a store");
  if (bytes.size() < sizeof(std::uint32_t)) return damaged;
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(std::uint32_t));
  Decoder end(as_bytes(bytes.substr(body.size())));
  if (end.le<std::uint32_t>() != digest::crc32(as_bytes(body))) return damaged;
  Decoder in(as_bytes(body));
  auto disk = std::make_shared<MemoryDisk>(in.le<std::uint32_t>());
  for (const auto& family : disk->current_) {
    const auto count = in.le<std::uint64_t>();
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
      const auto key = in.string();
      family->emplace(key, in.string());
    }
  }
  if (!in.finished()) return damaged;
  disk->flushed_ = disk->current_;
  return disk;
}

class MemoryIterator final : public Iterator {
 public:
  explicit MemoryIterator(std::shared_ptr<MemoryDisk::Family> family)
      : family_(std::move(family)), position_(family_->end()) {}
  void seek(std::string_view key) override { position_ = family_->lower_bound(key); }
  bool valid() const override { return position_ != family_->end(); }
  void next() override { ++position_; }
  std::string_view key() const override { return position_->first; }
  std::string_view value() const override { return position_->second; }
  Result<void> status() const override { return {}; }

 private:
  std::shared_ptr<MemoryDisk::Family> family_;
  MemoryDisk::Family::const_iterator position_;
};

class MemoryStore final : public KeyValueStore {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

  Result<std::optional<std::string>> get(Family family, std::string_view key) override {
    const std::lock_guard lock(disk_->mutex_);
    const auto& values = *disk_->current_.at(family);
    const auto found = values.find(key);
    if (found == values.end()) return std::optional<std::string>{};
    return std::optional<std::string>{found->second};
  }
  Result<void> write(const Batch& batch) override {
    const std::lock_guard lock(disk_->mutex_);
    MemoryDisk::apply(disk_->current_, batch);
    disk_->unflushed_.push_back(batch);
    return {};
  }
  std::unique_ptr<Iterator> iterate(Family family) override {
    const std::lock_guard lock(disk_->mutex_);
    return std::make_unique<MemoryIterator>(disk_->current_.at(family));
  }
  Result<void> flush() override {
    const std::lock_guard lock(disk_->mutex_);
    disk_->flushed_ = disk_->current_;
    disk_->unflushed_.clear();
    return {};
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
};

std::unique_ptr<KeyValueStore> open_memory(std::shared_ptr<MemoryDisk> disk) {
  return std::make_unique<MemoryStore>(std::move(disk));
}

}  // namespace predastore::kv
