#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "object/chunked_object_store.h"
#include "object/object_verifier.h"

namespace predastore::object {

// A reader of one object as it was when get() read it. Layouts come by the page.
class ChunkedObjectReader final : public ObjectReader {
 public:
  // `store` outlives this.
  ChunkedObjectReader(ChunkedObjectStore& store, std::string bucket, std::string key,
                      meta::ObjectAndLayouts found);
  const ObjectRecord& record() const override { return record_; }
  std::uint64_t part_begin(std::size_t part) const { return part_begins_[part]; }
  Task<Result<void>> send(ByteRange range, BodySink& sink) override;

  // A stretch of the object that lies in one chunk.
  struct Piece {
    std::size_t part = 0;
    std::uint64_t chunk_number = 0;       // in the part
    std::uint64_t chunk_begin_bytes = 0;  // in the object
    std::uint64_t chunk_size_bytes = 0;
    std::uint64_t offset_bytes = 0;  // in the chunk
    std::uint64_t size_bytes = 0;
  };
  // The piece that begins at this byte and ends before `end_bytes`: at most one window, at most to
  // the end of the chunk, and to a boundary of stripes if it does not end before.
  Result<Piece> piece_at(std::uint64_t first_byte, std::uint64_t end_bytes) const;
  Task<Result<ChunkLayout>> layout_of(Piece piece);
  // At a new read point, after `old` did not do. Unavailable: the object is no more.
  Task<Result<ChunkLayout>> fresh_layout_of(Piece piece, ChunkLayout old);

 private:
  using Key = std::pair<ObjectId, ChunkIndex>;

  Key key_of(const Piece& piece) const;
  Result<ChunkLayout> checked(const Piece& piece, ChunkLayout layout) const;
  void keep(std::vector<ChunkLayout> layouts);
  Task<Result<void>> send_inline(ByteRange range, BodySink& sink);
  std::uint64_t page_end(const Piece& piece) const;

  ChunkedObjectStore& store_;
  std::string bucket_;
  std::string key_;
  ObjectRecord record_;
  std::vector<std::uint64_t> part_begins_;  // in the object
  std::map<Key, ChunkLayout> layouts_;      // of one page or two
  Buffer inline_bytes_;                     // all of an inline object
};

// One send(): pieces are fetched side by side within the budgets and written in order. The next one
// to be written always has memory, the reserve; what is read ahead of it takes only what is free.
class Download {
 public:
  Download(ChunkedObjectStore& store, ChunkedObjectReader& reader, ByteRange range, BodySink& sink);
  Task<Result<void>> run();

 private:
  struct Window {
    explicit Window(Clock& clock) : changed(clock) {}
    ChunkedObjectReader::Piece piece;
    ChunkLayout layout;
    Result<std::vector<Buffer>> bytes = make_error(ErrorCode::Internal);
    bool is_done = false;
    bool is_abandoned = false;
    SemaphoreHold ahead;
    bool has_reserve = false;
    Signal changed;
  };

  std::uint64_t memory_of(const ChunkedObjectReader::Piece& piece, RsConfig rs) const;
  void share_reserve();
  bool try_acquire_reserve(std::uint64_t bytes, RsConfig rs);
  Task<Result<void>> acquire_reserve(std::uint64_t bytes);
  Task<Result<void>> fill();
  Task<Result<void>> write(Window& window);
  Result<void> verify_chunk(const Window& window, const std::vector<Buffer>& bytes);
  // Of an object whose checksum is that of the checksums of its parts.
  Result<void> verify_composite() const;
  void begin_part(const Window& window);
  // Before the last bytes of what is verified are sent.
  Task<Result<void>> verify_bytes(const Window& window, const std::vector<Buffer>& bytes);
  static Task<void> fetch(ChunkedObjectStore& store, std::shared_ptr<Window> window);
  Task<Result<std::vector<Buffer>>> again(Window& window);

  ChunkedObjectStore& store_;
  ChunkedObjectReader& reader_;
  BodySink& sink_;
  std::uint64_t next_byte_;
  std::uint64_t end_byte_;
  std::deque<std::shared_ptr<Window>> windows_;
  SemaphoreHold reserve_;
  SemaphoreHold surplus_;            // of the reserve, beyond a stripe
  std::uint64_t reserve_bytes_ = 0;  // of both
  std::uint64_t surplus_bytes_ = 0;
  bool is_reserve_used_ = false;
  bool is_admitted_ = false;  // it has had memory before
  // Of the chunk that is being written, as long as it was written from its first byte.
  bool is_verifying_ = false;
  std::uint64_t crc64nvme_ = 0;
  bool is_whole_ = false;  // all of the object is read
  // Of the object when all of it is read and its checksum is of its bytes; else of the part that is
  // being written, if it is read from its first to its last byte.
  std::optional<ObjectVerifier> verifier_;
  std::uint64_t verified_end_ = 0;  // in the object: the byte behind what it verifies
};

}  // namespace predastore::object
