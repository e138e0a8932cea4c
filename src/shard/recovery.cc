#include "shard/recovery.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/codec.h"

namespace predastore::shard {
namespace {

using segment::kRecordHeaderSizeBytes;
using segment::RecordHeader;

constexpr std::size_t kWindowBytes = 1024 * 1024;
constexpr std::size_t kRecordMaxBytes = kRecordHeaderSizeBytes + kSegmentSizeBytes;
constexpr std::size_t kFileIdAt = 64;  // of a record header; its own offset follows

// Finds the good records in a piece of a file. `bytes` are those at `base`; records that begin
// before `end` are looked at.
class RecordScan {
 public:
  RecordScan(ShardFileId file_id, std::uint64_t begin) : file_id_(file_id), at_(begin) {}
  std::uint64_t position() const { return at_; }
  std::vector<RecordHeader>& records() { return records_; }
  std::vector<std::uint64_t>& bad_payloads() { return bad_payloads_; }
  // One that is whole, in its place, and of a version that is not known.
  const std::optional<Error>& unknown() const { return unknown_; }

  void feed(ByteSpan bytes, std::uint64_t base, std::uint64_t end) {
    while (at_ < end) {
      const ByteSpan rest = bytes.subspan(at_ - base);
      const auto header = segment::decode_record_header(rest);
      const bool is_here = header && header->file_id == file_id_ && header->own_offset_bytes == at_;
      if (!is_here) {
        if (!header && header.error().code == ErrorCode::Unsupported && names_this_place(rest))
          unknown_ = header.error();
        at_ += distance_to_magic(rest);
        continue;
      }
      const bool is_whole = header->record_size_bytes() <= rest.size();
      const bool is_segment = header->kind == segment::RecordKind::segment;
      if (is_segment && (!is_whole || !segment::is_payload_good(
                                          *header, rest.subspan(kRecordHeaderSizeBytes,
                                                                header->stored_size_bytes)))) {
        bad_payloads_.push_back(at_);
        at_ += kRecordHeaderSizeBytes;  // its length is not trusted more than its bytes: a record
                                        // may begin anywhere behind
        continue;
      }
      records_.push_back(*header);
      at_ += header->record_size_bytes();
    }
  }

 private:
  // These fields are where they are in every version.
  bool names_this_place(ByteSpan header) const {
    Decoder fields{header.subspan(kFileIdAt)};
    const auto file_id = fields.le<std::uint64_t>();
    return fields.le<std::uint64_t>() == at_ && file_id == file_id_.value();
  }

  // From a place where no record is to the next where one may be. Records follow each other at any
  // byte, so a damaged one costs only itself; own offset, file id and CRC tell a header from bytes
  // that look like one.
  static std::size_t distance_to_magic(ByteSpan bytes) {
    const char magic[] = {'P', 'R', 'E', 'C'};
    const std::string_view text = as_text(bytes).substr(1);
    const std::size_t found = text.find(std::string_view{magic, 4});
    if (found != std::string_view::npos) return found + 1;
    return bytes.size() <= 4 ? bytes.size()
                             : bytes.size() - 3;  // the magic may be cut by the end of the piece
  }

  ShardFileId file_id_;
  std::uint64_t at_;
  std::vector<RecordHeader> records_;
  std::vector<std::uint64_t> bad_payloads_;
  std::optional<Error> unknown_;
};

}  // namespace

std::string FileRecovery::path_of(ShardFileId id) const {
  return options_->directory + "/shards/" + shard_file_name(id);
}

void FileRecovery::report(ShardFileId id, std::uint64_t offset_bytes, std::string detail) {
  damage_.push_back(
      {options_->drive, std::nullopt, WriteId{}, id, offset_bytes, std::move(detail)});
}

Task<Result<FoundFiles>> FileRecovery::run() {
  const std::string directory = options_->directory + "/shards";
  PREDA_CO_CHECK(co_await env_.files.create_directories(directory));
  PREDA_CO_TRY(const auto names, co_await env_.files.list(directory));
  FoundFiles found;
  for (const std::string& name : names) {
    const auto id = parse_shard_file_name(name);
    if (!id) continue;
    if (options_->should_stop && options_->should_stop())
      co_return make_error(ErrorCode::Cancelled, "the drive is not opened any more");
    PREDA_CO_TRY(FoundFile file, co_await examine(*id));
    if (file.size_bytes == 0) continue;
    found.last_sequence = std::max(found.last_sequence, file.trailer.last_sequence);
    found.last_decision = std::max(found.last_decision, file.trailer.last_decision);
    found.used_bytes += file.size_bytes;
    found.files.push_back(std::move(file));
  }
  // What was found in a directory that was never synced could be gone after the next crash, when
  // its shards were long served.
  PREDA_CO_CHECK(co_await env_.files.sync_directory(directory));
  std::sort(found.files.begin(), found.files.end(), [](const FoundFile& a, const FoundFile& b) {
    return std::pair{a.trailer.first_sequence, a.id} < std::pair{b.trailer.first_sequence, b.id};
  });
  found.damage = take_damage();
  co_return found;
}

Task<Result<FoundFile>> FileRecovery::examine(ShardFileId id) {
  const FileMode mode{.write = true, .direct = options_->direct_io};
  PREDA_CO_TRY(auto file, co_await env_.files.open(path_of(id), mode));
  PREDA_CO_TRY(const std::uint64_t size_bytes, co_await file->size_bytes());
  if (size_bytes == 0) {  // made, never written: nothing can be in it
    PREDA_CO_CHECK(co_await env_.files.remove(path_of(id)));
    co_return FoundFile{};
  }
  PREDA_CO_CHECK(co_await check_header(file, id));
  PREDA_CO_TRY(const auto trailer, co_await read_trailer(file, id, size_bytes));
  if (trailer) co_return FoundFile{id, size_bytes, *trailer};
  co_return co_await seal(id, std::move(file), size_bytes);
}

// None: there is no good one. An error: one of a version that is not known.
Task<Result<std::optional<Trailer>>> FileRecovery::read_trailer(std::shared_ptr<File> file,
                                                                ShardFileId id,
                                                                std::uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % kDiskBlockBytes != 0) co_return std::optional<Trailer>{};
  PREDA_CO_TRY(const Buffer last,
               co_await read_what_can_be(file, size_bytes - kDiskBlockBytes, kDiskBlockBytes));
  const auto trailer = decode_trailer(last, id, size_bytes);
  if (trailer) co_return std::optional<Trailer>{*trailer};
  if (trailer.error().code == ErrorCode::Unsupported) co_return trailer.error();
  co_return std::optional<Trailer>{};
}

Task<Result<FoundFile>> FileRecovery::find(ShardFileId id) {
  PREDA_CO_TRY(auto file,
               co_await env_.files.open(path_of(id), FileMode{.direct = options_->direct_io}));
  PREDA_CO_TRY(const std::uint64_t size_bytes, co_await file->size_bytes());
  PREDA_CO_CHECK(co_await check_header(file, id));
  PREDA_CO_TRY(const auto trailer, co_await read_trailer(file, id, size_bytes));
  if (trailer) co_return FoundFile{id, size_bytes, *trailer};
  report(id, size_bytes, "damaged end of a shard file");
  FoundFile found{id, size_bytes, Trailer{}, false};
  found.trailer.footer_offset_bytes = size_bytes;
  co_return found;
}

// A damaged header loses nothing, since every record says where it belongs; a good one of another
// drive is a mistake of whoever mounted it, and nothing is written to it.
Task<Result<void>> FileRecovery::check_header(std::shared_ptr<File> file, ShardFileId id) {
  PREDA_CO_TRY(const Buffer bytes, co_await read_what_can_be(file, 0, kFileHeaderSizeBytes));
  const auto header = decode_file_header(bytes);
  if (!header && header.error().code == ErrorCode::Unsupported) co_return header.error();
  if (!header) {
    report(id, 0, "damaged header of a shard file");
    co_return Result<void>{};
  }
  if (header->cluster != options_->cluster || header->node != options_->node ||
      header->drive != options_->drive) {
    co_return make_error(ErrorCode::InvalidArgument,
                         path_of(id) + " belongs to another cluster, node or drive");
  }
  if (header->file_id != id) report(id, 0, "a shard file under the name of another");
  co_return Result<void>{};
}

Task<Result<FoundFile>> FileRecovery::seal(ShardFileId id, std::shared_ptr<File> file,
                                           std::uint64_t size_bytes) {
  PREDA_CO_TRY(const auto records, co_await scan(file, id, size_bytes));
  FooterBuilder footer;
  for (const RecordHeader& record : records) {
    std::array<std::byte, kRecordHeaderSizeBytes> encoded;
    segment::encode_record_header(record, encoded);
    footer.add(record, encoded);
  }
  const std::uint64_t offset =
      std::max<std::uint64_t>(round_up_to_block(size_bytes), kFileHeaderSizeBytes);
  const std::string bytes = footer.encode(id, offset);
  MutableBuffer aligned = MutableBuffer::aligned(bytes.size());
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  PREDA_CO_CHECK(co_await file->write(offset, BufferChain{std::move(aligned).freeze()}));
  PREDA_CO_CHECK(co_await file->sync());
  FoundFile found{id, offset + bytes.size(), footer.totals()};
  found.trailer.file_id = id;
  found.trailer.footer_offset_bytes = offset;
  PREDA_CO_TRY(const Buffer last,
               co_await file->read(found.size_bytes - kDiskBlockBytes, kDiskBlockBytes));
  PREDA_CO_TRY(found.trailer, decode_trailer(last, id, found.size_bytes));
  co_return found;
}

Task<Result<std::vector<RecordHeader>>> FileRecovery::load(FoundFile found) {
  PREDA_CO_TRY(auto file, co_await env_.files.open(path_of(found.id),
                                                   FileMode{.direct = options_->direct_io}));
  // A recovery that was cut off may have sealed the file without a sync; what the index is told now
  // must stay true.
  PREDA_CO_CHECK(co_await file->sync());
  const std::uint64_t size = found.trailer.index_size_bytes();
  if (found.has_trailer && size <= found.size_bytes) {
    PREDA_CO_TRY(const Buffer bytes,
                 co_await read_what_can_be(file, found.trailer.footer_offset_bytes,
                                           round_up_to_block(size)));
    if (bytes.size() >= size) {
      auto records = decode_index(found.trailer, ByteSpan{bytes}.first(size));
      if (records || records.error().code == ErrorCode::Unsupported) co_return records;
    }
  }
  if (found.has_trailer)
    report(found.id, found.trailer.footer_offset_bytes, "damaged index of a shard file");
  co_return co_await scan(std::move(file), found.id, found.trailer.footer_offset_bytes);
}

Task<Result<std::vector<RecordHeader>>> FileRecovery::scan_file(FoundFile found) {
  PREDA_CO_TRY(auto file, co_await env_.files.open(path_of(found.id),
                                                   FileMode{.direct = options_->direct_io}));
  co_return co_await scan(std::move(file), found.id, found.trailer.footer_offset_bytes);
}

Task<Result<std::vector<RecordHeader>>> FileRecovery::scan(std::shared_ptr<File> file,
                                                           ShardFileId id,
                                                           std::uint64_t end_bytes) {
  RecordScan scan{id, kFileHeaderSizeBytes};
  while (scan.position() < end_bytes) {
    const std::uint64_t base = scan.position() / kDiskBlockBytes * kDiskBlockBytes;
    const std::uint64_t piece_end =
        base + kWindowBytes;  // records that begin before it end within what is read
    const std::uint64_t read_end =
        std::min(round_up_to_block(end_bytes), piece_end + round_up_to_block(kRecordMaxBytes));
    PREDA_CO_TRY(Buffer bytes,
                 co_await read_what_can_be(file, base, static_cast<std::size_t>(read_end - base)));
    if (base + bytes.size() > end_bytes) bytes = bytes.slice(0, end_bytes - base);
    const std::uint64_t piece_stop = std::min(piece_end, base + bytes.size());
    if (scan.position() >= piece_stop) break;  // the file is shorter than it was
    scan.feed(bytes, base, piece_stop);
  }
  if (scan.unknown())
    co_return make_error(ErrorCode::Unsupported, path_of(id) + ": " + scan.unknown()->detail);
  for (const std::uint64_t offset : scan.bad_payloads()) report(id, offset, "damaged segment");
  co_return std::move(scan.records());
}

// A block that cannot be read is zeros, and so no record: what is good behind it is still found.
Task<Result<Buffer>> FileRecovery::read_what_can_be(std::shared_ptr<File> file,
                                                    std::uint64_t offset_bytes,
                                                    std::size_t size_bytes) {
  auto whole = co_await file->read(offset_bytes, size_bytes);
  if (whole || whole.error().code != ErrorCode::Io) co_return whole;
  MutableBuffer bytes{size_bytes};
  std::memset(bytes.data(), 0, size_bytes);
  for (std::size_t at = 0; at < size_bytes; at += kDiskBlockBytes) {
    const std::size_t size = std::min(kDiskBlockBytes, size_bytes - at);
    const auto block = co_await file->read(offset_bytes + at, size);
    if (block) std::memcpy(bytes.data() + at, block->data(), block->size());
  }
  co_return std::move(bytes).freeze();
}

}  // namespace predastore::shard
