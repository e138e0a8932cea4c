#include "meta/state/state.h"

#include "base/codec.h"

namespace predastore::meta {
namespace {

constexpr std::string_view kSystemKey = "system";

}  // namespace

pb::System State::system() {
  return view_.get_record<pb::System>(kSystem, kSystemKey).value_or(pb::System{});
}
void State::put_system(const pb::System& system) {
  view_.put(kSystem, std::string{kSystemKey}, encode_record(system));
}

std::optional<BucketRecord> State::find_bucket(const std::string& name) {
  const auto message = view_.get_record<pb::Bucket>(kBuckets, name);
  if (!message) return std::nullopt;
  return view_.kept(from_message(*message));
}
void State::put_bucket(const BucketRecord& record) {
  view_.put(kBuckets, record.name, encode_record(to_message(record)));
}
void State::erase_bucket(const std::string& name) { view_.erase(kBuckets, name); }

bool State::has_objects(Incarnation incarnation) {
  const std::string prefix = keys::object_prefix(incarnation, {});
  Cursor cursor{view_, kObjects};
  cursor.seek(prefix);
  return cursor.valid_within(prefix);
}
bool State::has_uploads(Incarnation incarnation) {
  const std::string prefix = keys::object_prefix(incarnation, {});
  Cursor cursor{view_, kUploads};
  cursor.seek(prefix);
  return cursor.valid_within(prefix);
}

std::optional<ObjectRecord> State::find_object(Incarnation incarnation, const std::string& key) {
  const std::string encoded = keys::object(incarnation, key);
  auto message = view_.get_record<pb::Object>(kObjects, encoded);
  if (!message) return std::nullopt;
  if (message->parts_elsewhere() > 0) {
    auto list = view_.get_record<pb::PartList>(kObjectParts, encoded);
    if (!list || list->parts_size() != static_cast<int>(message->parts_elsewhere())) {
      view_.fail(make_error(ErrorCode::Corruption, "the parts of an object are not there"));
      return std::nullopt;
    }
    *message->mutable_parts() = std::move(*list->mutable_parts());
  }
  return view_.kept(from_message(*message));
}

bool State::parse_listed(std::string_view value, pb::Object& into) {
  if (auto parsed = parse_record(value, into); !parsed) {
    view_.fail(std::move(parsed).error());
    return false;
  }
  into.clear_parts();
  return true;
}

// A listing reads one record a name, so the parts of a multipart object lie elsewhere.
void State::put_object(const std::string& key, const ObjectRecord& record) {
  const std::string encoded = keys::object(record.incarnation, key);
  pb::Object message = to_message(record);
  if (record.parts.size() > 1) {
    pb::PartList list;
    *list.mutable_parts() = std::move(*message.mutable_parts());
    message.clear_parts();
    message.set_parts_elsewhere(static_cast<std::uint32_t>(record.parts.size()));
    view_.put(kObjectParts, encoded, encode_record(std::move(list)));
  }
  view_.put(kObjects, encoded, encode_record(std::move(message)));
}

void State::erase_object(const std::string& key, const ObjectRecord& record) {
  const std::string encoded = keys::object(record.incarnation, key);
  if (record.parts.size() > 1) view_.erase(kObjectParts, encoded);
  view_.erase(kObjects, encoded);
}

std::optional<std::string> State::find_inline(const ObjectId& object_id) {
  return view_.get(kInline, as_text(object_id.span()));
}
void State::put_inline(const ObjectId& object_id, std::string bytes) {
  view_.put(kInline, std::string{as_text(object_id.span())}, std::move(bytes));
}
void State::erase_inline(const ObjectId& object_id) {
  view_.erase(kInline, std::string{as_text(object_id.span())});
}

std::optional<UploadRecord> State::find_upload(Incarnation incarnation, const std::string& key,
                                               const std::string& upload_id) {
  const auto message =
      view_.get_record<pb::Upload>(kUploads, keys::upload(incarnation, key, upload_id));
  if (!message) return std::nullopt;
  return view_.kept(from_message(*message));
}
std::optional<UploadRecord> State::first_upload(Incarnation incarnation) {
  const std::string prefix = keys::object_prefix(incarnation, {});
  Cursor cursor{view_, kUploads};
  cursor.seek(prefix);
  if (!cursor.valid_within(prefix)) return std::nullopt;
  const auto message = view_.kept(decode_record<pb::Upload>(cursor.value()));
  if (!message) return std::nullopt;
  return view_.kept(from_message(*message));
}
void State::put_upload(const UploadRecord& record) {
  view_.put(kUploads, keys::upload(record.incarnation, record.key, record.upload_id),
            encode_record(to_message(record)));
}
void State::erase_upload(const UploadRecord& record) {
  std::vector<std::string> parts;
  {
    const std::string prefix = keys::part_prefix(record.incarnation, record.upload_id);
    Cursor cursor{view_, kParts};
    for (cursor.seek(prefix); cursor.valid_within(prefix); cursor.next())
      parts.emplace_back(cursor.key());
  }
  for (std::string& key : parts) view_.erase(kParts, std::move(key));
  view_.erase(kUploads, keys::upload(record.incarnation, record.key, record.upload_id));
}

std::optional<PartRecord> State::find_part(Incarnation incarnation, const std::string& upload_id,
                                           PartNumber number) {
  const auto message =
      view_.get_record<pb::StoredPart>(kParts, keys::part(incarnation, upload_id, number));
  if (!message) return std::nullopt;
  return view_.kept(from_message(*message));
}
void State::put_part(Incarnation incarnation, const std::string& upload_id,
                     const PartRecord& record) {
  view_.put(kParts, keys::part(incarnation, upload_id, record.part.part_number),
            encode_record(to_message(record)));
}

std::vector<PartRecord> State::parts_after(Incarnation incarnation, const std::string& upload_id,
                                           std::uint32_t after, std::size_t count_max) {
  std::vector<PartRecord> found;
  if (after >= 0xFFFF) return found;
  const std::string prefix = keys::part_prefix(incarnation, upload_id);
  Cursor cursor{view_, kParts};
  const PartNumber first{static_cast<PartNumber::raw_type>(after + 1)};
  for (cursor.seek(keys::part(incarnation, upload_id, first));
       cursor.valid_within(prefix) && found.size() < count_max; cursor.next()) {
    const auto message = view_.decode<pb::StoredPart>(cursor.value());
    if (!message) break;
    auto record = view_.kept(from_message(*message));
    if (!record) break;
    found.push_back(*std::move(record));
  }
  return found;
}

std::optional<pb::RepairEntry> State::find_repair(std::string_view chunk_key) {
  return view_.get_record<pb::RepairEntry>(kRepair, chunk_key);
}
bool State::is_released(const ObjectId& object_id) {
  return view_.has(kGarbage, keys::released(object_id));
}

std::optional<RingRecord> State::find_ring(RingEpoch epoch) {
  const auto message = view_.get_record<pb::Ring>(kTopology, keys::ring(epoch));
  if (!message) return std::nullopt;
  return view_.kept(from_message(*message));
}

std::vector<NodeId> State::ring_candidates(RingEpoch epoch, std::uint64_t placement_hash) {
  const auto ring = rings_.find(view_, epoch);
  if (ring == nullptr) return {};
  return ring->candidates(placement_hash, ring->node_count());
}

std::size_t State::ring_node_count(RingEpoch epoch) {
  const auto ring = rings_.find(view_, epoch);
  return ring == nullptr ? 0 : ring->node_count();
}

std::vector<NodeRecord> State::nodes() {
  std::vector<NodeRecord> found;
  Cursor cursor{view_, kTopology};
  for (cursor.seek("n"); cursor.valid_within("n"); cursor.next()) {
    const auto message = view_.decode<pb::Node>(cursor.value());
    if (!message) break;
    auto record = view_.kept(from_message(*message));
    if (record) found.push_back(*std::move(record));
  }
  return found;
}

std::vector<JobRecord> State::jobs() {
  std::vector<JobRecord> found;
  Cursor cursor{view_, kTopology};
  for (cursor.seek("j"); cursor.valid_within("j"); cursor.next()) {
    const auto message = view_.decode<pb::Job>(cursor.value());
    if (!message) break;
    auto record = view_.kept(from_message(*message));
    if (record) found.push_back(*std::move(record));
  }
  return found;
}
std::optional<JobRecord> State::find_job(JobId id) {
  const auto message = view_.get_record<pb::Job>(kTopology, keys::job(id.value()));
  if (!message) return std::nullopt;
  return view_.kept(from_message(*message));
}
void State::put_job(const JobRecord& record) {
  view_.put(kTopology, keys::job(record.id.value()), encode_record(to_message(record)));
}
void State::erase_job(JobId id) { view_.erase(kTopology, keys::job(id.value())); }

}  // namespace predastore::meta
