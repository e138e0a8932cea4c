#include "cli/join_token.h"

namespace {

using namespace predastore;       // NOLINT: the fuzzer's own vocabulary
using namespace predastore::cli;  // NOLINT

// What is taken for a token can be made again, and then says the same to the last byte.
void try_text(const std::string& text) {
  const auto token = decode_join_token(text);
  if (!token.has_value()) return;
  PREDA_ASSERT(!token->peers.empty() && token->peers.size() <= kTokenPeersMax);
  const auto written = encode_join_token(*token);
  PREDA_ASSERT(written.has_value());
  const auto again = decode_join_token(*written);
  PREDA_ASSERT(again.has_value());
  PREDA_ASSERT(encode_join_token(*again).value() == *written);
}

}  // namespace

// As a line, and as a body with a right checksum behind it, so that its fields are looked at as
// well.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(data), size};
  try_text(text);
  try_text(seal_token_body(text));
  return 0;
}
