#include "base/assert.h"
#include "raft/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const predastore::ByteSpan bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto identity = predastore::raft::decode_identity(bytes);
  if (identity.has_value())
    PREDA_ASSERT(predastore::raft::encode_identity(*identity) == predastore::as_text(bytes));
  return 0;
}
