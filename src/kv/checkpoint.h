#pragma once

#include <string>

#include "kv/kv.h"

namespace predastore::kv {

// What a KeyValueStore also is that has files of its own.
class Checkpoints {
 public:
  virtual ~Checkpoints() = default;
  // Everything written so far, as files in `directory`, which is made (its parent is there): a
  // store of its own that can be opened there, or where it is moved to. Hard links where that is
  // possible. Durable when it returns. Never beside a write. Blocks.
  virtual Result<void> checkpoint(const std::string& directory) = 0;
};

// Unsupported: this store has no files.
Result<void> make_checkpoint(KeyValueStore& store, const std::string& directory);

}  // namespace predastore::kv
