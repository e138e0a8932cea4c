#include "object/upload.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/codec.h"
#include "digest/crc.h"
#include "model/object_id.h"

namespace predastore::object {
namespace {

ObjectId new_object_id(Random& random, const std::string& bucket, const std::string& key) {
  std::array<std::byte, 16> salt{};
  random.fill(salt);
  return make_object_id(bucket, key, salt);
}

}  // namespace

ChunkIndex chunk_index_of(PartNumber part_number, std::uint64_t number_in_part) {
  PREDA_ASSERT(number_in_part < 1U << 16);
  return ChunkIndex{static_cast<std::uint32_t>(part_number.value()) << 16 |
                    static_cast<std::uint32_t>(number_in_part)};
}

Upload::Upload(ChunkedObjectStore& store, std::string bucket, std::string key,
               PartNumber part_number, meta::WriteContext context, BodySource& body)
    : store_(store),
      bucket_(std::move(bucket)),
      key_(std::move(key)),
      part_number_(part_number),
      context_(std::move(context)),
      body_(body),
      object_id_(new_object_id(store.env_.random, bucket_, key_)),
      rs_(context_.bucket.rs),
      hash_(std::make_shared<HashLane>(store.env_.clock, store.hashes_,
                                       store.options_.hash_backlog_max)),
      finishing_(std::make_shared<Finishing>(store.env_.clock)) {}

Task<Result<Uploaded>> Upload::run() {
  // Before the client is told to send its body.
  if (store_.put_budget_.is_crowded())
    co_return make_error(ErrorCode::Unavailable, "too many wait for memory");
  Result<void> written;
  while (written && !is_at_end_) {
    auto stripe = co_await read_stripe();
    if (!stripe) {
      written = stripe.error();
    } else if (!stripe->bytes.empty()) {
      written = co_await write_stripe(std::move(*stripe));
    }
  }
  hash_->end();
  if (written && writer_ != nullptr) written = co_await end_chunk();
  if (!written) {
    // Chunks that are already being finished end by themselves, as orphans.
    if (writer_ != nullptr) writer_->abandon();
    co_return written.error();
  }
  co_return co_await finish();
}

// ---- reading the body

Task<Result<chunk::Hold>> Upload::acquire(std::size_t data_bytes) {
  const std::uint64_t bytes =
      (std::uint64_t{data_bytes} * rs_.width() + rs_.data_shards - 1) / rs_.data_shards;
  using Caller = MemoryBudget::Caller;
  const Caller caller = size_bytes_ == 0 ? Caller::newcomer : Caller::under_way;
  if (store_.put_budget_.available_bytes() < bytes) store_.hashes_.hurry();
  PREDA_CO_TRY(SemaphoreHold memory, co_await store_.put_budget_.acquire(bytes, caller));
  chunk::Hold hold = std::make_shared<SemaphoreHold>(std::move(memory));
  co_return hold;
}

// A stripe ends with the chunk, too. Memory is taken when the first bytes are there; a piece that
// is a whole stripe is used as it is.
Task<Result<Upload::Stripe>> Upload::read_stripe() {
  std::uint64_t room = std::min<std::uint64_t>(chunk::stripe_size_bytes(rs_),
                                               store_.options_.chunk_size_bytes - in_chunk_bytes_);
  Stripe stripe;
  MutableBuffer memory;
  std::size_t filled = 0;
  const auto announced = body_.size_bytes();
  if (announced && *announced > size_bytes_) room = std::min(room, *announced - size_bytes_);
  const auto capacity = static_cast<std::size_t>(room);
  while (filled < capacity) {
    PREDA_CO_TRY(Buffer piece, co_await body_.read(capacity - filled));
    if (piece.empty()) {
      is_at_end_ = true;
      break;
    }
    PREDA_ASSERT(piece.size() <= capacity - filled);
    if (filled == 0) {
      PREDA_CO_TRY(stripe.hold, co_await acquire(capacity));
    }
    if (piece.size() == capacity) {
      stripe.bytes = std::move(piece);
      co_return stripe;
    }
    if (filled == 0) memory = store_.chunks_.stripe_memory(capacity);
    std::memcpy(memory.data() + filled, piece.data(), piece.size());
    filled += piece.size();
  }
  if (filled > 0) stripe.bytes = std::move(memory).freeze(filled);
  co_return stripe;
}

// ---- writing chunks

Task<Result<void>> Upload::write_stripe(Stripe stripe) {
  const std::size_t size = stripe.bytes.size();
  if (!inline_bytes_.empty())
    co_return make_error(ErrorCode::InvalidArgument, "the body is longer than was announced");
  if (size_bytes_ + size > kPutSizeMaxBytes)
    co_return make_error(ErrorCode::InvalidArgument, "more than one upload may bring");
  const auto announced = body_.size_bytes();
  const bool is_small = size_bytes_ == 0 && size < store_.options_.inline_hash_bytes &&
                        (is_at_end_ || (announced && *announced == size));
  if (is_small) {
    hash_->add_inline(stripe.bytes);
    if (goes_inline(size)) {
      size_bytes_ = size;
      inline_bytes_ = std::move(stripe.bytes);
      co_return Result<void>{};
    }
  } else {
    co_await hash_->add(stripe.bytes, stripe.hold);
  }
  if (finishing_->error) co_return *finishing_->error;
  if (writer_ == nullptr) {
    PREDA_CO_CHECK(begin_chunk());
  }
  size_bytes_ += size;
  in_chunk_bytes_ += size;
  const bool is_full = in_chunk_bytes_ >= store_.options_.chunk_size_bytes;
  PREDA_CO_CHECK(co_await writer_->write(std::move(stripe.bytes), std::move(stripe.hold)));
  if (!is_full) co_return Result<void>{};
  co_return co_await end_chunk();
}

// A small object goes into the command that makes it visible: no shards, and one sync instead of
// two. Parts of uploads do not: they are mostly large, and Complete must move no data.
bool Upload::goes_inline(std::size_t size) const {
  return part_number_ == PartNumber{0} && size <= context_.inline_max_bytes;
}

Result<void> Upload::begin_chunk() {
  chunk::ChunkTarget target;
  target.object_id = object_id_;
  target.chunk_index = chunk_index_of(part_number_, finishing_->layouts.size());
  target.rs = rs_;
  target.write_epoch = context_.write_epoch;
  target.incarnation = context_.bucket.incarnation;
  target.compression = context_.compression;
  PREDA_TRY(auto placed, store_.chunks_.placed(std::move(target), context_.ring, bucket_, key_));
  PREDA_TRY(writer_, store_.chunks_.create(std::move(placed)));
  in_chunk_bytes_ = 0;
  return {};
}

Task<Result<void>> Upload::end_chunk() {
  in_chunk_bytes_ = 0;
  const std::size_t number = finishing_->layouts.size();
  finishing_->layouts.emplace_back();
  ++finishing_->running;
  store_.tasks_.spawn(finish_chunk(std::move(writer_), finishing_, number));
  // Bounded by the time-outs of the stores.
  while (finishing_->running > store_.options_.finishing_chunks_max)
    co_await finishing_->changed.wait();
  if (finishing_->error) co_return *finishing_->error;
  co_return Result<void>{};
}

Task<void> Upload::finish_chunk(std::unique_ptr<chunk::ChunkWriter> writer,
                                std::shared_ptr<Finishing> finishing, std::size_t number) {
  auto layout = co_await writer->finish();
  if (layout) {
    finishing->layouts[number] = std::move(*layout);
  } else if (!finishing->error) {
    finishing->error = layout.error();
  }
  --finishing->running;
  finishing->changed.notify_all();
}

// ---- the end

Task<Result<Uploaded>> Upload::finish() {
  while (finishing_->running > 0 && !finishing_->error) co_await finishing_->changed.wait();
  if (finishing_->error) co_return *finishing_->error;
  Uploaded uploaded;
  uploaded.layouts = std::move(finishing_->layouts);
  uploaded.part.object_id = object_id_;
  uploaded.part.part_number = part_number_;
  uploaded.part.size_bytes = size_bytes_;
  if (inline_bytes_.empty())
    uploaded.part.chunk_size_bytes = static_cast<std::uint32_t>(store_.options_.chunk_size_bytes);
  uploaded.inline_bytes = inline_bytes_;
  uploaded.part.etag_md5 = co_await hash_->finish();
  PREDA_CO_TRY(uploaded.part.checksum, checksum(uploaded.layouts));
  co_return uploaded;
}

// The client's own checksum, which the body verified, or CRC64NVME, which the chunks have anyway.
Result<ObjectChecksum> Upload::checksum(const std::vector<ChunkLayout>& layouts) const {
  std::uint64_t crc = digest::crc64nvme(inline_bytes_, 0);
  for (const ChunkLayout& layout : layouts)
    crc = digest::crc64nvme_combine(crc, layout.crc64nvme, layout.size_bytes);
  Encoder value;
  value.be(crc);
  ObjectChecksum own{ChecksumAlgorithm::crc64nvme, ChecksumType::full_object,
                     std::move(value).take()};
  ObjectChecksum theirs = body_.checksum();
  if (theirs.algorithm == ChecksumAlgorithm::none) return own;
  if (theirs.algorithm == own.algorithm && theirs.value != own.value)
    return make_error(ErrorCode::Corruption, "the stored bytes are not those that were verified");
  return theirs;
}

}  // namespace predastore::object
