#include "shard/shard_file.h"

#include <algorithm>

#include "base/codec.h"
#include "base/text.h"
#include "model/limits.h"
#include "segment/checksum.h"

namespace predastore::shard {
namespace {

constexpr std::uint64_t kFileMagic = 0x454C494644525350;     // "PSRDFILE"
constexpr std::uint64_t kTrailerMagic = 0x4C49415254445350;  // "PSDTRAIL"
constexpr std::uint64_t kFileEndMagic = 0x444E454C49465350;  // "PSFILEND"
constexpr std::uint32_t kFileVersion = 1;
constexpr std::string_view kFileSuffix = ".shard";

bool is_decision(const segment::RecordHeader& header) {
  return header.kind != segment::RecordKind::segment;
}

}  // namespace

std::string encode_file_header(const FileHeader& header) {
  Encoder encoder;
  encoder.le(kFileMagic)
      .le(kFileVersion)
      .raw(header.cluster.span())
      .le(header.node.value())
      .raw(header.drive.span());
  encoder.le(header.file_id.value())
      .le(header.file_size_bytes)
      .le(std::uint32_t{kFileHeaderSizeBytes});
  encoder.le(std::uint32_t{kSegmentSizeBytes}).le(std::uint32_t{kBlockSizeBytes});
  encoder.le(segment::crc32(as_bytes(encoder.str())));
  std::string bytes = std::move(encoder).take();
  bytes.resize(kFileHeaderSizeBytes);
  return bytes;
}

Result<FileHeader> decode_file_header(ByteSpan bytes) {
  Decoder decoder{bytes};
  const auto magic = decoder.le<std::uint64_t>();
  const auto version = decoder.le<std::uint32_t>();
  FileHeader header;
  const ByteSpan cluster = decoder.raw(16);
  header.node = NodeId{decoder.le<std::uint64_t>()};
  const ByteSpan drive = decoder.raw(16);
  header.file_id = ShardFileId{decoder.le<std::uint64_t>()};
  header.file_size_bytes = decoder.le<std::uint64_t>();
  const auto header_size = decoder.le<std::uint32_t>();
  const auto segment_size = decoder.le<std::uint32_t>();
  const auto block_size = decoder.le<std::uint32_t>();
  const std::size_t covered = bytes.size() - decoder.remaining();
  const auto expected = decoder.le<std::uint32_t>();
  if (!decoder.ok() || magic != kFileMagic || segment::crc32(bytes.first(covered)) != expected) {
    return make_error(ErrorCode::Corruption, "shard file header");
  }
  if (version != kFileVersion || header_size != kFileHeaderSizeBytes ||
      segment_size != kSegmentSizeBytes || block_size != kBlockSizeBytes) {
    return make_error(ErrorCode::Unsupported,
                      "shard file version " + std::to_string(version) + " or its sizes");
  }
  header.cluster = ClusterId::from(cluster);
  header.drive = DriveId::from(drive);
  return header;
}

std::string shard_file_name(ShardFileId id) {
  Encoder encoder;
  encoder.be(id.value());
  return to_hex(as_bytes(encoder.str())) + std::string{kFileSuffix};
}

std::optional<ShardFileId> parse_shard_file_name(std::string_view name) {
  if (name.size() != 16 + kFileSuffix.size() || !name.ends_with(kFileSuffix)) return std::nullopt;
  const auto raw = from_hex(name.substr(0, 16));
  if (!raw) return std::nullopt;
  const ShardFileId id{Decoder{as_bytes(*raw)}.be<std::uint64_t>()};
  if (shard_file_name(id) != name)
    return std::nullopt;  // upper case would be a second name of the same file
  return id;
}

void FooterBuilder::add(const segment::RecordHeader& header, ByteSpan encoded) {
  PREDA_ASSERT(encoded.size() == segment::kRecordHeaderSizeBytes);
  index_.append(as_text(encoded));
  if (totals_.record_count++ == 0) totals_.first_sequence = header.sequence;
  totals_.first_sequence = std::min(totals_.first_sequence, header.sequence);
  totals_.last_sequence = std::max(totals_.last_sequence, header.sequence);
  if (!is_decision(header)) return;
  ++totals_.decision_count;
  totals_.last_decision = std::max(totals_.last_decision, header.sequence);
}

std::uint64_t FooterBuilder::size_bytes(std::uint64_t more) const {
  return round_up_to_block((totals_.record_count + more) * segment::kRecordHeaderSizeBytes +
                           kTrailerSizeBytes);
}

std::string FooterBuilder::encode(ShardFileId file_id, std::uint64_t footer_offset_bytes) const {
  PREDA_ASSERT(footer_offset_bytes % kDiskBlockBytes == 0);
  const std::uint64_t size = size_bytes();
  std::string bytes = index_;
  bytes.resize(size - kTrailerSizeBytes);
  Encoder encoder;
  encoder.le(kTrailerMagic)
      .le(kFileVersion)
      .le(file_id.value())
      .le(footer_offset_bytes)
      .le(footer_offset_bytes + bytes.size());
  encoder.le(totals_.record_count)
      .le(totals_.decision_count)
      .le(totals_.first_sequence.value())
      .le(totals_.last_sequence.value());
  encoder.le(totals_.last_decision.value())
      .le(segment::crc32(as_bytes(index_)))
      .le(std::uint64_t{0});
  encoder.le(segment::crc32(as_bytes(encoder.str()))).le(kFileEndMagic);
  PREDA_ASSERT(encoder.size() == kTrailerSizeBytes);
  return bytes + encoder.str();
}

Result<Trailer> decode_trailer(ByteSpan last_block, ShardFileId file_id,
                               std::uint64_t file_size_bytes) {
  if (last_block.size() != kDiskBlockBytes ||
      file_size_bytes < kFileHeaderSizeBytes + kDiskBlockBytes) {
    return make_error(ErrorCode::Corruption, "too short for a trailer");
  }
  const ByteSpan bytes = last_block.last(kTrailerSizeBytes);
  Decoder decoder{bytes};
  const auto magic = decoder.le<std::uint64_t>();
  const auto version = decoder.le<std::uint32_t>();
  Trailer trailer;
  trailer.file_id = ShardFileId{decoder.le<std::uint64_t>()};
  trailer.footer_offset_bytes = decoder.le<std::uint64_t>();
  const auto own_offset = decoder.le<std::uint64_t>();
  trailer.record_count = decoder.le<std::uint64_t>();
  trailer.decision_count = decoder.le<std::uint64_t>();
  trailer.first_sequence = Sequence{decoder.le<std::uint64_t>()};
  trailer.last_sequence = Sequence{decoder.le<std::uint64_t>()};
  trailer.last_decision = Sequence{decoder.le<std::uint64_t>()};
  trailer.index_crc32 = decoder.le<std::uint32_t>();
  decoder.le<std::uint64_t>();  // reserved
  const std::size_t covered = bytes.size() - decoder.remaining();
  const auto expected = decoder.le<std::uint32_t>();
  const auto end_magic = decoder.le<std::uint64_t>();
  if (magic != kTrailerMagic || end_magic != kFileEndMagic ||
      segment::crc32(bytes.first(covered)) != expected) {
    return make_error(ErrorCode::Corruption, "no trailer");
  }
  if (version != kFileVersion)
    return make_error(ErrorCode::Unsupported, "shard file version " + std::to_string(version));
  if (trailer.file_id != file_id || own_offset != file_size_bytes - kTrailerSizeBytes) {
    return make_error(ErrorCode::Corruption, "the trailer of another file");
  }
  const std::uint64_t start = trailer.footer_offset_bytes;
  if (start % kDiskBlockBytes != 0 || start < kFileHeaderSizeBytes || start > own_offset ||
      trailer.record_count > (own_offset - start) / segment::kRecordHeaderSizeBytes) {
    return make_error(ErrorCode::Corruption, "the trailer says what cannot be");
  }
  return trailer;
}

Result<std::vector<segment::RecordHeader>> decode_index(const Trailer& trailer, ByteSpan index) {
  if (index.size() != trailer.index_size_bytes() || segment::crc32(index) != trailer.index_crc32) {
    return make_error(ErrorCode::Corruption, "the index of a shard file");
  }
  std::vector<segment::RecordHeader> headers;
  headers.reserve(trailer.record_count);
  for (std::size_t at = 0; at < index.size(); at += segment::kRecordHeaderSizeBytes) {
    PREDA_TRY(auto header,
              segment::decode_record_header(index.subspan(at, segment::kRecordHeaderSizeBytes)));
    const bool is_inside =
        header.own_offset_bytes >= kFileHeaderSizeBytes &&
        header.own_offset_bytes < trailer.footer_offset_bytes &&
        header.record_size_bytes() <= trailer.footer_offset_bytes - header.own_offset_bytes;
    if (header.file_id != trailer.file_id || !is_inside)
      return make_error(ErrorCode::Corruption, "the index names what is not in its file");
    headers.push_back(header);
  }
  return headers;
}

}  // namespace predastore::shard
