#include "meta/duties.h"

#include <algorithm>

namespace predastore::meta {
namespace {

constexpr Duration kLookInterval = 50ms;  // while there is no cluster yet
constexpr Duration kFlushLook = 1s;
constexpr Duration kDutyTimeout = 10s;
constexpr int kKeepAliveEpochs = 10;  // well below Limits::session_epochs

pb::Command initialise_command(const Bootstrap& bootstrap) {
  pb::Command command;
  pb::Initialise* message = command.mutable_initialise();
  message->set_cluster_id(std::string{as_text(bootstrap.cluster_id.span())});
  for (const NodeRecord& node : bootstrap.nodes) *message->add_nodes() = to_message(node);
  RingRecord ring;
  ring.epoch = RingEpoch{1};
  ring.vnodes_per_slot = bootstrap.vnodes_per_slot;
  ring.slots = bootstrap.slots;
  if (ring.slots.empty()) {
    for (const NodeRecord& node : bootstrap.nodes) {
      RingSlot slot;
      slot.slot = SlotId{static_cast<SlotId::raw_type>(ring.slots.size())};
      slot.node = node.node;
      ring.slots.push_back(std::move(slot));
    }
  }
  *message->mutable_ring() = to_message(ring);
  pb::Limits* limits = message->mutable_limits();
  limits->set_write_epochs(bootstrap.limits.write_epochs);
  limits->set_garbage_epochs(bootstrap.limits.garbage_epochs);
  limits->set_session_epochs(bootstrap.limits.session_epochs);
  limits->set_sessions_max(bootstrap.limits.sessions_max);
  limits->set_part_size_min_bytes(bootstrap.limits.part_size_min_bytes);
  limits->set_inline_max_bytes(bootstrap.limits.inline_max_bytes);
  return command;
}

}  // namespace

Duties::Duties(Environment env, const MetaOptions& options, StateMachine& state,
               raft::Replica& replica, Proposer& proposer)
    : env_(env),
      options_(options),
      state_(state),
      replica_(replica),
      proposer_(proposer),
      changed_(env.clock),
      tasks_(env.executor, env.clock) {}

Task<void> Duties::run() {
  is_running_ = true;
  tasks_.spawn(lead());
  tasks_.spawn(flush());
  tasks_.spawn(keep_session());
  (void)co_await tasks_.join();
  is_running_ = false;
  changed_.notify_all();
}

Task<void> Duties::stop() {
  is_stopping_ = true;
  changed_.notify_all();
  while (is_running_) co_await changed_.wait();
}

Task<void> Duties::lead() {
  Instant next_tick = env_.clock.now() + options_.write_epoch_interval;
  while (!is_stopping_) {
    const Instant now = env_.clock.now();
    if (!is_leader()) {
      next_tick = now + options_.write_epoch_interval;
      recorded_voters_.clear();
    } else if (!state_.is_initialised()) {
      if (options_.bootstrap) (void)co_await initialise(now + kDutyTimeout);
    } else if (now >= next_tick || state_.is_refusing()) {
      (void)co_await tick(now + kDutyTimeout);
      next_tick = now + options_.write_epoch_interval;
    }
    if (is_leader() && state_.is_initialised()) co_await record_voters();
    const Duration look = state_.is_initialised()
                              ? std::min<Duration>(options_.write_epoch_interval, 1s)
                              : kLookInterval;
    (void)co_await changed_.wait_until(env_.clock.now() + look);
  }
}

// A state that looks empty may only be behind its log, so the read comes first; two leaders that
// both propose it are settled in apply.
Task<Result<void>> Duties::initialise(Instant deadline) {
  PREDA_CO_TRY([[maybe_unused]] const std::uint64_t index,
               co_await replica_.read_barrier(deadline));
  if (state_.is_initialised()) co_return Result<void>{};
  if (!options_.bootstrap)
    co_return make_error(ErrorCode::Unavailable, "nothing to initialise the cluster with");
  pb::Command command = initialise_command(*options_.bootstrap);
  auto answer = co_await proposer_.propose_here(std::move(command), deadline);
  if (!answer && answer.error().code != ErrorCode::AlreadyExists)
    co_return std::move(answer).error();
  co_return Result<void>{};
}

Task<Result<void>> Duties::tick(Instant deadline) {
  pb::Command command;
  command.mutable_tick()->set_from(state_.write_epoch());
  auto answer = co_await proposer_.propose_here(std::move(command), deadline);
  if (!answer) co_return std::move(answer).error();
  co_return Result<void>{};
}

// What the rules of the metadata know of the voters follows the configuration of the log. A new
// leader writes it down once, whatever there is; one whose change of members is lost again with its
// leadership has a successor that does.
Task<void> Duties::record_voters() {
  std::set<NodeId> voters;
  for (const raft::MemberStatus& each : replica_.group().members) {
    if (each.member.is_voter) voters.insert(each.member.node);
  }
  if (voters.empty() || voters == recorded_voters_) co_return;
  pb::Command command;
  for (const NodeId node : voters) command.mutable_set_voters()->add_nodes(node.value());
  const auto answer =
      co_await proposer_.propose_here(std::move(command), env_.clock.now() + kDutyTimeout);
  if (answer) recorded_voters_ = std::move(voters);
}

// An error is not the end: the log still has everything, and the next flush is tried in its time.
Task<void> Duties::flush() {
  Instant last = env_.clock.now();
  while (!is_stopping_) {
    (void)co_await changed_.wait_until(env_.clock.now() + kFlushLook);
    const std::uint64_t bytes = state_.bytes_since_flush();
    const Instant now = env_.clock.now();
    const bool is_due =
        bytes >= options_.flush.bytes ||
        (state_.applied_index() > state_.durable_index() && now - last >= options_.flush.interval);
    if (!is_due || is_stopping_) continue;
    last = now;
    (void)co_await state_.flush();
  }
}

Task<void> Duties::keep_session() {
  const Duration interval = options_.write_epoch_interval * kKeepAliveEpochs;
  while (!is_stopping_) {
    (void)co_await changed_.wait_until(env_.clock.now() + interval);
    if (is_stopping_) break;
    const Instant now = env_.clock.now();
    co_await proposer_.keep_alive(now - interval, now + kDutyTimeout);
  }
}

}  // namespace predastore::meta
