#pragma once

#include <string>
#include <vector>

#include "chunk/chunk_service.h"
#include "digest/hash.h"
#include "env/environment.h"
#include "meta/meta_service.h"
#include "repair/job_runner.h"

namespace predastore::repair {

struct PartCopyOptions {
  std::size_t window_bytes = 256u << 10;  // read at a time, and paced
  Duration window_timeout = 30s;
};

// Where a copy of a part goes.
struct PartTarget {
  std::string bucket;
  std::string key;
  meta::WriteContext context;
  ObjectId object_id;
};

// One part of an object, written anew with the scheme of its bucket, chunk by chunk and with a few
// stripes in memory. What was read is proved by the checksum of each chunk before the copy of the
// chunk is committed, and by the MD5 of the part before run() returns without error.
class PartCopy {
 public:
  // All outlive this.
  PartCopy(Environment env, PartCopyOptions options, chunk::ChunkService& chunks,
           JobControl& control, PartTarget target)
      : env_(env),
        options_(options),
        chunks_(chunks),
        control_(control),
        target_(std::move(target)) {}

  // The layouts of the copy. Corruption: the bytes are not what the checksums say.
  Task<Result<std::vector<ChunkLayout>>> run(ObjectPart part, std::vector<ChunkLayout> layouts);
  // The same of a part that is inline: its bytes into one chunk.
  Task<Result<std::vector<ChunkLayout>>> run_inline(ObjectPart part, Buffer bytes);

 private:
  Task<Result<ChunkLayout>> copy_chunk(ChunkLayout from);
  Result<std::unique_ptr<chunk::ChunkWriter>> begin(ChunkIndex chunk_index);
  Task<Result<void>> copy_bytes(const ChunkLayout& from, chunk::ChunkWriter& writer);
  Task<Result<void>> put(Buffer bytes, std::uint64_t left, chunk::ChunkWriter& writer);
  Task<void> hash(std::vector<Buffer> pieces);

  Environment env_;
  PartCopyOptions options_;
  chunk::ChunkService& chunks_;
  JobControl& control_;
  PartTarget target_;
  digest::Md5 md5_;
  std::uint64_t crc64nvme_ = 0;  // of the chunk so far
  MutableBuffer stripe_;
  std::size_t filled_ = 0;
};

}  // namespace predastore::repair
