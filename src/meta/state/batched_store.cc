#include "meta/state/batched_store.h"

namespace predastore::meta {

Result<std::optional<std::string>> BatchedStore::get(kv::Family family, std::string_view key) {
  auto& records = records_[family];
  const auto found = records.find(key);
  if (found != records.end()) return found->second.value;
  PREDA_TRY(auto value, store_.get(family, key));
  records.emplace(std::string{key}, Record{value, false});
  return value;
}

Result<void> BatchedStore::write(const kv::Batch& batch) {
  for (const kv::Operation& operation : batch.operations()) {
    if (operation.kind == kv::Operation::Kind::erase_range)
      return make_error(ErrorCode::Unsupported, "no ranges are erased by commands");
    Record& record = records_[operation.family][operation.key];
    written_count_ += record.is_written ? 0 : 1;
    record.is_written = true;
    if (operation.kind == kv::Operation::Kind::put)
      record.value = operation.value;
    else
      record.value.reset();
  }
  return {};
}

std::unique_ptr<kv::Iterator> BatchedStore::iterate(kv::Family family) {
  if (const auto committed = commit(); !committed)
    return std::make_unique<kv::FailedIterator>(committed.error());
  return store_.iterate(family);
}

Result<void> BatchedStore::flush() {
  PREDA_CHECK(commit());
  return store_.flush();
}

Result<void> BatchedStore::commit() {
  if (written_count_ == 0) return {};
  kv::Batch batch;
  for (auto& [family, records] : records_) {
    for (auto& [key, record] : records) {
      if (!record.is_written) continue;
      record.is_written = false;
      if (record.value)
        batch.put(family, key, *record.value);
      else
        batch.erase(family, key);
    }
  }
  written_count_ = 0;
  return store_.write(batch);
}

}  // namespace predastore::meta
