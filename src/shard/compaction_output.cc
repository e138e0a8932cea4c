#include "shard/compaction_output.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace predastore::shard {
namespace {

using segment::kRecordHeaderSizeBytes;
using segment::RecordHeader;

// A record never straddles two writes, so a write ends with up to one record less than this.
constexpr std::size_t kBufferBytes = 1024 * 1024;

}  // namespace

CompactionOutput::CompactionOutput(Environment env,
                                   std::shared_ptr<const ShardStoreOptions> options, ShardFileId id)
    : env_(env),
      options_(std::move(options)),
      id_(id),
      path_(options_->directory + "/shards/" + shard_file_name(id)),
      buffer_(MutableBuffer::aligned(kBufferBytes)) {}

bool CompactionOutput::fits(const RecordHeader& header) const {
  if (empty()) return true;
  const std::uint64_t footer_bytes = footer_.size_bytes(1);
  const std::uint64_t end = size_bytes() + header.record_size_bytes() + kDiskBlockBytes;
  return footer_bytes <= kFooterMaxBytes &&
         round_up_to_block(end) + footer_bytes <= options_->shard_file_size_bytes;
}

Task<Result<void>> CompactionOutput::create() {
  const FileMode mode{
      .write = true, .create = true, .exclusive = true, .direct = options_->direct_io};
  PREDA_CO_TRY(file_, co_await env_.files.open(path_, mode));
  PREDA_CO_CHECK(co_await env_.files.sync_directory(options_->directory + "/shards"));
  const std::string header = encode_file_header(
      {options_->cluster, options_->node, options_->drive, id_, options_->shard_file_size_bytes});
  std::memcpy(room(header.size()).data(), header.data(), header.size());
  buffered_ = header.size();
  co_return Result<void>{};
}

MutableByteSpan CompactionOutput::room(std::size_t size_bytes) {
  PREDA_ASSERT(buffered_ + size_bytes <= kBufferBytes);
  return buffer_.bytes().subspan(buffered_, size_bytes);
}

Task<Result<RecordHeader>> CompactionOutput::add(RecordHeader header, Buffer payload) {
  PREDA_ASSERT(payload.size() == header.stored_size_bytes);
  if (buffered_ + header.record_size_bytes() > kBufferBytes) {
    PREDA_CO_CHECK(co_await write_out());
  }
  header.file_id = id_;
  header.own_offset_bytes = end_bytes_ + buffered_;
  const MutableByteSpan out = room(header.record_size_bytes());
  segment::encode_record_header(header, out.first(kRecordHeaderSizeBytes));
  footer_.add(header, out.first(kRecordHeaderSizeBytes));
  if (!payload.empty())
    std::memcpy(out.data() + kRecordHeaderSizeBytes, payload.data(), payload.size());
  buffered_ += header.record_size_bytes();
  co_return header;
}

// A group, padded to a block: what is written is never written again.
Task<Result<void>> CompactionOutput::write_out() {
  if (buffered_ == 0) co_return Result<void>{};
  const std::size_t size = round_up_to_block(buffered_);
  std::memset(buffer_.data() + buffered_, 0, size - buffered_);
  Buffer bytes = std::move(buffer_).freeze(size);
  buffer_ = MutableBuffer::aligned(kBufferBytes);
  buffered_ = 0;
  BufferChain chain{std::move(bytes)};
  PREDA_CO_CHECK(co_await file_->write(end_bytes_, std::move(chain)));
  end_bytes_ += size;
  co_return Result<void>{};
}

Task<Result<void>> CompactionOutput::finish() {
  PREDA_CO_CHECK(co_await write_out());
  const std::string footer = footer_.encode(id_, end_bytes_);
  MutableBuffer aligned = MutableBuffer::aligned(footer.size());
  std::memcpy(aligned.data(), footer.data(), footer.size());
  BufferChain chain{std::move(aligned).freeze()};
  PREDA_CO_CHECK(co_await file_->write(end_bytes_, std::move(chain)));
  PREDA_CO_CHECK(co_await file_->sync());
  end_bytes_ += footer.size();
  co_return Result<void>{};
}

Task<void> CompactionOutput::discard() {
  file_.reset();
  (void)co_await env_.files.remove(path_);
}

}  // namespace predastore::shard
