#pragma once

#include <memory>
#include <set>

#include "chunk/chunk_service.h"
#include "env/sync.h"
#include "meta/replicated_meta_service.h"
#include "meta/state_machine.h"
#include "node/drive_care.h"
#include "node/growing.h"
#include "node/heal_peers.h"
#include "node/member_replica.h"
#include "node/metered_objects.h"
#include "node/node.h"
#include "node/promotions.h"
#include "node/registry.h"
#include "object/chunked_object_store.h"
#include "repair/repairer.h"
#include "shard/drive_set.h"
#include "shard/gated_shards.h"
#include "shard/routed_shard_service.h"
#include "shard/shard_server.h"

namespace predastore::node {

// The parts of a node in the order in which they depend on each other; destroyed in the opposite
// one. Only node*.cc see this.
struct Node::Parts {
  Parts(Environment env, net::Transport& transport)
      : server(env, transport),
        client(env, transport),
        stopping(env.clock),
        serving(env.executor, env.clock),
        duties(env.executor, env.clock) {}

  rpc::Server server;
  rpc::Client client;
  std::set<ShardKey> early_damage;
  std::unique_ptr<shard::DriveSet> drives;
  std::unique_ptr<shard::GatedShards> gate;
  std::unique_ptr<shard::ShardServer> shard_server;
  std::unique_ptr<shard::RoutedShardService> shards;
  std::unique_ptr<meta::StateMachine> state_machine;
  std::unique_ptr<MemberReplica> replica;
  std::unique_ptr<meta::ReplicatedMetaService> meta;
  std::unique_ptr<chunk::ChunkService> chunks;
  std::unique_ptr<object::ChunkedObjectStore> objects;
  std::unique_ptr<MeteredObjects> metered;
  std::unique_ptr<HealPeers> peers;
  std::unique_ptr<repair::Repairer> repairer;
  std::unique_ptr<DriveCare> care;
  std::unique_ptr<access::AccessKeys> keys;
  std::unique_ptr<Growing> growing;
  std::unique_ptr<Promotions> promotions;
  std::unique_ptr<Registry> registry;
  Signal stopping;    // wakes what waits between attempts
  TaskGroup serving;  // what answers other nodes
  TaskGroup duties;   // what works without being asked
};

}  // namespace predastore::node
