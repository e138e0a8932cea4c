#include "node/member_messages.h"

// Any bytes: refused or understood, and what is understood encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  const ByteSpan input = std::as_bytes(std::span{data, size});
  const auto request = node::decode_member_request(input);
  if (request.has_value()) PREDA_ASSERT(node::encode_member_request(*request) == as_text(input));
  const auto state = node::decode_member_state(input);
  if (state.has_value()) PREDA_ASSERT(node::encode_member_state(*state) == as_text(input));
  const auto group = node::decode_group_status(input);
  if (group.has_value()) PREDA_ASSERT(node::encode_group_status(*group) == as_text(input));
  return 0;
}
