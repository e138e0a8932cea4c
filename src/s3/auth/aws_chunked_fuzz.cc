// Framed bodies of strangers. The first bytes choose the mode, the announced size and how the rest
// is cut; the outcome must not depend on the cut.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "s3/auth/aws_chunked.h"

namespace {

using namespace predastore;
using namespace predastore::s3;

struct Outcome {
  bool is_good = false;
  std::string bytes;
  std::size_t signatures = 0;
};

Outcome decode(std::string_view body, const AwsChunkedOptions& options, std::size_t piece_bytes) {
  AwsChunkedDecoder decoder(options);
  Outcome outcome;
  for (std::size_t at = 0; at < body.size(); at += piece_bytes) {
    Buffer input = Buffer::copy_of(body.substr(at, piece_bytes));
    while (true) {
      const AwsChunkedEvent event = decoder.next(input, 1000);
      if (event.kind == AwsChunkedEvent::Kind::failed) return outcome;
      if (event.kind == AwsChunkedEvent::Kind::need_more) break;
      if (event.kind == AwsChunkedEvent::Kind::chunk_end) ++outcome.signatures;
      outcome.bytes += event.data.text();
      PREDA_ASSERT(outcome.bytes.size() <= options.decoded_size_bytes);
    }
  }
  outcome.is_good = !decoder.finish().has_value();
  if (outcome.is_good) PREDA_ASSERT(outcome.bytes.size() == options.decoded_size_bytes);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  AwsChunkedOptions options;
  options.is_signed = (data[0] & 1) != 0;
  options.has_trailer = (data[0] & 2) != 0;
  if (options.has_trailer) options.trailer_names = {"x-amz-checksum-crc32"};
  options.decoded_size_bytes = data[1];
  const std::string_view body{reinterpret_cast<const char*>(data) + 3, size - 3};
  const Outcome whole = decode(body, options, body.size() + 1);
  const Outcome cut = decode(body, options, static_cast<std::size_t>(data[2]) % 17 + 1);
  PREDA_ASSERT(whole.is_good == cut.is_good);
  if (whole.is_good) PREDA_ASSERT(whole.bytes == cut.bytes && whole.signatures == cut.signatures);
  return 0;
}
