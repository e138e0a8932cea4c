// The drives of a node, and who is told of what they meet.
#include "base/text.h"
#include "node/drive_upkeep.h"
#include "node/node.h"
#include "node/node_parts.h"
#include "telemetry/log.h"

namespace predastore::node {
namespace {

constexpr Duration kRoomInterval = 5s;
constexpr Duration kRoomTimeout = 2s;

// All drives that work are above their low watermark.
bool is_near_full(const NodeStatus& status) {
  bool is_any_filling = false;
  for (const shard::DriveInfo& drive : status.drives) {
    if (drive.state == shard::DriveState::ok) return false;
    is_any_filling = is_any_filling || drive.state == shard::DriveState::near_full ||
                     drive.state == shard::DriveState::full;
  }
  return is_any_filling;
}

}  // namespace

Task<Result<void>> Node::open_drives() {
  shard::DriveSetOptions options;
  options.list_path = drive_list_of(config());
  for (const DriveEntry& entry : drives_of(config()))
    options.drives.push_back({{entry.directory, entry.place}, entry.capacity_bytes});
  options.store.cluster = config().cluster_id;
  options.store.node = config().node_id;
  options.store.near_full_share = config().near_full_percent / 100.0;
  options.store.full_share = config().full_percent / 100.0;
  options.store.shard_file_size_bytes = options_.shard_file_size_bytes;
  options.store.direct_io = options_.direct_io;
  set_upkeep(options.store, config().upkeep);
  options.give_up_after = options_.drive_give_up_after;
  options.store.open_index = options_.open_kv;
  options.store.on_damage = [this](const shard::Damage& damage) {
    telemetry::log_warn("find damage on the drive", {{"drive", to_hex(damage.drive.span())},
                                                     {"file", damage.file_id.value()},
                                                     {"offset", damage.offset_bytes},
                                                     {"detail", damage.detail}});
    if (damage.key) note_damage(*damage.key);
  };
  PREDA_CO_TRY(parts_->drives, co_await shard::DriveSet::open(env_, std::move(options)));
  parts_->gate = std::make_unique<shard::GatedShards>(*parts_->drives);
  parts_->shard_server = std::make_unique<shard::ShardServer>(env_, *parts_->gate);
  parts_->shard_server->attach(parts_->server);
  parts_->shards = std::make_unique<shard::RoutedShardService>(env_, config().node_id,
                                                               parts_->gate.get(), parts_->client);
  co_return Result<void>{};
}

// Nodes that are near full get no new shards while others have room (ChunkWriter).
Task<void> Node::watch_room() {
  while (!is_stopping_) {
    std::vector<NodeId> ids;
    for (const NodeRecord& node : parts_->registry->nodes()) ids.push_back(node.node);
    for (const NodeId id : ids) {
      if (is_stopping_) co_return;
      const auto status = co_await ping(id, env_.clock.now() + kRoomTimeout);
      if (status) parts_->chunks->health().set_near_full(id, is_near_full(*status));
    }
    const Instant next = env_.clock.now() + kRoomInterval;
    while (!is_stopping_ && env_.clock.now() < next)
      (void)co_await parts_->stopping.wait_until(next);
  }
}

}  // namespace predastore::node
