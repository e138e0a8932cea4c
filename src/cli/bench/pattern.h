#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace predastore::cli::bench {

// The bytes of every object: one mebibyte that looks random, the same in every run, read round and
// round from a place that the object's name gives. Costs no memory and no time to make, and tells a
// wrong object or a wrong place from the right one.
class Pattern {
 public:
  Pattern();

  // Bytes [offset, offset + size) of the object `key`, at most one mebibyte; they share memory.
  BufferChain bytes(std::string_view key, std::uint64_t offset_bytes, std::size_t size_bytes) const;
  bool matches(std::string_view key, std::uint64_t offset_bytes, ByteSpan bytes) const;
  std::string sha256_hex(std::string_view key, std::uint64_t offset_bytes,
                         std::uint64_t size_bytes) const;

  static constexpr std::size_t kPeriodBytes = 1 << 20;

 private:
  Buffer base_;
};

}  // namespace predastore::cli::bench
