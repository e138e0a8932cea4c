#include "meta/proposer.h"

#include <algorithm>

#include "meta/state/applier.h"

namespace predastore::meta {
namespace {

constexpr int kBackoffMax = 10;

}  // namespace

// A number is open until its proposer no longer tries it.
class Proposer::OpenNumber {
 public:
  OpenNumber(std::shared_ptr<Session> session, std::uint64_t number)
      : session_(std::move(session)), number_(number) {
    session_->open.insert(number_);
  }
  OpenNumber(const OpenNumber&) = delete;
  OpenNumber& operator=(const OpenNumber&) = delete;
  ~OpenNumber() { session_->open.erase(number_); }

 private:
  std::shared_ptr<Session> session_;
  std::uint64_t number_;
};

Task<bool> Backoff::wait(Instant deadline) {
  const auto span = static_cast<std::uint64_t>(delay_.count() / 2 + 1);
  const Duration jitter{static_cast<Duration::rep>(env_.random.below(span))};
  const Instant until = env_.clock.now() + delay_ / 2 + jitter;
  delay_ = std::min(delay_ * 2, first_ * kBackoffMax);
  if (until >= deadline) co_return false;
  co_await sleep_until(env_.clock, until);
  co_return true;
}

Proposer::Proposer(Environment env, raft::Replica& replica, Packer& packer, rpc::Client* client,
                   ProposerOptions options)
    : env_(env),
      replica_(replica),
      packer_(packer),
      client_(client),
      options_(options),
      opened_(env.clock) {}

Task<Result<pb::Answer>> Proposer::propose(pb::Command command, Instant deadline) {
  command.set_version(kCommandVersion);
  PREDA_CO_TRY(std::shared_ptr<Session> held, co_await session(deadline));
  const std::uint64_t number = held->next_number++;
  OpenNumber open{held, number};
  pb::Proposal proposal;
  proposal.set_session(held->id);
  proposal.set_number(number);
  *proposal.mutable_command() = std::move(command);
  co_return co_await execute(std::move(held), std::move(proposal), deadline);
}

Task<Result<pb::Answer>> Proposer::execute(std::shared_ptr<Session> session, pb::Proposal proposal,
                                           Instant deadline) {
  Backoff backoff{env_, options_.retry_delay};
  bool is_open = false;  // an earlier try may still be executed
  Error last = make_error(ErrorCode::Unavailable, "no leader");
  while (env_.clock.now() < deadline) {
    if (session != nullptr) proposal.set_acknowledged(*session->open.begin() - 1);
    pb::Proposal tried = proposal;
    const Instant try_until = std::min(deadline, env_.clock.now() + options_.attempt_timeout);
    ProposeOutcome outcome = co_await attempt(std::move(tried), try_until);
    if (outcome.kind == ProposeOutcome::Kind::answered) {
      last_used_ = env_.clock.now();
      const bool is_lost = outcome.answer.session_lost();
      if (is_lost && session_ == session) session_ = nullptr;
      auto checked = check_code(outcome.answer);
      if (checked) co_return std::move(outcome.answer);
      last = std::move(checked).error();
      // The first try of a number cannot have been executed under a session that is gone.
      if (is_lost && !is_open)
        co_return make_error(ErrorCode::Unavailable, "the session had expired");
      if (last.code != ErrorCode::Unavailable) co_return last;
    } else {
      is_open = is_open || outcome.kind == ProposeOutcome::Kind::open;
      last = std::move(outcome.error);
      if (outcome.is_busy && !is_open) break;
    }
    if (!co_await backoff.wait(deadline)) break;
  }
  if (is_open) co_return make_error(ErrorCode::TimedOut, "outcome unknown: " + last.detail);
  co_return make_error(ErrorCode::Unavailable, last.detail);
}

Task<Result<pb::Answer>> Proposer::propose_here(pb::Command command, Instant deadline) {
  command.set_version(kCommandVersion);
  pb::Proposal proposal;
  *proposal.mutable_command() = std::move(command);
  ProposeOutcome outcome = co_await packer_.submit(std::move(proposal), deadline);
  if (outcome.kind != ProposeOutcome::Kind::answered) co_return std::move(outcome.error);
  PREDA_CO_CHECK(check_code(outcome.answer));
  co_return std::move(outcome.answer);
}

Task<void> Proposer::keep_alive(Instant unused_since, Instant deadline) {
  if (session_ == nullptr || last_used_ > unused_since) co_return;
  pb::Command command;
  command.mutable_keep_alive();
  (void)co_await propose(std::move(command), deadline);
}

// One caller opens it, the others wait for that.
Task<Result<std::shared_ptr<Proposer::Session>>> Proposer::session(Instant deadline) {
  while (session_ == nullptr) {
    if (is_opening_) {
      if (!co_await opened_.wait_until(deadline))
        co_return make_error(ErrorCode::Unavailable, "no session in time");
      continue;
    }
    is_opening_ = true;
    auto opened = co_await open_session(deadline);
    is_opening_ = false;
    opened_.notify_all();
    // Nothing was proposed yet that anyone waits for.
    if (!opened) co_return make_error(ErrorCode::Unavailable, opened.error().detail);
    session_ = std::make_shared<Session>();
    session_->id = *opened;
  }
  co_return session_;
}

Task<Result<std::uint64_t>> Proposer::open_session(Instant deadline) {
  pb::Proposal proposal;
  proposal.mutable_command()->set_version(kCommandVersion);
  proposal.mutable_command()->mutable_open_session();
  PREDA_CO_TRY(const pb::Answer answer, co_await execute(nullptr, std::move(proposal), deadline));
  co_return answer.session();
}

Task<ProposeOutcome> Proposer::attempt(pb::Proposal proposal, Instant deadline) {
  const raft::ReplicaStatus status = replica_.status();
  if (status.role == raft::ReplicaRole::leader)
    co_return co_await packer_.submit(std::move(proposal), deadline);
  if (!status.leader || *status.leader == options_.self || client_ == nullptr)
    co_return ProposeOutcome::refused(make_error(ErrorCode::Unavailable, "no leader is known"));
  co_return co_await forward(*status.leader, std::move(proposal), deadline);
}

Task<ProposeOutcome> Proposer::forward(NodeId leader, pb::Proposal proposal, Instant deadline) {
  std::string bytes = proposal.SerializeAsString();
  if (bytes.size() > rpc::kBodyMaxBytes)
    co_return ProposeOutcome::refused(make_error(ErrorCode::Internal, "a command too large"));
  BufferChain body{Buffer::take(std::move(bytes))};
  auto result =
      co_await client_->call(leader, rpc::MessageType::propose, std::move(body), deadline);
  if (!result) co_return ProposeOutcome::open(std::move(result).error());
  pb::ProposeAnswer answer;
  if (!answer.ParseFromArray(result->data(), static_cast<int>(result->size())))
    co_return ProposeOutcome::open(make_error(ErrorCode::Internal, "an unreadable answer"));
  if (answer.was_refused()) {
    auto refusal = check_code(answer.answer());
    if (refusal) co_return ProposeOutcome::open(make_error(ErrorCode::Internal, "no reason"));
    ProposeOutcome refused = ProposeOutcome::refused(std::move(refusal).error());
    refused.is_busy = answer.is_busy();
    co_return refused;
  }
  ProposeOutcome outcome;
  outcome.kind = ProposeOutcome::Kind::answered;
  outcome.answer = std::move(*answer.mutable_answer());
  co_return outcome;
}

}  // namespace predastore::meta
