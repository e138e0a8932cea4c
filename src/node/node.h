#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "access/access_keys.h"
#include "env/environment.h"
#include "env/sync.h"
#include "kv/kv.h"
#include "meta/bootstrap.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "meta/state_machine.h"
#include "net/transport.h"
#include "node/config.h"
#include "node/drive_care.h"
#include "node/node_status.h"
#include "object/object_store.h"
#include "raft/replica.h"
#include "rpc/rpc.h"
#include "shard/drive_set.h"

namespace predastore::node {

class MemberReplica;
class Registry;

using OpenKv = std::function<Result<std::unique_ptr<kv::KeyValueStore>>(kv::RocksOptions)>;

// Where the metadata's files and its blocking work go, when not to where everything else does.
struct MetadataThreads {
  FileSystem* files = nullptr;
  Blocking* blocking = nullptr;
};

// What a node is made of besides the outside world. The defaults are those of production; the
// simulator shrinks them so that boundaries are hit all the time.
struct NodeOptions {
  Config config;
  OpenKv open_kv = kv::open_rocks;
  std::optional<MetadataThreads> metadata_threads;  // they outlive the node
  // Stored as the first access key when the cluster has none of that id. Empty: not done.
  std::optional<access::AccessKey> root_key;
  bool direct_io = true;
  bool run_repair = true;
  // Told who is not to be let in any more; may be empty.
  std::function<void(std::set<NodeId>)> refuse_peers;
  std::uint64_t shard_file_size_bytes = kShardFileSizeBytes;
  std::uint32_t chunk_size_bytes = kChunkSizeBytes;
  Duration election_timeout = 1000ms;
  Duration heartbeat_interval = 150ms;
  // So much of Raft's log is kept for replicas that are away.
  std::size_t hash_batches_max = 1;  // of bodies, on so many threads at the same time
  std::uint64_t raft_log_bytes = 256u << 20;
  meta::FlushPolicy flush;  // of the metadata
  Duration write_epoch_interval = 60s;
  meta::Limits limits;                 // of a cluster that is made
  DriveCareOptions care;               // of its own drives, with run_repair
  Duration repair_interval = 1s;       // between looks at the repair queue when it was empty
  Duration drive_give_up_after = 30s;  // see DriveSetOptions
};

// One node of the cluster without its faces (HTTP) and without a process around it: the parts and
// their wiring. Made of seams only, so that the simulator builds the very same thing. Used on the
// loop of `env`; `env` and `transport` outlive it.
//
// Life: open() recovers what is on the disk (a drive whose index has to be made again goes on being
// opened while the node works, and answers Unavailable until it is) and registers with an rpc
// server of its own, run() serves until stop() and must have been spawned for anything to work,
// stop() ends run(), returns when all of it has ended, and closes the stores. After a power loss in
// the simulator (its files fail from then on) stop() works as well; it makes nothing durable then.
class Node {
 public:
  static Task<Result<std::unique_ptr<Node>>> open(Environment env, net::Transport& transport,
                                                  NodeOptions options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Task<void> run();   // until stop(), which also stops the transport
  Task<void> stop();  // once, while run() is under way

  const Config& config() const { return options_.config; }
  meta::MetaService& meta();
  meta::Growth& growth();
  const Registry& registry() const;
  object::ObjectStore& objects();
  access::AccessKeys& keys();
  shard::ShardService& shards();
  shard::DriveSet& drives();
  DriveCare& care();
  raft::Replica& replica();
  MemberReplica& members();
  meta::StateMachine& state();

  NodeStatus status() const;
  // Asks another node (or this one, at once). Unavailable or TimedOut: it is not up.
  Task<Result<NodeStatus>> ping(NodeId node, Instant deadline);
  // A leader is known, and the metadata of the cluster can be read through it.
  Task<Result<void>> wait_until_ready(Instant deadline);

 private:
  struct Parts;
  Node(Environment env, net::Transport& transport, NodeOptions options);
  Task<Result<void>> open_parts();
  Task<Result<void>> open_drives();
  Task<Result<void>> open_metadata();
  Task<Result<void>> open_state();
  meta::Bootstrap bootstrap() const;
  bool is_leader() const;
  Task<Result<void>> open_services();
  Task<Result<void>> open_replica();
  bool is_voter() const;
  void note_damage(const ShardKey& key);
  void open_repair();
  void attach_ping();
  Task<void> answer_ping(rpc::Call call);
  Task<void> store_root_key();
  Task<void> watch_room();

  Environment env_;
  Environment metadata_env_;
  net::Transport& transport_;
  NodeOptions options_;
  std::unique_ptr<Parts> parts_;
  bool is_stopping_ = false;
};

}  // namespace predastore::node
