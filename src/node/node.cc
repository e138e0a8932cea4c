#include "node/node.h"

#include "base/codec.h"
#include "meta/keys.h"
#include "model/node_digest.h"
#include "node/node_parts.h"
#include "telemetry/log.h"

namespace predastore::node {

namespace {

constexpr Duration kRetryAfter = 200ms;
constexpr Duration kAttemptTimeout = 5s;
constexpr std::size_t kEarlyDamageMax = 100'000;

std::string meta_directory(const Config& config) { return config.data_dir + "/meta"; }

Environment metadata_env_of(Environment env, const NodeOptions& options) {
  if (!options.metadata_threads.has_value()) return env;
  const MetadataThreads& threads = *options.metadata_threads;
  return Environment{env.executor, env.clock, env.random, *threads.files, *threads.blocking};
}

}  // namespace

Node::Node(Environment env, net::Transport& transport, NodeOptions options)
    : env_(env),
      metadata_env_(metadata_env_of(env, options)),
      transport_(transport),
      options_(std::move(options)),
      parts_(std::make_unique<Parts>(env, transport)) {}

Node::~Node() = default;

Task<Result<std::unique_ptr<Node>>> Node::open(Environment env, net::Transport& transport,
                                               NodeOptions options) {
  std::unique_ptr<Node> node{new Node{env, transport, std::move(options)}};
  for (const NodeEntry& entry : node->config().nodes) {
    if (entry.id != node->config().node_id) transport.set_address(entry.id, entry.cluster_address);
  }
  const Result<void> opened = co_await node->open_parts();
  if (!opened) {
    // A drive is closed before it goes, even if the rest could not be opened.
    if (node->parts_->drives) (void)co_await node->parts_->drives->close();
    co_return opened.error();
  }
  node->attach_ping();
  co_return std::move(node);
}

Task<Result<void>> Node::open_parts() {
  PREDA_CO_CHECK(co_await open_drives());
  PREDA_CO_CHECK(co_await open_metadata());
  co_return co_await open_services();
}

// What a drive finds while it is opened waits until there is somebody to repair it.
void Node::note_damage(const ShardKey& key) {
  if (parts_->repairer) {
    parts_->repairer->report_damage(key);
  } else if (parts_->early_damage.size() < kEarlyDamageMax) {
    parts_->early_damage.insert(key);
  }
}

Task<void> Node::run() {
  Parts& parts = *parts_;
  parts.serving.spawn(parts.server.run());
  parts.serving.spawn(parts.replica->run());
  parts.duties.spawn(parts.meta->run());
  parts.duties.spawn(parts.peers->run());
  if (options_.run_repair) {
    parts.duties.spawn(parts.repairer->run());
    parts.duties.spawn(parts.care->run());
  }
  if (options_.run_repair) parts.duties.spawn(parts.growing->run());
  parts.duties.spawn(parts.promotions->run());
  parts.duties.spawn(parts.registry->run());
  parts.duties.spawn(store_root_key());
  parts.duties.spawn(watch_room());
  (void)co_await parts.serving.join();
  (void)co_await parts.duties.join();
}

// First nobody asks any more, then what would have answered goes; the stores last.
Task<void> Node::stop() {
  is_stopping_ = true;
  Parts& parts = *parts_;
  parts.stopping.notify_all();
  parts.repairer->stop();
  parts.peers->stop();
  parts.care->stop();
  parts.growing->stop();
  parts.promotions->stop();
  parts.registry->stop();
  co_await parts.replica->stop();
  co_await transport_.stop();
  (void)co_await parts.serving.join();
  co_await parts.meta->stop();
  (void)co_await parts.duties.join();
  co_await parts.objects->stop();
  co_await parts.chunks->stop();
  const Result<void> closed = co_await parts.drives->close();
  if (!closed) telemetry::log_warn("close the drives", {{"error", closed.error().to_string()}});
}

// The first key of a new cluster comes from a file that every node has; whichever node is first
// puts it into the metadata. It is done once: the key may have been disabled or removed since.
Task<void> Node::store_root_key() {
  if (!options_.root_key) co_return;
  while (!is_stopping_) {
    const Instant deadline = env_.clock.now() + kAttemptTimeout;
    access::AccessKey key = *options_.root_key;
    const Result<void> stored = co_await parts_->keys->create_first(std::move(key), deadline);
    if (stored) co_return;
    (void)co_await parts_->stopping.wait_until(env_.clock.now() + kRetryAfter);
  }
}

void Node::attach_ping() {
  parts_->server.handle(rpc::MessageType::ping, [this](rpc::Call call) -> Task<void> {
    return answer_ping(std::move(call));
  });
  parts_->server.handle(kRepairChunk, [this](rpc::Call call) -> Task<void> {
    return parts_->peers->answer(std::move(call));
  });
}

Task<void> Node::answer_ping(rpc::Call call) {
  BufferChain body{Buffer::take(encode_node_status(status()))};
  co_await call.answer(std::move(body));
}

Task<Result<NodeStatus>> Node::ping(NodeId node, Instant deadline) {
  if (node == config().node_id) co_return status();
  BufferChain body;
  PREDA_CO_TRY(const Buffer answer, co_await parts_->client.call(node, rpc::MessageType::ping,
                                                                 std::move(body), deadline));
  co_return decode_node_status(answer);
}

Task<Result<void>> Node::wait_until_ready(Instant deadline) {
  for (;;) {
    const Instant now = env_.clock.now();
    const Instant attempt_deadline = std::min(deadline, now + kAttemptTimeout);
    const auto state = co_await parts_->meta->cluster_state(attempt_deadline);
    if (state) co_return Result<void>{};
    if (env_.clock.now() + kRetryAfter >= deadline || is_stopping_) co_return state.error();
    (void)co_await parts_->stopping.wait_until(env_.clock.now() + kRetryAfter);
  }
}

bool Node::is_voter() const {
  for (const NodeEntry& entry : config().nodes) {
    if (entry.id == config().node_id) return entry.has_meta;
  }
  return true;
}

// Whether or not it votes: it may be told to, and without a replica it goes to the leader with
// everything.
Task<Result<void>> Node::open_replica() {
  MemberReplicaOptions options;
  options.directory = meta_directory(config());
  options.cluster = config().cluster_id;
  options.self = config().node_id;
  for (const NodeEntry& entry : config().nodes) {
    if (entry.has_meta) options.first_voters.push_back(entry.id);
  }
  options.holds_shards = parts_->drives->status().live_bytes > 0;
  options.replica.election_timeout = options_.election_timeout;
  options.replica.heartbeat_interval = options_.heartbeat_interval;
  options.replica.log_bytes_max = options_.raft_log_bytes;
  options.replica.log_file_bytes = std::min<std::uint64_t>(8u << 20, options_.raft_log_bytes / 4);
  RemoteReplica::Ask ask = [this](NodeId node, Instant deadline) { return ping(node, deadline); };
  RemoteReplica::Peers peers = [this] {
    std::vector<NodeId> others;
    if (!parts_->registry) return others;
    for (const NodeRecord& node : parts_->registry->nodes()) {
      if (node.node != config().node_id) others.push_back(node.node);
    }
    return others;
  };
  const MemberReplica::Parts parts{parts_->server, parts_->client, *parts_->state_machine};
  PREDA_CO_TRY(parts_->replica,
               co_await MemberReplica::open(metadata_env_, std::move(options), parts,
                                            std::move(ask), std::move(peers)));
  co_return Result<void>{};
}

Task<Result<void>> Node::open_metadata() {
  PREDA_CO_CHECK(co_await open_state());
  PREDA_CO_CHECK(co_await open_replica());
  meta::MetaOptions meta_options;
  meta_options.self = config().node_id;
  if (is_voter()) meta_options.bootstrap = bootstrap();
  meta_options.write_epoch_interval = options_.write_epoch_interval;
  meta_options.flush = options_.flush;
  parts_->meta =
      meta::ReplicatedMetaService::make(env_, std::move(meta_options), *parts_->state_machine,
                                        *parts_->replica, &parts_->server, &parts_->client);
  parts_->keys = std::make_unique<access::AccessKeys>(env_, *parts_->meta);
  parts_->registry = std::make_unique<Registry>(env_, config(), transport_, *parts_->meta,
                                                parts_->meta->growth(), options_.refuse_peers);
  co_return Result<void>{};
}

// What Raft's log has made so far. A damaged state is put aside and made again from the log; where
// the log no longer has its beginning, the replica is damaged as a whole, and replaced.
Task<Result<void>> Node::open_state() {
  const std::string directory = meta_directory(config()) + "/state";
  const std::string aside = directory + ".damaged";
  auto opened = co_await meta::StateMachine::open_in(metadata_env_, directory, options_.open_kv);
  if (!opened && opened.error().code == ErrorCode::Corruption) {
    telemetry::log_error("put damaged metadata aside and make it again",
                         {{"directory", aside}, {"error", opened.error().to_string()}});
    PREDA_CO_CHECK(co_await env_.files.remove_tree(aside));
    PREDA_CO_CHECK(co_await env_.files.rename(directory, aside));
    PREDA_CO_CHECK(co_await env_.files.sync_directory(meta_directory(config())));
    opened = co_await meta::StateMachine::open_in(metadata_env_, directory, options_.open_kv);
  }
  if (!opened) co_return std::move(opened).error();
  parts_->state_machine = *std::move(opened);
  co_return Result<void>{};
}

meta::Bootstrap Node::bootstrap() const {
  meta::Bootstrap bootstrap;
  bootstrap.cluster_id = config().cluster_id;
  bootstrap.limits = options_.limits;
  for (const NodeEntry& entry : config().nodes) {
    NodeRecord record;
    record.node = entry.id;
    record.name = entry.name;
    record.cluster_address = entry.cluster_address;
    record.s3_address = entry.s3_address;
    record.admin_address = entry.admin_address;
    record.is_voter = entry.has_meta;
    bootstrap.nodes.push_back(std::move(record));
  }
  return bootstrap;
}

Task<Result<void>> Node::open_services() {
  chunk::ChunkOptions options;
  parts_->chunks = std::make_unique<chunk::ChunkService>(
      env_, *parts_->shards, options, [this](const ShardKey& key) { note_damage(key); });
  object::ObjectOptions object_options;
  object_options.chunk_size_bytes = options_.chunk_size_bytes;
  object_options.put_budget_bytes = config().limits.put_memory_bytes;
  object_options.hash_batches_max = options_.hash_batches_max;
  object_options.get_reserve_bytes = config().limits.get_memory_bytes / 2;
  object_options.get_ahead_bytes = config().limits.get_memory_bytes / 2;
  PREDA_CO_CHECK(object::ChunkedObjectStore::check(object_options));
  parts_->objects = std::make_unique<object::ChunkedObjectStore>(env_, *parts_->meta,
                                                                 *parts_->chunks, object_options);
  parts_->metered = std::make_unique<MeteredObjects>(env_.clock, *parts_->objects);
  open_repair();
  Growing::Services services{*parts_->meta,
                             parts_->meta->growth(),
                             *parts_->chunks,
                             *parts_->shards,
                             [this](const ShardKey& key) { note_damage(key); },
                             [this] { return parts_->peers->load(); }};
  parts_->growing =
      std::make_unique<Growing>(env_, config().node_id, services, [this] { return is_leader(); });
  parts_->promotions = std::make_unique<Promotions>(env_, *parts_->meta, *parts_->replica,
                                                    [this] { return is_leader(); });
  DriveCareOptions care = options_.care;
  care.report_interval = options_.write_epoch_interval;
  parts_->care = std::make_unique<DriveCare>(env_, config().node_id, care, *parts_->meta,
                                             *parts_->drives, *parts_->gate);
  for (const ShardKey& key : parts_->early_damage) parts_->repairer->report_damage(key);
  parts_->early_damage.clear();
  co_return Result<void>{};
}

void Node::open_repair() {
  HealPeers::Access access;
  access.self = config().node_id;
  access.nodes = [this] {
    std::vector<NodeId> nodes;
    for (const NodeRecord& node : parts_->registry->nodes()) nodes.push_back(node.node);
    return nodes;
  };
  access.ask = [this](NodeId node, Instant deadline) { return ping(node, deadline); };
  access.is_active = [this] { return is_leader(); };
  access.repair_here = [this](repair::RepairOrder order) {
    return parts_->repairer->repair(order);
  };
  parts_->peers = std::make_unique<HealPeers>(env_, parts_->client, std::move(access));
  repair::RepairOptions options;
  options.heal.interval = options_.repair_interval;
  options.report_interval = options_.repair_interval;
  repair::Repairer::Loads loads;
  loads.node = [this] { return parts_->metered->load(); };
  loads.cluster = [this] { return parts_->peers->load(); };
  parts_->repairer = std::make_unique<repair::Repairer>(
      env_, options, *parts_->meta, *parts_->chunks, *parts_->shards, *parts_->peers,
      [this] { return is_leader(); }, std::move(loads));
}

bool Node::is_leader() const { return parts_->replica->status().role == raft::ReplicaRole::leader; }

NodeStatus Node::status() const {
  NodeStatus status;
  status.node = config().node_id;
  status.replica = parts_->replica->status();
  status.drive = parts_->drives->status();
  status.drives = parts_->drives->drives();
  status.upkeep = parts_->care->status();
  status.heal = parts_->repairer->status();
  status.node_digest = node_digest(parts_->registry->nodes());
  status.version = PREDASTORE_VERSION;
  return status;
}

meta::MetaService& Node::meta() { return *parts_->meta; }
meta::Growth& Node::growth() { return parts_->meta->growth(); }
const Registry& Node::registry() const { return *parts_->registry; }
object::ObjectStore& Node::objects() { return *parts_->metered; }
access::AccessKeys& Node::keys() { return *parts_->keys; }
shard::ShardService& Node::shards() { return *parts_->shards; }
shard::DriveSet& Node::drives() { return *parts_->drives; }
DriveCare& Node::care() { return *parts_->care; }
raft::Replica& Node::replica() { return *parts_->replica; }
MemberReplica& Node::members() { return *parts_->replica; }
meta::StateMachine& Node::state() { return *parts_->state_machine; }

}  // namespace predastore::node
