#include "meta/records.h"

#include <limits>

#include "model/compression.h"

namespace predastore::meta {
namespace {

using Pairs = google::protobuf::RepeatedPtrField<pb::Pair>;

// A std::map is sorted, so the encoding of one record is always the same.
void set_pairs(const std::map<std::string, std::string>& from, Pairs* to) {
  for (const auto& [key, value] : from) {
    pb::Pair* pair = to->Add();
    pair->set_key(key);
    pair->set_value(value);
  }
}
std::map<std::string, std::string> map_of(const Pairs& pairs) {
  std::map<std::string, std::string> map;
  for (const pb::Pair& pair : pairs) map[pair.key()] = pair.value();
  return map;
}

std::string text_of(ByteSpan bytes) { return std::string{as_text(bytes)}; }

Error broken(const char* what) { return make_error(ErrorCode::Corruption, what); }

Result<RsConfig> rs_from(std::uint32_t data, std::uint32_t parity) {
  if (data > 255 || parity > 255) return broken("an RS scheme out of range");
  return RsConfig{static_cast<std::uint8_t>(data), static_cast<std::uint8_t>(parity)};
}

}  // namespace

Result<ObjectId> object_id_from(std::string_view bytes) {
  if (bytes.size() != sizeof(ObjectId)) return broken("an ObjectID of a wrong length");
  return ObjectId::from(as_bytes(bytes));
}

pb::Checksum to_message(const ObjectChecksum& checksum) {
  pb::Checksum message;
  message.set_algorithm(static_cast<std::uint32_t>(checksum.algorithm));
  message.set_type(static_cast<std::uint32_t>(checksum.type));
  message.set_value(checksum.value);
  return message;
}
Result<ObjectChecksum> from_message(const pb::Checksum& message) {
  if (message.algorithm() > static_cast<std::uint32_t>(ChecksumAlgorithm::sha256) ||
      message.type() > static_cast<std::uint32_t>(ChecksumType::composite))
    return broken("an unknown checksum");
  return ObjectChecksum{static_cast<ChecksumAlgorithm>(message.algorithm()),
                        static_cast<ChecksumType>(message.type()), message.value()};
}

pb::Part to_message(const ObjectPart& part) {
  pb::Part message;
  message.set_object_id(text_of(part.object_id.span()));
  message.set_part_number(part.part_number.value());
  message.set_size_bytes(part.size_bytes);
  message.set_chunk_size_bytes(part.chunk_size_bytes);
  message.set_etag_md5(part.etag_md5);
  *message.mutable_checksum() = to_message(part.checksum);
  return message;
}
Result<ObjectPart> from_message(const pb::Part& message) {
  ObjectPart part;
  PREDA_TRY(part.object_id, object_id_from(message.object_id()));
  if (message.part_number() > std::numeric_limits<PartNumber::raw_type>::max())
    return broken("a part number out of range");
  part.part_number = PartNumber{static_cast<PartNumber::raw_type>(message.part_number())};
  part.size_bytes = message.size_bytes();
  part.chunk_size_bytes = message.chunk_size_bytes();
  part.etag_md5 = message.etag_md5();
  PREDA_TRY(part.checksum, from_message(message.checksum()));
  return part;
}

pb::Object to_message(const ObjectRecord& record) {
  pb::Object message;
  message.set_version(kRecordVersion);
  message.set_etag(record.etag);
  message.set_size_bytes(record.size_bytes);
  message.set_last_modified_ms(record.last_modified_ms);
  message.set_incarnation(record.incarnation.value());
  set_pairs(record.headers, message.mutable_headers());
  set_pairs(record.user_metadata, message.mutable_user_metadata());
  for (const ObjectPart& part : record.parts) *message.add_parts() = to_message(part);
  *message.mutable_checksum() = to_message(record.checksum);
  return message;
}
Result<ObjectRecord> from_message(const pb::Object& message) {
  ObjectRecord record;
  record.etag = message.etag();
  record.size_bytes = message.size_bytes();
  record.last_modified_ms = message.last_modified_ms();
  record.incarnation = Incarnation{message.incarnation()};
  record.headers = map_of(message.headers());
  record.user_metadata = map_of(message.user_metadata());
  record.parts.reserve(static_cast<std::size_t>(message.parts_size()));
  for (const pb::Part& part : message.parts()) {
    PREDA_TRY(ObjectPart decoded, from_message(part));
    record.parts.push_back(std::move(decoded));
  }
  PREDA_TRY(record.checksum, from_message(message.checksum()));
  return record;
}

Result<Compression> compression_from(std::uint32_t number) {
  if (!is_known_compression(number))
    return make_error(ErrorCode::Corruption, "a compression that is not known");
  return static_cast<Compression>(number);
}

pb::Bucket to_message(const BucketRecord& record) {
  pb::Bucket message;
  message.set_version(kRecordVersion);
  message.set_name(record.name);
  message.set_incarnation(record.incarnation.value());
  message.set_created_ms(record.created_ms);
  message.set_owner(record.owner);
  message.set_data_shards(record.rs.data_shards);
  message.set_parity_shards(record.rs.parity_shards);
  message.set_region(record.region);
  message.set_compression(static_cast<std::uint32_t>(record.compression));
  return message;
}
Result<BucketRecord> from_message(const pb::Bucket& message) {
  BucketRecord record;
  record.name = message.name();
  record.incarnation = Incarnation{message.incarnation()};
  record.created_ms = message.created_ms();
  record.owner = message.owner();
  PREDA_TRY(record.rs, rs_from(message.data_shards(), message.parity_shards()));
  record.region = message.region();
  PREDA_TRY(record.compression, compression_from(message.compression()));
  return record;
}

pb::Upload to_message(const UploadRecord& record) {
  pb::Upload message;
  message.set_version(kRecordVersion);
  message.set_bucket(record.bucket);
  message.set_key(record.key);
  message.set_upload_id(record.upload_id);
  message.set_initiated_ms(record.initiated_ms);
  message.set_incarnation(record.incarnation.value());
  set_pairs(record.headers, message.mutable_headers());
  set_pairs(record.user_metadata, message.mutable_user_metadata());
  message.set_checksum_algorithm(static_cast<std::uint32_t>(record.checksum_algorithm));
  message.set_checksum_type(static_cast<std::uint32_t>(record.checksum_type));
  return message;
}
Result<UploadRecord> from_message(const pb::Upload& message) {
  UploadRecord record;
  record.bucket = message.bucket();
  record.key = message.key();
  record.upload_id = message.upload_id();
  record.initiated_ms = message.initiated_ms();
  record.incarnation = Incarnation{message.incarnation()};
  record.headers = map_of(message.headers());
  record.user_metadata = map_of(message.user_metadata());
  pb::Checksum checksum;
  checksum.set_algorithm(message.checksum_algorithm());
  checksum.set_type(message.checksum_type());
  PREDA_TRY(ObjectChecksum kind, from_message(checksum));
  record.checksum_algorithm = kind.algorithm;
  record.checksum_type = kind.type;
  return record;
}

pb::StoredPart to_message(const PartRecord& record) {
  pb::StoredPart message;
  message.set_version(kRecordVersion);
  *message.mutable_part() = to_message(record.part);
  message.set_last_modified_ms(record.last_modified_ms);
  return message;
}
Result<PartRecord> from_message(const pb::StoredPart& message) {
  PartRecord record;
  PREDA_TRY(record.part, from_message(message.part()));
  record.last_modified_ms = message.last_modified_ms();
  return record;
}

pb::Layout to_message(const ChunkLayout& layout) {
  pb::Layout message;
  message.set_object_id(text_of(layout.object_id.span()));
  message.set_chunk_index(layout.chunk_index.value());
  message.set_size_bytes(layout.size_bytes);
  message.set_data_shards(layout.rs.data_shards);
  message.set_parity_shards(layout.rs.parity_shards);
  message.set_ring_epoch(layout.ring_epoch.value());
  message.set_placement_hash(layout.placement_hash);
  message.set_generation(layout.generation.value());
  message.set_write_epoch(layout.write_epoch.value());
  message.set_crc64nvme(layout.crc64nvme);
  for (const ShardPlace& place : layout.places) {
    pb::Place* added = message.add_places();
    added->set_node(place.node.value());
    added->set_write_id(place.write_id.value());
    added->set_missing(place.is_missing);
    added->set_not_stored(!place.is_stored);
  }
  return message;
}
Result<ChunkLayout> from_message(const pb::Layout& message) {
  ChunkLayout layout;
  PREDA_TRY(layout.object_id, object_id_from(message.object_id()));
  layout.chunk_index = ChunkIndex{message.chunk_index()};
  layout.size_bytes = message.size_bytes();
  PREDA_TRY(layout.rs, rs_from(message.data_shards(), message.parity_shards()));
  layout.ring_epoch = RingEpoch{message.ring_epoch()};
  layout.placement_hash = message.placement_hash();
  layout.generation = Generation{message.generation()};
  layout.write_epoch = WriteEpoch{message.write_epoch()};
  layout.crc64nvme = message.crc64nvme();
  for (const pb::Place& place : message.places()) {
    layout.places.push_back(
        {NodeId{place.node()}, WriteId{place.write_id()}, place.missing(), !place.not_stored()});
  }
  return layout;
}

pb::Ring to_message(const RingRecord& record) {
  pb::Ring message;
  message.set_version(kRecordVersion);
  message.set_epoch(record.epoch.value());
  message.set_algorithm_version(record.algorithm_version);
  message.set_vnodes_per_slot(record.vnodes_per_slot);
  for (const RingSlot& slot : record.slots) {
    pb::RingSlot* added = message.add_slots();
    added->set_slot(slot.slot.value());
    added->set_node(slot.node.value());
    added->set_weight(slot.weight);
    added->set_zone(slot.zone);
  }
  return message;
}
Result<RingRecord> from_message(const pb::Ring& message) {
  RingRecord record;
  record.epoch = RingEpoch{message.epoch()};
  record.algorithm_version = message.algorithm_version();
  record.vnodes_per_slot = message.vnodes_per_slot();
  for (const pb::RingSlot& slot : message.slots()) {
    record.slots.push_back({SlotId{slot.slot()}, NodeId{slot.node()}, slot.weight(), slot.zone()});
  }
  return record;
}

pb::Node to_message(const NodeRecord& record) {
  pb::Node message;
  message.set_version(kRecordVersion);
  message.set_node(record.node.value());
  message.set_name(record.name);
  message.set_cluster_address(record.cluster_address);
  message.set_s3_address(record.s3_address);
  message.set_admin_address(record.admin_address);
  message.set_is_voter(record.is_voter);
  message.set_is_departed(record.is_departed);
  return message;
}
Result<NodeRecord> from_message(const pb::Node& message) {
  return NodeRecord{NodeId{message.node()}, message.name(),          message.cluster_address(),
                    message.s3_address(),   message.admin_address(), message.is_voter(),
                    message.is_departed()};
}

pb::Precondition to_message(const Precondition& precondition) {
  pb::Precondition message;
  message.set_has_if_match(precondition.if_match.has_value());
  message.set_if_match(precondition.if_match.value_or(std::string{}));
  message.set_if_none_match_any(precondition.if_none_match_any);
  return message;
}
pb::RenameCondition to_message(const RenameCondition& condition) {
  pb::RenameCondition message;
  for (const std::string& etag : condition.if_match) message.add_if_match(etag);
  for (const std::string& etag : condition.if_none_match) message.add_if_none_match(etag);
  message.set_has_modified_since(condition.modified_since_s.has_value());
  message.set_modified_since_s(condition.modified_since_s.value_or(0));
  message.set_has_unmodified_since(condition.unmodified_since_s.has_value());
  message.set_unmodified_since_s(condition.unmodified_since_s.value_or(0));
  return message;
}
pb::RenameObject to_message(const RenameObject& rename) {
  pb::RenameObject message;
  message.set_bucket(rename.bucket);
  message.set_source(rename.source);
  message.set_key(rename.key);
  *message.mutable_source_condition() = to_message(rename.source_condition);
  *message.mutable_condition() = to_message(rename.condition);
  message.set_client_token(rename.client_token);
  return message;
}
Precondition from_message(const pb::Precondition& message) {
  Precondition precondition;
  if (message.has_if_match()) precondition.if_match = message.if_match();
  precondition.if_none_match_any = message.if_none_match_any();
  return precondition;
}

}  // namespace predastore::meta
