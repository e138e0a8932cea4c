#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "env/sync.h"

namespace predastore::object {

// Reads of chunks in which the same bytes are fetched once, however many downloads of a hot object
// want them at that moment. Nothing is kept: who comes when a fetch is over has another one made.
// The bytes are shared, so each download counts its own share of the budget for what is there once.
// On one loop.
class ChunkFlights {
 public:
  // `chunks` outlives this.
  ChunkFlights(Environment env, chunk::ChunkService& chunks) : env_(env), chunks_(chunks) {}

  // As ChunkService::read.
  Task<Result<std::vector<Buffer>>> read(ChunkLayout layout, std::uint64_t offset_bytes,
                                         std::uint64_t size_bytes, Instant deadline);
  std::uint64_t shared_count() const { return shared_count_; }

 private:
  struct Key {
    ObjectId object_id;
    ChunkIndex chunk_index;
    Generation generation;
    std::uint64_t offset_bytes = 0;
    std::uint64_t size_bytes = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Flight {
    explicit Flight(Clock& clock) : landed(clock) {}
    Result<std::vector<Buffer>> bytes = make_error(ErrorCode::Internal);
    bool has_landed = false;
    Signal landed;
  };

  Environment env_;
  chunk::ChunkService& chunks_;
  std::map<Key, std::shared_ptr<Flight>> flights_;
  std::uint64_t shared_count_ = 0;
};

}  // namespace predastore::object
