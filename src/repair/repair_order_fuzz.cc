#include "repair/repair_order.h"

// What one node asks another: whatever is understood is said again in the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  using namespace predastore::repair;
  const ByteSpan bytes{reinterpret_cast<const std::byte*>(data), size};
  if (const auto order = decode_repair_order(bytes)) {
    PREDA_ASSERT(as_text(bytes).starts_with(encode(*order)));
  }
  if (const auto answer = decode_repair_answer(bytes)) {
    PREDA_ASSERT(as_text(bytes).starts_with(encode(*answer)));
  }
  return 0;
}
