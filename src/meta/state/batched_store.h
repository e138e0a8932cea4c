#pragma once

#include <map>
#include <optional>
#include <string>

#include "kv/kv.h"

namespace predastore::meta {

// A store whose writes are kept until commit() writes them as one batch, and which remembers what
// was read. Commands that are applied one after the other read and write the same few records (the
// system's, the bucket's, the session's), so only the last value of each reaches the store, and few
// reads do. Nobody else may write to the store meanwhile. One thread.
class BatchedStore final : public kv::KeyValueStore {
 public:
  explicit BatchedStore(kv::KeyValueStore& store) : store_(store) {}

  Result<std::optional<std::string>> get(kv::Family family, std::string_view key) override;
  Result<void> write(const kv::Batch& batch) override;
  // Of a walk the store has to know everything: commits first.
  std::unique_ptr<kv::Iterator> iterate(kv::Family family) override;
  Result<void> flush() override;
  // Atomic, like all batches. What is kept stays to be read.
  Result<void> commit();

 private:
  struct Record {
    std::optional<std::string> value;  // none: there is no such key
    bool is_written = false;           // and not committed
  };
  kv::KeyValueStore& store_;
  std::map<kv::Family, std::map<std::string, Record, std::less<>>> records_;
  std::size_t written_count_ = 0;
};

}  // namespace predastore::meta
