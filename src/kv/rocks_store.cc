#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include "kv/checkpoint.h"
#include "kv/kv.h"

namespace predastore::kv {
namespace {

// What all families together keep before it is flushed, in buffers: each alone has one or two, but
// a load that writes to all of them would fill a dozen.
constexpr std::size_t kWriteBuffersMax = 3;
constexpr std::uint64_t kLargeValueBytes = 512;
constexpr double kFilterBitsPerKey = 10;
// A listing goes through a hundred records a block, with a quarter of RocksDB's usual reads.
constexpr std::size_t kTableBlockBytes = 16u << 10;
constexpr std::uint64_t kBlobFileBytes = 32u << 20;

rocksdb::Slice slice_of(std::string_view text) { return {text.data(), text.size()}; }

Error error_of(const rocksdb::Status& status, const std::string& what) {
  ErrorCode code = ErrorCode::Io;
  if (status.IsIncomplete())
    code = ErrorCode::Unavailable;  // of a read that may only look at memory
  if (status.IsCorruption() || status.IsInvalidArgument()) code = ErrorCode::Corruption;
  if (status.IsNoSpace()) code = ErrorCode::NoSpace;
  return make_error(code, what + ": " + status.ToString());
}

class RocksIterator final : public Iterator {
 public:
  explicit RocksIterator(std::unique_ptr<rocksdb::Iterator> iterator)
      : iterator_(std::move(iterator)) {}
  void seek(std::string_view key) override { iterator_->Seek(slice_of(key)); }
  bool valid() const override { return iterator_->Valid(); }
  void next() override { iterator_->Next(); }
  std::string_view key() const override {
    return {iterator_->key().data(), iterator_->key().size()};
  }
  std::string_view value() const override {
    return {iterator_->value().data(), iterator_->value().size()};
  }
  Result<void> status() const override {
    if (!iterator_->status().ok()) return error_of(iterator_->status(), "scan");
    return {};
  }

 private:
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksStore final : public KeyValueStore, public Checkpoints {
 public:
  RocksStore(std::unique_ptr<rocksdb::DB> db, std::vector<rocksdb::ColumnFamilyHandle*> handles,
             std::size_t family_count, bool use_wal)
      : db_(std::move(db)),
        handles_(std::move(handles)),
        family_count_(family_count),
        use_wal_(use_wal) {}

  ~RocksStore() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
    db_->Close();
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) override {
    return get_with({}, family, key);
  }
  Result<std::optional<std::string>> get_cached(Family family, std::string_view key) override {
    return get_with(from_memory(), family, key);
  }

  Result<void> write(const Batch& batch) override {
    rocksdb::WriteBatch changes;
    for (const Operation& operation : batch.operations()) {
      const rocksdb::Status status = add(changes, operation);
      if (!status.ok()) return error_of(status, "batch");
    }
    rocksdb::WriteOptions options;
    options.disableWAL = !use_wal_;
    const rocksdb::Status status = db_->Write(options, &changes);
    if (!status.ok()) return error_of(status, "write");
    return {};
  }

  std::unique_ptr<Iterator> iterate(Family family) override { return iterate_with({}, family); }
  std::unique_ptr<Iterator> iterate_cached(Family family) override {
    return iterate_with(from_memory(), family);
  }

  Result<void> flush() override {
    rocksdb::FlushOptions options;
    options.wait = true;
    options.allow_write_stall = true;
    const rocksdb::Status status = db_->Flush(options, handles_);
    if (!status.ok()) return error_of(status, "flush");
    return {};
  }

  // It flushes first, so that no log is needed with the files.
  Result<void> checkpoint(const std::string& directory) override {
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> owned(made);
    if (status.ok()) status = owned->CreateCheckpoint(directory, 0);
    if (!status.ok()) return error_of(status, "checkpoint in " + directory);
    return {};
  }

 private:
  static rocksdb::ReadOptions from_memory() {
    rocksdb::ReadOptions options;
    options.read_tier = rocksdb::kBlockCacheTier;
    return options;
  }
  Result<std::optional<std::string>> get_with(const rocksdb::ReadOptions& options, Family family,
                                              std::string_view key) {
    std::string value;
    const rocksdb::Status status = db_->Get(options, handle_of(family), slice_of(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>{};
    if (!status.ok()) return error_of(status, "get");
    return std::optional<std::string>{std::move(value)};
  }
  std::unique_ptr<Iterator> iterate_with(const rocksdb::ReadOptions& options, Family family) {
    return std::make_unique<RocksIterator>(
        std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, handle_of(family))));
  }
  rocksdb::ColumnFamilyHandle* handle_of(Family family) const {
    PREDA_ASSERT(family < family_count_);
    return handles_[family];
  }
  rocksdb::Status add(rocksdb::WriteBatch& changes, const Operation& operation) const {
    rocksdb::ColumnFamilyHandle* family = handle_of(operation.family);
    switch (operation.kind) {
      case Operation::Kind::put: return changes.Put(family, operation.key, operation.value);
      case Operation::Kind::erase: return changes.Delete(family, operation.key);
      case Operation::Kind::erase_range:
        // RocksDB refuses a range that runs backwards; for us it is an empty one.
        if (operation.key >= operation.value) return rocksdb::Status::OK();
        return changes.DeleteRange(family, operation.key, operation.value);
    }
    return rocksdb::Status::InvalidArgument("unknown operation");
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*>
      handles_;  // ours in order, then RocksDB's own default family
  std::size_t family_count_;
  bool use_wal_;
};

rocksdb::DBOptions database_options(const RocksOptions& options) {
  rocksdb::DBOptions database;
  database.create_if_missing = true;
  database.create_missing_column_families = true;
  database.atomic_flush = !options.use_wal;
  database.paranoid_checks = true;
  database.max_background_jobs = 2;
  database.db_write_buffer_size = kWriteBuffersMax * options.write_buffer_bytes;
  database.max_open_files = 256;
  database.info_log_level = rocksdb::WARN_LEVEL;
  database.keep_log_file_num = 2;
  database.max_log_file_size = 4u << 20;
  database.stats_dump_period_sec = 0;
  return database;
}

}  // namespace

Result<std::unique_ptr<KeyValueStore>> open_rocks(RocksOptions options) {
  PREDA_ASSERT(!options.families.empty());
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  table.format_version = 5;
  table.block_size = kTableBlockBytes;
  // Most of what is looked up before it is written is not there: a filter says so without a read.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : options.families) descriptors.emplace_back(name, family);
  if (options.large_values) {
    rocksdb::ColumnFamilyOptions& large = descriptors[*options.large_values].options;
    large.enable_blob_files = true;
    large.blob_cache = table.block_cache;
    large.min_blob_size = kLargeValueBytes;
    large.blob_file_size = kBlobFileBytes;
    large.enable_blob_garbage_collection = true;
    large.write_buffer_size = 2 * options.write_buffer_bytes;
  }
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, family);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(options), options.path, descriptors, &handles, &opened);
  if (!status.ok()) return error_of(status, "open " + options.path);
  std::unique_ptr<KeyValueStore> store =
      std::make_unique<RocksStore>(std::unique_ptr<rocksdb::DB>(opened), std::move(handles),
                                   options.families.size(), options.use_wal);
  return store;
}

}  // namespace predastore::kv
