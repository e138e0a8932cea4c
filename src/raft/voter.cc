#include "raft/voter.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "raft/identity.h"
#include "raft/message_codec.h"
#include "telemetry/log.h"

namespace predastore::raft {
namespace {

constexpr std::size_t kPendingBytesMax = 64u << 20;

constexpr std::size_t kHeardFromMax = 64;

CoreOptions core_options(const ReplicaOptions& options, Random& random) {
  CoreOptions core;
  core.self = options.id;
  core.election_timeout = options.election_timeout;
  core.heartbeat_interval = options.heartbeat_interval;
  core.seed = random.next_u64();
  core.append_entries_max = 128;
  return core;
}

StoredState stored_state(const VoterParts& parts, std::uint64_t applied_index) {
  std::vector<StoredConfiguration> configurations = parts.log->configurations();
  // Until the log has one.
  if (configurations.front().configuration.members.empty()) {
    std::vector<Member> members;
    for (const NodeId node : parts.options.voters)
      members.push_back({first_id_of(node), node, true});
    configurations.front().configuration = configuration_of(std::move(members));
  }
  return {parts.vote->state(), parts.log->terms(), applied_index, std::move(configurations)};
}

std::string_view name_of(ReplicaRole role) {
  switch (role) {
    case ReplicaRole::leader: return "leader";
    case ReplicaRole::candidate: return "candidate";
    case ReplicaRole::follower: break;
  }
  return "follower";
}

}  // namespace

Voter::Voter(Environment env, VoterParts parts, rpc::Client& client, StateMachine& state_machine)
    : env_(env),
      options_(parts.options),
      state_machine_(state_machine),
      core_(core_options(parts.options, env.random),
            stored_state(parts, state_machine.applied_index()), env.clock.now()),
      cache_(parts.options.cache_bytes_max),
      client_(client),
      source_(env, checkpoint_directory_of(parts.options), parts.options.group, state_machine,
              [this](StatePoint point) { return describe(point); }),
      fetch_(env, parts.options, fetched_directory_of(parts.options), client),
      apply_target_(state_machine.applied_index()),
      applied_(state_machine.applied_index()),
      stopping_(env.clock),
      idle_(env.clock),
      save_queued_(env.clock),
      apply_wanted_(env.clock),
      applied_changed_(env.clock),
      role_changed_(env.clock),
      proposal_queued_(env.clock),
      read_queued_(env.clock),
      tasks_(env.executor, env.clock) {
  log_ = std::move(parts.log);
  vote_ = std::move(parts.vote);
}

Voter::~Voter() { PREDA_ASSERT(!is_running_ && calls_ == 0); }

Task<void> Voter::run() {
  PREDA_ASSERT(!is_running_);
  if (is_stopping_) co_return;
  ++calls_;
  co_await source_.load();
  if (--calls_ == 0) idle_.notify_all();
  if (is_stopping_) co_return;
  is_running_ = true;
  tasks_.spawn(tick_loop());
  tasks_.spawn(propose_loop());
  tasks_.spawn(write_loop());
  tasks_.spawn(apply_loop());
  tasks_.spawn(read_loop());
  for (auto& [peer, link] : links_) tasks_.spawn(link->run());
  (void)co_await tasks_.join();
  is_running_ = false;
  idle_.notify_all();
}

Task<void> Voter::stop() {
  if (!is_stopping_) {
    is_stopping_ = true;
    resolve_all(ErrorCode::TimedOut, "the replica is stopping: the outcome is unknown");
  }
  while (is_running_ || calls_ > 0) co_await idle_.wait();
}

// Nothing is sent, stored or answered any more: what was promised before still holds after a
// restart from what is on disk.
void Voter::fail(Error error) {
  if (failure_.has_value()) return;
  if (!is_stopping_) {
    telemetry::log_error("raft stopped after a failure",
                         {{"node", options_.self.value()}, {"error", error.to_string()}});
  }
  failure_ = std::move(error);
  is_stopping_ = true;
  resolve_all(ErrorCode::TimedOut, "the replica has failed: the outcome is unknown");
}

void Voter::resolve_all(ErrorCode unknown_code, const char* detail) {
  for (QueuedProposal& queued : queued_proposals_)
    queued.pending->resolve(make_error(ErrorCode::Unavailable, "the replica is stopping"));
  queued_proposals_.clear();
  queued_bytes_ = 0;
  for (auto& [index, proposal] : proposals_)
    proposal.pending->resolve(make_error(unknown_code, detail));
  proposals_.clear();
  proposed_bytes_ = 0;
  resolve_reads();
  fetch_.stop();
  for (auto& [peer, link] : links_) link->stop();
  for (const Inbound& inbound : inbound_) inbound.stream->reset();
  for (Signal* signal : {&stopping_, &role_changed_, &save_queued_, &apply_wanted_,
                         &applied_changed_, &proposal_queued_, &read_queued_, &idle_})
    signal->notify_all();
}

ReplicaStatus Voter::status() const {
  ReplicaStatus status;
  status.term = core_.term();
  status.commit_index = core_.commit_index();
  status.applied_index = applied_;
  if (failure_.has_value()) {
    status.failure = failure_->to_string();
    status.is_damaged = failure_->code == ErrorCode::Corruption;
  }
  status.is_voter = core_.configuration().is_voter(options_.id);
  if (is_stopping_) return status;
  status.role = core_.role();
  if (core_.leader().has_value()) status.leader = node_of(*core_.leader());
  return status;
}

GroupStatus Voter::group() const {
  GroupStatus group;
  group.group = options_.group;
  group.self = options_.id;
  group.last_index = core_.log().last_index();
  for (const Member& member : core_.configuration().members) {
    const auto progress = core_.progress_of(member.id, env_.clock.now());
    group.members.push_back({member, progress.match, progress.is_heard, progress.needs_snapshot});
  }
  return group;
}

// By the configuration; who is in none that is known here is where it was heard from.
std::optional<NodeId> Voter::node_of(VoterId id) const {
  if (id == options_.id) return options_.self;
  const Member* member = core_.configuration().find(id);
  if (member != nullptr) return member->node;
  const auto heard = heard_from_.find(id);
  if (heard != heard_from_.end()) return heard->second;
  return std::nullopt;
}

// Nobody speaks for another: a replica is on one node for all its life. Whoever leads, or wants to,
// may be a member of a configuration that is not known here yet; answers come only from members.
bool Voter::speaks_for(NodeId peer, const Message& message) {
  const VoterId from = message.from;
  const auto known = node_of(from);
  if (known.has_value() && *known != peer) return false;
  if (core_.configuration().find(from) != nullptr) return true;
  switch (message.kind) {
    case MessageKind::pre_vote_answer:
    case MessageKind::vote_answer:
    case MessageKind::append_answer:
    case MessageKind::heartbeat_answer: return false;
    default: break;
  }
  if (heard_from_.size() >= kHeardFromMax) heard_from_.clear();
  heard_from_[from] = peer;
  return true;
}

PeerLink& Voter::link_to(NodeId node) {
  auto found = links_.find(node);
  if (found == links_.end()) {
    LinkOptions link;
    link.peer = node;
    link.group = options_.group;
    link.timeout = options_.election_timeout;
    link.retry_interval = options_.heartbeat_interval / 2;
    found = links_.emplace(node, std::make_unique<PeerLink>(env_, client_, *this, link)).first;
    if (is_running_) tasks_.spawn(found->second->run());
  }
  return *found->second;
}

// Takes what the core has to say until it has nothing more. Called after every event.
void Voter::pump() {
  if (is_pumping_ || is_stopping_) return;
  is_pumping_ = true;
  do {
    for (const NodeId peer : std::exchange(lost_, {})) {
      for (const Member& member : core_.configuration().members)
        if (member.node == peer) core_.unreachable(member.id);
    }
    handle(core_.take_output());
  } while (core_.has_output() || !lost_.empty());
  is_pumping_ = false;
  note_role();
}

void Voter::handle(Output output) {
  if (output.reset.has_value()) cache_.clear();
  if (!output.entries.empty()) {
    // A leader's own only add to its log.
    if (core_.role() != ReplicaRole::leader) refuse_replaced(output.entries.front().index);
    cache_.put(output.entries);
  }
  if (output.save_number != 0) {
    Save save{output.save_number, output.hard_state, {}, std::move(output.entries), 0};
    if (output.reset.has_value())
      save.reset = Snapshot{output.reset->index, output.reset->term,
                            core_.configuration_at(output.reset->index)};
    for (const Entry& entry : save.entries) save.size_bytes += sizeof(Entry) + entry.command.size();
    unsaved_bytes_ += save.size_bytes;
    saves_.push_back(std::move(save));
    save_queued_.notify_all();
  }
  for (Message& message : output.messages) {
    const auto node = node_of(message.to);
    if (node.has_value() && *node != options_.self) link_to(*node).send(std::move(message));
  }
  if (output.needed_snapshot.has_value() && !is_fetching_ && is_running_) {
    is_fetching_ = true;
    tasks_.spawn(fetch_snapshot(*output.needed_snapshot));
  }
  if (output.apply_index > apply_target_) {
    apply_target_ = output.apply_index;
    apply_wanted_.notify_all();
  }
  for (const ReleasedRead& released : output.reads) {
    const auto read = reads_.extract(released.id);
    if (!read.empty()) read.mapped()->resolve(released.index);
  }
  for (const std::uint64_t id : output.refused_reads) {
    const auto read = reads_.extract(id);
    if (!read.empty()) read.mapped()->resolve(make_error(ErrorCode::NotLeader));
  }
  cache_.trim(core_.durable_index());
}

// Another leader's entries take the place of ours. Somebody else may still hold ours and win with
// them, so that nobody knows what becomes of them.
void Voter::refuse_replaced(std::uint64_t first_index) {
  for (auto at = proposals_.lower_bound(first_index); at != proposals_.end();) {
    proposed_bytes_ -= at->second.size_bytes;
    at->second.pending->resolve(
        make_error(ErrorCode::TimedOut, "the leader has changed: the outcome is unknown"));
    at = proposals_.erase(at);
  }
}

void Voter::note_role() {
  const ReplicaStatus now = status();
  if (now.role == noted_.role && now.term == noted_.term && now.leader == noted_.leader) return;
  telemetry::log_info("raft changed its role", {{"node", options_.self.value()},
                                                {"role", name_of(now.role)},
                                                {"term", now.term},
                                                {"leader", now.leader.value_or(NodeId{}).value()}});
  noted_ = now;
  role_changed_.notify_all();
}

// Whether it was the wish or an accident that made the other one leader is all the same.
Task<Result<void>> Voter::transfer_leadership(NodeId to, Instant deadline) {
  if (is_stopping_) co_return make_error(ErrorCode::Unavailable, "the replica is stopped");
  if (core_.role() != ReplicaRole::leader) co_return make_error(ErrorCode::NotLeader);
  VoterId target;
  for (const Member& member : core_.configuration().members) {
    if (member.node != to || !member.is_voter) continue;
    const bool is_heard = core_.progress_of(member.id, env_.clock.now()).is_heard;
    if (target == VoterId{} || is_heard) target = member.id;
  }
  if (target == VoterId{} || !core_.transfer(target, env_.clock.now()))
    co_return make_error(ErrorCode::InvalidArgument, "no other voter is on this node");
  ++calls_;
  pump();
  while (!is_stopping_ && core_.leader() != target && env_.clock.now() < deadline &&
         (core_.is_transferring() || core_.role() != ReplicaRole::leader)) {
    const Instant look_at = std::min(deadline, env_.clock.now() + options_.heartbeat_interval);
    (void)co_await role_changed_.wait_until(look_at);
  }
  const bool is_done = core_.leader() == target;
  if (--calls_ == 0) idle_.notify_all();
  if (!is_done) co_return make_error(ErrorCode::Unavailable, "the other voter did not take over");
  co_return Result<void>{};
}

// Committed is committed, whoever leads then; what another leader has replaced is not.
Task<Result<void>> Voter::change_members(MemberChange change, Instant deadline) {
  if (is_stopping_) co_return make_error(ErrorCode::Unavailable, "the replica is stopped");
  PREDA_CO_TRY(const std::uint64_t index, core_.change_members(change, env_.clock.now()));
  const std::uint64_t term = core_.term();
  ++calls_;
  pump();
  const auto is_there = [&] {
    return core_.log().base_index() >= index || core_.log().term_at(index) == term;
  };
  while (!is_stopping_ && is_there() && core_.commit_index() < index &&
         env_.clock.now() < deadline) {
    const Instant look_at = std::min(deadline, env_.clock.now() + options_.heartbeat_interval);
    (void)co_await applied_changed_.wait_until(look_at);
  }
  const bool is_done = is_there() && core_.commit_index() >= index;
  if (--calls_ == 0) idle_.notify_all();
  if (!is_done)
    co_return make_error(ErrorCode::TimedOut, "the change is not known to be committed");
  telemetry::log_info("changed the members of the raft group",
                      {{"node", options_.self.value()}, {"index", index}});
  co_return Result<void>{};
}

Result<void> Voter::admit(std::size_t command_bytes) const {
  if (is_stopping_) return make_error(ErrorCode::Unavailable, "the replica is stopped");
  if (core_.role() != ReplicaRole::leader) return make_error(ErrorCode::NotLeader);
  if (command_bytes == 0 || command_bytes > kCommandMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "a command of this size is not allowed");
  // What is in the log and not applied counts too, whether or not its proposer still waits.
  const std::uint64_t unapplied = core_.log().last_index() - applied_;
  if (queued_proposals_.size() + unapplied >= options_.pending_max ||
      queued_bytes_ + proposed_bytes_ + command_bytes > kPendingBytesMax)
    return make_error(ErrorCode::Unavailable, "too many proposals are waiting");
  return {};
}

Task<Result<std::string>> Voter::propose(std::string command, Instant deadline) {
  PREDA_CO_CHECK(admit(command.size()));
  const auto pending = std::make_shared<Pending<std::string>>(env_.clock);
  queued_bytes_ += command.size();
  queued_proposals_.push_back({std::move(command), pending});
  proposal_queued_.notify_all();
  ++calls_;
  while (!pending->result.has_value()) {
    const bool is_notified = co_await pending->changed.wait_until(deadline);
    if (!is_notified && !pending->result.has_value()) break;
  }
  if (!pending->result.has_value()) {
    const auto queued = std::ranges::find(queued_proposals_, pending, &QueuedProposal::pending);
    if (queued != queued_proposals_.end()) {
      queued_bytes_ -= queued->command.size();
      queued_proposals_.erase(queued);
      pending->resolve(make_error(ErrorCode::Unavailable, "no time was left to propose"));
    } else {
      pending->resolve(make_error(ErrorCode::TimedOut, "not known to be committed in time"));
    }
  }
  if (--calls_ == 0) idle_.notify_all();
  co_return std::move(*pending->result);
}

// Everything that waits goes in together: one append to each peer, one write of the own log.
void Voter::propose_queued() {
  std::vector<QueuedProposal> batch;
  std::vector<std::string> commands;
  for (QueuedProposal& queued : queued_proposals_) {
    commands.push_back(std::move(queued.command));
    batch.push_back(std::move(queued));
    batch.back().command.clear();
  }
  queued_proposals_.clear();
  queued_bytes_ = 0;
  if (batch.empty()) return;
  std::vector<std::size_t> sizes;
  for (const std::string& command : commands) sizes.push_back(command.size());
  const auto first_index = core_.propose(std::move(commands), env_.clock.now());
  if (!first_index.has_value()) {
    for (QueuedProposal& queued : batch) queued.pending->resolve(make_error(ErrorCode::NotLeader));
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    proposed_bytes_ += sizes[i];
    proposals_[*first_index + i] = {core_.term(), sizes[i], std::move(batch[i].pending)};
  }
}

const Entry* Voter::cached(std::uint64_t index) const {
  return cache_.holds(index) ? &cache_.at(index) : nullptr;
}

Task<Result<std::vector<Entry>>> Voter::load(std::uint64_t first_index, std::uint64_t last_index,
                                             std::size_t bytes_max) {
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  for (std::uint64_t index = first_index; index <= last_index && bytes < bytes_max; ++index) {
    if (!cache_.holds(index)) break;
    entries.push_back(cache_.at(index));
    bytes += sizeof(Entry) + entries.back().command.size();
  }
  if (!entries.empty()) co_return entries;
  // What is not in memory is stored; what follows it may not be.
  co_return co_await log_->read(first_index, last_index, bytes_max);
}

bool Voter::leads(std::uint64_t term) const {
  return !is_stopping_ && core_.role() == ReplicaRole::leader && core_.term() == term;
}

void Voter::on_lost(NodeId peer) {
  lost_.insert(peer);
  pump();
}

void Voter::on_damage(Error error) { fail(std::move(error)); }

}  // namespace predastore::raft
