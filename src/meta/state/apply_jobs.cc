#include <algorithm>
#include <map>
#include <set>

#include "base/codec.h"
#include "meta/state/applier.h"

namespace predastore::meta {
namespace {

constexpr std::size_t kJobsActiveMax = 64;
constexpr std::size_t kJobsEndedMax = 100;  // kept to be looked at
constexpr std::size_t kArgumentMaxBytes = 4096;
constexpr std::size_t kCursorMaxBytes = 4096;
constexpr std::size_t kDetailMaxBytes = 1024;

std::string text_of(const ObjectId& id) { return std::string{as_text(id.span())}; }

Error refused(const char* why) { return make_error(ErrorCode::InvalidArgument, why); }

}  // namespace

Applier::Refusable Applier::store_job(JobRecord job) {
  job.updated_ms = std::max(job.updated_ms, time_ms_);
  state_.put_job(job);
  pb::Answer answer;
  *answer.mutable_job() = to_message(job);
  return answer;
}

// Ids are counted on from the last one, which is therefore never forgotten.
Applier::Refusable Applier::start_job(const pb::StartJob& command) {
  if (command.kind() == 0 || command.kind() > static_cast<std::uint32_t>(JobKind::rebalance) ||
      command.argument().size() > kArgumentMaxBytes)
    return refused("a job that this build does not know");
  JobRecord job;
  job.id = JobId{1};
  job.kind = static_cast<JobKind>(command.kind());
  job.argument = command.argument();
  job.started_ms = time_ms_;
  std::vector<JobId> ended;
  std::size_t active = 0;
  for (const JobRecord& other : state_.jobs()) {
    job.id = next(other.id);
    if (!is_active(other.state)) {
      ended.push_back(other.id);
      continue;
    }
    ++active;
    if (other.kind == job.kind && other.argument == job.argument)
      return make_error(ErrorCode::AlreadyExists, "job " + std::to_string(other.id.value()));
  }
  if (active >= kJobsActiveMax) return make_error(ErrorCode::Conflict, "too many jobs");
  for (std::size_t i = 0; i + kJobsEndedMax < ended.size(); ++i) state_.erase_job(ended[i]);
  return store_job(std::move(job));
}

Applier::Refusable Applier::claim_job(const pb::ClaimJob& command) {
  auto job = state_.find_job(JobId{command.id()});
  if (!job) return make_error(ErrorCode::NotFound, kNoJob);
  if (job->state != JobState::running || job->claim != command.claim_before())
    return make_error(ErrorCode::Conflict, "the job is another worker's, or does not run");
  job->claim += 1;
  job->worker = NodeId{command.worker()};
  return store_job(*std::move(job));
}

Applier::Refusable Applier::report_job(const pb::ReportJob& command) {
  auto job = state_.find_job(JobId{command.id()});
  if (!job) return make_error(ErrorCode::NotFound, kNoJob);
  if (!is_active(job->state) || job->claim != command.claim())
    return make_error(ErrorCode::Conflict, "the job is another worker's, or has ended");
  const auto state = static_cast<JobState>(command.state());
  if (state != JobState::running && state != JobState::done && state != JobState::failed)
    return refused("a state that no worker gives");
  if (command.progress().cursor().size() > kCursorMaxBytes ||
      command.progress().detail().size() > kDetailMaxBytes)
    return refused("a cursor or detail too long");
  // What was done before the worker heard of the pause counts.
  if (job->state != JobState::paused || state != JobState::running) job->state = state;
  job->progress = from_message(command.progress());
  return store_job(*std::move(job));
}

Applier::Refusable Applier::set_job_state(const pb::SetJobState& command) {
  auto job = state_.find_job(JobId{command.id()});
  if (!job) return make_error(ErrorCode::NotFound, kNoJob);
  const auto state = static_cast<JobState>(command.state());
  if (state != JobState::running && state != JobState::paused && state != JobState::cancelled)
    return refused("a state that no operator gives");
  // One that failed may be tried again, or given up, unless another one has taken its place.
  if (job->state == JobState::failed && state != JobState::paused) {
    for (const JobRecord& other : state_.jobs()) {
      if (other.id > job->id && other.kind == job->kind && other.argument == job->argument)
        return make_error(ErrorCode::Conflict, "a later job does the same");
    }
  } else if (!is_active(job->state)) {
    return make_error(ErrorCode::Conflict, "the job has ended");
  }
  job->state = state;
  return store_job(*std::move(job));
}

// The bytes of some parts lie under other ObjectIDs now. What is compared is the very parts that
// were read: one that was replaced since is left alone, and the new ids are nobody's.
Applier::Refusable Applier::move_parts(const pb::MoveParts& command) {
  const Incarnation incarnation{command.incarnation()};
  PREDA_CHECK(find_bucket(command.bucket(), incarnation));
  PREDA_CHECK(check_write_epoch(command.write_epoch()));
  std::optional<ObjectRecord> object;
  std::vector<PartRecord> stored;
  std::vector<ObjectPart*> owned;
  if (command.upload_id().empty()) {
    object = state_.find_object(incarnation, command.key());
    if (!object) return make_error(ErrorCode::NotFound, kNoKey);
    for (ObjectPart& part : object->parts) owned.push_back(&part);
  } else {
    if (!state_.find_upload(incarnation, command.key(), command.upload_id()))
      return make_error(ErrorCode::NotFound, kNoUpload);
    stored = state_.parts_after(incarnation, command.upload_id(), 0, kChunksPerPartMax);
    for (PartRecord& record : stored) owned.push_back(&record.part);
  }
  std::map<std::string, ObjectPart*> by_id;
  for (ObjectPart* part : owned) by_id[text_of(part->object_id)] = part;
  std::vector<ObjectPart> before;
  std::vector<ObjectPart> after;
  std::set<const ObjectPart*> changed;
  for (const pb::PartMove& move : command.moves()) {
    const auto found = by_id.find(move.from());
    if (found == by_id.end()) return make_error(ErrorCode::Conflict, "the object has changed");
    before.push_back(*found->second);
    PREDA_TRY(found->second->object_id, object_id_from(move.to()));
    if (found->second->is_inline()) found->second->chunk_size_bytes = move.chunk_size_bytes();
    after.push_back(*found->second);
    changed.insert(found->second);
    by_id.erase(found);
  }
  PREDA_TRY(const auto layouts, new_layouts(after, command.layouts(), command.write_epoch()));
  if (object) {
    state_.put_object(command.key(), *object);
  } else {
    for (const PartRecord& record : stored) {
      if (changed.contains(&record.part)) state_.put_part(incarnation, command.upload_id(), record);
    }
  }
  release(before);
  put_new_layouts(layouts);
  return pb::Answer{};
}

}  // namespace predastore::meta
