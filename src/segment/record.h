#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"
#include "model/ids.h"

namespace predastore::segment {

// The header of every record in a shard file, 120 bytes, little-endian, unpadded
// (docs/formats/shard_file.md):
//
//   record  := header payload                      payload: storedLength bytes, only in a segment
//   header  := magic:u32 version:u8 kind:u8 codec:u8 role:u8 objectID:32 chunkIndex:u32
//              segmentIndex:u32 logicalLength:u64 storedLength:u32 payloadCrc32:u32
//              fileId:u64 ownOffset:u64 writeId:u64 generation:u32 writeEpoch:u64 sequence:u64
//              incarnation:u64 headerCrc32:u32                     of the 116 bytes before it
//
// A header says where it belongs (file, offset) and which try wrote it (write id), so that a valid
// record in the wrong place, or an old one in recycled space, is seen for what it is.
inline constexpr std::size_t kRecordHeaderSizeBytes = 120;
inline constexpr std::uint32_t kRecordMagic = 0x43455250;  // "PREC"
inline constexpr std::uint8_t kRecordVersion = 1;

enum class RecordKind : std::uint8_t { segment = 1, commit = 2, tombstone = 3 };

struct RecordHeader {
  RecordKind kind = RecordKind::segment;
  std::uint8_t codec = 0;  // segment only
  ShardKey key;
  SegmentIndex segment_index;            // commit: how many segments the shard has
  std::uint64_t logical_size_bytes = 0;  // segment: of its payload, decoded; commit: of the shard
  std::uint32_t stored_size_bytes = 0;   // segment only: of the payload that follows
  std::uint32_t payload_crc32 =
      0;  // segment: of the payload; commit: of the segments' CRCs, each as u32, in order
  ShardFileId file_id;
  std::uint64_t own_offset_bytes = 0;
  WriteId write_id;
  Generation generation;  // tombstone: shards of it or older are gone
  WriteEpoch write_epoch;
  Sequence sequence;
  Incarnation incarnation;
  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;

  std::uint64_t record_size_bytes() const { return kRecordHeaderSizeBytes + stored_size_bytes; }
};

// `out` has kRecordHeaderSizeBytes bytes.
void encode_record_header(const RecordHeader& header, MutableByteSpan out);
// Checks magic, version, CRC and that all fields are within their limits; not file and offset,
// which only the reader knows.
Result<RecordHeader> decode_record_header(ByteSpan bytes);

// Adds one segment to the CRC that the commit record carries.
std::uint32_t extend_commit_crc(std::uint32_t crc, std::uint32_t payload_crc32);

// Whether `payload` is what the header of a segment says.
bool is_payload_good(const RecordHeader& header, ByteSpan payload);

}  // namespace predastore::segment
