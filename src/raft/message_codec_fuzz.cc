#include "raft/message_codec.h"

// Any bytes: refused or understood, and what is understood encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  const ByteSpan input = std::as_bytes(std::span{data, size});
  const Result<raft::Message> message = raft::decode_message(input);
  if (message.has_value()) PREDA_ASSERT(raft::encode_message(*message) == as_text(input));
  const Result<raft::ReadPoint> point = raft::decode_read_point(input);
  if (point.has_value()) PREDA_ASSERT(raft::encode_read_point(*point) == as_text(input));
  return 0;
}
