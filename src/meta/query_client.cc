#include "meta/query_client.h"

namespace predastore::meta {
namespace {

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
  query.set_version(kQueryVersion);
  const std::string request = query.SerializeAsString();
  Backoff backoff{env_, options_.retry_delay};
  Error last = make_error(ErrorCode::Unavailable, "no leader");
  while (env_.clock.now() < deadline) {
    const Instant try_until = std::min(deadline, env_.clock.now() + options_.attempt_timeout);
    auto bytes = co_await attempt(request, try_until);
    if (bytes) {
      pb::QueryAnswer answer;
      if (!answer.ParseFromString(*bytes))
        co_return make_error(ErrorCode::Corruption, "an answer that cannot be read");
      auto checked = check_code(answer);
      if (checked) co_return std::move(answer);
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

Task<Result<std::string>> QueryClient::attempt(std::string request, Instant deadline) {
  const raft::ReplicaStatus status = replica_.status();
  if (status.role == raft::ReplicaRole::leader)
    co_return co_await query_here(std::move(request), deadline);
  if (!status.leader || *status.leader == options_.self || client_ == nullptr)
    co_return make_error(ErrorCode::Unavailable, "no leader is known");
  BufferChain body{Buffer::take(std::move(request))};
  PREDA_CO_TRY(Buffer answer, co_await client_->call(*status.leader, rpc::MessageType::query,
                                                     std::move(body), deadline));
  co_return std::string{answer.text()};
}

}  // namespace predastore::meta
