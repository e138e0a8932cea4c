#include "kv/kv.h"

namespace predastore::kv {

Result<void> KeyValueStore::checkpoint(const std::string& /*directory*/) {
  return make_error(ErrorCode::Unsupported, "this store cannot be copied");
}

}  // namespace predastore::kv
