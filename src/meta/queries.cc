#include "meta/queries.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <set>

#include "base/codec.h"
#include "meta/state/applier.h"
#include "meta/upkeep_queries.h"

namespace predastore::meta {
namespace {

using Answer = Result<pb::QueryAnswer>;

Error not_found(const char* what) { return make_error(ErrorCode::NotFound, what); }

class Reader {
 public:
  explicit Reader(State& state) : state_(state) {}

  Answer answer(const pb::Query& query) {
    switch (query.body_case()) {
      case pb::Query::kGetBucket: return bucket(query.get_bucket());
      case pb::Query::kListBuckets: return buckets();
      case pb::Query::kWriteContext: return write_context(query.write_context());
      case pb::Query::kGetObject: return object(query.get_object());
      case pb::Query::kGetUpload: return upload(query.get_upload());
      case pb::Query::kListParts: return part_page(query.list_parts());
      case pb::Query::kListUploads: return upload_page(query.list_uploads());
      case pb::Query::kLayoutsAfter: return layouts_after(query.layouts_after());
      case pb::Query::kGetLayout: return layout(query.get_layout());
      case pb::Query::kRepairQueue: return repair_queue(query.repair_queue());
      case pb::Query::kGarbageQueue: return garbage_queue(query.garbage_queue());
      case pb::Query::kClusterState: return cluster_state();
      case pb::Query::kRing: return ring(query.ring());
      case pb::Query::kSetting: return setting(query.setting());
      case pb::Query::kLayoutsOf: return layouts_of(state_, query.layouts_of());
      case pb::Query::kLayoutsOn: return layouts_on(state_, query.layouts_on());
      case pb::Query::kDriveMarks: return drive_marks(state_, query.drive_marks());
      case pb::Query::kListSettings: return setting_page(query.list_settings());
      case pb::Query::kListJobs: return jobs();
      case pb::Query::kTopology: return topology();
      case pb::Query::kListObjects:  // answered by answer_listing()
      case pb::Query::kStateHash:    // of the replica, not of the state
      case pb::Query::BODY_NOT_SET: break;
    }
    return make_error(ErrorCode::Unsupported, "a query that this node does not know");
  }

 private:
  Result<BucketRecord> find_bucket(const std::string& name) {
    auto found = state_.find_bucket(name);
    if (!found) return not_found(kNoBucket);
    return *std::move(found);
  }
  Answer bucket(const pb::GetBucket& query) {
    PREDA_TRY(const BucketRecord found, find_bucket(query.bucket()));
    pb::QueryAnswer answer;
    *answer.mutable_buckets()->add_buckets() = to_message(found);
    return answer;
  }
  Answer buckets() {
    pb::QueryAnswer answer;
    pb::BucketList* list = answer.mutable_buckets();
    Cursor cursor{state_.view(), kBuckets};
    for (cursor.seek({}); cursor.valid(); cursor.next()) {
      auto found = state_.view().decode<pb::Bucket>(cursor.value());
      if (found) *list->add_buckets() = *std::move(found);
    }
    return answer;
  }
  Answer write_context(const pb::GetWriteContext& query) {
    PREDA_TRY(const BucketRecord found, find_bucket(query.bucket()));
    const pb::System system = state_.system();
    const auto current = state_.find_ring(RingEpoch{system.ring_epoch()});
    if (!current) return not_found("ring");
    pb::QueryAnswer answer;
    pb::WriteContextAnswer* context = answer.mutable_write_context();
    *context->mutable_bucket() = to_message(found);
    *context->mutable_ring() = to_message(*current);
    context->set_write_epoch(system.write_epoch());
    const Compression compression = found.compression == Compression::by_default
                                        ? default_compression(system)
                                        : found.compression;
    context->set_compression(static_cast<std::uint32_t>(compression));
    context->set_inline_max_bytes(inline_max_bytes(state_, system, found.rs));
    return answer;
  }

  // False when they are not there.
  bool add_inline(const ObjectPart& part, const pb::GetObject& query, pb::ObjectAnswer& answer) {
    if (query.first_byte() > query.last_byte()) return true;
    auto bytes = state_.find_inline(part.object_id);
    if (!bytes || bytes->size() != part.size_bytes) return false;
    answer.set_inline_bytes(*std::move(bytes));
    return true;
  }

  Answer object(const pb::GetObject& query) {
    PREDA_TRY(const BucketRecord found, find_bucket(query.bucket()));
    const auto record = state_.find_object(found.incarnation, query.key());
    if (!record) return not_found(kNoKey);
    pb::QueryAnswer answer;
    *answer.mutable_object()->mutable_object() = to_message(*record);
    std::uint64_t begin = 0;  // of the part within the object
    for (const ObjectPart& part : record->parts) {
      const bool is_whole = part.is_inline()
                                ? add_inline(part, query, *answer.mutable_object())
                                : add_layouts(part, begin, query, *answer.mutable_object());
      if (!is_whole) {
        // Replaced and its garbage collected while we read, or there is something wrong with it.
        if (state_.find_object(found.incarnation, query.key()) == record)
          state_.view().fail(make_error(ErrorCode::Corruption, "a chunk has no layout"));
        return make_error(ErrorCode::Unavailable, "the object changed while it was looked up");
      }
      begin += part.size_bytes;
    }
    return answer;
  }
  // Those of the part's chunks that overlap the range; false when one is not there.
  bool add_layouts(const ObjectPart& part, std::uint64_t begin, const pb::GetObject& query,
                   pb::ObjectAnswer& answer) {
    const std::uint64_t end = begin + part.size_bytes;
    if (part.size_bytes == 0 || part.chunk_size_bytes == 0 || query.last_byte() < begin ||
        query.first_byte() >= end || query.first_byte() > query.last_byte())
      return true;
    const std::uint64_t first = std::max(query.first_byte(), begin) - begin;
    const std::uint64_t last = std::min(query.last_byte(), end - 1) - begin;
    const auto base = static_cast<std::uint32_t>(part.part_number.value()) * kChunksPerPartMax;
    const auto first_chunk = static_cast<std::uint32_t>(first / part.chunk_size_bytes);
    const auto last_chunk = static_cast<std::uint32_t>(last / part.chunk_size_bytes);
    Cursor cursor{state_.view(), kLayouts};
    cursor.seek(chunk_key(part.object_id, ChunkIndex{base + first_chunk}));
    for (std::uint32_t chunk = first_chunk; chunk <= last_chunk; ++chunk) {
      if (answer.layouts_size() == static_cast<int>(kLayoutsMax)) {
        answer.set_is_truncated(true);
        return true;
      }
      const std::string key = chunk_key(part.object_id, ChunkIndex{base + chunk});
      if (!cursor.valid() || cursor.key() != key) return false;
      const auto found = state_.decode_layout(key, cursor.value());
      if (!found) return false;
      *answer.add_layouts() = to_message(*found);
      cursor.next();
    }
    return true;
  }

  template <class Query>
  Result<UploadRecord> find_upload(const Query& query) {
    PREDA_TRY(const BucketRecord found, find_bucket(query.bucket()));
    auto record = state_.find_upload(found.incarnation, query.key(), query.upload_id());
    if (!record) return not_found(kNoUpload);
    return *std::move(record);
  }
  Answer upload(const pb::GetUpload& query) {
    PREDA_TRY(const UploadRecord record, find_upload(query));
    pb::QueryAnswer answer;
    *answer.mutable_upload() = to_message(record);
    return answer;
  }
  Answer part_page(const pb::ListParts& query) {
    PREDA_TRY(const UploadRecord record, find_upload(query));
    pb::QueryAnswer answer;
    pb::PartPage* page = answer.mutable_part_page();
    *page->mutable_upload() = to_message(record);
    const std::size_t count_max = std::min<std::size_t>(query.max_entries(), 10000);
    const auto parts =
        state_.parts_after(record.incarnation, record.upload_id, query.after_part(), count_max + 1);
    for (std::size_t i = 0; i < std::min(count_max, parts.size()); ++i)
      *page->add_parts() = to_message(parts[i]);
    page->set_is_truncated(count_max > 0 && parts.size() > count_max);
    return answer;
  }
  Answer upload_page(const pb::ListUploads& query) {
    PREDA_TRY(const BucketRecord found, find_bucket(query.bucket()));
    pb::QueryAnswer answer;
    *answer.mutable_upload_page() = list_uploads(state_, found.incarnation, query);
    return answer;
  }

  Answer layouts_after(const pb::LayoutsAfter& query) {
    pb::QueryAnswer answer;
    pb::LayoutList* list = answer.mutable_layouts();
    const std::uint32_t count_max = std::min(query.max_entries(), kPageEntriesMax);
    ObjectId looked_at{};
    bool is_released = false;
    bool is_first = true;
    Cursor cursor{state_.view(), kLayouts};
    // The smallest key above a key is that key with a zero byte.
    cursor.seek(query.chunk_key().empty() ? std::string{} : query.chunk_key() + '\0');
    while (cursor.valid() && list->layouts_size() < static_cast<int>(count_max)) {
      const auto found = state_.decode_layout(cursor.key(), cursor.value());
      if (!found) break;
      if (is_first || found->object_id != looked_at) {
        is_first = false;
        looked_at = found->object_id;
        is_released = state_.is_released(looked_at);
      }
      if (is_released) {
        cursor.seek(keys::after_prefix(std::string{as_text(looked_at.span())}));
        continue;
      }
      *list->add_layouts() = to_message(*found);
      cursor.next();
    }
    return answer;
  }
  Answer layout(const pb::GetLayout& query) {
    PREDA_TRY(const ObjectId object_id, object_id_from(query.object_id()));
    const auto found = state_.find_layout(object_id, ChunkIndex{query.chunk_index()});
    if (!found || state_.is_released(object_id)) return not_found("layout");
    pb::QueryAnswer answer;
    *answer.mutable_layouts()->add_layouts() = to_message(*found);
    return answer;
  }

  Answer repair_queue(const pb::RepairQueue& query) {
    pb::QueryAnswer answer;
    pb::RepairItems* items = answer.mutable_repair_items();
    const std::uint32_t count_max = std::min(query.max_entries(), kPageEntriesMax);
    Cursor cursor{state_.view(), kRepair};
    cursor.seek(query.after().empty() ? std::string{} : query.after() + '\0');
    for (; cursor.valid() && items->items_size() < static_cast<int>(count_max); cursor.next()) {
      const auto entry = state_.view().decode<pb::RepairEntry>(cursor.value());
      const auto value = state_.view().get(kLayouts, cursor.key());
      if (!entry || !value) continue;
      const auto found = state_.decode_layout(cursor.key(), *value);
      if (!found) break;
      pb::RepairItem* item = items->add_items();
      *item->mutable_layout() = to_message(*found);
      *item->mutable_damaged_roles() = entry->damaged_roles();
    }
    return answer;
  }

  // Ids grow with time, so the first that is too young ends the scan. Whole items, as many as fit;
  // of a large one the first kGarbageStep layouts, as many as garbage_done takes away.
  Answer garbage_queue(const pb::GarbageQueue& query) {
    pb::QueryAnswer answer;
    pb::GarbageItems* items = answer.mutable_garbage_items();
    const pb::System system = state_.system();
    const std::uint32_t count_max = std::min(query.max_entries(), kPageEntriesMax);
    std::size_t layout_count = 0;
    Cursor cursor{state_.view(), kGarbage};
    for (cursor.seek("g"); cursor.valid_within("g"); cursor.next()) {
      if (items->items_size() == static_cast<int>(count_max) || layout_count >= kGarbageStep) break;
      const auto entry = state_.view().decode<pb::GarbageEntry>(cursor.value());
      if (!entry || system.write_epoch() - entry->since() < system.limits().garbage_epochs()) break;
      Decoder key{as_bytes(cursor.key().substr(1))};
      pb::GarbageItem* item = items->add_items();
      item->set_id(key.be<std::uint64_t>());
      item->set_since(entry->since());
      if (entry->has_replaced()) *item->add_layouts() = entry->replaced();
      expand_released(*entry, *item);
      layout_count += static_cast<std::size_t>(item->layouts_size());
    }
    return answer;
  }
  void expand_released(const pb::GarbageEntry& entry, pb::GarbageItem& item) {
    for (const std::string& object_id : entry.object_ids()) {
      Cursor cursor{state_.view(), kLayouts};
      for (cursor.seek(object_id); cursor.valid_within(object_id); cursor.next()) {
        if (item.layouts_size() == static_cast<int>(kGarbageStep)) return;
        const auto found = state_.decode_layout(cursor.key(), cursor.value());
        if (!found) return;
        *item.add_layouts() = to_message(*found);
      }
    }
  }
  Answer cluster_state() {
    const pb::System system = state_.system();
    if (system.cluster_id().empty())
      return make_error(ErrorCode::Unavailable, "the cluster is not initialised");
    pb::QueryAnswer answer;
    pb::ClusterStateAnswer* out = answer.mutable_cluster_state();
    out->set_cluster_id(system.cluster_id());
    for (const NodeRecord& node : state_.nodes()) *out->add_nodes() = to_message(node);
    const auto current = state_.find_ring(RingEpoch{system.ring_epoch()});
    if (current) *out->mutable_ring() = to_message(*current);
    out->set_write_epoch(system.write_epoch());
    out->set_object_count(system.object_count());
    out->set_repair_pending(system.repair_pending());
    out->set_garbage_pending(system.garbage_pending());
    out->set_write_epochs(system.limits().write_epochs());
    out->set_garbage_epochs(system.limits().garbage_epochs());
    out->set_compression(static_cast<std::uint32_t>(default_compression(system)));
    out->set_is_sweep_off(system.is_sweep_off());
    out->set_is_heal_paused(system.is_heal_paused());
    out->set_inline_max_bytes(static_cast<std::uint32_t>(system.limits().inline_max_bytes()));
    for (const std::uint64_t id : unsettled_nodes(system, state_.nodes()))
      out->add_unsettled_nodes(id);
    return answer;
  }
  // Departed ones that a ring names under which layouts are stored still: until the rebalance has
  // come by, nobody knows which of those miss a shard now.
  std::set<std::uint64_t> unsettled_nodes(const pb::System& system,
                                          const std::vector<NodeRecord>& nodes) {
    std::set<std::uint64_t> departed;
    for (const NodeRecord& node : nodes) {
      if (node.is_departed) departed.insert(node.node.value());
    }
    std::set<std::uint64_t> unsettled;
    if (departed.empty()) return unsettled;
    for (const pb::EpochCount& counted : system.layout_counts().epochs()) {
      if (counted.count() == 0) continue;
      const auto ring = state_.find_ring(RingEpoch{counted.epoch()});
      if (!ring) continue;
      for (const RingSlot& slot : ring->slots) {
        if (departed.contains(slot.node.value())) unsettled.insert(slot.node.value());
      }
    }
    return unsettled;
  }
  Answer ring(const pb::GetRing& query) {
    const auto found = state_.find_ring(RingEpoch{query.epoch()});
    if (!found) return not_found("ring");
    pb::QueryAnswer answer;
    *answer.mutable_ring() = to_message(*found);
    return answer;
  }
  Answer setting(const pb::GetSetting& query) {
    const auto value = state_.view().get(kTopology, keys::setting(query.name()));
    pb::QueryAnswer answer;
    answer.mutable_setting()->set_is_set(value.has_value());
    if (value) answer.mutable_setting()->set_value(*value);
    return answer;
  }
  Answer setting_page(const pb::ListSettings& query) {
    pb::QueryAnswer answer;
    pb::SettingPage* page = answer.mutable_setting_page();
    const int count_max = static_cast<int>(std::min(query.max_entries(), kPageEntriesMax));
    const std::string prefix = keys::setting(query.prefix());
    const std::string after = keys::setting(query.after()) + '\0';
    Cursor cursor{state_.view(), kTopology};
    for (cursor.seek(query.after().empty() ? prefix : std::max(prefix, after));
         cursor.valid_within(prefix); cursor.next()) {
      if (page->settings_size() == count_max) {
        page->set_is_truncated(true);
        break;
      }
      pb::Pair* setting = page->add_settings();
      setting->set_key(std::string{cursor.key().substr(1)});
      setting->set_value(std::string{cursor.value()});
    }
    return answer;
  }
  Answer topology() {
    const pb::System system = state_.system();
    const auto current = state_.find_ring(RingEpoch{system.ring_epoch()});
    if (!current) return not_found("ring");
    pb::QueryAnswer answer;
    pb::TopologyAnswer* out = answer.mutable_topology();
    std::set<std::uint64_t> departed;
    for (const NodeRecord& node : state_.nodes()) {
      if (node.is_departed) departed.insert(node.node.value());
      *out->add_nodes() = to_message(node);
    }
    for (const std::uint64_t id : system.closed_nodes()) {
      if (!departed.contains(id)) out->add_draining(id);
    }
    *out->mutable_ring() = to_message(*current);
    out->set_write_epoch(system.write_epoch());
    *out->mutable_schemes() = system.layout_counts().schemes();
    Cursor cursor{state_.view(), kTopology};
    for (cursor.seek("r"); cursor.valid_within("r"); cursor.next()) {
      const auto ring = state_.view().decode<pb::Ring>(cursor.value());
      if (!ring) break;
      pb::EpochCount* epoch = out->add_epochs();
      epoch->set_epoch(ring->epoch());
      for (const pb::EpochCount& counted : system.layout_counts().epochs()) {
        if (counted.epoch() == ring->epoch()) epoch->set_count(counted.count());
      }
      epoch->set_is_droppable(epoch->count() == 0 && ring->epoch() < system.ring_epoch() &&
                              system.write_epoch() - ring->superseded() >=
                                  system.limits().write_epochs());
    }
    return answer;
  }
  Answer jobs() {
    pb::QueryAnswer answer;
    for (const JobRecord& job : state_.jobs()) *answer.mutable_jobs()->add_jobs() = to_message(job);
    answer.mutable_jobs();
    return answer;
  }

  State& state_;
};

// Layouts of so many bytes of an object are few enough to be put together on the loop.
constexpr std::uint64_t kShortReadBytes = std::uint64_t{8} << 30;

// Looks up a few records and no more.
bool is_short(const pb::Query& query) {
  switch (query.body_case()) {
    case pb::Query::kGetBucket:
    case pb::Query::kWriteContext:
    case pb::Query::kGetUpload: return true;
    case pb::Query::kGetObject:
      return query.get_object().first_byte() > query.get_object().last_byte() ||
             query.get_object().last_byte() - query.get_object().first_byte() < kShortReadBytes;
    default: return false;
  }
}

// Thousands of small messages: in an arena they come and go in a few large allocations.
Result<std::string> answer_listing(State& state, const pb::ListObjects& query) {
  google::protobuf::Arena arena;
  auto* answer = google::protobuf::Arena::CreateMessage<pb::QueryAnswer>(&arena);
  const auto bucket = state.find_bucket(query.bucket());
  if (bucket)
    list_objects(state, bucket->incarnation, query, *answer->mutable_object_page());
  else
    set_error(*answer, not_found(kNoBucket));
  if (state.view().failure()) return *state.view().failure();
  return answer->SerializeAsString();
}

Result<std::string> answer_from(StateView& view, RingCache& rings, const pb::Query& query) {
  State state{view, rings};
  if (query.has_list_objects()) return answer_listing(state, query.list_objects());
  auto result = Reader{state}.answer(query);
  if (view.failure()) return *view.failure();
  pb::QueryAnswer answer;
  if (result)
    answer = *std::move(result);
  else
    set_error(answer, result.error());
  return answer.SerializeAsString();
}

}  // namespace

Result<std::string> answer_query(kv::KeyValueStore& store, RingCache& rings,
                                 std::string_view request) {
  pb::Query query;
  pb::QueryAnswer answer;
  if (!query.ParseFromArray(request.data(), static_cast<int>(request.size()))) {
    set_error(answer, make_error(ErrorCode::InvalidArgument, "a query that cannot be read"));
    return answer.SerializeAsString();
  }
  if (query.version() != kQueryVersion) {
    set_error(answer, make_error(ErrorCode::Unsupported, "a query of an unknown version"));
    return answer.SerializeAsString();
  }
  StateView view{store};
  return answer_from(view, rings, query);
}

std::optional<std::string> answer_at_once(kv::KeyValueStore& store, RingCache& rings,
                                          std::string_view request) {
  pb::Query query;
  if (!query.ParseFromArray(request.data(), static_cast<int>(request.size())) ||
      query.version() != kQueryVersion || !is_short(query))
    return std::nullopt;
  StateView view{store, StateView::From::memory};
  auto answer = answer_from(view, rings, query);
  if (!answer) return std::nullopt;  // what is wrong, if anything is, the whole store tells
  return *std::move(answer);
}

}  // namespace predastore::meta
