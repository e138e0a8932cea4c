#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "env/io_ring.h"
#include "env/open_path.h"

namespace predastore {

// What File promises of read, write and sync, through a ring, which outlives the call.
Task<Result<Buffer>> read_by_ring(IoRing& ring, std::shared_ptr<const OpenPath> file,
                                  std::uint64_t offset_bytes, std::size_t size_bytes);
Task<Result<void>> write_by_ring(IoRing& ring, std::shared_ptr<const OpenPath> file,
                                 std::uint64_t offset_bytes, BufferChain chain);
Task<Result<void>> sync_by_ring(IoRing& ring, std::shared_ptr<const OpenPath> file);

}  // namespace predastore
