#include "sim/node_program.h"

#include <algorithm>
#include <utility>

#include "sim/key_value.h"

namespace predastore::sim {

Tunables Tunables::draw(SimRandom& random) {
  Tunables tunables;
  tunables.chunk_size_bytes = static_cast<std::uint32_t>(64 * 1024 * random.between(2, 6));
  tunables.shard_file_size_bytes = 256 * 1024 << random.below(4);
  tunables.election_timeout = random.between(Duration{300ms}, Duration{1s});
  tunables.heartbeat_interval = tunables.election_timeout / 6;
  tunables.write_epoch_interval = random.between(Duration{1s}, Duration{8s});
  tunables.repair_interval = random.between(Duration{100ms}, Duration{1s});
  tunables.limits.part_size_min_bytes = 100 * 1024;
  if (random.below(2) == 0) tunables.sweep_interval = random.between(Duration{1s}, Duration{10s});
  if (random.below(2) == 0)
    tunables.reconcile_interval = random.between(Duration{2s}, Duration{20s});
  if (random.below(3) == 0) tunables.limits.write_epochs = random.between(4, 12);
  if (random.below(3) == 0) tunables.limits.session_epochs = random.between(3, 12);
  tunables.drive_count = static_cast<std::uint32_t>(random.between(1, 2));
  if (random.below(2) == 0)
    tunables.limits.inline_max_bytes = static_cast<std::uint32_t>(random.between(1, 32 * 1024));
  if (random.below(2) == 0) tunables.raft_log_bytes = 32 * 1024 << random.below(4);
  tunables.flush_interval = random.between(Duration{1s}, Duration{15s});
  return tunables;
}

std::string Tunables::to_string() const {
  return "rs " + std::to_string(rs.data_shards) + "+" + std::to_string(rs.parity_shards) +
         ", chunk " + std::to_string(chunk_size_bytes / 1024) + " KiB, shard file " +
         std::to_string(shard_file_size_bytes / 1024) + " KiB, drives " +
         std::to_string(drive_count) + ", raft log " + std::to_string(raft_log_bytes / 1024) +
         " KiB";
}

NodeProgram::NodeProgram(SimDisk& disk, Life& life, std::size_t machine, std::size_t machine_count,
                         const Tunables& tunables, std::size_t voter_count)
    : life_(life) {
  node::Config& config = options_.config;
  config.cluster_id.bytes[0] = std::byte{7};
  const auto add = [&](std::size_t i) {
    node::NodeEntry entry;
    entry.id = NodeId{i + 1};
    entry.name = "n" + std::to_string(i + 1);
    entry.cluster_address = entry.name + ":7700";
    entry.has_meta = i < machine_count && i < voter_count;
    config.nodes.push_back(std::move(entry));
  };
  for (std::size_t i = 0; i < machine_count; ++i) add(i);
  if (machine >= machine_count) add(machine);
  const node::NodeEntry& self = config.nodes[std::min(machine, machine_count)];
  config.node_id = self.id;
  config.node_name = self.name;
  config.data_dir = kDataDirectory;
  config.drive_count = tunables.drive_count;
  config.rs = tunables.rs;
  config.region = "us-east-1";
  config.limits.put_memory_bytes = 32u << 20;
  config.limits.get_memory_bytes = 32u << 20;
  options_.open_kv = [&disk](kv::RocksOptions store) { return open_sim_store(disk, store); };
  options_.limits = tunables.limits;
  options_.run_repair = tunables.run_repair;
  options_.shard_file_size_bytes = tunables.shard_file_size_bytes;
  options_.chunk_size_bytes = tunables.chunk_size_bytes;
  options_.election_timeout = tunables.election_timeout;
  options_.heartbeat_interval = tunables.heartbeat_interval;
  options_.raft_log_bytes = tunables.raft_log_bytes;
  options_.flush.interval = tunables.flush_interval;
  options_.write_epoch_interval = tunables.write_epoch_interval;
  options_.repair_interval = tunables.repair_interval;
  options_.drive_give_up_after = tunables.drive_give_up_after;
  options_.care.sweep.interval = tunables.sweep_interval;
  options_.care.reconcile.interval = tunables.reconcile_interval;
}

Task<Result<void>> NodeProgram::open() {
  const Environment env = life_.host.environment();
  PREDA_CO_TRY(node_, co_await node::Node::open(env, *life_.transport, options_));
  co_return Result<void>{};
}

}  // namespace predastore::sim
