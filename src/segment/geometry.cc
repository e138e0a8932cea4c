#include "segment/geometry.h"

#include <algorithm>

#include "model/limits.h"

namespace predastore::segment {
namespace {

std::uint64_t stripe_size_max(std::uint8_t data_shards) {
  PREDA_ASSERT(data_shards >= 1);
  return std::uint64_t{data_shards} * kSegmentSizeBytes;
}

// The length of the longest part of a stripe of so many bytes, before it is cut off at the stripe's
// end.
std::uint64_t part_size(std::uint64_t stripe_bytes, std::uint8_t data_shards) {
  const std::uint64_t share = (stripe_bytes + data_shards - 1) / data_shards;
  return (share + kBlockSizeBytes - 1) / kBlockSizeBytes * kBlockSizeBytes;
}

}  // namespace

std::uint32_t stripe_count(std::uint64_t chunk_size_bytes, std::uint8_t data_shards) {
  const std::uint64_t full = stripe_size_max(data_shards);
  return static_cast<std::uint32_t>(chunk_size_bytes / full +
                                    (chunk_size_bytes % full != 0 ? 1 : 0));
}

std::uint64_t stripe_size(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                          StripeIndex stripe) {
  const std::uint64_t begin = stripe.value() * stripe_size_max(data_shards);
  if (begin >= chunk_size_bytes) return 0;
  return std::min(stripe_size_max(data_shards), chunk_size_bytes - begin);
}

std::uint32_t segment_size(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                           StripeIndex stripe, ShardRole role) {
  const std::uint64_t bytes = stripe_size(chunk_size_bytes, data_shards, stripe);
  const std::uint64_t part = part_size(bytes, data_shards);
  if (role.value() >= data_shards) return static_cast<std::uint32_t>(std::min(part, bytes));
  const std::uint64_t begin = role.value() * part;
  if (begin >= bytes) return 0;
  return static_cast<std::uint32_t>(std::min(part, bytes - begin));
}

std::uint32_t segment_count(std::uint64_t chunk_size_bytes, RsConfig rs, ShardRole role) {
  PREDA_ASSERT(role.value() < rs.width());
  const std::uint32_t stripes = stripe_count(chunk_size_bytes, rs.data_shards);
  if (stripes == 0) return 0;
  // Only the last stripe may leave a role without bytes.
  return segment_size(chunk_size_bytes, rs.data_shards, StripeIndex{stripes - 1}, role) > 0
             ? stripes
             : stripes - 1;
}

std::uint64_t shard_size(std::uint64_t chunk_size_bytes, RsConfig rs, ShardRole role) {
  const std::uint32_t stripes = stripe_count(chunk_size_bytes, rs.data_shards);
  if (stripes == 0) return 0;
  return std::uint64_t{stripes - 1} * kSegmentSizeBytes +
         segment_size(chunk_size_bytes, rs.data_shards, StripeIndex{stripes - 1}, role);
}

std::uint64_t segment_offset(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                             StripeIndex stripe, ShardRole role) {
  PREDA_ASSERT(role.value() < data_shards);
  const std::uint64_t bytes = stripe_size(chunk_size_bytes, data_shards, stripe);
  return stripe.value() * stripe_size_max(data_shards) +
         role.value() * part_size(bytes, data_shards);
}

Location locate(std::uint64_t chunk_size_bytes, std::uint8_t data_shards,
                std::uint64_t offset_bytes) {
  PREDA_ASSERT(offset_bytes < chunk_size_bytes);
  const std::uint64_t full = stripe_size_max(data_shards);
  const StripeIndex stripe{static_cast<std::uint32_t>(offset_bytes / full)};
  const std::uint64_t part =
      part_size(stripe_size(chunk_size_bytes, data_shards, stripe), data_shards);
  const std::uint64_t within = offset_bytes % full;
  return Location{.stripe = stripe,
                  .role = ShardRole{static_cast<std::uint8_t>(within / part)},
                  .offset_in_segment = static_cast<std::uint32_t>(within % part)};
}

}  // namespace predastore::segment
