#include <algorithm>

#include "base/codec.h"
#include "meta/state/state.h"
#include "model/limits.h"

namespace predastore::meta {

std::shared_ptr<const ring::Ring> RingCache::find(StateView& view, RingEpoch epoch) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = rings_.find(epoch);
    if (found != rings_.end()) return found->second;
  }
  const auto message = view.get_record<pb::Ring>(kTopology, keys::ring(epoch));
  if (!message) return nullptr;
  const auto record = view.kept(from_message(*message));
  if (!record) return nullptr;
  auto made = view.kept(ring::Ring::make(*record));
  if (!made) return nullptr;
  auto ring = std::make_shared<const ring::Ring>(*std::move(made));
  const std::lock_guard lock(mutex_);
  return rings_.emplace(epoch, std::move(ring)).first->second;
}

pb::StoredLayout compact(const ChunkLayout& layout, const ring::Ring& ring) {
  pb::StoredLayout stored;
  stored.set_size_bytes(layout.size_bytes);
  stored.set_data_shards(layout.rs.data_shards);
  stored.set_parity_shards(layout.rs.parity_shards);
  stored.set_ring_epoch(layout.ring_epoch.value());
  stored.set_placement_hash(layout.placement_hash);
  stored.set_generation(layout.generation.value());
  stored.set_write_epoch(layout.write_epoch.value());
  stored.set_crc64nvme(layout.crc64nvme);
  const auto& places = layout.places;
  const bool is_same_id = std::all_of(places.begin(), places.end(), [&](const ShardPlace& place) {
    return place.write_id == places.front().write_id;
  });
  const auto by_ring = ring.candidates(layout.placement_hash, places.size());
  for (std::size_t role = 0; role < places.size(); ++role) {
    const ShardPlace& place = places[role];
    if (role == 0 || !is_same_id) stored.add_write_ids(place.write_id.value());
    const bool is_by_ring = role < by_ring.size() && by_ring[role] == place.node;
    if (is_by_ring && !place.is_missing && place.is_stored) continue;
    pb::LayoutException* exception = stored.add_exceptions();
    exception->set_role(static_cast<std::uint32_t>(role));
    exception->set_node(is_by_ring ? 0 : place.node.value());
    exception->set_missing(place.is_missing);
    exception->set_not_stored(!place.is_stored);
  }
  return stored;
}

Result<ChunkLayout> expand(const pb::StoredLayout& stored, std::string_view chunk_key,
                           const ring::Ring& ring) {
  const Error broken = make_error(ErrorCode::Corruption, "a stored layout makes no sense");
  Decoder key{as_bytes(chunk_key)};
  ChunkLayout layout;
  const ByteSpan object_id = key.raw(sizeof(ObjectId));
  layout.chunk_index = ChunkIndex{key.be<ChunkIndex::raw_type>()};
  if (!key.finished()) return broken;
  layout.object_id = ObjectId::from(object_id);
  if (stored.data_shards() > kDataShardsMax || stored.parity_shards() > kParityShardsMax)
    return broken;
  layout.rs = {static_cast<std::uint8_t>(stored.data_shards()),
               static_cast<std::uint8_t>(stored.parity_shards())};
  const std::size_t width = layout.rs.width();
  layout.size_bytes = stored.size_bytes();
  layout.ring_epoch = RingEpoch{stored.ring_epoch()};
  layout.placement_hash = stored.placement_hash();
  layout.generation = Generation{stored.generation()};
  layout.write_epoch = WriteEpoch{stored.write_epoch()};
  layout.crc64nvme = stored.crc64nvme();
  const auto id_count = static_cast<std::size_t>(stored.write_ids_size());
  if (id_count != 1 && id_count != width) return broken;
  const auto by_ring = ring.candidates(layout.placement_hash, width);
  layout.places.resize(width);
  for (std::size_t role = 0; role < width; ++role) {
    if (role < by_ring.size()) layout.places[role].node = by_ring[role];
    layout.places[role].write_id =
        WriteId{stored.write_ids(id_count == 1 ? 0 : static_cast<int>(role))};
  }
  for (const pb::LayoutException& exception : stored.exceptions()) {
    if (exception.role() >= width) return broken;
    ShardPlace& place = layout.places[exception.role()];
    if (exception.node() != 0) place.node = NodeId{exception.node()};
    place.is_missing = exception.missing();
    place.is_stored = !exception.not_stored();
  }
  return layout;
}

std::optional<ChunkLayout> State::find_layout(const ObjectId& object_id, ChunkIndex chunk_index) {
  const std::string key = chunk_key(object_id, chunk_index);
  const auto value = view_.get(kLayouts, key);
  if (!value) return std::nullopt;
  return decode_layout(key, *value);
}

std::optional<ChunkLayout> State::decode_layout(std::string_view key, std::string_view value) {
  const auto stored = view_.decode<pb::StoredLayout>(value);
  if (!stored) return std::nullopt;
  const auto ring = rings_.find(view_, RingEpoch{stored->ring_epoch()});
  if (ring == nullptr) {
    view_.fail(make_error(ErrorCode::Corruption, "a layout names a ring that is not there"));
    return std::nullopt;
  }
  return view_.kept(expand(*stored, key, *ring));
}

void State::put_layout(const ChunkLayout& layout) {
  const auto ring = rings_.find(view_, layout.ring_epoch);
  PREDA_ASSERT(ring != nullptr || view_.failure());
  if (ring == nullptr) return;
  view_.put(kLayouts, chunk_key(layout.object_id, layout.chunk_index),
            encode_record(compact(layout, *ring)));
}

std::vector<std::string> State::chunk_keys(kv::Family family, const ObjectId& object_id,
                                           std::size_t count_max) {
  std::vector<std::string> found;
  Cursor cursor{view_, family};
  const std::string prefix{as_text(object_id.span())};
  for (cursor.seek(prefix); cursor.valid_within(prefix) && found.size() < count_max; cursor.next())
    found.emplace_back(cursor.key());
  return found;
}

}  // namespace predastore::meta
