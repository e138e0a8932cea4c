#include "repair/part_copy.h"

#include <algorithm>
#include <cstring>

#include "digest/crc.h"

namespace predastore::repair {
namespace {

// What is written for so many bytes, parity included: what the job's rate is about, as it is for
// shards that are moved. A scheme with more parity costs everybody more.
std::uint64_t written_bytes(std::uint64_t size_bytes, RsConfig rs) {
  return size_bytes * rs.width() / rs.data_shards;
}

}  // namespace

Task<Result<std::vector<ChunkLayout>>> PartCopy::run(ObjectPart part,
                                                     std::vector<ChunkLayout> layouts) {
  std::vector<ChunkLayout> copied;
  for (ChunkLayout& layout : layouts) {
    PREDA_CO_TRY(ChunkLayout copy, co_await copy_chunk(std::move(layout)));
    copied.push_back(std::move(copy));
  }
  if (part.etag_md5.size() == 16 && md5_.finish() != part.etag_md5)
    co_return make_error(ErrorCode::Corruption, "the bytes of a part have another MD5");
  co_return copied;
}

Task<Result<std::vector<ChunkLayout>>> PartCopy::run_inline(ObjectPart part, Buffer bytes) {
  std::vector<Buffer> pieces{bytes};
  co_await hash(std::move(pieces));
  if (part.etag_md5.size() == 16 && md5_.finish() != part.etag_md5)
    co_return make_error(ErrorCode::Corruption, "the bytes of a part have another MD5");
  const std::uint64_t size = bytes.size();
  PREDA_CO_TRY(const std::unique_ptr<chunk::ChunkWriter> writer,
               begin(ChunkIndex{static_cast<std::uint32_t>(part.part_number.value()) << 16}));
  const auto written = co_await put(std::move(bytes), size, *writer);
  if (!written) {
    writer->abandon();
    co_return written.error();
  }
  PREDA_CO_CHECK(co_await control_.step(written_bytes(size, target_.context.bucket.rs)));
  PREDA_CO_TRY(ChunkLayout copy, co_await writer->finish());
  std::vector<ChunkLayout> copied{std::move(copy)};
  co_return copied;
}

Result<std::unique_ptr<chunk::ChunkWriter>> PartCopy::begin(ChunkIndex chunk_index) {
  chunk::ChunkTarget wanted;
  wanted.object_id = target_.object_id;
  wanted.chunk_index = chunk_index;
  wanted.rs = target_.context.bucket.rs;
  wanted.write_epoch = target_.context.write_epoch;
  wanted.incarnation = target_.context.bucket.incarnation;
  wanted.compression = target_.context.compression;
  PREDA_TRY(wanted,
            chunks_.placed(std::move(wanted), target_.context.ring, target_.bucket, target_.key));
  return chunks_.create(std::move(wanted));
}

Task<Result<ChunkLayout>> PartCopy::copy_chunk(ChunkLayout from) {
  PREDA_CO_TRY(const std::unique_ptr<chunk::ChunkWriter> writer, begin(from.chunk_index));
  const auto read = co_await copy_bytes(from, *writer);
  if (!read) {
    writer->abandon();
    co_return read.error();
  }
  co_return co_await writer->finish();
}

Task<Result<void>> PartCopy::copy_bytes(const ChunkLayout& from, chunk::ChunkWriter& writer) {
  crc64nvme_ = 0;
  filled_ = 0;
  // Whole stripes of the old scheme, so that no segment is read twice.
  const std::uint64_t old_stripe = chunk::stripe_size_bytes(from.rs);
  const std::uint64_t window =
      std::max<std::uint64_t>(1, options_.window_bytes / old_stripe) * old_stripe;
  for (std::uint64_t offset = 0; offset < from.size_bytes; offset += window) {
    const std::uint64_t size = std::min(window, from.size_bytes - offset);
    const Instant deadline = env_.clock.now() + options_.window_timeout;
    PREDA_CO_TRY(std::vector<Buffer> pieces, co_await chunks_.read(from, offset, size, deadline));
    co_await hash(pieces);
    std::uint64_t left = from.size_bytes - offset;
    for (Buffer& piece : pieces) {
      const std::size_t piece_size = piece.size();
      crc64nvme_ = digest::crc64nvme(piece, crc64nvme_);
      // The proof comes before the last bytes are handed over.
      if (piece_size == left && crc64nvme_ != from.crc64nvme)
        co_return make_error(ErrorCode::Corruption, "the bytes of a chunk have another checksum");
      PREDA_CO_CHECK(co_await put(std::move(piece), left, writer));
      left -= piece_size;
    }
    PREDA_CO_CHECK(co_await control_.step(written_bytes(size, target_.context.bucket.rs)));
  }
  co_return Result<void>{};
}

// Fills stripes of the new scheme. `left` bytes of the chunk, these included, are still to come.
Task<Result<void>> PartCopy::put(Buffer bytes, std::uint64_t left, chunk::ChunkWriter& writer) {
  const std::size_t stripe_size = chunk::stripe_size_bytes(target_.context.bucket.rs);
  while (!bytes.empty()) {
    if (filled_ == 0)
      stripe_ = chunks_.stripe_memory(
          static_cast<std::size_t>(std::min<std::uint64_t>(stripe_size, left)));
    const std::size_t count = std::min(stripe_.size() - filled_, bytes.size());
    std::memcpy(stripe_.data() + filled_, bytes.data(), count);
    filled_ += count;
    left -= count;
    bytes = bytes.slice(count);
    if (filled_ < stripe_.size()) continue;
    Buffer full = std::move(stripe_).freeze(filled_);
    filled_ = 0;
    PREDA_CO_CHECK(co_await writer.write(std::move(full), chunk::Hold{}));
  }
  co_return Result<void>{};
}

// Beside the loop; the pieces live until it is done.
Task<void> PartCopy::hash(std::vector<Buffer> pieces) {
  std::function<void()> work = [this, held = std::move(pieces)] {
    for (const Buffer& piece : held) md5_.update(ByteSpan{piece});
  };
  co_await run_blocking_void(env_.blocking, std::move(work));
}

}  // namespace predastore::repair
