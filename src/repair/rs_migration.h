#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "meta/meta_service.h"
#include "repair/job_runner.h"
#include "repair/part_copy.h"

namespace predastore::repair {

struct RsMigrationOptions {
  std::uint32_t page_objects = 64;  // of one page of a listing: the step of the cursor
  std::size_t at_once = 4;          // objects that are copied at the same time
  std::size_t batch_layouts = 256;  // of one command
  PartCopyOptions copy;
  Duration call_timeout = 10s;
  JobPassOptions passes{.failure = "objects keep their scheme"};
};

// Brings the objects of a bucket (or of all) to the bucket's RS scheme: whatever part of an object
// or of an upload in progress has a chunk of another scheme is read, proved by the checksums of its
// chunks and its MD5, and written under a new ObjectID; then one command puts the new id in the
// place of the old one, comparing it, and the old shards become garbage. Everything that a user
// sees of the object stays.
//
// Order of writes: all shards of the new id are durable, then the command. A crash between leaves
// the old part right, and shards that nobody names, for the sweep. Passes are made until one finds
// nothing left, so that what changed behind the cursor is found.
class RsMigration {
 public:
  // All outlive this.
  RsMigration(Environment env, RsMigrationOptions options, meta::MetaService& meta,
              meta::Growth& growth, chunk::ChunkService& chunks)
      : env_(env), options_(options), meta_(meta), growth_(growth), chunks_(chunks) {}

  // The work of a JobKind::rs_migrate. `control` outlives the call.
  Task<Result<void>> run(JobControl* control);

 private:
  // Parts of one owner (an object, or an upload in progress) on their way.
  struct Owner {
    JobControl* control = nullptr;
    meta::WriteContext context;
    meta::MoveParts command;
    std::uint64_t bytes = 0;
    std::uint64_t moved_bytes = 0;
  };

  Task<Result<JobPass>> one_pass(JobControl* control);
  Task<Result<void>> run_pass(JobControl* control, JobPass* pass);
  Task<Result<void>> run_objects(JobControl* control, JobPass* pass, std::string bucket,
                                 std::string after);
  Task<Result<void>> run_uploads(JobControl* control, JobPass* pass, std::string bucket);
  Task<void> move_object(JobControl* control, JobPass* pass, SemaphoreHold slots,
                         std::string bucket, std::string key);
  Task<Result<void>> count(JobControl* control);
  Task<void> move_upload(JobControl* control, JobPass* pass, meta::UploadRecord upload);
  Task<Result<std::uint64_t>> move_parts_of_object(JobControl* control, std::string bucket,
                                                   std::string key);
  Task<Result<std::uint64_t>> move_parts_of_upload(JobControl* control, meta::UploadRecord upload);
  Task<Result<void>> move_part(Owner* owner, ObjectPart part, std::vector<ChunkLayout> layouts);
  Task<Result<void>> move_inline(Owner* owner, ObjectPart part, Buffer bytes);
  PartTarget new_target(const Owner& owner);
  Task<Result<void>> moved(Owner* owner, meta::MoveParts::Move move, std::uint64_t size_bytes,
                           std::vector<ChunkLayout> copied);
  Task<Result<void>> commit(Owner* owner);
  void note(JobControl* control, JobPass* pass, const std::string& name,
            const Result<std::uint64_t>& moved);
  Instant call_deadline() const { return env_.clock.now() + options_.call_timeout; }

  Environment env_;
  RsMigrationOptions options_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  chunk::ChunkService& chunks_;
};

}  // namespace predastore::repair
