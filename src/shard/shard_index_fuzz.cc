#include <map>
#include <string>

#include "base/codec.h"
#include "segment/checksum.h"
#include "shard/shard_index.h"

namespace {

using namespace predastore;         // NOLINT: the fuzzer's own vocabulary
using namespace predastore::shard;  // NOLINT

// One value, under the key of the index's state.
class OneValue final : public kv::KeyValueStore {
 public:
  explicit OneValue(std::string value) : value_(std::move(value)) {}
  Result<std::optional<std::string>> get(kv::Family, std::string_view) override {
    return std::optional<std::string>{value_};
  }
  Result<void> write(const kv::Batch& batch) override {
    value_ = batch.operations().front().value;
    return {};
  }
  std::unique_ptr<kv::Iterator> iterate(kv::Family) override { return nullptr; }
  Result<void> flush() override { return {}; }
  const std::string& value() const { return value_; }

 private:
  std::string value_;
};

void try_values(const std::string& value) {
  if (const auto entry = decode_entry(value); entry.has_value()) {
    PREDA_ASSERT(encode_entry(*entry) == value);
    std::uint64_t count = 0;
    for (const Extent& extent : entry->extents) count += extent.count;
    PREDA_ASSERT(count == entry->segment_count);
  }
  if (const auto dead = decode_dead(value); dead.has_value())
    PREDA_ASSERT(encode_dead(*dead) == value);
  OneValue store{value};
  if (const auto state = get_state(store); state.has_value() && state->has_value()) {
    kv::Batch batch;
    put_state(batch, **state);
    (void)store.write(batch);
    PREDA_ASSERT(store.value() == value);
  }
}

}  // namespace

// Keys and values of the index: refused, or understood and encoded to the same bytes. Once as they
// are, once with their checksum put right.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  if (const auto key = decode_shard_key(input); key.has_value())
    PREDA_ASSERT(encode_shard_key(*key) == input);
  try_values(input);
  if (size < 4) return 0;
  const std::string body = input.substr(0, size - 4);
  Encoder crc;
  crc.le(segment::crc32(as_bytes(body)));
  try_values(body + crc.str());
  return 0;
}
