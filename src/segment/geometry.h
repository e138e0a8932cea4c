#pragma once

#include <cstdint>

#include "model/layout.h"

namespace predastore::segment {

// Where the bytes of a chunk lie in its segments. A chunk of S bytes is cut in stripes of K * 64
// KiB. A stripe of R bytes is cut in K parts of ceil(R / K) bytes rounded up to whole blocks: 64
// KiB each for a full stripe; in the last one the trailing parts may be shorter or empty. Part r of
// stripe s is segment s of the shard with role r; its parity is as long as the longest part. A role
// without bytes in a stripe has no segment there, and a role without any segment is not stored.

std::uint32_t stripe_count(std::uint64_t chunk_size_bytes, std::uint8_t data_shards);

// Bytes of the chunk in this stripe (zero past the end).
std::uint64_t stripe_size(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                          StripeIndex stripe);

// Logical bytes of one role's segment of this stripe; `role` >= data_shards is parity. Zero: there
// is no such segment.
std::uint32_t segment_size(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                           StripeIndex stripe, ShardRole role);

// How many segments the shard of this role has; they are those of stripes 0 .. count-1.
std::uint32_t segment_count(std::uint64_t chunk_size_bytes, RsConfig rs, ShardRole role);

// Logical bytes of all segments of this role.
std::uint64_t shard_size(std::uint64_t chunk_size_bytes, RsConfig rs, ShardRole role);

// Offset in the chunk of the first byte of a data segment.
std::uint64_t segment_offset(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                             StripeIndex stripe, ShardRole role);

struct Location {
  StripeIndex stripe;  // also the segment's index in its shard
  ShardRole role;      // a data role
  std::uint32_t offset_in_segment = 0;
  friend bool operator==(const Location&, const Location&) = default;
};
// Which byte of which segment holds this byte of the chunk; offset_bytes < chunk_size_bytes.
Location locate(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                std::uint64_t offset_bytes);

}  // namespace predastore::segment
