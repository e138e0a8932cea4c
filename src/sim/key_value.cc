#include "sim/key_value.h"

#include <algorithm>
#include <utility>

namespace predastore::sim {
namespace {

class SimStore final : public kv::KeyValueStore {
 public:
  SimStore(SimDisk& disk, std::shared_ptr<kv::MemoryDisk> content)
      : disk_(disk),
        incarnation_(disk.incarnation()),
        store_(kv::open_memory(std::move(content))) {}

  Result<std::optional<std::string>> get(kv::Family family, std::string_view key) override {
    PREDA_CHECK(alive());
    return store_->get(family, key);
  }
  Result<void> write(const kv::Batch& batch) override {
    PREDA_CHECK(alive());
    return store_->write(batch);
  }
  std::unique_ptr<kv::Iterator> iterate(kv::Family family) override {
    return store_->iterate(family);
  }
  Result<void> flush() override {
    PREDA_CHECK(alive());
    return store_->flush();
  }

 private:
  Result<void> alive() const {
    if (disk_.incarnation() == incarnation_) return {};
    return make_error(ErrorCode::Io, "the machine is off");
  }

  SimDisk& disk_;
  std::uint64_t incarnation_;
  std::unique_ptr<kv::KeyValueStore> store_;
};

}  // namespace

Result<std::unique_ptr<kv::KeyValueStore>> open_sim_store(SimDisk& disk, kv::RocksOptions options) {
  const std::size_t family_count = std::max<std::size_t>(options.families.size(), 1);
  return std::unique_ptr<kv::KeyValueStore>{
      std::make_unique<SimStore>(disk, disk.key_value_disk(options.path, family_count))};
}

}  // namespace predastore::sim
