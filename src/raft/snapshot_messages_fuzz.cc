#include "raft/snapshot_messages.h"

// Any bytes: refused or understood, and what is understood encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  const ByteSpan input = std::as_bytes(std::span{data, size});
  const auto manifest = raft::decode_manifest(input);
  if (manifest.has_value()) PREDA_ASSERT(raft::encode_manifest(*manifest) == as_text(input));
  const auto request = raft::decode_snapshot_request(input);
  if (request.has_value()) PREDA_ASSERT(raft::encode_snapshot_request(*request) == as_text(input));
  const auto snapshot = raft::decode_snapshot(input);
  if (snapshot.has_value()) PREDA_ASSERT(raft::encode_snapshot(*snapshot) == as_text(input));
  const Buffer answer = Buffer::copy_of(as_text(input));
  const auto piece = raft::decode_piece(answer);
  if (piece.has_value()) PREDA_ASSERT(raft::encode_piece(*piece).text() == answer.text());
  return 0;
}
