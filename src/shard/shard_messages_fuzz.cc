#include <vector>

#include "shard/shard_messages.h"

// Every decoder of what stores say to each other: refuses or understands, never more than that; and
// a request that was understood encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  using namespace predastore::shard;
  const ByteSpan input = std::as_bytes(std::span{data, size});

  if (const auto request = decode_fetch_request(input); request.has_value()) {
    PREDA_ASSERT(encode_fetch_request(*request) == as_text(input));
    (void)decode_fetch_answer(*request, Buffer::copy_of(input));
  }
  if (const auto request = decode_store_request(input); request.has_value())
    PREDA_ASSERT(encode_store_request(*request) == as_text(input));
  if (const auto request = decode_delete_request(input); request.has_value())
    PREDA_ASSERT(encode_delete_request(*request) == as_text(input));
  if (const auto request = decode_stat_request(input); request.has_value())
    PREDA_ASSERT(encode_stat_request(*request) == as_text(input));
  (void)decode_segment_frame(input);
  (void)decode_commit_frame(input);
  const std::vector<ShardKey> keys(2);
  (void)decode_stat_answer(keys, input);
  FetchRequest request;
  request.count = 4;
  (void)decode_fetch_answer(request, Buffer::copy_of(input));
  return 0;
}
