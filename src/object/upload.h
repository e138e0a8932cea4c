#pragma once

#include <memory>
#include <string>
#include <vector>

#include "object/chunked_object_store.h"
#include "object/hash_lane.h"

namespace predastore::object {

// What is to be written into metadata when all of a body is durable.
struct Uploaded {
  ObjectPart part;
  std::vector<ChunkLayout> layouts;
  Buffer inline_bytes;  // of a small object, which has no layouts
};

// One body on its way into chunks: stripes are filled, given to the hash and to the current chunk,
// and a full chunk is made durable beside the next ones.
class Upload {
 public:
  // `store` and `body` outlive this.
  Upload(ChunkedObjectStore& store, std::string bucket, std::string key, PartNumber part_number,
         meta::WriteContext context, BodySource& body);
  Task<Result<Uploaded>> run();

 private:
  // Chunks that are being made durable, shared with their tasks.
  struct Finishing {
    explicit Finishing(Clock& clock) : changed(clock) {}
    std::vector<ChunkLayout> layouts;  // by number
    std::size_t running = 0;
    std::optional<Error> error;
    Signal changed;
  };
  struct Stripe {
    Buffer bytes;
    chunk::Hold hold;
  };

  Task<Result<Stripe>> read_stripe();
  Task<Result<chunk::Hold>> acquire(std::size_t data_bytes);
  Task<Result<void>> write_stripe(Stripe stripe);
  Result<void> begin_chunk();
  Task<Result<void>> end_chunk();
  Task<Result<Uploaded>> finish();
  bool goes_inline(std::size_t size) const;
  Result<ObjectChecksum> checksum(const std::vector<ChunkLayout>& layouts) const;
  static Task<void> finish_chunk(std::unique_ptr<chunk::ChunkWriter> writer,
                                 std::shared_ptr<Finishing> finishing, std::size_t number);

  ChunkedObjectStore& store_;
  std::string bucket_;
  std::string key_;
  PartNumber part_number_;
  meta::WriteContext context_;
  BodySource& body_;
  ObjectId object_id_;
  RsConfig rs_;
  std::shared_ptr<HashLane> hash_;
  std::shared_ptr<Finishing> finishing_;
  std::unique_ptr<chunk::ChunkWriter> writer_;
  Buffer inline_bytes_;
  std::uint64_t in_chunk_bytes_ = 0;
  std::uint64_t size_bytes_ = 0;
  bool is_at_end_ = false;
};

}  // namespace predastore::object
