#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "chunk/chunk_service.h"
#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/chunk_repair.h"
#include "repair/healer.h"
#include "shard/shard_service.h"

namespace predastore::repair {

struct RepairOptions {
  HealOptions heal;
  ChunkRepairOptions chunk;
  Duration report_interval = 1s;  // in which what reads met is gathered
  Duration garbage_interval = 5s;
  // Of the queue, from which collecting garbage does not rest for clients any more.
  std::uint64_t garbage_pending_max = 100'000;
  Duration call_timeout = 10s;
};

// The repair of a cluster, on the loop of one node: what every node does (tells the queue what
// reads met, repairs the chunks that it is asked to), and what the node does for which `is_active`
// says so (the leader of the metadata): heals, see Healer, and removes the shards that the garbage
// queue names. All of it can be done twice or by two nodes at once and stays right: a layout is
// changed by comparison, a removal names a generation.
class Repairer {
 public:
  // What clients want of this node, and of the whole cluster; may be empty.
  struct Loads {
    Throttle::Load node;
    Throttle::Load cluster;
  };

  // Everything given by reference outlives this.
  Repairer(Environment env, RepairOptions options, meta::MetaService& meta,
           chunk::ChunkService& chunks, shard::ShardService& shards, HealNodes& nodes,
           std::function<bool()> is_active, Loads loads = {});

  Task<void> run();  // until stop()
  void stop();

  // One look at each queue, whoever is active; for tests and commands.
  Task<Result<std::size_t>> repair_once() { return healer_.heal_once(); }  // chunks repaired
  Task<Result<std::size_t>> collect_once();  // garbage items that are done

  // A shard that proved damaged in a read: into the repair queue, soon, deduplicated. On the loop.
  void report_damage(const ShardKey& key);
  // One chunk, as another node asks for it.
  Task<Result<RepairAnswer>> repair(RepairOrder order) { return chunk_repair_.repair(order); }

  HealStatus status() const;
  std::uint64_t garbage_removed() const { return garbage_removed_; }  // shards

 private:
  Task<void> run_garbage();
  // What it rests after a round that took so long, for clients come first.
  Duration rest_after(Duration took) const;
  Task<void> run_reports();
  // What one node is to remove, of all items.
  struct NodeShare {
    std::vector<shard::ShardRemoval> removals;
    std::vector<std::uint64_t> items;
    bool is_removed = false;
  };
  struct GarbageRound {
    std::map<NodeId, NodeShare> shares;
    std::map<std::uint64_t, std::set<NodeId>> waits;  // of each item, for which nodes
  };
  GarbageRound share_out(const std::vector<meta::GarbageItem>& items);
  Task<void> remove_share(NodeId node, NodeShare* share);
  std::vector<std::uint64_t> settle(GarbageRound& round);
  Task<void> wait(Duration duration);

  Environment env_;
  RepairOptions options_;
  meta::MetaService& meta_;
  chunk::ChunkService& chunks_;
  shard::ShardService& shards_;
  std::function<bool()> is_active_;
  Loads loads_;
  ChunkRepair chunk_repair_;
  Healer healer_;
  Signal stopped_;
  Signal reported_;
  bool is_stopping_ = false;
  std::set<ShardKey> reports_;
  // Of items that wait for a node: the nodes that have done their part, so that it is asked once.
  std::map<std::uint64_t, std::set<NodeId>> cleaned_;
  std::set<NodeId> departed_;          // what they have is of no interest any more
  std::uint64_t garbage_pending_ = 0;  // items, at the last round
  std::uint64_t garbage_removed_ = 0;
};

}  // namespace predastore::repair
