#include "meta/query_client.h"

#include <algorithm>

namespace predastore::meta {
namespace {

constexpr Duration kLocalTimeout = 1s;  // then the leader is asked
constexpr Duration kLocalPause = 2s;    // and this replica is not, for so long

// Worth another try, perhaps elsewhere. A read changes nothing, so any may be repeated.
bool is_passing(ErrorCode code) {
  return code == ErrorCode::NotLeader || code == ErrorCode::Unavailable ||
         code == ErrorCode::TimedOut || code == ErrorCode::Cancelled;
}

}  // namespace

QueryClient::QueryClient(Environment env, StateMachine& state, raft::Replica& replica,
                         rpc::Client* client, ProposerOptions options)
    : env_(env), state_(state), replica_(replica), client_(client), options_(options) {}

Task<Result<pb::QueryAnswer>> QueryClient::query(pb::Query query, Instant deadline) {
  pb::QueryAnswer answer;
  PREDA_CO_CHECK(co_await query_into(std::move(query), deadline, answer));
  co_return std::move(answer);
}

Task<Result<void>> QueryClient::query_into(pb::Query query, Instant deadline,
                                           pb::QueryAnswer& answer) {
  query.set_version(kQueryVersion);
  const std::string request = query.SerializeAsString();
  Backoff backoff{env_, options_.retry_delay};
  Error last = make_error(ErrorCode::Unavailable, "no leader");
  while (env_.clock.now() < deadline) {
    const Instant try_until = std::min(deadline, env_.clock.now() + options_.attempt_timeout);
    auto bytes = co_await attempt(request, try_until);
    if (bytes) {
      if (!answer.ParseFromString(*bytes))
        co_return make_error(ErrorCode::Corruption, "an answer that cannot be read");
      auto checked = check_code(answer);
      if (checked) co_return Result<void>{};
      last = std::move(checked).error();
    } else {
      last = std::move(bytes).error();
    }
    if (!is_passing(last.code)) co_return last;
    if (!co_await backoff.wait(deadline)) break;
  }
  co_return make_error(ErrorCode::Unavailable, last.detail);
}

Task<Result<std::string>> QueryClient::query_here(std::string request, Instant deadline) {
  PREDA_CO_TRY([[maybe_unused]] const std::uint64_t index,
               co_await replica_.read_barrier(deadline));
  co_return co_await state_.query(std::move(request));
}

// From the own state, when there is one that keeps up; else from whoever leads.
Task<Result<std::string>> QueryClient::attempt(std::string request, Instant deadline) {
  const raft::ReplicaStatus status = replica_.status();
  const Instant now = env_.clock.now();
  const bool is_leader = status.role == raft::ReplicaRole::leader;
  if (is_leader || now >= local_again_at_) {
    const Instant local_until = is_leader ? deadline : std::min(deadline, now + kLocalTimeout);
    auto answer = co_await query_here(request, local_until);
    if (answer || is_leader || !is_passing(answer.error().code)) co_return std::move(answer);
    // Rather than have every read wait for a replica that lags.
    if (answer.error().code == ErrorCode::TimedOut)
      local_again_at_ = env_.clock.now() + kLocalPause;
  }
  co_return co_await ask_leader(std::move(request), deadline);
}

Task<Result<std::string>> QueryClient::ask_leader(std::string request, Instant deadline) {
  const std::optional<NodeId> leader = replica_.status().leader;
  if (!leader || *leader == options_.self || client_ == nullptr)
    co_return make_error(ErrorCode::Unavailable, "no leader is known");
  BufferChain body{Buffer::take(std::move(request))};
  PREDA_CO_TRY(Buffer answer,
               co_await client_->call(*leader, rpc::MessageType::query, std::move(body), deadline));
  co_return std::string{answer.text()};
}

}  // namespace predastore::meta
