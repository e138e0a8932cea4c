#include <algorithm>

#include "meta/state/applier.h"

namespace predastore::meta {
namespace {

bool matches(const ObjectRecord& record, const std::string& etag) {
  return etag == "*" || etag == record.etag;
}

Result<void> check_precondition(const std::optional<ObjectRecord>& current,
                                const Precondition& precondition) {
  if (precondition.if_none_match_any && current)
    return make_error(ErrorCode::Conflict, "If-None-Match");
  if (precondition.if_match && !current) return make_error(ErrorCode::NotFound, kNoKey);
  if (precondition.if_match && !matches(*current, *precondition.if_match))
    return make_error(ErrorCode::Conflict, "If-Match");
  return {};
}

}  // namespace

Applier::Refusable Applier::put_object(const pb::PutObject& command) {
  PREDA_TRY(ObjectRecord record, from_message(command.object()));
  PREDA_CHECK(find_bucket(command.bucket(), record.incarnation));
  PREDA_CHECK(check_write_epoch(command.write_epoch()));
  std::uint64_t size_bytes = 0;
  for (const ObjectPart& part : record.parts) size_bytes += part.size_bytes;
  if (size_bytes != record.size_bytes)
    return make_error(ErrorCode::InvalidArgument, "the parts do not add up to the object");
  PREDA_TRY(const auto layouts,
            new_layouts(record.parts, command.layouts(), command.write_epoch()));
  PREDA_TRY(pb::Answer answer,
            store_object(command.key(), std::move(record), from_message(command.precondition())));
  put_new_layouts(layouts);
  return answer;
}

Applier::Refusable Applier::store_object(const std::string& key, ObjectRecord record,
                                         const Precondition& precondition) {
  if (key.empty()) return make_error(ErrorCode::InvalidArgument, "an empty key");
  const auto current = state_.find_object(record.incarnation, key);
  PREDA_CHECK(check_precondition(current, precondition));
  record.last_modified_ms = time_ms_;
  if (current) {
    record.last_modified_ms = std::max(time_ms_, current->last_modified_ms);
    state_.erase_object(key, *current);
    release(current->parts);
  } else {
    system_.set_object_count(system_.object_count() + 1);
  }
  state_.put_object(key, record);
  pb::Answer answer;
  *answer.mutable_object() = to_message(record);
  return answer;
}

Applier::Refusable Applier::delete_objects(const pb::DeleteObjects& command) {
  PREDA_TRY(const BucketRecord bucket, find_bucket(command.bucket()));
  const Precondition precondition = from_message(command.precondition());
  for (const std::string& key : command.keys()) {
    const auto current = state_.find_object(bucket.incarnation, key);
    PREDA_CHECK(check_precondition(current, precondition));
    if (!current) continue;
    state_.erase_object(key, *current);
    release(current->parts);
    system_.set_object_count(system_.object_count() - 1);
  }
  return pb::Answer{};
}

// The record changes and nothing else of the object: its ids stay owned, its time and tag are those
// of its bytes.
Applier::Refusable Applier::set_tagging(const pb::SetTagging& command) {
  PREDA_TRY(const BucketRecord bucket, find_bucket(command.bucket()));
  const auto current = state_.find_object(bucket.incarnation, command.key());
  if (!current) return make_error(ErrorCode::NotFound, kNoKey);
  ObjectRecord record = *current;
  record.headers.erase(kTaggingHeader);
  if (!command.tagging().empty()) record.headers[kTaggingHeader] = command.tagging();
  state_.erase_object(command.key(), *current);
  state_.put_object(command.key(), record);
  return pb::Answer{};
}

}  // namespace predastore::meta
