#pragma once

#include <cstdint>
#include <memory>

#include "env/environment.h"
#include "segment/record.h"
#include "shard/shard_file.h"
#include "shard/shard_store.h"

namespace predastore::shard {

// A shard file that compaction writes: records that were copied from others, with their sequences
// and all else that they carry but their place. Nothing refers to it before finish() has returned.
class CompactionOutput {
 public:
  CompactionOutput(Environment env, std::shared_ptr<const ShardStoreOptions> options,
                   ShardFileId id);

  ShardFileId id() const { return id_; }
  bool fits(const segment::RecordHeader& header) const;
  bool empty() const { return footer_.totals().record_count == 0; }
  std::uint64_t size_bytes() const { return end_bytes_ + buffered_; }

  Task<Result<void>> create();  // and its name is durable
  // The header as it was stored: with its new place. `payload` is checked by the caller.
  Task<Result<segment::RecordHeader>> add(segment::RecordHeader header, Buffer payload);
  // The footer, and everything is durable.
  Task<Result<void>> finish();
  Task<void> discard();

 private:
  Task<Result<void>> write_out();
  MutableByteSpan room(std::size_t size_bytes);

  Environment env_;
  std::shared_ptr<const ShardStoreOptions> options_;
  ShardFileId id_;
  std::string path_;
  std::shared_ptr<File> file_;
  FooterBuilder footer_;
  MutableBuffer buffer_;
  std::uint64_t end_bytes_ = 0;  // written
  std::size_t buffered_ = 0;
};

}  // namespace predastore::shard
