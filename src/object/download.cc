#include "object/download.h"

#include <algorithm>

#include "digest/crc.h"
#include "env/blocking.h"

namespace predastore::object {

// ---- ChunkedObjectReader

ChunkedObjectReader::ChunkedObjectReader(ChunkedObjectStore& store, std::string bucket,
                                         std::string key, meta::ObjectAndLayouts found)
    : store_(store),
      bucket_(std::move(bucket)),
      key_(std::move(key)),
      record_(std::move(found.record)),
      inline_bytes_(Buffer::take(std::move(found.inline_bytes))) {
  std::uint64_t begin = 0;
  for (const ObjectPart& part : record_.parts) {
    part_begins_.push_back(begin);
    begin += part.size_bytes;
  }
  keep(std::move(found.layouts));
}

void ChunkedObjectReader::keep(std::vector<ChunkLayout> layouts) {
  if (layouts_.size() > store_.options_.layout_page_chunks) layouts_.clear();
  for (ChunkLayout& layout : layouts) {
    const Key key{layout.object_id, layout.chunk_index};
    layouts_.insert_or_assign(key, std::move(layout));
  }
}

ChunkedObjectReader::Key ChunkedObjectReader::key_of(const Piece& piece) const {
  const ObjectPart& part = record_.parts[piece.part];
  return {part.object_id, chunk_index_of(part.part_number, piece.chunk_number)};
}

Result<ChunkedObjectReader::Piece> ChunkedObjectReader::piece_at(std::uint64_t first_byte,
                                                                 std::uint64_t end_bytes) const {
  // The last part that does not begin after the byte; empty ones do not hold it.
  const auto after = std::upper_bound(part_begins_.begin(), part_begins_.end(), first_byte);
  if (after == part_begins_.begin())
    return make_error(ErrorCode::Internal, "an object without parts");
  Piece piece;
  piece.part = static_cast<std::size_t>(after - part_begins_.begin()) - 1;
  const ObjectPart& part = record_.parts[piece.part];
  const std::uint64_t in_part = first_byte - part_begins_[piece.part];
  if (in_part >= part.size_bytes || part.chunk_size_bytes == 0)
    return make_error(ErrorCode::Internal, "an object shorter than its record says");
  piece.chunk_number = in_part / part.chunk_size_bytes;
  if (piece.chunk_number >= 1U << 16) return make_error(ErrorCode::Internal, "a chunk too many");
  const std::uint64_t chunk_begin = piece.chunk_number * part.chunk_size_bytes;
  piece.chunk_begin_bytes = part_begins_[piece.part] + chunk_begin;
  piece.chunk_size_bytes =
      std::min<std::uint64_t>(part.chunk_size_bytes, part.size_bytes - chunk_begin);
  piece.offset_bytes = in_part - chunk_begin;
  piece.size_bytes = std::min(piece.chunk_size_bytes - piece.offset_bytes, end_bytes - first_byte);
  return piece;
}

Result<ChunkLayout> ChunkedObjectReader::checked(const Piece& piece, ChunkLayout layout) const {
  if (layout.size_bytes != piece.chunk_size_bytes)
    return make_error(ErrorCode::Corruption, "a layout of another size than its object says");
  return layout;
}

std::uint64_t ChunkedObjectReader::page_end(const Piece& piece) const {
  const std::uint64_t chunk_size = record_.parts[piece.part].chunk_size_bytes;
  const std::uint64_t end =
      piece.chunk_begin_bytes + chunk_size * store_.options_.layout_page_chunks;
  return std::min(end, record_.size_bytes);
}

Task<Result<ChunkLayout>> ChunkedObjectReader::layout_of(Piece piece) {
  const Key key = key_of(piece);
  const auto found = layouts_.find(key);
  if (found != layouts_.end()) co_return checked(piece, found->second);
  auto page = co_await store_.meta_.get_object(bucket_, key_, piece.chunk_begin_bytes,
                                               page_end(piece) - 1, store_.meta_deadline());
  const bool is_same = page && page->record.parts.size() == record_.parts.size() &&
                       page->record.parts[piece.part].object_id == key.first;
  if (is_same) {
    keep(std::move(page->layouts));
    const auto now = layouts_.find(key);
    if (now != layouts_.end()) co_return checked(piece, now->second);
  } else if (!page && page.error().code != ErrorCode::NotFound) {
    co_return page.error();
  }
  // Replaced or deleted meanwhile: its chunks are kept for readers, for a while.
  ChunkLayout none;
  co_return co_await fresh_layout_of(piece, std::move(none));
}

Task<Result<ChunkLayout>> ChunkedObjectReader::fresh_layout_of(Piece piece, ChunkLayout old) {
  const Key key = key_of(piece);
  auto fresh = co_await store_.meta_.get_layout(key.first, key.second, store_.meta_deadline());
  if (!fresh) {
    if (fresh.error().code == ErrorCode::NotFound)
      co_return make_error(ErrorCode::Unavailable, "the object was replaced while it was read");
    co_return fresh.error();
  }
  if (*fresh == old) co_return make_error(ErrorCode::Conflict, "the layout is the same");
  std::vector<ChunkLayout> one{*fresh};
  keep(std::move(one));
  co_return checked(piece, std::move(*fresh));
}

Task<Result<void>> ChunkedObjectReader::send(ByteRange range, BodySink& sink) {
  if (range.first > range.last || range.last >= record_.size_bytes)
    co_return make_error(ErrorCode::InvalidArgument, "bytes outside of an object");
  if (record_.parts.front().is_inline()) co_return co_await send_inline(range, sink);
  Download download{store_, *this, range, sink};
  co_return co_await download.run();
}

// They came with the record. They are held against the object's checksum, whatever range of them
// is asked for.
Task<Result<void>> ChunkedObjectReader::send_inline(ByteRange range, BodySink& sink) {
  if (inline_bytes_.size() != record_.size_bytes)
    co_return make_error(ErrorCode::Corruption, "the inline bytes are not those of the object");
  if (ObjectVerifier::is_of_use(record_.checksum)) {
    ObjectVerifier verifier{record_.checksum};
    if (verifier.needs_bytes())
      verifier.add_bytes(inline_bytes_);
    else
      verifier.add_chunk(digest::crc64nvme(inline_bytes_, 0), inline_bytes_.size());
    PREDA_CO_CHECK(verifier.finish());
  }
  co_return co_await sink.write(inline_bytes_.slice(range.first, range.last - range.first + 1));
}

// ---- Download

Download::Download(ChunkedObjectStore& store, ChunkedObjectReader& reader, ByteRange range,
                   BodySink& sink)
    : store_(store),
      reader_(reader),
      sink_(sink),
      next_byte_(range.first),
      end_byte_(range.last + 1) {
  const ObjectRecord& record = reader_.record();
  is_whole_ = end_byte_ - next_byte_ == record.size_bytes;
  if (!is_whole_ || !ObjectVerifier::is_of_use(record.checksum)) return;
  verifier_.emplace(record.checksum);
  verified_end_ = record.size_bytes;
}

Task<Result<void>> Download::run() {
  Result<void> sent = verify_composite();
  while (sent) {
    sent = co_await fill();
    if (!sent || windows_.empty()) break;
    auto window = windows_.front();
    // Bounded by the read's own time-out.
    while (!window->is_done) co_await window->changed.wait();
    sent = co_await write(*window);
    windows_.pop_front();
    if (window->has_reserve) {
      is_reserve_used_ = false;
      share_reserve();
    }
  }
  for (const auto& window : windows_) window->is_abandoned = true;
  co_return sent;
}

// Who has room for a whole window gives others the room for a stripe each when they wait.
void Download::share_reserve() {
  if (!store_.get_reserve_.is_short()) return;
  reserve_bytes_ -= std::exchange(surplus_bytes_, 0);
  surplus_.release();
}

// Whole stripes, with their parity in case they have to be decoded.
std::uint64_t Download::memory_of(const ChunkedObjectReader::Piece& piece, RsConfig rs) const {
  const std::uint64_t stripe = chunk::stripe_size_bytes(rs);
  const std::uint64_t first = piece.offset_bytes / stripe;
  const std::uint64_t last = (piece.offset_bytes + piece.size_bytes - 1) / stripe;
  const std::uint64_t data =
      std::min(piece.chunk_size_bytes - first * stripe, (last - first + 1) * stripe);
  return (data * rs.width() + rs.data_shards - 1) / rs.data_shards;
}

bool Download::try_acquire_reserve(std::uint64_t bytes, RsConfig rs) {
  const std::uint64_t whole = std::min(bytes, store_.options_.get_reserve_bytes);
  const std::uint64_t stripe =
      std::min<std::uint64_t>(whole, std::uint64_t{rs.width()} * kSegmentSizeBytes);
  auto memory = store_.get_reserve_.try_acquire(stripe);
  if (!memory) return false;
  auto surplus = store_.get_reserve_.try_acquire(whole - stripe);
  if (!surplus) return false;
  reserve_ = std::move(*memory);
  surplus_ = std::move(*surplus);
  reserve_bytes_ = bytes;
  surplus_bytes_ = bytes - stripe;
  is_admitted_ = true;
  return true;
}

// Only while nothing is under way, so that nobody waits for it with memory in hand.
Task<Result<void>> Download::acquire_reserve(std::uint64_t bytes) {
  reserve_.release();
  surplus_.release();
  reserve_bytes_ = surplus_bytes_ = 0;
  const std::uint64_t share = std::min(bytes, store_.options_.get_reserve_bytes);
  using Caller = MemoryBudget::Caller;
  const Caller caller = is_admitted_ ? Caller::under_way : Caller::newcomer;
  PREDA_CO_TRY(reserve_, co_await store_.get_reserve_.acquire(share, caller));
  is_admitted_ = true;
  reserve_bytes_ = bytes;
  co_return Result<void>{};
}

Task<Result<void>> Download::fill() {
  while (next_byte_ < end_byte_ && windows_.size() < store_.options_.read_windows_max) {
    PREDA_CO_TRY(ChunkedObjectReader::Piece piece, reader_.piece_at(next_byte_, end_byte_));
    PREDA_CO_TRY(ChunkLayout layout, co_await reader_.layout_of(piece));
    // Up to a boundary of stripes, so that no stripe is fetched twice.
    const std::uint64_t stripe = chunk::stripe_size_bytes(layout.rs);
    const std::uint64_t stripes =
        std::max<std::uint64_t>(store_.options_.read_window_bytes / stripe, 1);
    const std::uint64_t window_end = (piece.offset_bytes / stripe + stripes) * stripe;
    piece.size_bytes = std::min(piece.size_bytes, window_end - piece.offset_bytes);
    std::uint64_t memory = memory_of(piece, layout.rs);
    auto window = std::make_shared<Window>(store_.env_.clock);
    if (windows_.empty() && memory > reserve_bytes_) {
      const bool is_last = next_byte_ + piece.size_bytes >= end_byte_;
      const std::uint64_t full = stripes * layout.rs.width() * kSegmentSizeBytes;
      const std::uint64_t wanted = is_last ? memory : std::max(memory, full);
      if (!try_acquire_reserve(wanted, layout.rs)) {
        // Many are served at the same time: a stripe each is better than to be sent away.
        piece.size_bytes = std::min(piece.size_bytes, stripe - piece.offset_bytes % stripe);
        memory = memory_of(piece, layout.rs);
        if (memory > reserve_bytes_) {
          PREDA_CO_CHECK(co_await acquire_reserve(memory));
        }
      }
    }
    if (!is_reserve_used_ && memory <= reserve_bytes_) {
      is_reserve_used_ = window->has_reserve = true;
    } else if (store_.get_ahead_.try_acquire(memory)) {
      window->ahead = SemaphoreHold{store_.get_ahead_, memory};
    } else {
      break;
    }
    next_byte_ += piece.size_bytes;
    window->piece = piece;
    window->layout = std::move(layout);
    windows_.push_back(window);
    store_.tasks_.spawn(fetch(store_, window));
  }
  co_return Result<void>{};
}

Task<void> Download::fetch(ChunkedObjectStore& store, std::shared_ptr<Window> window) {
  const Instant deadline = store.env_.clock.now() + store.options_.read_timeout;
  auto bytes = co_await store.flights_.read(window->layout, window->piece.offset_bytes,
                                            window->piece.size_bytes, deadline);
  if (!window->is_abandoned) window->bytes = std::move(bytes);
  window->is_done = true;
  window->changed.notify_all();
}

// The layout may be an old one: its chunk was repaired or moved since.
Task<Result<std::vector<Buffer>>> Download::again(Window& window) {
  Error error = window.bytes.error();
  auto fresh = co_await reader_.fresh_layout_of(window.piece, window.layout);
  if (!fresh) {
    if (fresh.error().code == ErrorCode::Conflict) co_return error;
    co_return fresh.error();
  }
  window.layout = std::move(*fresh);
  const Instant deadline = store_.env_.clock.now() + store_.options_.read_timeout;
  co_return co_await store_.chunks_.read(window.layout, window.piece.offset_bytes,
                                         window.piece.size_bytes, deadline);
}

// A chunk that is read from its first to its last byte is the one that was written, or its last
// bytes are not sent.
Result<void> Download::verify_chunk(const Window& window, const std::vector<Buffer>& bytes) {
  if (window.piece.offset_bytes == 0) {
    is_verifying_ = true;
    crc64nvme_ = 0;
  }
  if (!is_verifying_) return {};
  for (const Buffer& buffer : bytes) crc64nvme_ = digest::crc64nvme(buffer, crc64nvme_);
  if (window.piece.offset_bytes + window.piece.size_bytes < window.piece.chunk_size_bytes)
    return {};
  is_verifying_ = false;
  if (crc64nvme_ == window.layout.crc64nvme) {
    if (verifier_) verifier_->add_chunk(crc64nvme_, window.piece.chunk_size_bytes);
    return {};
  }
  return make_error(ErrorCode::Corruption, "a chunk has another checksum than was stored");
}

// What the checksums of the parts are is known before any of their bytes; that the bytes are theirs
// is found part by part.
Result<void> Download::verify_composite() const {
  const ObjectRecord& record = reader_.record();
  const bool is_composite = record.checksum.algorithm != ChecksumAlgorithm::none &&
                            record.checksum.type == ChecksumType::composite;
  if (!is_whole_ || !is_composite) return {};
  ObjectVerifier verifier{record.checksum};
  for (const ObjectPart& part : record.parts) verifier.add_bytes(as_bytes(part.checksum.value));
  return verifier.finish();
}

void Download::begin_part(const Window& window) {
  if (verifier_) return;
  const ObjectPart& part = reader_.record().parts[window.piece.part];
  const std::uint64_t begin = reader_.part_begin(window.piece.part);
  const bool is_begun = window.piece.chunk_begin_bytes + window.piece.offset_bytes == begin;
  if (!is_begun || part.size_bytes > end_byte_ - begin ||
      !ObjectVerifier::is_of_use(part.checksum)) {
    return;
  }
  verifier_.emplace(part.checksum);
  verified_end_ = begin + part.size_bytes;
}

// Right chunks in the wrong places are found here.
Task<Result<void>> Download::verify_bytes(const Window& window, const std::vector<Buffer>& bytes) {
  if (!verifier_) co_return Result<void>{};
  const ChunkedObjectReader::Piece& piece = window.piece;
  if (verifier_->needs_bytes()) {
    const auto work = [this, &bytes] {
      for (const Buffer& buffer : bytes) verifier_->add_bytes(buffer);
    };
    if (verifier_->is_costly() && piece.size_bytes > store_.options_.inline_hash_bytes)
      co_await run_blocking(store_.env_.blocking, work);
    else
      work();
  }
  const std::uint64_t end = piece.chunk_begin_bytes + piece.offset_bytes + piece.size_bytes;
  if (end < verified_end_) co_return Result<void>{};
  Result<void> verified = verifier_->finish();
  verifier_.reset();
  co_return verified;
}

Task<Result<void>> Download::write(Window& window) {
  if (!window.bytes) window.bytes = co_await again(window);
  if (!window.bytes) co_return window.bytes.error();
  std::vector<Buffer> bytes = std::move(*window.bytes);
  begin_part(window);
  PREDA_CO_CHECK(verify_chunk(window, bytes));
  PREDA_CO_CHECK(co_await verify_bytes(window, bytes));
  co_return co_await sink_.write_all(std::move(bytes));
}

}  // namespace predastore::object
