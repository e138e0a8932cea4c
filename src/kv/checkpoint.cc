#include "kv/checkpoint.h"

namespace predastore::kv {

Result<void> make_checkpoint(KeyValueStore& store, const std::string& directory) {
  auto* files = dynamic_cast<Checkpoints*>(&store);
  if (files == nullptr) return make_error(ErrorCode::Unsupported, "this store cannot be copied");
  return files->checkpoint(directory);
}

}  // namespace predastore::kv
