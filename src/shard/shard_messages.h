#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/codec.h"
#include "base/result.h"
#include "model/limits.h"
#include "segment/record.h"
#include "shard/shard_service.h"

namespace predastore::shard {

// What stores say to each other above rpc, little-endian, unpadded:
//
//   fetch_shard    request := key segmentIndex:u32 segmentCount:u16 writeId:u64
//                             (the seed's MSG_FETCH_SHARD, then the try; 0: any)
//                  answer  := status:u8 crc32:u32 totalLength:u32 record*
//                             (the seed's head; whole records as on disk). The CRC is that of
//                             all headers, which hold the CRCs of what follows each of them
//   store_shard    request := key stamp, then frame* on the stream; the answer is empty
//                  frame   := 1:u8 index:u32 logicalLength:u32 codec:u8 crc32:u32
//                             storedLength:u32 payload
//                           | 2:u8 segmentCount:u32 crc32:u32 remainingMs:u32
//                             (the commit, once, the last)
//   delete_shards  request := count:u32 (key generation:u32 writeId:u64)*
//                  answer  := (empty)
//   stat_shards    request := count:u32 key*
//                  answer  := (status:u8 stamp segmentCount:u32 logicalLength:u64)*
//   key            := objectId:32 chunkIndex:u32 role:u8
//   stamp          := writeId:u64 generation:u32 writeEpoch:u64 incarnation:u64
//   status         := 0 or an error code + 1, all else then being zero
inline constexpr std::size_t kKeySizeBytes = 37;
inline constexpr std::size_t kStampSizeBytes = 28;
inline constexpr std::size_t kFetchHeadSizeBytes = 9;
inline constexpr std::size_t kSegmentFrameSizeBytes = 17;  // behind its first byte
inline constexpr std::size_t kCommitFrameSizeBytes = 12;
inline constexpr std::uint32_t kItemsMax = 4096;  // of one delete_shards or stat_shards
inline constexpr std::uint8_t kSegmentFrame = 1;
inline constexpr std::uint8_t kCommitFrame = 2;

struct FetchRequest {
  ShardKey key;
  SegmentIndex first;
  std::uint16_t count = 0;
  WriteId write_id;
};
std::string encode_fetch_request(const FetchRequest& request);
Result<FetchRequest> decode_fetch_request(ByteSpan body);

std::string encode_fetch_head(std::uint32_t crc32, std::uint32_t total_length);
// The segments of an answer, each checked against what was asked for; Corruption when anything of
// it is not so.
struct FetchAnswer {
  std::vector<Segment> segments;
  WriteId write_id;            // of all of them
  std::size_t size_bytes = 0;  // of the records
};
Result<FetchAnswer> decode_fetch_answer(const FetchRequest& request, Buffer body);

struct StoreRequest {
  ShardKey key;
  ShardStamp stamp;
};
std::string encode_store_request(const StoreRequest& request);
Result<StoreRequest> decode_store_request(ByteSpan body);

std::string encode_segment_frame(const Segment& segment);  // without the payload
// A segment without its payload yet, and how long that is.
struct SegmentFrame {
  Segment segment;
  std::uint32_t stored_size_bytes = 0;
};
Result<SegmentFrame> decode_segment_frame(ByteSpan bytes);

struct CommitFrame {
  std::uint32_t segment_count = 0;
  std::uint32_t crc32 = 0;  // as the commit record's
  std::uint32_t remaining_ms = 0;
};
std::string encode_commit_frame(const CommitFrame& frame);
Result<CommitFrame> decode_commit_frame(ByteSpan bytes);

std::string encode_delete_request(const std::vector<ShardRemoval>& removals);
Result<std::vector<ShardRemoval>> decode_delete_request(ByteSpan body);

std::string encode_stat_request(const std::vector<ShardKey>& keys);
Result<std::vector<ShardKey>> decode_stat_request(ByteSpan body);
void encode_stat_answer(Encoder& encoder, const Result<ShardInfo>& info);
Result<std::vector<Result<ShardInfo>>> decode_stat_answer(const std::vector<ShardKey>& keys,
                                                          ByteSpan body);

}  // namespace predastore::shard
