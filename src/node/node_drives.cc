// The drives of a node, and who is told of what they meet.
#include "base/text.h"
#include "node/drive_upkeep.h"
#include "node/node.h"
#include "node/node_parts.h"
#include "telemetry/log.h"

namespace predastore::node {

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

}  // namespace predastore::node
