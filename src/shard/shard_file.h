#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "model/ids.h"
#include "segment/record.h"

namespace predastore::shard {

// The frame of a shard file; the grammar is in docs/formats/shard_file.md.
//
//   file    := header group* [footer]
//   group   := record+ padding                 begins on a 4 KiB block, zeros up to the next one
//   footer  := recordHeader* padding trailer   begins on a 4 KiB block; the trailer ends the last
inline constexpr std::size_t kFileHeaderSizeBytes = 8192;
inline constexpr std::size_t kDiskBlockBytes = 4096;
inline constexpr std::size_t kTrailerSizeBytes = 100;
inline constexpr std::size_t kFooterMaxBytes =
    16 * 1024 * 1024;  // a file with more records than this indexes is full

constexpr std::uint64_t round_up_to_block(std::uint64_t bytes) {
  return (bytes + kDiskBlockBytes - 1) / kDiskBlockBytes * kDiskBlockBytes;
}

struct FileHeader {
  ClusterId cluster;
  NodeId node;
  DriveId drive;
  ShardFileId file_id;
  std::uint64_t file_size_bytes = 0;  // at which it is sealed
};
std::string encode_file_header(const FileHeader& header);  // kFileHeaderSizeBytes
Result<FileHeader> decode_file_header(ByteSpan bytes);

std::string shard_file_name(ShardFileId id);  // 16 hex digits and ".shard"
std::optional<ShardFileId> parse_shard_file_name(std::string_view name);

struct Trailer {
  ShardFileId file_id;
  std::uint64_t footer_offset_bytes = 0;
  std::uint64_t record_count = 0;
  std::uint64_t decision_count = 0;  // commits and tombstones
  Sequence first_sequence;           // zero without any record, as the next two
  Sequence last_sequence;
  Sequence last_decision;
  std::uint32_t index_crc32 = 0;

  std::uint64_t index_size_bytes() const { return record_count * segment::kRecordHeaderSizeBytes; }
};

// What the footer says of the records; grows as they are written.
class FooterBuilder {
 public:
  void add(const segment::RecordHeader& header, ByteSpan encoded);
  const Trailer& totals() const { return totals_; }
  // Of the footer once `more` further records were added.
  std::uint64_t size_bytes(std::uint64_t more = 0) const;
  std::string encode(ShardFileId file_id, std::uint64_t footer_offset_bytes) const;

 private:
  Trailer totals_;
  std::string index_;
};

// `last_block` is the last kDiskBlockBytes of the file. Corruption when there is no (good) trailer:
// the file was not sealed, or is damaged.
Result<Trailer> decode_trailer(ByteSpan last_block, ShardFileId file_id,
                               std::uint64_t file_size_bytes);
// `index` is trailer.index_size_bytes() bytes from trailer.footer_offset_bytes.
Result<std::vector<segment::RecordHeader>> decode_index(const Trailer& trailer, ByteSpan index);

}  // namespace predastore::shard
