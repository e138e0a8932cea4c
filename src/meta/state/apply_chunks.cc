#include <algorithm>

#include "base/codec.h"
#include "meta/state/applier.h"
#include "model/limits.h"

namespace predastore::meta {
namespace {

std::string text_of(const ObjectId& id) { return std::string{as_text(id.span())}; }

Error refused(const char* why) { return make_error(ErrorCode::InvalidArgument, why); }

bool has_missing(const ChunkLayout& layout) {
  return std::any_of(layout.places.begin(), layout.places.end(),
                     [](const ShardPlace& place) { return place.is_missing; });
}

// K durable roles, K+1 where there are at least two parities. A role without bytes is known.
std::size_t write_quorum(const RsConfig& rs) {
  return rs.data_shards + (rs.parity_shards >= 2 ? 1U : 0U);
}

}  // namespace

Result<void> Applier::check_write_epoch(std::uint64_t epoch) const {
  if (epoch == 0 || epoch > system_.write_epoch())
    return refused("a write epoch that was not given out");
  if (system_.write_epoch() - epoch >= system_.limits().write_epochs())
    return make_error(ErrorCode::StaleEpoch, "write epoch");
  return {};
}

Result<void> Applier::check_layout(const ChunkLayout& layout, std::uint64_t epoch) {
  if (layout.rs.data_shards == 0 || layout.rs.data_shards > kDataShardsMax ||
      layout.rs.parity_shards > kParityShardsMax || layout.places.size() != layout.rs.width())
    return refused("the places of a layout");
  if (layout.write_epoch != WriteEpoch{epoch}) return refused("the write epoch of a layout");
  if (!state_.has_ring(layout.ring_epoch)) return make_error(ErrorCode::StaleEpoch, "ring epoch");
  for (const ShardPlace& place : layout.places) {
    if (place.node.value() == 0) return refused("a place without a node");
    if (place.is_missing && !place.is_stored) return refused("a role both missing and not stored");
  }
  return {};
}

Result<std::vector<ChunkLayout>> Applier::new_layouts(
    const std::vector<ObjectPart>& parts,
    const google::protobuf::RepeatedPtrField<pb::Layout>& messages, std::uint64_t epoch) {
  std::vector<ChunkLayout> layouts;
  int next_message = 0;
  for (const ObjectPart& part : parts) {
    if (part.size_bytes > 0 && part.chunk_size_bytes == 0) return refused("a chunk size of zero");
    std::uint64_t left = part.size_bytes;
    for (std::uint32_t i = 0; left > 0; ++i) {
      if (i == kChunksPerPartMax) return refused("too many chunks in a part");
      if (next_message == messages.size()) return refused("a chunk without a layout");
      PREDA_TRY(ChunkLayout layout, from_message(messages.at(next_message++)));
      const std::uint64_t expected = std::min<std::uint64_t>(left, part.chunk_size_bytes);
      const ChunkIndex index{part.part_number.value() * kChunksPerPartMax + i};
      if (layout.object_id != part.object_id || layout.chunk_index != index ||
          layout.size_bytes != expected || layout.generation != Generation{1})
        return refused("a layout that is not of its part");
      PREDA_CHECK(check_layout(layout, epoch));
      PREDA_CHECK(check_ring_epoch(layout.ring_epoch));
      open_places(layout);
      const auto missing = std::count_if(layout.places.begin(), layout.places.end(),
                                         [](const ShardPlace& place) { return place.is_missing; });
      if (layout.places.size() - static_cast<std::size_t>(missing) < write_quorum(layout.rs))
        return refused("fewer durable shards than the write quorum");
      if (state_.view().has(kLayouts, chunk_key(layout.object_id, layout.chunk_index)))
        return refused("an ObjectID that was used before");
      left -= expected;
      layouts.push_back(std::move(layout));
    }
  }
  if (next_message != messages.size()) return refused("layouts of no part");
  return layouts;
}

void Applier::put_new_layouts(const std::vector<ChunkLayout>& layouts) {
  for (const ChunkLayout& layout : layouts) {
    state_.put_layout(layout);
    count_layout(layout, true);
    if (has_missing(layout)) update_repair(layout, {});
  }
}

// The chunk is in the queue afterwards, with the roles that were reported before as well.
void Applier::update_repair(const ChunkLayout& layout, std::vector<std::uint32_t> damaged_roles) {
  const std::string key = chunk_key(layout.object_id, layout.chunk_index);
  auto entry = state_.find_repair(key);
  if (!entry) {
    entry.emplace();
    entry->set_since(system_.write_epoch());
    system_.set_repair_pending(system_.repair_pending() + 1);
  }
  damaged_roles.insert(damaged_roles.end(), entry->damaged_roles().begin(),
                       entry->damaged_roles().end());
  std::sort(damaged_roles.begin(), damaged_roles.end());
  damaged_roles.erase(std::unique(damaged_roles.begin(), damaged_roles.end()), damaged_roles.end());
  entry->mutable_damaged_roles()->Assign(damaged_roles.begin(), damaged_roles.end());
  state_.view().put(kRepair, key, encode_record(*std::move(entry)));
}

void Applier::erase_repair(const std::string& key) {
  if (!state_.view().has(kRepair, key)) return;
  state_.view().erase(kRepair, key);
  system_.set_repair_pending(system_.repair_pending() - 1);
}

void Applier::add_garbage(pb::GarbageEntry entry) {
  const std::uint64_t id = system_.next_garbage_id();
  system_.set_next_garbage_id(id + 1);
  system_.set_garbage_pending(system_.garbage_pending() + 1);
  state_.view().put(kGarbage, keys::garbage(id), encode_record(std::move(entry)));
}

// Nothing names these ids any more. One entry for all of them, whatever the number of chunks. Who
// reads inline bytes has them from the read that found the record, so nobody needs them any longer.
void Applier::release(const std::vector<ObjectPart>& parts) {
  pb::GarbageEntry entry;
  entry.set_since(system_.write_epoch());
  for (const ObjectPart& part : parts) {
    if (part.is_inline()) {
      state_.erase_inline(part.object_id);
      continue;
    }
    entry.add_object_ids(text_of(part.object_id));
    state_.view().put(kGarbage, keys::released(part.object_id), {});
    for (const std::string& key : state_.chunk_keys(kRepair, part.object_id, kChunksPerPartMax))
      erase_repair(key);
  }
  if (entry.object_ids_size() > 0) add_garbage(std::move(entry));
}

Applier::Refusable Applier::report_damage(const pb::ReportDamage& command) {
  for (const pb::DamagedShard& shard : command.shards()) {
    PREDA_TRY(const ObjectId object_id, object_id_from(shard.object_id()));
    const auto layout = state_.find_layout(object_id, ChunkIndex{shard.chunk_index()});
    if (!layout || state_.is_released(object_id)) continue;
    if (shard.role() >= layout->places.size() || !layout->places[shard.role()].is_stored) continue;
    update_repair(*layout, {shard.role()});
  }
  return pb::Answer{};
}

Applier::Refusable Applier::swap_layout(const pb::SwapLayout& command) {
  PREDA_TRY(ChunkLayout after, from_message(command.layout()));
  const auto before = state_.find_layout(after.object_id, after.chunk_index);
  if (!before || state_.is_released(after.object_id))
    return make_error(ErrorCode::NotFound, "layout");
  if (after.generation != next(before->generation))
    return make_error(ErrorCode::Conflict, "the layout's generation has moved on");
  PREDA_CHECK(check_write_epoch(command.write_epoch()));
  after.write_epoch = WriteEpoch{command.write_epoch()};
  PREDA_CHECK(check_layout(after, command.write_epoch()));
  if (before->size_bytes != after.size_bytes || before->rs != after.rs ||
      before->crc64nvme != after.crc64nvme || before->placement_hash != after.placement_hash)
    return refused("a swap that changes what the chunk is");
  for (std::size_t role = 0; role < after.places.size(); ++role) {
    const ShardPlace& place = after.places[role];
    const bool is_new =
        place.is_stored && !place.is_missing && place.write_id != before->places[role].write_id;
    if (is_new && is_closed(place.node))
      return make_error(ErrorCode::Conflict, "a shard on a node that takes none any more");
  }
  count_layout(*before, false);
  count_layout(after, true);
  state_.put_layout(after);
  release_replaced(*before, after);
  if (has_missing(after))
    update_repair(after, {});
  else
    erase_repair(chunk_key(after.object_id, after.chunk_index));
  return pb::Answer{};
}

// Shards that moved to another node leave the old copy behind, to be deleted by its generation. A
// shard that was written again on its node replaces the old one there.
void Applier::release_replaced(const ChunkLayout& before, const ChunkLayout& after) {
  ChunkLayout left = before;
  bool has_any = false;
  for (std::size_t role = 0; role < left.places.size(); ++role) {
    ShardPlace& place = left.places[role];
    place.is_stored = place.is_stored && !place.is_missing && place.node != after.places[role].node;
    place.is_missing = false;
    has_any = has_any || place.is_stored;
  }
  if (!has_any) return;
  pb::GarbageEntry entry;
  entry.set_since(system_.write_epoch());
  *entry.mutable_replaced() = to_message(left);
  add_garbage(std::move(entry));
}

// A done entry takes its layouts with it, kGarbageStep at a time, as many as the queue showed. What
// is left goes on under a new id, so that a repeat about the old one does nothing.
Applier::Refusable Applier::garbage_done(const pb::GarbageDone& command) {
  StateView& view = state_.view();
  for (const std::uint64_t id : command.ids()) {
    auto entry = view.get_record<pb::GarbageEntry>(kGarbage, keys::garbage(id));
    if (!entry) continue;
    view.erase(kGarbage, keys::garbage(id));
    system_.set_garbage_pending(system_.garbage_pending() - 1);
    std::size_t room = kGarbageStep;
    pb::GarbageEntry rest;
    rest.set_since(entry->since());
    for (const std::string& bytes : entry->object_ids()) {
      const auto object_id = view.kept(object_id_from(bytes));
      if (!object_id) break;
      const auto chunks = state_.chunk_keys(kLayouts, *object_id, room + 1);
      for (std::size_t i = 0; i < std::min(room, chunks.size()); ++i) {
        const auto value = view.get(kLayouts, chunks[i]);
        const auto layout = value ? state_.decode_layout(chunks[i], *value) : std::nullopt;
        if (layout) count_layout(*layout, false);
        view.erase(kLayouts, chunks[i]);
      }
      if (chunks.size() > room)
        rest.add_object_ids(bytes);
      else
        view.erase(kGarbage, keys::released(*object_id));
      room -= std::min(room, chunks.size());
    }
    if (rest.object_ids_size() > 0) add_garbage(std::move(rest));
  }
  return pb::Answer{};
}

}  // namespace predastore::meta
