#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "env/environment.h"
#include "env/sync.h"
#include "object/object_store.h"
#include "s3/auth/checksum.h"

namespace predastore::s3 {

// What a copy keeps: the checksum of the very same bytes, or one that is made as they pass, or
// neither (the store then makes its own).
struct CopyChecksum {
  ObjectChecksum kept;
  ChecksumAlgorithm computed = ChecksumAlgorithm::none;
};
// `of_source` none when the copy is of a range. `asked` none: that of the source.
CopyChecksum checksum_of_copy(const ObjectChecksum& of_source, ChecksumAlgorithm asked);

// The bytes of an object (or a range of it) as the body of a new one: what a reader sends is what
// the store reads, with at most `kCopyWindowBytes` in between. The store verified the bytes chunk
// by chunk as it read them. On one loop.
//
// start(), then hand it to the store, then stop() whatever came of it: the reader must have ended
// before this is destroyed.
inline constexpr std::size_t kCopyWindowBytes = 1024 * 1024;

class CopyBody final : public object::BodySource {
 public:
  // `reader` outlives this.
  CopyBody(Environment env, object::ObjectReader& reader, std::uint64_t first,
           std::uint64_t size_bytes, CopyChecksum checksum);
  ~CopyBody() override;

  void start();
  Task<void> stop();

  Task<Result<Buffer>> read(std::size_t max_bytes) override;
  std::optional<std::uint64_t> size_bytes() const override { return size_bytes_; }
  ObjectChecksum checksum() const override { return checksum_; }  // after the end
  // Why the source could not be read, if it was that.
  const std::optional<Error>& source_error() const { return source_error_; }

 private:
  class Sink;
  Task<void> send();
  Task<void> compute(Buffer piece);

  Environment env_;
  object::ObjectReader& reader_;
  std::uint64_t first_;
  std::uint64_t size_bytes_;
  ObjectChecksum checksum_;
  std::optional<ChecksumState> computed_;
  TaskGroup group_;
  Signal changed_;
  std::deque<Buffer> queue_;
  std::size_t queued_bytes_ = 0;
  bool has_ended_ = false;   // the reader is done
  bool is_stopped_ = false;  // nobody reads any more
  std::optional<Error> source_error_;
};

}  // namespace predastore::s3
