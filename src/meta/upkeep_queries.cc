#include "meta/upkeep_queries.h"

#include <algorithm>

#include "meta/queries.h"

namespace predastore::meta {

Compression default_compression(const pb::System& system) {
  return system.compression() == 0 ? Compression::none
                                   : static_cast<Compression>(system.compression());
}

// Layouts of released ids count as well: their shards are the garbage queue's until it has done
// with them.
std::uint32_t inline_max_bytes(State& state, const pb::System& system, RsConfig rs) {
  const std::vector<NodeRecord> nodes = state.nodes();
  const auto voters = std::ranges::count_if(
      nodes, [](const NodeRecord& node) { return node.is_voter && !node.is_departed; });
  if (voters == 0 || (voters - 1) / 2 < rs.parity_shards) return 0;
  return static_cast<std::uint32_t>(system.limits().inline_max_bytes());
}

Result<pb::QueryAnswer> layouts_of(State& state, const pb::LayoutsOf& query) {
  if (query.chunk_keys_size() > static_cast<int>(kLayoutsOfMax))
    return make_error(ErrorCode::InvalidArgument, "more chunks than one query may name");
  const pb::System system = state.system();
  pb::QueryAnswer answer;
  pb::NamedLayouts* named = answer.mutable_named_layouts();
  named->set_write_epoch(system.write_epoch());
  named->set_write_epochs(system.limits().write_epochs());
  named->set_is_sweep_off(system.is_sweep_off() || system.cluster_id().empty());
  for (const std::string& key : query.chunk_keys()) {
    const auto value = state.view().get(kLayouts, key);
    if (!value) continue;
    const auto layout = state.decode_layout(key, *value);
    if (!layout) break;
    *named->add_layouts() = to_message(*layout);
  }
  return answer;
}

Result<pb::QueryAnswer> layouts_on(State& state, const pb::LayoutsOn& query) {
  pb::QueryAnswer answer;
  pb::LayoutPage* page = answer.mutable_layout_page();
  const std::uint32_t count_max = std::clamp(query.scanned_max(), 1U, kPageEntriesMax);
  const NodeId node{query.node()};
  std::string last;
  std::uint32_t count = 0;
  Cursor cursor{state.view(), kLayouts};
  // The smallest key above a key is that key with a zero byte.
  for (cursor.seek(query.after().empty() ? std::string{} : query.after() + '\0'); cursor.valid();
       cursor.next()) {
    if (count++ == count_max) {
      page->set_next_after(last);
      break;
    }
    last = cursor.key();
    const auto layout = state.decode_layout(cursor.key(), cursor.value());
    if (!layout) break;
    const bool is_named = std::ranges::any_of(
        layout->places, [node](const ShardPlace& place) { return place.node == node; });
    if (is_named && !state.is_released(layout->object_id))
      *page->add_layouts() = to_message(*layout);
  }
  return answer;
}

Result<pb::QueryAnswer> drive_marks(State& state, const pb::GetDriveMarks& query) {
  pb::QueryAnswer answer;
  pb::DriveMarks* marks = answer.mutable_drive_marks();
  const std::string prefix = keys::drive_mark_prefix(NodeId{query.node()});
  Cursor cursor{state.view(), kTopology};
  for (cursor.seek(prefix); cursor.valid_within(prefix); cursor.next()) {
    auto mark = state.view().decode<pb::StoredDriveMark>(cursor.value());
    if (!mark) break;
    *marks->add_marks() = *std::move(mark);
  }
  return answer;
}

}  // namespace predastore::meta
