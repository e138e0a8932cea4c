#include <array>
#include <cstring>
#include <vector>

#include "segment/checksum.h"
#include "shard/shard_file.h"

namespace {

using namespace predastore;         // NOLINT: the fuzzer's own vocabulary
using namespace predastore::shard;  // NOLINT

constexpr std::size_t kHeaderCrcAt = 80;
constexpr std::size_t kTrailerCrcAt = kTrailerSizeBytes - 12;

std::uint64_t number_at(ByteSpan bytes, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// Hardly any mutation would get past a checksum, so it is put right.
void seal(std::vector<std::byte>& bytes, std::size_t begin, std::size_t crc_at) {
  if (bytes.size() < begin + crc_at + 4) return;
  const std::uint32_t crc = segment::crc32(ByteSpan(bytes).subspan(begin, crc_at));
  std::memcpy(bytes.data() + begin + crc_at, &crc, sizeof crc);
}

void try_header(std::vector<std::byte> bytes) {
  seal(bytes, 0, kHeaderCrcAt);
  const auto header = decode_file_header(bytes);
  if (!header) return;
  const std::string again = encode_file_header(*header);
  PREDA_ASSERT(std::memcmp(again.data(), bytes.data(), kHeaderCrcAt + 4) == 0);
}

// A footer as it lies at the end of a file: index, zeros, trailer. The file is as long as the
// trailer says, for another length is refused at once.
void try_footer(std::vector<std::byte> bytes) {
  if (bytes.size() < kDiskBlockBytes)
    bytes.insert(bytes.begin(), kDiskBlockBytes - bytes.size(), {});
  const std::size_t trailer_at = bytes.size() - kTrailerSizeBytes;
  seal(bytes, trailer_at, kTrailerCrcAt);
  const ByteSpan all = bytes;
  const ByteSpan trailer_bytes = all.subspan(trailer_at);
  const ShardFileId file_id{number_at(trailer_bytes, 12)};
  const std::uint64_t size_bytes = number_at(trailer_bytes, 28) + kTrailerSizeBytes;
  auto trailer = decode_trailer(all.last(kDiskBlockBytes), file_id, size_bytes);
  if (!trailer) return;
  PREDA_ASSERT(trailer->footer_offset_bytes < size_bytes);
  PREDA_ASSERT(trailer->index_size_bytes() < size_bytes);
  PREDA_ASSERT(!decode_trailer(all.last(kDiskBlockBytes), file_id, size_bytes + kDiskBlockBytes));
  if (trailer->index_size_bytes() > all.size()) return;
  const ByteSpan index = all.first(trailer->index_size_bytes());
  (void)decode_index(*trailer, index);
  trailer->index_crc32 = segment::crc32(index);
  const auto records = decode_index(*trailer, index);
  if (!records) return;
  PREDA_ASSERT(records->size() == trailer->record_count);
  for (const segment::RecordHeader& record : *records) {
    PREDA_ASSERT(record.file_id == file_id);
    PREDA_ASSERT(record.own_offset_bytes + record.record_size_bytes() <=
                 trailer->footer_offset_bytes);
  }
}

}  // namespace

// The frame of a shard file: its header, and the footer that ends it. The name is the third.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input = std::as_bytes(std::span{data, size});
  const std::vector<std::byte> bytes(input.begin(), input.end());
  (void)decode_file_header(input);
  try_header(bytes);
  try_footer(bytes);
  if (const auto id = parse_shard_file_name(as_text(input)); id.has_value())
    PREDA_ASSERT(shard_file_name(*id) == as_text(input));
  return 0;
}
