#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "meta/state/ring_cache.h"
#include "meta/state/view.h"

namespace predastore::meta {

// The records by their names, over a view: the one place that knows which key and family each is
// under. No rules are decided here (state/apply_*.cc does that). Finds nothing after a failure of
// the view.
class State {
 public:
  State(StateView& view, RingCache& rings) : view_(view), rings_(rings) {}

  StateView& view() { return view_; }

  pb::System system();
  void put_system(const pb::System& system);

  std::optional<BucketRecord> find_bucket(const std::string& name);
  void put_bucket(const BucketRecord& record);
  void erase_bucket(const std::string& name);
  bool has_objects(Incarnation incarnation);
  bool has_uploads(Incarnation incarnation);

  // With all parts.
  std::optional<ObjectRecord> find_object(Incarnation incarnation, const std::string& key);
  // What a listing shows: no parts. False: the view has failed.
  bool parse_listed(std::string_view value, pb::Object& into);
  // What was there before has been erased.
  void put_object(const std::string& key, const ObjectRecord& record);
  void erase_object(const std::string& key, const ObjectRecord& record);

  std::optional<std::string> find_inline(const ObjectId& object_id);
  void put_inline(const ObjectId& object_id, std::string bytes);
  void erase_inline(const ObjectId& object_id);

  std::optional<UploadRecord> find_upload(Incarnation incarnation, const std::string& key,
                                          const std::string& upload_id);
  std::optional<UploadRecord> first_upload(Incarnation incarnation);
  void put_upload(const UploadRecord& record);
  void erase_upload(const UploadRecord& record);  // and its parts
  std::optional<PartRecord> find_part(Incarnation incarnation, const std::string& upload_id,
                                      PartNumber number);
  void put_part(Incarnation incarnation, const std::string& upload_id, const PartRecord& record);
  // Those with a number above `after`, at most `count_max`.
  std::vector<PartRecord> parts_after(Incarnation incarnation, const std::string& upload_id,
                                      std::uint32_t after, std::size_t count_max);

  std::optional<ChunkLayout> find_layout(const ObjectId& object_id, ChunkIndex chunk_index);
  std::optional<ChunkLayout> decode_layout(std::string_view key, std::string_view value);
  void put_layout(const ChunkLayout& layout);
  // By the record: what was made of one that has been dropped since may still be in the cache.
  bool has_ring(RingEpoch epoch) { return view_.has(kTopology, keys::ring(epoch)); }
  // Keys of an ObjectID's layouts (or repair entries), in order, from `first` on.
  std::vector<std::string> chunk_keys(kv::Family family, const ObjectId& object_id,
                                      std::size_t count_max);

  std::optional<pb::RepairEntry> find_repair(std::string_view chunk_key);
  bool is_released(const ObjectId& object_id);
  std::optional<RingRecord> find_ring(RingEpoch epoch);
  // By the ring of that epoch, in order; none when there is no such epoch.
  std::vector<NodeId> ring_candidates(RingEpoch epoch, std::uint64_t placement_hash);
  // Nodes that the ring gives chunks to; 0 when there is no such epoch.
  std::size_t ring_node_count(RingEpoch epoch);
  std::vector<NodeRecord> nodes();

  std::vector<JobRecord> jobs();  // in order of ids
  std::optional<JobRecord> find_job(JobId id);
  void put_job(const JobRecord& record);
  void erase_job(JobId id);

 private:
  StateView& view_;
  RingCache& rings_;
};

// Layouts as they are stored: what the ring says is left out.
pb::StoredLayout compact(const ChunkLayout& layout, const ring::Ring& ring);
Result<ChunkLayout> expand(const pb::StoredLayout& stored, std::string_view chunk_key,
                           const ring::Ring& ring);

}  // namespace predastore::meta
