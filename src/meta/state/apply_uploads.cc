#include <algorithm>
#include <set>

#include "base/text.h"
#include "digest/hash.h"
#include "meta/state/applier.h"

namespace predastore::meta {
namespace {

constexpr std::uint32_t kPartNumberMax = 10000;
constexpr std::size_t kUploadIdMaxBytes = 256;

std::string hash_of(const pb::CompleteUpload& command) {
  digest::Sha256 hash;
  hash.update(command.key());
  for (const pb::NamedPart& part : command.parts())
    hash.update("/" + std::to_string(part.part_number()) + "/" + part.etag());
  return hash.finish();
}

}  // namespace

Applier::Refusable Applier::create_upload(const pb::CreateUpload& command) {
  PREDA_TRY(UploadRecord upload, from_message(command.upload()));
  PREDA_TRY(const BucketRecord bucket, find_bucket(upload.bucket));
  if (upload.incarnation.value() != 0 && upload.incarnation != bucket.incarnation)
    return make_error(ErrorCode::NotFound, kNoBucket);
  if (upload.key.empty() || upload.upload_id.empty() || upload.upload_id.size() > kUploadIdMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "key or id of an upload");
  upload.incarnation = bucket.incarnation;
  upload.initiated_ms = time_ms_;
  if (state_.find_upload(upload.incarnation, upload.key, upload.upload_id))
    return make_error(ErrorCode::AlreadyExists, kNoUpload);
  state_.put_upload(upload);
  pb::Answer answer;
  *answer.mutable_upload() = to_message(upload);
  return answer;
}

Applier::Refusable Applier::put_part(const pb::PutPart& command) {
  PREDA_TRY(const BucketRecord bucket,
            find_bucket(command.bucket(), Incarnation{command.incarnation()}));
  if (!state_.find_upload(bucket.incarnation, command.key(), command.upload_id()))
    return make_error(ErrorCode::NotFound, kNoUpload);
  PREDA_CHECK(check_write_epoch(command.write_epoch()));
  PartRecord record;
  PREDA_TRY(record.part, from_message(command.part()));
  if (record.part.part_number.value() == 0 || record.part.part_number.value() > kPartNumberMax)
    return make_error(ErrorCode::InvalidArgument, "part number");
  PREDA_TRY(const auto layouts,
            new_layouts({record.part}, command.layouts(), command.write_epoch()));
  record.last_modified_ms = time_ms_;
  const auto current =
      state_.find_part(bucket.incarnation, command.upload_id(), record.part.part_number);
  if (current) {
    record.last_modified_ms = std::max(time_ms_, current->last_modified_ms);
    release({current->part});
  }
  state_.put_part(bucket.incarnation, command.upload_id(), record);
  put_new_layouts(layouts);
  pb::Answer answer;
  *answer.mutable_part() = to_message(record);
  return answer;
}

// The object is what the request names, out of what is stored; no data moves. ETag as AWS makes it:
// the MD5 of the parts' MD5s, and their number.
Result<ObjectRecord> Applier::assemble(const pb::CompleteUpload& command,
                                       const UploadRecord& upload) {
  if (command.parts().empty()) return make_error(ErrorCode::InvalidArgument, "no parts");
  ObjectRecord record;
  record.incarnation = upload.incarnation;
  record.headers = upload.headers;
  record.user_metadata = upload.user_metadata;
  PREDA_TRY(record.checksum, from_message(command.checksum()));
  digest::Md5 md5;
  std::uint32_t last_number = 0;
  for (const pb::NamedPart& named : command.parts()) {
    if (named.part_number() <= last_number)
      return make_error(ErrorCode::InvalidArgument, kPartOrder);
    last_number = named.part_number();
    if (last_number > kPartNumberMax) return make_error(ErrorCode::NotFound, kNoPart);
    auto stored = state_.find_part(upload.incarnation, upload.upload_id,
                                   PartNumber{static_cast<PartNumber::raw_type>(last_number)});
    if (!stored || to_hex(as_bytes(stored->part.etag_md5)) != named.etag())
      return make_error(ErrorCode::NotFound, kNoPart);
    if (!record.parts.empty() &&
        record.parts.back().size_bytes < system_.limits().part_size_min_bytes())
      return make_error(ErrorCode::InvalidArgument, kPartTooSmall);
    md5.update(stored->part.etag_md5);
    record.size_bytes += stored->part.size_bytes;
    record.parts.push_back(std::move(stored->part));
  }
  record.etag = to_hex(as_bytes(md5.finish())) + "-" + std::to_string(record.parts.size());
  return record;
}

Applier::Refusable Applier::complete_upload(const pb::CompleteUpload& command) {
  PREDA_TRY(const BucketRecord bucket,
            find_bucket(command.bucket(), Incarnation{command.incarnation()}));
  const auto upload = state_.find_upload(bucket.incarnation, command.key(), command.upload_id());
  if (!upload) return repeat_completed(command, bucket);
  PREDA_TRY(ObjectRecord record, assemble(command, *upload));

  std::set<PartNumber> named;
  for (const ObjectPart& part : record.parts) named.insert(part.part_number);
  std::vector<ObjectPart> left_over;
  for (PartRecord& part :
       state_.parts_after(bucket.incarnation, upload->upload_id, 0, kPartNumberMax)) {
    if (!named.contains(part.part.part_number)) left_over.push_back(std::move(part.part));
  }
  PREDA_TRY(pb::Answer answer,
            store_object(command.key(), std::move(record), from_message(command.precondition())));
  state_.erase_upload(*upload);
  release(left_over);

  answer.mutable_object()->clear_parts();
  pb::CompletedUpload completed;
  completed.set_request_hash(hash_of(command));
  *completed.mutable_object() = answer.object();
  const std::string key = keys::completed(bucket.incarnation, upload->upload_id);
  state_.view().put(kCompleted, keys::completed_expiry(WriteEpoch{system_.write_epoch()}, key), {});
  state_.view().put(kCompleted, key, encode_record(std::move(completed)));
  return answer;
}

Applier::Refusable Applier::repeat_completed(const pb::CompleteUpload& command,
                                             const BucketRecord& bucket) {
  auto completed = state_.view().get_record<pb::CompletedUpload>(
      kCompleted, keys::completed(bucket.incarnation, command.upload_id()));
  if (!completed || completed->request_hash() != hash_of(command))
    return make_error(ErrorCode::NotFound, kNoUpload);
  pb::Answer answer;
  *answer.mutable_object() = std::move(*completed->mutable_object());
  return answer;
}

Applier::Refusable Applier::abort_upload(const pb::AbortUpload& command) {
  PREDA_TRY(const BucketRecord bucket, find_bucket(command.bucket()));
  const auto upload = state_.find_upload(bucket.incarnation, command.key(), command.upload_id());
  if (!upload) return make_error(ErrorCode::NotFound, kNoUpload);
  erase_upload(*upload);
  return pb::Answer{};
}

std::size_t Applier::erase_upload(const UploadRecord& upload) {
  std::vector<ObjectPart> parts;
  for (PartRecord& part :
       state_.parts_after(upload.incarnation, upload.upload_id, 0, kPartNumberMax))
    parts.push_back(std::move(part.part));
  state_.erase_upload(upload);
  release(parts);
  return parts.size();
}

}  // namespace predastore::meta
