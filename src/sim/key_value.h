#pragma once

#include <functional>
#include <memory>

#include "kv/kv.h"
#include "sim/disk.h"

namespace predastore::sim {

// Opens a key-value store in a directory of `disk`, for the process that is running now; the
// signature of kv::open_rocks. It has RocksDB's contract of durability (kv/kv.h): at a crash what
// was flushed is kept, and a drawn prefix of the batches after that. It goes when its directory is
// removed. After a crash the stores of the process before fail with Io.
Result<std::unique_ptr<kv::KeyValueStore>> open_sim_store(SimDisk& disk, kv::RocksOptions options);

}  // namespace predastore::sim
