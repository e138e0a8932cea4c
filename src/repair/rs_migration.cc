#include "repair/rs_migration.h"

#include <algorithm>

#include "model/object_id.h"
#include "telemetry/log.h"

namespace predastore::repair {
namespace {

constexpr std::uint64_t kToTheEnd = ~std::uint64_t{0};
constexpr std::uint32_t kUploadsPage = 100;
constexpr std::uint32_t kPartsPage = 1000;

// Where a pass goes on: after this object, or (without a key) at the beginning of the bucket.
struct Place {
  std::string bucket;
  std::string key;
};

std::string cursor_of(const Place& place) { return place.bucket + "/" + place.key; }

// Names of buckets have no slash.
Place place_of(const std::string& cursor) {
  const std::size_t slash = cursor.find('/');
  if (slash == std::string::npos) return {};
  return {cursor.substr(0, slash), cursor.substr(slash + 1)};
}

bool is_other_scheme(const std::vector<ChunkLayout>& layouts, RsConfig rs) {
  return std::ranges::any_of(layouts, [rs](const ChunkLayout& layout) { return layout.rs != rs; });
}

std::size_t chunk_count(const ObjectPart& part) {
  if (part.size_bytes == 0 || part.chunk_size_bytes == 0) return 0;
  return static_cast<std::size_t>((part.size_bytes + part.chunk_size_bytes - 1) /
                                  part.chunk_size_bytes);
}

ObjectId new_object_id(Random& random, const std::string& bucket, const std::string& key) {
  std::array<std::byte, 16> salt{};
  random.fill(salt);
  return make_object_id(bucket, key, salt);
}

// Gone, or replaced by a newer one: nothing is left to be done about it in this pass.
bool is_overtaken(ErrorCode code) {
  return code == ErrorCode::NotFound || code == ErrorCode::Conflict;
}

}  // namespace

Task<Result<void>> RsMigration::run(JobControl* control) {
  if (control->progress().cursor.empty()) {
    PREDA_CO_CHECK(co_await count(control));
  }
  const auto pass = [this, control] { return one_pass(control); };
  co_return co_await control->repeat(options_.passes, pass);
}

Task<Result<JobPass>> RsMigration::one_pass(JobControl* control) {
  JobPass pass;
  PREDA_CO_CHECK(co_await run_pass(control, &pass));
  co_return pass;
}

// What a pass will look at, for the per cent.
Task<Result<void>> RsMigration::count(JobControl* control) {
  PREDA_CO_TRY(const std::vector<BucketRecord> buckets,
               co_await meta_.list_buckets(call_deadline()));
  const std::string only = control->job().argument;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  for (const BucketRecord& bucket : buckets) {
    if (!only.empty() && bucket.name != only) continue;
    meta::ListQuery query;
    query.bucket = bucket.name;
    for (bool is_truncated = true; is_truncated;) {
      auto page = co_await meta_.list_objects(query, call_deadline());
      if (!page && page.error().code == ErrorCode::NotFound) break;
      if (!page) co_return page.error();
      items += page->objects.size();
      for (const meta::ListedObject& object : page->objects) bytes += object.record.size_bytes;
      if (!page->objects.empty()) query.start_after = page->objects.back().key;
      is_truncated = page->is_truncated;
      PREDA_CO_CHECK(co_await control->step(0));
    }
  }
  control->progress().items_total = items;
  control->progress().bytes_total = bytes;
  co_return Result<void>{};
}

Task<Result<void>> RsMigration::run_pass(JobControl* control, JobPass* pass) {
  const Place from = place_of(control->progress().cursor);
  PREDA_CO_TRY(std::vector<BucketRecord> buckets, co_await meta_.list_buckets(call_deadline()));
  const std::string only = control->job().argument;
  std::ranges::sort(buckets, {}, &BucketRecord::name);
  for (const BucketRecord& bucket : buckets) {
    if (!only.empty() && bucket.name != only) continue;
    if (bucket.name < from.bucket) continue;
    std::string name = bucket.name;
    std::string after = name == from.bucket ? from.key : std::string{};
    auto done = co_await run_objects(control, pass, name, std::move(after));
    if (done) done = co_await run_uploads(control, pass, std::move(name));
    if (!done && done.error().code != ErrorCode::NotFound) co_return done;  // deleted meanwhile
  }
  co_return Result<void>{};
}

Task<Result<void>> RsMigration::run_objects(JobControl* control, JobPass* pass, std::string bucket,
                                            std::string after) {
  for (;;) {
    meta::ListQuery query;
    query.bucket = bucket;
    query.start_after = after;
    query.max_entries = options_.page_objects;
    PREDA_CO_TRY(const meta::ListPage page,
                 co_await meta_.list_objects(std::move(query), call_deadline()));
    Semaphore slots{env_.clock, options_.at_once};
    TaskGroup tasks{env_.executor, env_.clock};
    Result<void> still_ours;
    for (const meta::ListedObject& object : page.objects) {
      // Within the rate that is left beside clients one object at a time keeps up; more would only
      // make the loop and the drives busy in bursts, which is what clients feel.
      const std::uint64_t taken = control->has_clients() ? options_.at_once : 1;
      (void)co_await slots.acquire(taken, kNever);
      SemaphoreHold hold{slots, taken};
      still_ours = co_await control->step(0);
      if (!still_ours) break;
      tasks.spawn(move_object(control, pass, std::move(hold), bucket, object.key));
    }
    (void)co_await tasks.join();
    PREDA_CO_CHECK(std::move(still_ours));
    if (!page.objects.empty()) after = page.objects.back().key;
    control->progress().cursor = cursor_of({bucket, after});
    if (!page.is_truncated) co_return Result<void>{};
  }
}

Task<void> RsMigration::move_object(JobControl* control, JobPass* pass,
                                    [[maybe_unused]] SemaphoreHold slots, std::string bucket,
                                    std::string key) {
  const std::string name = bucket + "/" + key;
  const auto moved = co_await move_parts_of_object(control, std::move(bucket), std::move(key));
  note(control, pass, name, moved);
}

void RsMigration::note(JobControl* control, JobPass* pass, const std::string& name,
                       const Result<std::uint64_t>& moved) {
  JobProgress& progress = control->progress();
  ++progress.items_seen;
  if (moved) {
    if (*moved == 0) return;
    ++pass->changed;
    ++progress.items_done;
    progress.bytes_done += *moved;
    return;
  }
  if (moved.error().code == ErrorCode::Cancelled) return;
  if (is_overtaken(moved.error().code)) {
    ++pass->changed;  // something happens here: another pass will see what
    return;
  }
  ++pass->failed;
  ++progress.errors;
  progress.detail = name + ": " + moved.error().to_string();
  telemetry::log_warn("change of the scheme of an object failed",
                      {{"object", name}, {"detail", moved.error().to_string()}});
}

Task<Result<std::uint64_t>> RsMigration::move_parts_of_object(JobControl* control,
                                                              std::string bucket, std::string key) {
  Owner owner;
  owner.control = control;
  PREDA_CO_TRY(owner.context, co_await meta_.write_context(bucket, call_deadline()));
  PREDA_CO_TRY(meta::ObjectAndLayouts found,
               co_await meta_.get_object(bucket, key, 0, kToTheEnd, call_deadline()));
  owner.command.bucket = bucket;
  owner.command.key = key;
  std::uint64_t begin = 0;
  std::size_t next_layout = 0;
  for (const ObjectPart& part : found.record.parts) {
    if (part.is_inline()) {
      Buffer bytes = Buffer::take(std::move(found.inline_bytes));
      PREDA_CO_CHECK(co_await move_inline(&owner, part, std::move(bytes)));
      break;  // an inline object has one part
    }
    const std::size_t count = chunk_count(part);
    // An object of very many chunks: the rest of the layouts comes in further pages.
    if (next_layout + count > found.layouts.size()) {
      PREDA_CO_TRY(meta::ObjectAndLayouts more,
                   co_await meta_.get_object(bucket, key, begin, kToTheEnd, call_deadline()));
      if (more.record != found.record || more.layouts.size() < count)
        co_return make_error(ErrorCode::Conflict, "the object has changed");
      found.layouts = std::move(more.layouts);
      next_layout = 0;
    }
    const auto first = found.layouts.begin() + static_cast<std::ptrdiff_t>(next_layout);
    std::vector<ChunkLayout> layouts(first, first + static_cast<std::ptrdiff_t>(count));
    next_layout += count;
    begin += part.size_bytes;
    PREDA_CO_CHECK(co_await move_part(&owner, part, std::move(layouts)));
  }
  PREDA_CO_CHECK(co_await commit(&owner));
  co_return owner.moved_bytes;
}

Task<Result<void>> RsMigration::move_part(Owner* owner, ObjectPart part,
                                          std::vector<ChunkLayout> layouts) {
  if (!is_other_scheme(layouts, owner->context.bucket.rs)) co_return Result<void>{};
  PartTarget target = new_target(*owner);
  const meta::MoveParts::Move move{part.object_id, target.object_id, 0};
  const std::uint64_t size_bytes = part.size_bytes;
  PartCopy copy{env_, options_.copy, chunks_, *owner->control, std::move(target)};
  PREDA_CO_TRY(std::vector<ChunkLayout> copied,
               co_await copy.run(std::move(part), std::move(layouts)));
  co_return co_await moved(owner, move, size_bytes, std::move(copied));
}

// What lies with the metadata and no longer may (the scheme bears the loss of more nodes than the
// voters do, or it was switched off) goes into chunks. What may stays where it is.
Task<Result<void>> RsMigration::move_inline(Owner* owner, ObjectPart part, Buffer bytes) {
  if (part.size_bytes <= owner->context.inline_max_bytes) co_return Result<void>{};
  if (bytes.size() != part.size_bytes)
    co_return make_error(ErrorCode::Conflict, "the object has changed");
  PartTarget target = new_target(*owner);
  const meta::MoveParts::Move move{part.object_id, target.object_id,
                                   static_cast<std::uint32_t>(kChunkSizeBytes)};
  const std::uint64_t size_bytes = part.size_bytes;
  PartCopy copy{env_, options_.copy, chunks_, *owner->control, std::move(target)};
  PREDA_CO_TRY(std::vector<ChunkLayout> copied,
               co_await copy.run_inline(std::move(part), std::move(bytes)));
  co_return co_await moved(owner, move, size_bytes, std::move(copied));
}

PartTarget RsMigration::new_target(const Owner& owner) {
  PartTarget target;
  target.bucket = owner.command.bucket;
  target.key = owner.command.key;
  target.context = owner.context;
  target.object_id = new_object_id(env_.random, target.bucket, target.key);
  return target;
}

Task<Result<void>> RsMigration::moved(Owner* owner, meta::MoveParts::Move move,
                                      std::uint64_t size_bytes, std::vector<ChunkLayout> copied) {
  owner->command.moves.push_back(move);
  owner->command.layouts.insert(owner->command.layouts.end(), copied.begin(), copied.end());
  owner->bytes += size_bytes;
  if (owner->command.layouts.size() < options_.batch_layouts) co_return Result<void>{};
  co_return co_await commit(owner);
}

// The context was taken before the first of the shards was written; the next batch takes its own.
Task<Result<void>> RsMigration::commit(Owner* owner) {
  if (owner->command.moves.empty()) co_return Result<void>{};
  owner->command.incarnation = owner->context.bucket.incarnation;
  owner->command.write_epoch = owner->context.write_epoch;
  meta::MoveParts command = owner->command;
  owner->command.moves.clear();
  owner->command.layouts.clear();
  PREDA_CO_CHECK(co_await growth_.move_parts(std::move(command), call_deadline()));
  owner->moved_bytes += std::exchange(owner->bytes, 0);
  PREDA_CO_TRY(owner->context,
               co_await meta_.write_context(owner->command.bucket, call_deadline()));
  co_return Result<void>{};
}

// ---- uploads in progress

Task<Result<void>> RsMigration::run_uploads(JobControl* control, JobPass* pass,
                                            std::string bucket) {
  meta::ListUploadsQuery query;
  query.bucket = bucket;
  query.max_entries = kUploadsPage;
  for (;;) {
    PREDA_CO_TRY(const meta::ListUploadsPage page,
                 co_await meta_.list_uploads(query, call_deadline()));
    for (const meta::UploadRecord& upload : page.uploads) {
      PREDA_CO_CHECK(co_await control->step(0));
      co_await move_upload(control, pass, upload);
    }
    if (!page.is_truncated) co_return Result<void>{};
    query.key_marker = page.next_key_marker;
    query.upload_id_marker = page.next_upload_id_marker;
  }
}

Task<void> RsMigration::move_upload(JobControl* control, JobPass* pass, meta::UploadRecord upload) {
  const std::string name = upload.bucket + "/" + upload.key + " (upload)";
  const auto moved = co_await move_parts_of_upload(control, std::move(upload));
  note(control, pass, name, moved);
}

Task<Result<std::uint64_t>> RsMigration::move_parts_of_upload(JobControl* control,
                                                              meta::UploadRecord upload) {
  Owner owner;
  owner.control = control;
  PREDA_CO_TRY(owner.context, co_await meta_.write_context(upload.bucket, call_deadline()));
  owner.command.bucket = upload.bucket;
  owner.command.key = upload.key;
  owner.command.upload_id = upload.upload_id;
  std::uint32_t after = 0;
  for (bool is_truncated = true; is_truncated;) {
    PREDA_CO_TRY(const meta::ListPartsPage page,
                 co_await meta_.list_parts(upload.bucket, upload.key, upload.upload_id, after,
                                           kPartsPage, call_deadline()));
    is_truncated = page.is_truncated && !page.parts.empty();
    for (const meta::PartRecord& record : page.parts) {
      after = record.part.part_number.value();
      std::vector<ChunkLayout> layouts;
      for (std::size_t i = 0; i < chunk_count(record.part); ++i) {
        const ChunkIndex index{(after << 16) + static_cast<std::uint32_t>(i)};
        PREDA_CO_TRY(ChunkLayout layout,
                     co_await meta_.get_layout(record.part.object_id, index, call_deadline()));
        layouts.push_back(std::move(layout));
      }
      PREDA_CO_CHECK(co_await move_part(&owner, record.part, std::move(layouts)));
    }
  }
  PREDA_CO_CHECK(co_await commit(&owner));
  co_return owner.moved_bytes;
}

}  // namespace predastore::repair
