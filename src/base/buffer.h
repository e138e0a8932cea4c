#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace predastore {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

inline ByteSpan as_bytes(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An immutable, reference-counted slice of bytes: cheap to copy and to cut, safe to share between
// threads. The memory goes back to where it came from (heap or pool) with the last slice.
class Buffer {
 public:
  Buffer() = default;
  // Keeps `owner` alive for as long as any slice of these bytes lives.
  Buffer(std::shared_ptr<const void> owner, ByteSpan bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  static Buffer copy_of(ByteSpan bytes);
  static Buffer copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  static Buffer take(std::string text);  // no copy

  ByteSpan bytes() const { return bytes_; }
  operator ByteSpan() const { return bytes_; }  // NOLINT: a buffer is its bytes
  std::string_view text() const { return as_text(bytes_); }
  const std::byte* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  Buffer slice(std::size_t offset_bytes, std::size_t size_bytes) const {
    PREDA_ASSERT(offset_bytes <= size() && size_bytes <= size() - offset_bytes);
    return Buffer{owner_, bytes_.subspan(offset_bytes, size_bytes)};
  }
  Buffer slice(std::size_t offset_bytes) const {
    return slice(offset_bytes, size() - offset_bytes);
  }

 private:
  std::shared_ptr<const void> owner_;
  ByteSpan bytes_;
};

// Uniquely owned memory that is being filled; freeze() turns it into a Buffer. Aligned to 4096
// bytes when made by aligned().
class MutableBuffer {
 public:
  MutableBuffer() = default;
  explicit MutableBuffer(std::size_t size_bytes);  // heap, not zeroed
  MutableBuffer(std::shared_ptr<void> owner, MutableByteSpan bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}
  static MutableBuffer aligned(std::size_t size_bytes);  // heap, 4096-aligned, not zeroed
  MutableBuffer(MutableBuffer&&) noexcept = default;
  MutableBuffer& operator=(MutableBuffer&&) noexcept = default;

  MutableByteSpan bytes() { return bytes_; }
  std::byte* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }

  // The first `size_bytes` bytes, immutable from now on.
  Buffer freeze(std::size_t size_bytes) && {
    PREDA_ASSERT(size_bytes <= bytes_.size());
    return Buffer{std::move(owner_), bytes_.first(size_bytes)};
  }
  Buffer freeze() && { return std::move(*this).freeze(bytes_.size()); }

 private:
  std::shared_ptr<void> owner_;
  MutableByteSpan bytes_;
};

// A short list of buffers that are sent or written one after the other.
class BufferChain {
 public:
  BufferChain() = default;
  BufferChain(Buffer buffer) { append(std::move(buffer)); }  // NOLINT: a chain of one

  void append(Buffer buffer) {
    size_bytes_ += buffer.size();
    if (!buffer.empty()) buffers_.push_back(std::move(buffer));
  }
  void append(const BufferChain& chain) {
    for (const Buffer& buffer : chain.buffers_) append(buffer);
  }
  std::size_t size() const { return size_bytes_; }
  bool empty() const { return size_bytes_ == 0; }
  const std::vector<Buffer>& buffers() const { return buffers_; }
  Buffer flatten() const;  // one buffer; copies unless there is at most one

 private:
  std::vector<Buffer> buffers_;
  std::size_t size_bytes_ = 0;
};

}  // namespace predastore
