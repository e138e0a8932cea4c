#include "node/node_status.h"

#include <algorithm>

#include "base/codec.h"

namespace predastore::node {

namespace {

constexpr std::size_t kVersionMaxBytes = 64;
constexpr std::size_t kFailureMaxBytes = 1024;

constexpr std::size_t kPlaceMaxBytes = 4096;

std::uint8_t flag(bool value) { return value ? 1 : 0; }

void encode_drive(Encoder& out, const shard::DriveInfo& info) {
  const shard::DriveStatus& drive = info.status;
  out.raw(info.id.span()).string(std::string_view{info.place}.substr(0, kPlaceMaxBytes));
  // Versions that do not know of drives being rebuilt know what that means for them.
  const shard::DriveState state =
      info.state == shard::DriveState::rebuilding ? shard::DriveState::failed : info.state;
  out.le(static_cast<std::uint8_t>(state)).le(flag(info.is_unreconciled));
  out.string(std::string_view{info.problem}.substr(0, kFailureMaxBytes));
  out.le(drive.capacity_bytes).le(drive.used_bytes).le(drive.live_bytes);
  out.le(drive.durable_sequence).le(drive.damage_count).le(drive.abandoned_file_count);
  out.le(drive.read_error_count).le(drive.write_error_count);
}

// False when it is not what it must be.
bool decode_drive(Decoder& in, shard::DriveInfo& info) {
  const ByteSpan id = in.raw(sizeof(DriveId));
  if (!in.ok()) return false;
  info.id = DriveId::from(id);
  info.place = in.string();
  const auto state = in.le<std::uint8_t>();
  info.is_unreconciled = in.le<std::uint8_t>() != 0;
  info.problem = in.string();
  shard::DriveStatus& drive = info.status;
  drive.capacity_bytes = in.le<std::uint64_t>();
  drive.used_bytes = in.le<std::uint64_t>();
  drive.live_bytes = in.le<std::uint64_t>();
  drive.durable_sequence = in.le<std::uint64_t>();
  drive.damage_count = in.le<std::uint64_t>();
  drive.abandoned_file_count = in.le<std::uint64_t>();
  drive.read_error_count = in.le<std::uint64_t>();
  drive.write_error_count = in.le<std::uint64_t>();
  info.state = static_cast<shard::DriveState>(state);
  drive.is_available = info.state != shard::DriveState::failed;
  return in.ok() && info.state <= shard::DriveState::failed &&
         info.place.size() <= kPlaceMaxBytes && info.problem.size() <= kFailureMaxBytes;
}

void encode_upkeep(Encoder& out, const repair::UpkeepStatus& upkeep) {
  out.le(upkeep.sweep.removed).le(upkeep.sweep.removed_bytes).le(upkeep.sweep.passes);
  out.le(flag(upkeep.sweep.is_off));
  const repair::ReconcileStatus& reconcile = upkeep.reconcile;
  out.le(reconcile.passes).le(flag(reconcile.is_running)).le(reconcile.chunks_compared);
  out.le(reconcile.chunks_expected).le(reconcile.shards_missing).le(upkeep.drives_rolled_back);
}

void decode_upkeep(Decoder& in, repair::UpkeepStatus& upkeep) {
  upkeep.sweep.removed = in.le<std::uint64_t>();
  upkeep.sweep.removed_bytes = in.le<std::uint64_t>();
  upkeep.sweep.passes = in.le<std::uint64_t>();
  upkeep.sweep.is_off = in.le<std::uint8_t>() != 0;
  repair::ReconcileStatus& reconcile = upkeep.reconcile;
  reconcile.passes = in.le<std::uint64_t>();
  reconcile.is_running = in.le<std::uint8_t>() != 0;
  reconcile.chunks_compared = in.le<std::uint64_t>();
  reconcile.chunks_expected = in.le<std::uint64_t>();
  reconcile.shards_missing = in.le<std::uint64_t>();
  upkeep.drives_rolled_back = in.le<std::uint64_t>();
}

void encode_heal(Encoder& out, const repair::HealStatus& heal, std::uint64_t node_digest) {
  const repair::HealProgress& progress = heal.progress;
  out.le(heal.chunks_repaired).le(heal.bytes_repaired);
  out.le(heal.clients.in_flight).le(heal.clients.late).le(node_digest);
  out.le(flag(progress.is_leading));
  if (!progress.is_leading) return;
  out.le(flag(progress.is_paused)).le(progress.elapsed_ms);
  out.le(progress.chunks_done).le(progress.bytes_done).le(progress.chunks_left);
  out.le(progress.bytes_left).le(progress.chunks_waiting).le(progress.chunks_unrepairable);
  out.le(progress.bytes_per_second).le(progress.limit_bytes_per_second);
  for (const std::uint64_t count : progress.chunks_by_redundancy) out.le(count);
  const std::size_t count = std::min(progress.damaged.size(), repair::kDamagedChunksMax);
  out.le(static_cast<std::uint32_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    const repair::DamagedChunk& chunk = progress.damaged[i];
    out.raw(chunk.object_id.span()).le(chunk.chunk_index.value());
    out.le(chunk.shards_good).le(chunk.shards_needed);
  }
}

// False when it is not what it must be.
bool decode_heal(Decoder& in, NodeStatus& status) {
  repair::HealProgress& progress = status.heal.progress;
  status.heal.chunks_repaired = in.le<std::uint64_t>();
  status.heal.bytes_repaired = in.le<std::uint64_t>();
  status.heal.clients.in_flight = in.le<std::uint32_t>();
  status.heal.clients.late = in.le<std::uint32_t>();
  status.node_digest = in.le<std::uint64_t>();
  progress.is_leading = in.le<std::uint8_t>() != 0;
  if (!in.ok() || !progress.is_leading) return in.ok();
  progress.is_paused = in.le<std::uint8_t>() != 0;
  for (std::uint64_t* value :
       {&progress.elapsed_ms, &progress.chunks_done, &progress.bytes_done, &progress.chunks_left,
        &progress.bytes_left, &progress.chunks_waiting, &progress.chunks_unrepairable,
        &progress.bytes_per_second, &progress.limit_bytes_per_second})
    *value = in.le<std::uint64_t>();
  for (std::uint64_t& count : progress.chunks_by_redundancy) count = in.le<std::uint64_t>();
  const auto damaged_count = in.le<std::uint32_t>();
  if (!in.ok() || damaged_count > repair::kDamagedChunksMax) return false;
  for (std::uint32_t i = 0; i < damaged_count; ++i) {
    const ByteSpan id = in.raw(sizeof(ObjectId));
    if (!in.ok()) return false;
    repair::DamagedChunk& chunk = progress.damaged.emplace_back();
    chunk.object_id = ObjectId::from(id);
    chunk.chunk_index = ChunkIndex{in.le<std::uint32_t>()};
    chunk.shards_good = in.le<std::uint8_t>();
    chunk.shards_needed = in.le<std::uint8_t>();
  }
  return in.ok();
}

void encode_more(Encoder& out, const shard::DriveInfo& info) {
  out.le(flag(info.is_given_up)).le(flag(info.state == shard::DriveState::rebuilding));
  out.le(info.rebuild.files_done).le(info.rebuild.files_total);
}

void decode_more(Decoder& in, shard::DriveInfo& info) {
  info.is_given_up = in.le<std::uint8_t>() != 0;
  if (in.le<std::uint8_t>() != 0) info.state = shard::DriveState::rebuilding;
  info.rebuild.files_done = in.le<std::uint64_t>();
  info.rebuild.files_total = in.le<std::uint64_t>();
}

}  // namespace

std::string encode_node_status(const NodeStatus& status) {
  const raft::ReplicaStatus& replica = status.replica;
  const shard::DriveStatus& drive = status.drive;
  Encoder out;
  out.le(status.node.value()).le(static_cast<std::uint8_t>(replica.role));
  out.le(replica.leader.value_or(NodeId{}).value()).le(replica.term);
  out.le(replica.commit_index).le(replica.applied_index);
  out.le(flag(drive.is_available)).le(flag(drive.was_rebuilt));
  out.le(drive.capacity_bytes).le(drive.used_bytes).le(drive.queued_bytes);
  out.le(drive.shard_file_count).le(drive.durable_sequence).le(drive.damage_count);
  out.le(drive.group_count).le(drive.sync_count).le(drive.written_bytes).le(drive.read_bytes);
  out.le(drive.abandoned_file_count);
  out.string(std::string_view{status.version}.substr(0, kVersionMaxBytes));
  out.string(std::string_view{replica.failure}.substr(0, kFailureMaxBytes));
  out.le(static_cast<std::uint32_t>(status.drives.size()));
  for (const shard::DriveInfo& info : status.drives) encode_drive(out, info);
  encode_upkeep(out, status.upkeep);
  for (const shard::DriveInfo& info : status.drives) encode_more(out, info);
  encode_heal(out, status.heal, status.node_digest);
  return std::move(out).take();
}

Result<NodeStatus> decode_node_status(ByteSpan bytes) {
  Decoder in{bytes};
  NodeStatus status;
  status.node = NodeId{in.le<std::uint64_t>()};
  const auto role = in.le<std::uint8_t>();
  const NodeId leader{in.le<std::uint64_t>()};
  if (leader != NodeId{}) status.replica.leader = leader;
  status.replica.term = in.le<std::uint64_t>();
  status.replica.commit_index = in.le<std::uint64_t>();
  status.replica.applied_index = in.le<std::uint64_t>();
  shard::DriveStatus& drive = status.drive;
  drive.is_available = in.le<std::uint8_t>() != 0;
  drive.was_rebuilt = in.le<std::uint8_t>() != 0;
  drive.capacity_bytes = in.le<std::uint64_t>();
  drive.used_bytes = in.le<std::uint64_t>();
  drive.queued_bytes = in.le<std::uint64_t>();
  drive.shard_file_count = in.le<std::uint64_t>();
  drive.durable_sequence = in.le<std::uint64_t>();
  drive.damage_count = in.le<std::uint64_t>();
  drive.group_count = in.le<std::uint64_t>();
  drive.sync_count = in.le<std::uint64_t>();
  drive.written_bytes = in.le<std::uint64_t>();
  drive.read_bytes = in.le<std::uint64_t>();
  drive.abandoned_file_count = in.le<std::uint64_t>();
  const std::string_view version = in.string();
  const std::string_view failure = in.string();
  if (!in.ok() || role > static_cast<std::uint8_t>(raft::ReplicaRole::leader) ||
      version.size() > kVersionMaxBytes || failure.size() > kFailureMaxBytes) {
    return make_error(ErrorCode::Corruption, "a node's answer to ping cannot be understood");
  }
  status.replica.role = static_cast<raft::ReplicaRole>(role);
  status.version = version;
  status.replica.failure = failure;
  if (in.finished()) return status;  // of a version that did not list its drives
  const auto drive_count = in.le<std::uint32_t>();
  bool is_good = in.ok() && drive_count <= shard::kDrivesMax;
  for (std::uint32_t i = 0; is_good && i < drive_count; ++i)
    is_good = decode_drive(in, status.drives.emplace_back());
  if (is_good && !in.finished()) {  // or of a version that did not tell of its upkeep
    decode_upkeep(in, status.upkeep);
    is_good = in.ok();
  }
  if (is_good && !in.finished()) {  // or of what was added then
    for (shard::DriveInfo& info : status.drives) decode_more(in, info);
    is_good = in.ok();
  }
  if (is_good && !in.finished()) is_good = decode_heal(in, status);  // or of its healing
  if (!is_good)
    return make_error(ErrorCode::Corruption, "a node's answer to ping cannot be understood");
  return status;
}

}  // namespace predastore::node
