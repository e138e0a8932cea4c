#include <fmt/format.h>

#include <string>
#include <string_view>

#include "digest/crc.h"
#include "shard/drive_identity.h"

namespace {

using namespace predastore;         // NOLINT: the fuzzer's own vocabulary
using namespace predastore::shard;  // NOLINT

// What is taken for good says the same after it was written and read again.
void try_text(std::string_view text) {
  if (const auto identity = decode_drive_identity(text); identity.has_value()) {
    PREDA_ASSERT(identity->place.size() <= text.size());
    const bool is_old_form = text.size() == 33;
    const auto again = decode_drive_identity(encode_drive_identity(*identity));
    PREDA_ASSERT(is_old_form || (again.has_value() && again->drive == identity->drive &&
                                 again->node == identity->node && again->place == identity->place));
  }
  if (const auto list = decode_drive_list(text); list.has_value()) {
    const std::string written = encode_drive_list(*list);
    const auto again = decode_drive_list(written);
    PREDA_ASSERT(again.has_value() && encode_drive_list(*again) == written);
  }
}

}  // namespace

// As it is, and with a right checksum behind it, so that the lines are looked at as well.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(data), size};
  try_text(text);
  try_text(text + fmt::format("crc32 {:08x}\n", digest::crc32(as_bytes(text))));
  return 0;
}
