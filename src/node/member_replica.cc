#include "node/member_replica.h"

#include <fmt/format.h>

#include <algorithm>

#include "telemetry/log.h"

namespace predastore::node {
namespace {

constexpr Duration kLookInterval = 300ms;
constexpr Duration kAnnounceInterval = 1s;
constexpr Duration kAskTimeout = 2s;
constexpr int kLostTimeouts = 5;  // election timeouts
constexpr const char* kIdentityFile = "/replica";
constexpr const char* kRaftDirectory = "raft";

}  // namespace

MemberReplica::MemberReplica(Environment env, MemberReplicaOptions options, Parts parts,
                             RemoteReplica::Ask ask, RemoteReplica::Peers peers)
    : env_(env),
      options_(std::move(options)),
      server_(parts.server),
      client_(parts.client),
      state_machine_(parts.state),
      peers_(peers),
      remote_(env, std::move(ask), std::move(peers), [this] { return needs_remote(); }),
      led_at_(env.clock.now()),
      stopping_(env.clock),
      tasks_(env.executor, env.clock) {}

MemberReplica::~MemberReplica() = default;

Task<Result<std::unique_ptr<MemberReplica>>> MemberReplica::open(Environment env,
                                                                 MemberReplicaOptions options,
                                                                 Parts parts,
                                                                 RemoteReplica::Ask ask,
                                                                 RemoteReplica::Peers peers) {
  std::unique_ptr<MemberReplica> replica{
      new MemberReplica(env, std::move(options), parts, std::move(ask), std::move(peers))};
  PREDA_CO_CHECK(co_await replica->open_what_is_there());
  MemberReplica* raw = replica.get();
  parts.server.handle(rpc::MessageType::members,
                      [raw](rpc::Call call) { return raw->serve(std::move(call)); });
  co_return std::move(replica);
}

std::string raft_directory_of(const std::string& directory, const raft::ReplicaIdentity& identity) {
  const std::string base = directory + "/" + kRaftDirectory;
  if (!identity.first.empty()) return base;
  return fmt::format("{}-{:016x}", base, identity.id.value());
}

// A log of a version that did not write down whose it is: there were only first ones then.
Task<Result<bool>> MemberReplica::has_first_log() {
  const auto names = co_await env_.files.list(options_.directory + "/" + kRaftDirectory);
  if (names) co_return !names->empty();
  if (names.error().code == ErrorCode::NotFound) co_return false;
  co_return names.error();
}

Task<Result<void>> MemberReplica::open_what_is_there() {
  PREDA_CO_CHECK(co_await env_.files.create_directories(options_.directory));
  const std::string path = options_.directory + kIdentityFile;
  auto identity = co_await raft::load_identity(env_.files, path);
  if (!identity) {
    if (identity.error().code != ErrorCode::Corruption) co_return identity.error();
    problem_ = identity.error().to_string();
    co_return Result<void>{};
  }
  if (!identity->has_value()) {
    PREDA_CO_TRY(const bool has_log, co_await has_first_log());
    if (!has_log) co_return Result<void>{};
    raft::ReplicaIdentity first;
    first.cluster = options_.cluster;
    first.group = raft::first_group_of(options_.cluster);
    first.id = raft::first_id_of(options_.self);
    first.first = options_.first_voters;
    PREDA_CO_CHECK(co_await raft::store_identity(env_.files, path, first));
    *identity = std::move(first);
  }
  if ((*identity)->cluster != options_.cluster)
    co_return make_error(ErrorCode::InvalidArgument,
                         options_.directory + ": the metadata of another cluster");
  auto opened = co_await open_inner(**identity);
  if (opened || opened.error().code != ErrorCode::Corruption) co_return opened;
  problem_ = opened.error().to_string();
  telemetry::log_error("this node's replica of the metadata is damaged; it waits to be replaced",
                       {{"node", options_.self.value()}, {"error", problem_}});
  co_return Result<void>{};
}

Task<Result<void>> MemberReplica::open_inner(raft::ReplicaIdentity identity) {
  raft::ReplicaOptions replica = options_.replica;
  replica.directory = raft_directory_of(options_.directory, identity);
  replica.self = options_.self;
  replica.group = identity.group;
  replica.id = identity.id;
  replica.voters = identity.first;
  PREDA_CO_TRY(auto opened, co_await raft::open_replica(env_, std::move(replica), server_, client_,
                                                        state_machine_));
  inner_ = std::move(opened);
  identity_ = std::move(identity);
  is_settled_ = false;
  problem_.clear();
  if (is_running_ && !is_stopping_) tasks_.spawn(inner_->run());
  co_return Result<void>{};
}

Task<void> MemberReplica::run() {
  is_running_ = true;
  tasks_.spawn(remote_.run());
  tasks_.spawn(keep());
  if (inner_ != nullptr) tasks_.spawn(inner_->run());
  (void)co_await tasks_.join();
}

Task<void> MemberReplica::stop() {
  is_stopping_ = true;
  stopping_.notify_all();
  co_await remote_.stop();
  while (is_becoming_) co_await stopping_.wait();
  const auto inner = inner_;
  if (inner != nullptr) co_await inner->stop();
}

Task<Result<std::string>> MemberReplica::propose(std::string command, Instant deadline) {
  const auto inner = inner_;
  if (inner == nullptr) co_return make_error(ErrorCode::NotLeader, "this node has no replica");
  co_return co_await inner->propose(std::move(command), deadline);
}

Task<Result<std::uint64_t>> MemberReplica::read_barrier(Instant deadline) {
  const auto inner = inner_;
  if (inner == nullptr || needs_remote())
    co_return make_error(ErrorCode::NotLeader, "this node has no replica that hears a leader");
  co_return co_await inner->read_barrier(deadline);
}

Task<Result<void>> MemberReplica::transfer_leadership(NodeId to, Instant deadline) {
  const auto inner = inner_;
  if (inner == nullptr) co_return make_error(ErrorCode::NotLeader, "this node has no replica");
  co_return co_await inner->transfer_leadership(to, deadline);
}

Task<Result<void>> MemberReplica::change_members(raft::MemberChange change, Instant deadline) {
  const auto inner = inner_;
  if (inner == nullptr) co_return make_error(ErrorCode::NotLeader, "this node has no replica");
  co_return co_await inner->change_members(change, deadline);
}

raft::GroupStatus MemberReplica::group() const {
  return inner_ == nullptr ? raft::GroupStatus{} : inner_->group();
}

raft::ReplicaStatus MemberReplica::status() const {
  raft::ReplicaStatus status = inner_ == nullptr ? remote_.status() : inner_->status();
  if (inner_ == nullptr) status.failure = problem_;
  if (!status.leader && needs_remote()) status.leader = remote_.status().leader;
  // It does not lead, whoever says so: this node would know.
  if (status.leader == options_.self && status.role != raft::ReplicaRole::leader)
    status.leader.reset();
  return status;
}

// A voter that has heard no leader for a while may have been taken out without hearing of it.
bool MemberReplica::needs_remote() const {
  if (inner_ == nullptr) return true;
  const raft::ReplicaStatus status = inner_->status();
  if (status.leader) return false;
  return !status.is_voter || env_.clock.now() - led_at_ > 5 * options_.replica.election_timeout;
}

// ---- what is to become of it

bool MemberReplica::is_new() const {
  return inner_ == nullptr && problem_.empty() && !options_.holds_shards &&
         state_machine_.applied_index() == 0;
}

// One that does not vote yet, or whose predecessor may still be a member: the leader may have died
// between the two steps.
bool MemberReplica::is_to_announce() const {
  if (!inner_->status().is_voter) return true;
  return !is_settled_ && identity_->first.empty();
}

// Damage that was met while it ran. One that differs from the others is for people to look at.
bool MemberReplica::is_lost() const {
  return inner_ != nullptr && inner_->status().is_damaged && !state_machine_.is_refusing();
}

// It has failed already; nothing of it touches the state any more when it is stopped. Only after a
// while: where a command does this to everybody nobody leads then, and nobody throws away what he
// has. Where there is no leader the node waits, as one whose replica was damaged when it started.
Task<void> MemberReplica::give_up() {
  const Instant now = env_.clock.now();
  if (!lost_at_) lost_at_ = now;
  if (now - *lost_at_ < kLostTimeouts * options_.replica.election_timeout) co_return;
  const auto lost = inner_;
  co_await lost->stop();
  if (is_stopping_) co_return;
  problem_ = lost->status().failure;
  telemetry::log_error("this node's replica of the metadata is damaged; it waits to be replaced",
                       {{"node", options_.self.value()}, {"error", problem_}});
  inner_.reset();
  identity_.reset();
  lost_at_.reset();
}

Task<void> MemberReplica::keep() {
  while (!is_stopping_) {
    if (is_lost()) co_await give_up();
    const bool has_one = inner_ != nullptr;
    if (has_one && inner_->status().leader) led_at_ = env_.clock.now();
    if (!has_one) {
      co_await decide();
    } else if (inner_->status().failure.empty() && is_to_announce()) {
      co_await announce();
    }
    const Duration interval = has_one ? kAnnounceInterval : kLookInterval;
    const Instant until = env_.clock.now() + interval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopping_.wait_until(until);
  }
}

// A node without a replica. Where a leader is, the group is, and this node's replica is a new one
// that waits to be added. A group is made only when every node that is to make it says that it has
// never heard of one; when in doubt it waits.
Task<void> MemberReplica::decide() {
  const bool is_wanted =
      std::ranges::find(options_.first_voters, options_.self) != options_.first_voters.end();
  if (!is_wanted && problem_.empty()) co_return;
  bool may_be_first = is_wanted && is_new();
  std::vector<NodeId> nodes = peers_();
  for (const NodeId node : options_.first_voters) {
    if (std::ranges::find(nodes, node) == nodes.end()) nodes.push_back(node);
  }
  const Instant deadline = env_.clock.now() + kAskTimeout;
  for (const NodeId node : nodes) {
    if (node == options_.self || is_stopping_) continue;
    const bool is_first =
        std::ranges::find(options_.first_voters, node) != options_.first_voters.end();
    const auto answer = co_await ask(node, {}, deadline);
    const auto state = answer ? decode_member_state(*answer) : Result<MemberState>{answer.error()};
    if (!state) {
      if (is_first) may_be_first = false;
      continue;
    }
    if (state->is_leader) {
      const auto became = co_await become_another(state->group);
      if (!became && became.error().code != ErrorCode::Unavailable)
        telemetry::log_error("could not make a new replica",
                             {{"error", became.error().to_string()}});
      co_return;
    }
    const bool knows_none =
        state->has_replica ? state->is_first && state->term == 0 : state->is_new;
    if (is_first && !knows_none) may_be_first = false;
  }
  if (!may_be_first || is_stopping_ || !is_new()) co_return;
  raft::ReplicaIdentity first;
  first.cluster = options_.cluster;
  first.group = raft::first_group_of(options_.cluster);
  first.id = raft::first_id_of(options_.self);
  first.first = options_.first_voters;
  const auto became = co_await become(std::move(first));
  if (!became)
    telemetry::log_error("could not make the first replica",
                         {{"error", became.error().to_string()}});
}

Task<Result<void>> MemberReplica::become_another(std::uint64_t group) {
  raft::ReplicaIdentity another;
  another.cluster = options_.cluster;
  another.group = group;
  while (another.id == raft::VoterId{}) another.id = raft::VoterId{env_.random.next_u64()};
  co_return co_await become(std::move(another));
}

// Order of writes: what there was of a state goes; who it is from now on; then the old logs go. A
// crash before the second finds what it found this time, one after it the new replica.
Task<Result<void>> MemberReplica::become(raft::ReplicaIdentity identity) {
  if (is_becoming_ || is_stopping_ || inner_ != nullptr)
    co_return make_error(ErrorCode::Unavailable, "not now");
  is_becoming_ = true;
  Result<void> done;
  if (state_machine_.applied_index() > 0) done = co_await state_machine_.clear();
  const std::string path = options_.directory + kIdentityFile;
  if (done) done = co_await raft::store_identity(env_.files, path, identity);
  if (done) done = co_await remove_old_logs(raft_directory_of(options_.directory, identity));
  if (done) {
    telemetry::log_info("made a replica of the metadata", {{"node", options_.self.value()},
                                                           {"replica", identity.id.value()},
                                                           {"first", !identity.first.empty()}});
    done = co_await open_inner(std::move(identity));
  }
  is_becoming_ = false;
  stopping_.notify_all();
  co_return done;
}

Task<Result<void>> MemberReplica::remove_old_logs(std::string kept) {
  PREDA_CO_TRY(const std::vector<std::string> names, co_await env_.files.list(options_.directory));
  for (const std::string& name : names) {
    const std::string path = options_.directory + "/" + name;
    if (!name.starts_with(kRaftDirectory) || path == kept) continue;
    PREDA_CO_CHECK(co_await env_.files.remove_tree(path));
  }
  co_return co_await env_.files.sync_directory(options_.directory);
}

// The leader decides what comes of it: a new replica of a node that is a member takes the place of
// the old one; one that an operator has taken out, or never added, stays out.
Task<void> MemberReplica::announce() {
  MemberRequest request;
  request.kind = MemberRequestKind::join;
  request.group = identity_->group;
  request.replica = identity_->id;
  const bool is_voter = inner_->status().is_voter;
  const auto answer = co_await ask_leader(request, env_.clock.now() + 10s);
  is_settled_ = is_voter && answer && answer->text() == std::string_view{&kSettled, 1};
}

}  // namespace predastore::node
