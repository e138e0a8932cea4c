#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace predastore::kv {

using Family = std::uint32_t;  // index into the column families a store was opened with

struct Operation {
  enum class Kind : std::uint8_t { put, erase, erase_range } kind = Kind::put;
  Family family = 0;
  std::string key;
  std::string value;  // erase_range: the first key that is kept
};
class Batch {
 public:
  void put(Family family, std::string key, std::string value) {
    operations_.push_back({Operation::Kind::put, family, std::move(key), std::move(value)});
  }
  void erase(Family family, std::string key) {
    operations_.push_back({Operation::Kind::erase, family, std::move(key), {}});
  }
  void erase_range(Family family, std::string first, std::string last) {
    operations_.push_back(
        {Operation::Kind::erase_range, family, std::move(first), std::move(last)});
  }
  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

// Ordered, forward. Sees the store as it was when it was made.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual void seek(std::string_view key) = 0;  // first key >= key
  virtual bool valid() const = 0;
  virtual void next() = 0;
  virtual std::string_view key() const = 0;  // until the next move
  virtual std::string_view value() const = 0;
  virtual Result<void> status()
      const = 0;  // of everything so far: an invalid iterator may have failed
};

// An ordered key-value store, bytewise order. All calls block (use env.blocking unless the data is
// known to be cached) and may come from any thread. A batch is atomic. Nothing is durable before
// flush() has returned; a crash leaves a prefix of the batches since then, the same in all
// families. Errors: Corruption, Io, NoSpace.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual Result<std::optional<std::string>> get(Family family, std::string_view key) = 0;
  virtual Result<void> write(const Batch& batch) = 0;
  virtual std::unique_ptr<Iterator> iterate(Family family) = 0;
  virtual Result<void> flush() = 0;  // everything written so far is durable, all families alike

  // The same, looking at nothing but memory, so that a loop may call them: Unavailable where memory
  // does not tell, and then the calls above do. A store that keeps nothing in memory has no more.
  virtual Result<std::optional<std::string>> get_cached(Family, std::string_view) {
    return not_in_memory();
  }
  virtual std::unique_ptr<Iterator> iterate_cached(Family);

 protected:
  static Error not_in_memory() {
    return make_error(ErrorCode::Unavailable, "what is in memory does not tell");
  }
};

// At no key, and why.
class FailedIterator final : public Iterator {
 public:
  explicit FailedIterator(Error error) : error_(std::move(error)) {}
  void seek(std::string_view) override {}
  bool valid() const override { return false; }
  void next() override {}
  std::string_view key() const override { return {}; }
  std::string_view value() const override { return {}; }
  Result<void> status() const override { return error_; }

 private:
  Error error_;
};

inline std::unique_ptr<Iterator> KeyValueStore::iterate_cached(Family) {
  return std::make_unique<FailedIterator>(not_in_memory());
}

struct RocksOptions {
  std::string path;
  std::vector<std::string> families;  // the first is family 0
  bool use_wal = false;  // false: atomic flush over the families; true: an unsynced WAL
  std::size_t write_buffer_bytes = 16u << 20;  // of a family; all together keep three of them
  // Of this family large values lie in files of their own, which compaction does not copy.
  std::optional<Family> large_values;
  std::size_t cache_bytes = 16u << 20;
};
// Makes the store when it is not there. Corruption is reported, never repaired here.
Result<std::unique_ptr<KeyValueStore>> open_rocks(RocksOptions options);

}  // namespace predastore::kv
