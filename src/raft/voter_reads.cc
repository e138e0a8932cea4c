#include <algorithm>
#include <utility>

#include "raft/voter.h"

namespace predastore::raft {

void Voter::resolve_reads() {
  const Error error = make_error(ErrorCode::Unavailable, "the replica is stopping");
  for (auto& [id, read] : reads_) read->resolve(error);
  reads_.clear();
  for (auto* waiting : {&reads_to_ask_, &reads_asked_}) {
    for (const auto& read : *waiting) read->resolve(error);
    waiting->clear();
  }
  if (question_ != nullptr) question_->reset();
}

Task<Result<std::uint64_t>> Voter::read_barrier(Instant deadline) {
  if (is_stopping_) co_return make_error(ErrorCode::Unavailable, "the replica is stopped");
  if (std::max(read_count_, reads_.size()) >= options_.pending_max)
    co_return make_error(ErrorCode::Unavailable, "too many reads are waiting");
  ++calls_;
  ++read_count_;
  const auto pending = std::make_shared<Pending<std::uint64_t>>(env_.clock);
  if (core_.role() == ReplicaRole::leader) {
    const std::uint64_t id = ++last_read_id_;
    reads_[id] = pending;
    (void)core_.read(id, env_.clock.now());
    pump();
  } else {
    reads_to_ask_.push_back(pending);
    read_queued_.notify_all();
  }
  bool is_in_time = true;
  while (!pending->result.has_value() && is_in_time)
    is_in_time = co_await pending->changed.wait_until(deadline);
  pending->resolve(make_error(ErrorCode::TimedOut, "the leader was not confirmed in time"));
  Result<std::uint64_t> index = *pending->result;
  while (index.has_value() && applied_ < *index && !is_stopping_ && is_in_time)
    is_in_time = co_await applied_changed_.wait_until(deadline);
  --read_count_;
  if (--calls_ == 0) idle_.notify_all();
  if (index.has_value() && applied_ < *index)
    co_return make_error(is_stopping_ ? ErrorCode::Unavailable : ErrorCode::TimedOut,
                         "not applied in time");
  co_return index;
}

// One question at a time, for all that waited when it was sent: the leader's answer holds for
// whoever came before it was asked. Those that come meanwhile are of the next one.
Task<void> Voter::read_loop() {
  while (!is_stopping_) {
    std::erase_if(reads_to_ask_, [](const auto& read) { return read->result.has_value(); });
    if (reads_to_ask_.empty()) {
      co_await read_queued_.wait();
      continue;
    }
    reads_asked_ = std::exchange(reads_to_ask_, {});
    const Instant ask_until = env_.clock.now() + options_.election_timeout;
    const auto point = co_await find_read_point(ask_until);
    if (is_stopping_) break;
    if (point.has_value()) {
      core_.learn_commit(point->term, point->index);
      pump();
      for (const auto& read : reads_asked_) read->resolve(point->index);
      reads_asked_.clear();
      continue;
    }
    // They may as well be asked for later, and by another leader.
    reads_to_ask_.insert(reads_to_ask_.begin(), reads_asked_.begin(), reads_asked_.end());
    reads_asked_.clear();
    const Instant again_at = env_.clock.now() + options_.heartbeat_interval / 2;
    (void)co_await role_changed_.wait_until(again_at);
  }
}

Task<Result<ReadPoint>> Voter::find_read_point(Instant deadline) {
  if (core_.role() == ReplicaRole::leader) co_return co_await own_read_point(deadline);
  const std::optional<NodeId> leader = status().leader;
  if (!leader.has_value()) co_return make_error(ErrorCode::Unavailable, "no leader is known");
  co_return co_await ask_for_read_point(*leader, deadline);
}

// NotLeader when it does not lead, or ceases to before a majority has confirmed that it does.
Task<Result<ReadPoint>> Voter::own_read_point(Instant deadline) {
  const std::uint64_t id = ++last_read_id_;
  const std::uint64_t term = core_.term();
  if (!core_.read(id, env_.clock.now())) co_return make_error(ErrorCode::NotLeader);
  const auto pending = std::make_shared<Pending<std::uint64_t>>(env_.clock);
  reads_[id] = pending;
  pump();
  bool is_in_time = true;
  while (!pending->result.has_value() && is_in_time)
    is_in_time = co_await pending->changed.wait_until(deadline);
  if (!pending->result.has_value())
    co_return make_error(ErrorCode::TimedOut, "the leader was not confirmed in time");
  if (!pending->result->has_value()) co_return pending->result->error();
  co_return ReadPoint{term, pending->result->value()};
}

Task<Result<ReadPoint>> Voter::ask_for_read_point(NodeId leader, Instant deadline) {
  BufferChain head{encode_stream_head(options_.group)};
  PREDA_CO_TRY(auto stream, co_await client_.begin(leader, rpc::MessageType::read_index,
                                                   std::move(head), deadline, net::Lane::raft));
  if (is_stopping_) co_return make_error(ErrorCode::Cancelled);
  question_ = stream.get();
  Result<Buffer> answer = make_error(ErrorCode::Cancelled);
  const auto finished = co_await stream->finish();
  if (finished.has_value()) answer = co_await rpc::read_answer(*stream, deadline);
  question_ = nullptr;
  if (!finished.has_value()) co_return finished.error();
  if (!answer.has_value()) co_return std::move(answer).error();
  co_return decode_read_point(*answer);
}

Task<void> Voter::answer_read_point(rpc::Call call) {
  if (is_stopping_) co_return;
  ++calls_;
  const Instant until = std::min(call.deadline(), env_.clock.now() + options_.election_timeout);
  const auto group = decode_stream_head(call.body());
  Result<ReadPoint> point = make_error(ErrorCode::Unavailable, "too many reads are waiting");
  if (!group || *group != options_.group) {
    // A node may have been given to another group since; what it knows is no point of this one.
    point = make_error(ErrorCode::Conflict, "a read of another group");
  } else if (reads_.size() < options_.pending_max) {
    point = co_await own_read_point(until);
  }
  if (point.has_value()) {
    BufferChain body{Buffer::take(encode_read_point(*point))};
    call.set_deadline(until);
    co_await call.answer(std::move(body));
  } else {
    co_await call.answer(std::move(point).error());
  }
  if (--calls_ == 0) idle_.notify_all();
}

}  // namespace predastore::raft
