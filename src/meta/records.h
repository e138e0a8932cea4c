#pragma once

#include "meta/commands.pb.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "meta/queries.pb.h"
#include "meta/records.pb.h"

// Between the plain structs of model/ and meta_service.h and the protobuf messages, which do not
// leave this folder. From a message that came over the wire or from a disk nothing is believed:
// Corruption when a field cannot be what it should.
namespace predastore::meta {

inline constexpr std::uint32_t kRecordVersion = 1;

pb::Checksum to_message(const ObjectChecksum& checksum);
pb::Part to_message(const ObjectPart& part);
pb::Object to_message(const ObjectRecord& record);
pb::Bucket to_message(const BucketRecord& record);
pb::Upload to_message(const UploadRecord& record);
pb::StoredPart to_message(const PartRecord& record);
pb::Layout to_message(const ChunkLayout& layout);
pb::Ring to_message(const RingRecord& record);
pb::Node to_message(const NodeRecord& record);
pb::Precondition to_message(const Precondition& precondition);
pb::RenameCondition to_message(const RenameCondition& condition);
pb::RenameObject to_message(const RenameObject& rename);
pb::JobProgress to_message(const JobProgress& progress);
pb::Job to_message(const JobRecord& record);

Result<ObjectId> object_id_from(std::string_view bytes);
Result<Compression> compression_from(std::uint32_t number);
Result<ObjectChecksum> from_message(const pb::Checksum& message);
Result<ObjectPart> from_message(const pb::Part& message);
Result<ObjectRecord> from_message(const pb::Object& message);
Result<BucketRecord> from_message(const pb::Bucket& message);
Result<UploadRecord> from_message(const pb::Upload& message);
Result<PartRecord> from_message(const pb::StoredPart& message);
Result<ChunkLayout> from_message(const pb::Layout& message);
Result<RingRecord> from_message(const pb::Ring& message);
Result<NodeRecord> from_message(const pb::Node& message);
Precondition from_message(const pb::Precondition& message);
JobProgress from_message(const pb::JobProgress& message);
Result<JobRecord> from_message(const pb::Job& message);

// A stored record: its version is set here, and a version that this build does not know is
// Unsupported.
template <class Message>
std::string encode_record(Message message) {
  message.set_version(kRecordVersion);
  return message.SerializeAsString();
}
template <class Message>
Result<void> parse_record(std::string_view bytes, Message& into) {
  if (!into.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return make_error(ErrorCode::Corruption, "a metadata record cannot be read");
  if (into.version() != kRecordVersion)
    return make_error(ErrorCode::Unsupported, "a metadata record of an unknown version");
  return {};
}
template <class Message>
Result<Message> decode_record(std::string_view bytes) {
  Message message;
  PREDA_CHECK(parse_record(bytes, message));
  return message;
}

// An answer or query answer that carries an error, and back.
template <class Message>
void set_error(Message& message, const Error& error) {
  message.Clear();
  message.set_code(static_cast<std::uint32_t>(error.code) + 1);
  message.set_detail(error.detail);
}
template <class Message>
Result<void> check_code(const Message& message) {
  if (message.code() == 0) return {};
  if (message.code() > static_cast<std::uint32_t>(ErrorCode::Internal) + 1)
    return make_error(ErrorCode::Internal, "an answer with an unknown error code");
  return make_error(static_cast<ErrorCode>(message.code() - 1), message.detail());
}

}  // namespace predastore::meta
