#include "sim/key_value.h"

#include <algorithm>
#include <utility>

#include "kv/checkpoint.h"

namespace predastore::sim {
namespace {

class SimStore final : public kv::KeyValueStore, public kv::Checkpoints {
 public:
  SimStore(SimDisk& disk, std::shared_ptr<kv::MemoryDisk> content)
      : disk_(disk),
        incarnation_(disk.incarnation()),
        content_(content),
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
  Result<void> checkpoint(const std::string& directory) override {
    PREDA_CHECK(alive());
    PREDA_CHECK(store_->flush());
    return disk_.copy_key_value(*content_, directory);
  }

 private:
  Result<void> alive() const {
    if (disk_.incarnation() == incarnation_) return {};
    return make_error(ErrorCode::Io, "the machine is off");
  }

  SimDisk& disk_;
  std::uint64_t incarnation_;
  std::shared_ptr<kv::MemoryDisk> content_;
  std::unique_ptr<kv::KeyValueStore> store_;
};

}  // namespace

Result<std::unique_ptr<kv::KeyValueStore>> open_sim_store(SimDisk& disk, kv::RocksOptions options) {
  const std::size_t family_count = std::max<std::size_t>(options.families.size(), 1);
  PREDA_TRY(auto content, disk.key_value_disk(options.path, family_count));
  return std::unique_ptr<kv::KeyValueStore>{std::make_unique<SimStore>(disk, std::move(content))};
}

}  // namespace predastore::sim
