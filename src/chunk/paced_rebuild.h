#pragma once

#include <cstdint>
#include <functional>

#include "chunk/chunk_service.h"

namespace predastore::chunk {

// Called before each window of a chunk with the bytes that are read for it, and waited for.
using Pace = std::function<Task<void>(std::uint64_t bytes)>;

// As ChunkService::rebuild, no faster than `pace` lets it go on.
Task<Result<ChunkLayout>> rebuild_at(Pace pace, ChunkService& service, RebuildRequest request,
                                     Instant deadline);

}  // namespace predastore::chunk
