#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"

namespace predastore::digest {

// MD5 of a stream whose bytes may be hashed together with those of other streams. One MD5 cannot
// go faster than its chain of additions and rotations, but a vector register runs eight such chains
// in little more than the time of one (RFC 1321; the idea of Intel's multi-buffer hashing). One
// thread at a time.
class Md5Stream {
 public:
  void update(ByteSpan bytes);
  std::string finish();  // 16 raw bytes; begins anew

 private:
  friend class Md5Lanes;
  std::array<std::uint32_t, 4> state_ = kInitial;
  std::array<std::byte, 64> rest_;  // of a block that is not whole yet
  std::uint64_t size_bytes_ = 0;

  static constexpr std::array<std::uint32_t, 4> kInitial = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                            0x10325476};
  std::size_t rest_size() const { return static_cast<std::size_t>(size_bytes_ % 64); }
  void run_blocks(ByteSpan blocks);
  ByteSpan fill_rest(ByteSpan bytes);
};

// What one stream has to hash, in order.
struct Md5Work {
  Md5Stream* stream = nullptr;
  std::vector<ByteSpan> pieces;
};

inline constexpr std::size_t kMd5LanesMax = 8;

// Hashes all of them, in lanes where the processor has AVX2 and as many as kMd5LanesMax at a time.
// Each stream once.
void update_together(std::span<Md5Work> works);

// The same one after the other: other processors, and to test the lanes against.
void update_in_turn(std::span<Md5Work> works);

}  // namespace predastore::digest
