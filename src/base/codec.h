#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace predastore {

// Writes fixed-size little-endian numbers, bytes and length-prefixed strings, one after the other,
// into a growing string. Records that must order by key use the big-endian twin.
class Encoder {
 public:
  template <std::unsigned_integral T>
  Encoder& le(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      out_.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
    return *this;
  }
  template <std::unsigned_integral T>
  Encoder& be(T value) {
    for (std::size_t i = sizeof(T); i-- > 0;)
      out_.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
    return *this;
  }
  Encoder& raw(ByteSpan bytes) {
    out_.append(as_text(bytes));
    return *this;
  }
  Encoder& string(std::string_view text) {  // u32 length, then the bytes
    le(static_cast<std::uint32_t>(text.size()));
    out_.append(text);
    return *this;
  }
  std::size_t size() const { return out_.size(); }
  const std::string& str() const { return out_; }
  std::string take() && { return std::move(out_); }

 private:
  std::string out_;
};

// Reads what Encoder wrote, without believing any of it: after the first read past the end every
// read gives zero and ok() is false, so that a decoder checks once, at the end, and never allocates
// from a length it has not compared with what is there.
class Decoder {
 public:
  explicit Decoder(ByteSpan bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T le() {
    ByteSpan bytes = raw(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
    return static_cast<T>(value);
  }
  template <std::unsigned_integral T>
  T be() {
    ByteSpan bytes = raw(sizeof(T));
    std::uint64_t value = 0;
    for (std::byte b : bytes) value = value << 8 | static_cast<std::uint64_t>(b);
    return static_cast<T>(value);
  }
  ByteSpan raw(std::size_t size_bytes) {
    if (!ok_ || size_bytes > rest_.size()) {
      ok_ = false;
      return {};
    }
    ByteSpan bytes = rest_.first(size_bytes);
    rest_ = rest_.subspan(size_bytes);
    return bytes;
  }
  std::string_view string() { return as_text(raw(le<std::uint32_t>())); }

  bool ok() const { return ok_; }
  bool finished() const {
    return ok_ && rest_.empty();
  }  // everything was there and nothing is left
  std::size_t remaining() const { return rest_.size(); }
  ByteSpan rest() const { return rest_; }

 private:
  ByteSpan rest_;
  bool ok_ = true;
};

}  // namespace predastore
