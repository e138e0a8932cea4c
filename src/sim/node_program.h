#pragma once

#include <memory>
#include <string>
#include <vector>

#include "meta/bootstrap.h"
#include "node/node.h"
#include "sim/cluster.h"

namespace predastore::sim {

// Sizes and times that shape a node, small ones, so that boundaries are hit all the time.
struct Tunables {
  RsConfig rs;
  std::uint32_t chunk_size_bytes = 128 * 1024;
  std::uint64_t shard_file_size_bytes = 512 * 1024;
  Duration election_timeout = 500ms;
  Duration heartbeat_interval = 50ms;
  Duration write_epoch_interval = 5s;
  Duration repair_interval = 500ms;
  bool run_repair = true;
  std::uint32_t drive_count = 1;  // of each node
  Duration drive_give_up_after = 30s;
  Duration sweep_interval = 1h;
  Duration reconcile_interval = 24h;
  meta::Limits limits;
  std::uint64_t raft_log_bytes = 256u << 20;  // kept for replicas that are away
  Duration flush_interval = 30s;              // of the metadata

  static Tunables draw(SimRandom& random);
  std::string to_string() const;
};

// A whole node without its faces (HTTP), as production assembles it, on simulated seams.
class NodeProgram final : public Program {
 public:
  // The cluster begins with the first `machine_count` machines, of which `voter_count` have a
  // replica of the metadata; a machine beyond them joins later, without one.
  NodeProgram(SimDisk& disk, Life& life, std::size_t machine, std::size_t machine_count,
              const Tunables& tunables, std::size_t voter_count = kAllVote);
  static constexpr std::size_t kAllVote = ~std::size_t{0};
  Task<Result<void>> open() override;
  Task<void> run() override { return node_->run(); }
  Task<void> stop() override { return node_->stop(); }
  node::Node& node() { return *node_; }

  static constexpr const char* kDataDirectory = "/data";

 private:
  Life& life_;
  node::NodeOptions options_;
  std::unique_ptr<node::Node> node_;
};

}  // namespace predastore::sim
