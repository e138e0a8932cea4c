#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "model/layout.h"
#include "model/limits.h"

namespace predastore::erasure {

// 1..16 data and 0..8 parity shards.
bool is_supported(RsConfig rs);

// One segment of a stripe by role. Data segments may be shorter than the stripe's longest, or
// empty: they count as if zeroes followed.
struct Present {
  ShardRole role;
  ByteSpan bytes;
};
struct Wanted {
  ShardRole role;
  MutableByteSpan bytes;  // as long as the stripe's longest segment
};

// Reed-Solomon across the segments of one stripe, systematic, over GF(2^8) with polynomial 0x11d.
// The coefficient of data segment j in parity r is 1 / ((K + r) xor j): a Cauchy matrix, so that
// any K of the K+M segments give the others, whatever K and M. It is a format: docs/formats/
// erasure.md, and the golden vectors of the tests. Pure; one thread at a time (it keeps decode
// tables).
class Codec {
 public:
  explicit Codec(RsConfig rs);  // is_supported(rs)

  RsConfig rs() const { return rs_; }

  // Fills M parity segments, each as long as the longest of the K data segments.
  void encode(std::span<const ByteSpan> data, std::span<const MutableByteSpan> parity) const;

  // Recomputes the wanted segments from any K of those that are there (more are not looked at).
  // Unavailable: fewer than K.
  Result<void> decode(std::span<const Present> present, std::span<const Wanted> wanted);

 private:
  using RoleMask = std::uint32_t;
  using Tables = std::vector<unsigned char>;

  std::shared_ptr<const Tables> decode_tables(RoleMask sources, RoleMask targets);

  RsConfig rs_;
  std::vector<unsigned char> matrix_;  // K+M rows of K
  Tables encode_tables_;
  std::map<std::pair<RoleMask, RoleMask>, std::shared_ptr<const Tables>> decode_tables_;
};

}  // namespace predastore::erasure
