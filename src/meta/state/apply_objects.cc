#include <algorithm>

#include "digest/hash.h"
#include "meta/state/applier.h"
#include "model/limits.h"

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

// What a client's token stands for.
std::string hash_of(const pb::RenameObject& command) {
  pb::RenameObject named;
  named.set_source(command.source());
  named.set_key(command.key());
  return digest::sha256(named.SerializeAsString());
}

bool matches_any(const std::string& etag,
                 const google::protobuf::RepeatedPtrField<std::string>& tags) {
  return std::ranges::any_of(tags,
                             [&](const std::string& tag) { return tag == "*" || tag == etag; });
}

// With the precedence of reads (docs/s3.md): entity tags before dates. What is not there matches no
// tag, and has no date that a condition could be about.
Result<void> check_rename_condition(const std::optional<ObjectRecord>& current,
                                    const pb::RenameCondition& condition) {
  if (!current) {
    if (condition.if_match_size() > 0) return make_error(ErrorCode::NotFound, kNoKey);
    return {};
  }
  const std::int64_t modified_s = current->last_modified_ms / 1000;
  if (condition.if_match_size() > 0) {
    if (!matches_any(current->etag, condition.if_match()))
      return make_error(ErrorCode::Conflict, "If-Match");
  } else if (condition.has_unmodified_since() && modified_s > condition.unmodified_since_s()) {
    return make_error(ErrorCode::Conflict, "If-Unmodified-Since");
  }
  if (condition.if_none_match_size() > 0) {
    if (matches_any(current->etag, condition.if_none_match()))
      return make_error(ErrorCode::Conflict, "If-None-Match");
  } else if (condition.has_modified_since() && modified_s <= condition.modified_since_s()) {
    return make_error(ErrorCode::Conflict, "If-Modified-Since");
  }
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
  const bool is_inline = record.parts.size() == 1 && record.parts.front().is_inline();
  if (is_inline || !command.inline_bytes().empty()) {
    PREDA_CHECK(check_inline(record, command.inline_bytes()));
    if (command.layouts_size() > 0)
      return make_error(ErrorCode::InvalidArgument, "layouts of no part");
    const ObjectId object_id = record.parts.front().object_id;
    PREDA_TRY(pb::Answer answer,
              store_object(command.key(), std::move(record), from_message(command.precondition())));
    state_.put_inline(object_id, command.inline_bytes());
    return answer;
  }
  PREDA_TRY(const auto layouts,
            new_layouts(record.parts, command.layouts(), command.write_epoch()));
  PREDA_TRY(pb::Answer answer,
            store_object(command.key(), std::move(record), from_message(command.precondition())));
  put_new_layouts(layouts);
  return answer;
}

// Whether the bytes may lie inline was decided by the writer, at the limit it was told; here is
// only what can never be.
Result<void> Applier::check_inline(const ObjectRecord& record, const std::string& bytes) {
  if (record.parts.size() != 1 || !record.parts.front().is_inline() ||
      bytes.size() != record.size_bytes || bytes.size() > kInlineMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "the inline bytes are not those of the object");
  if (state_.find_inline(record.parts.front().object_id))
    return make_error(ErrorCode::InvalidArgument, "an ObjectID that was used before");
  return {};
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

// The record moves with all that it owns: nothing is released but what had the name before. The
// layouts stay as they are, for chunks are placed by a hash that is stored with them.
Applier::Refusable Applier::rename_object(const pb::RenameObject& command) {
  PREDA_TRY(const BucketRecord bucket, find_bucket(command.bucket()));
  if (command.key().empty() || command.source().empty())
    return make_error(ErrorCode::InvalidArgument, "an empty key");
  const std::string token_key =
      keys::completed(bucket.incarnation, "rename " + command.client_token());
  const std::string hash = hash_of(command);
  if (!command.client_token().empty()) {
    const auto done = state_.view().get_record<pb::CompletedUpload>(kCompleted, token_key);
    if (done && done->request_hash() == hash) return pb::Answer{};
    if (done) return make_error(ErrorCode::InvalidArgument, kClientToken);
  }
  const auto source = state_.find_object(bucket.incarnation, command.source());
  if (!source) return make_error(ErrorCode::NotFound, kNoKey);
  PREDA_CHECK(check_rename_condition(source, command.source_condition()));
  const auto target = state_.find_object(bucket.incarnation, command.key());
  PREDA_CHECK(check_rename_condition(target, command.condition()));
  if (command.key() != command.source()) {
    state_.erase_object(command.source(), *source);
    if (target) {
      state_.erase_object(command.key(), *target);
      release(target->parts);
      system_.set_object_count(system_.object_count() - 1);
    }
    state_.put_object(command.key(), *source);
  }
  if (!command.client_token().empty()) {
    pb::CompletedUpload done;
    done.set_request_hash(hash);
    state_.view().put(kCompleted,
                      keys::completed_expiry(WriteEpoch{system_.write_epoch()}, token_key), {});
    state_.view().put(kCompleted, token_key, encode_record(std::move(done)));
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
