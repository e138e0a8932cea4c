#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "base/buffer.h"
#include "base/strong.h"

namespace predastore {

using NodeId =
    Strong<std::uint64_t, struct NodeIdTag>;  // random, made when the node is initialised
using VoterId = Strong<std::uint64_t, struct VoterIdTag>;  // random; a wiped voter gets a new one
using SlotId = Strong<std::uint32_t, struct SlotIdTag>;    // counted from 0
using RingEpoch = Strong<std::uint32_t, struct RingEpochTag>;      // counted from 1
using WriteEpoch = Strong<std::uint64_t, struct WriteEpochTag>;    // the cluster's counter of time
using WriteId = Strong<std::uint64_t, struct WriteIdTag>;          // one try at writing one shard
using Generation = Strong<std::uint32_t, struct GenerationTag>;    // how often a layout has changed
using Incarnation = Strong<std::uint64_t, struct IncarnationTag>;  // one life of a bucket name
using Sequence = Strong<std::uint64_t, struct SequenceTag>;        // order of records on one drive
using ChunkIndex = Strong<std::uint32_t, struct ChunkIndexTag>;  // part_number * 2^16 + i; a plain
                                                                 // object is part 0
using StripeIndex = Strong<std::uint32_t, struct StripeIndexTag>;
using SegmentIndex = Strong<std::uint32_t, struct SegmentIndexTag>;  // within one shard
using ShardRole = Strong<std::uint8_t, struct ShardRoleTag>;         // 0..K-1 data, K..K+M-1 parity
using ShardFileId = Strong<std::uint64_t, struct ShardFileIdTag>;
using PartNumber = Strong<std::uint16_t, struct PartNumberTag>;  // 1..10000

template <std::size_t Size, class Tag>
struct FixedId {
  std::array<std::byte, Size> bytes{};
  friend auto operator<=>(const FixedId&, const FixedId&) = default;
  ByteSpan span() const { return bytes; }
  static FixedId from(ByteSpan source) {  // source.size() == Size
    FixedId id;
    PREDA_ASSERT(source.size() == Size);
    std::memcpy(id.bytes.data(), source.data(), Size);
    return id;
  }
};
using ObjectId = FixedId<32, struct ObjectIdTag>;  // SHA-256(bucket/path ‖ 0 ‖ 16 random bytes),
                                                   // new for every write
using ClusterId = FixedId<16, struct ClusterIdTag>;
using DriveId = FixedId<16, struct DriveIdTag>;

// The seed's metadata key: [ 32 byte objectID | 4 byte chunk index ], the index big-endian so that
// chunks are in order.
std::string chunk_key(const ObjectId& object_id, ChunkIndex chunk_index);

struct ShardKey {
  ObjectId object_id;
  ChunkIndex chunk_index;
  ShardRole role;
  friend auto operator<=>(const ShardKey&, const ShardKey&) = default;
};

}  // namespace predastore

template <std::size_t Size, class Tag>
struct std::hash<predastore::FixedId<Size, Tag>> {
  std::size_t operator()(const predastore::FixedId<Size, Tag>& id) const noexcept {
    return std::hash<std::string_view>{}(predastore::as_text(id.span()));
  }
};
template <>
struct std::hash<predastore::ShardKey> {
  std::size_t operator()(const predastore::ShardKey& key) const noexcept {
    return std::hash<predastore::ObjectId>{}(key.object_id) ^
           (std::size_t{key.chunk_index.value()} << 8 | key.role.value()) * 0x9E3779B97F4A7C15U;
  }
};
