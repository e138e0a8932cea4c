#pragma once

#include <cstddef>
#include <cstdint>

namespace predastore {

// The seed's sizes. They shape the data, so they are recorded with it; a cluster that was made with
// others keeps its own.
inline constexpr std::size_t kBlockSizeBytes = 8 * 1024;
inline constexpr std::size_t kSegmentSizeBytes = 64 * 1024;
inline constexpr std::size_t kChunkSizeBytes = 32 * 1024 * 1024;
inline constexpr std::size_t kShardFileSizeBytes = 32 * 1024 * 1024;
inline constexpr std::uint8_t kDataShardsMax = 16;
inline constexpr std::uint8_t kParityShardsMax = 8;
inline constexpr std::size_t kFetchBodyMaxBytes = 1024 * 1024;    // one fetch answer
inline constexpr std::uint64_t kObjectSizeMaxBytes = 5ULL << 40;  // 5 TiB, as AWS
inline constexpr std::uint64_t kPutSizeMaxBytes = 5ULL << 30;     // 5 GiB in one PUT or part
inline constexpr std::size_t kKeyMaxBytes = 1024;
// Objects that lie with the metadata: what may be set at most, and what a new cluster begins with.
inline constexpr std::size_t kInlineMaxBytes = 64 * 1024;
inline constexpr std::uint32_t kInlineDefaultBytes = 8 * 1024;

static_assert(kSegmentSizeBytes % kBlockSizeBytes == 0 && kChunkSizeBytes % kSegmentSizeBytes == 0);

}  // namespace predastore
