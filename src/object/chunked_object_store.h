#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "object/chunk_flights.h"
#include "object/hash_lane.h"
#include "object/memory_budget.h"
#include "object/object_store.h"
#include "object/options.h"

namespace predastore::object {

struct Uploaded;

// The object store on metadata and chunks. One a gateway, on the loop of `env`. stop() before
// destruction.
//
// Order of a write: the write context (bucket, ring, write epoch); the chunks, each durable on its
// quorum; then one metadata command that makes the object visible. An error before the command, or
// its refusal, leaves shards that no layout names: the sweep finds them by their epoch. After an
// unknown outcome nothing is deleted either. A crash at any point is one of these.
class ChunkedObjectStore final : public ObjectStore {
 public:
  // `meta` and `chunks` outlive this. `options` must pass check().
  ChunkedObjectStore(Environment env, meta::MetaService& meta, chunk::ChunkService& chunks,
                     ObjectOptions options);
  ~ChunkedObjectStore() override;

  static Result<void> check(const ObjectOptions& options);

  Task<Result<ObjectRecord>> put(PutRequest request) override;
  Task<Result<std::unique_ptr<ObjectReader>>> get(std::string bucket, std::string key) override;
  Task<Result<ObjectRecord>> head(std::string bucket, std::string key) override;
  Task<Result<meta::PartRecord>> put_part(PutPartRequest request) override;

  // Bytes of the budgets that are in use: for status and metrics.
  std::uint64_t put_bytes_in_use() const { return put_budget_.in_use_bytes(); }
  std::uint64_t get_bytes_in_use() const {
    return get_reserve_.in_use_bytes() + options_.get_ahead_bytes - get_ahead_.available();
  }
  // How many uploads and downloads were refused for want of memory.
  std::uint64_t refused_count() const {
    return put_budget_.refused_count() + get_reserve_.refused_count();
  }

  // How many fetches found the same one under way and took what that brought.
  std::uint64_t shared_fetch_count() const { return flights_.shared_count(); }

  // Waits for what is still under way. Nothing may be called any more.
  Task<void> stop();

 private:
  friend class Upload;
  friend class Download;
  friend class ChunkedObjectReader;

  Instant meta_deadline() const { return env_.clock.now() + options_.meta_timeout; }
  Task<Result<Uploaded>> upload(std::string bucket, std::string key, PartNumber part_number,
                                meta::WriteContext context, BodySource& body);

  Environment env_;
  meta::MetaService& meta_;
  chunk::ChunkService& chunks_;
  ObjectOptions options_;
  ChunkFlights flights_;
  MemoryBudget put_budget_;
  MemoryBudget get_reserve_;
  Semaphore get_ahead_;
  HashPool hashes_;
  TaskGroup tasks_;
};

// The number of a chunk of a part (0: the plain object).
ChunkIndex chunk_index_of(PartNumber part_number, std::uint64_t number_in_part);

}  // namespace predastore::object
