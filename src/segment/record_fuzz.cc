#include <cstring>
#include <vector>

#include "base/codec.h"
#include "segment/checksum.h"
#include "segment/codec.h"
#include "segment/record.h"

// Any bytes: refused or understood, and what is understood encodes to the same bytes. The header's
// own CRC is put right in every second input, or hardly any mutation would get past it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  using namespace predastore::segment;
  const ByteSpan input = std::as_bytes(std::span{data, size});
  std::vector<std::byte> bytes(input.begin(), input.end());
  if (bytes.size() >= kRecordHeaderSizeBytes && (bytes.back() & std::byte{1}) == std::byte{1}) {
    constexpr std::size_t kCrcAt = kRecordHeaderSizeBytes - 4;
    const std::uint32_t crc = crc32(ByteSpan(bytes).first(kCrcAt));
    std::memcpy(bytes.data() + kCrcAt, &crc, sizeof crc);
  }
  const Result<RecordHeader> header = decode_record_header(bytes);
  if (header.has_value()) {
    std::vector<std::byte> again(kRecordHeaderSizeBytes);
    encode_record_header(*header, again);
    PREDA_ASSERT(std::memcmp(again.data(), bytes.data(), again.size()) == 0);
  }
  for (std::uint8_t codec = 0; codec < 5; ++codec) {
    const Result<Buffer> payload = decode_payload(codec, Buffer::copy_of(input), 4096);
    PREDA_ASSERT(!payload.has_value() || payload->size() == 4096);
  }
  return 0;
}
