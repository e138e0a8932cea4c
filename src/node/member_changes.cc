#include <algorithm>

#include "node/member_replica.h"
#include "telemetry/log.h"

namespace predastore::node {
namespace {

using Kind = raft::MemberChange::Kind;

std::vector<raft::MemberStatus> replicas_of(const raft::GroupStatus& group, NodeId node) {
  std::vector<raft::MemberStatus> found;
  for (const raft::MemberStatus& each : group.members) {
    if (each.member.node == node) found.push_back(each);
  }
  // Those that do not vote first: taking them out costs nothing.
  std::ranges::stable_sort(found, {},
                           [](const raft::MemberStatus& each) { return each.member.is_voter; });
  return found;
}

}  // namespace

Task<void> MemberReplica::serve(rpc::Call call) {
  const Instant deadline = std::min(call.deadline(), env_.clock.now() + 60s);
  const auto request = decode_member_request(call.body());
  Result<std::string> answered =
      request ? Result<std::string>{std::string{}} : Result<std::string>{request.error()};
  if (request) answered = co_await answer(*request, call.peer(), deadline);
  if (answered) {
    BufferChain body{Buffer::take(*std::move(answered))};
    co_await call.answer(std::move(body));
  } else {
    co_await call.answer(std::move(answered).error());
  }
}

Task<Result<std::string>> MemberReplica::answer(MemberRequest request, NodeId peer,
                                                Instant deadline) {
  switch (request.kind) {
    case MemberRequestKind::state: break;
    case MemberRequestKind::prepare: {
      PREDA_CO_CHECK(co_await prepare(request.group));
      break;
    }
    case MemberRequestKind::list: {
      // Only the leader knows how far the others are; and it may not know yet that it is none.
      if (!leads()) co_return make_error(ErrorCode::NotLeader, "this node does not lead");
      PREDA_CO_TRY([[maybe_unused]] const std::uint64_t index, co_await read_barrier(deadline));
      if (!leads()) co_return make_error(ErrorCode::NotLeader, "this node does not lead");
      co_return encode_group_status(group());
    }
    case MemberRequestKind::join: {
      if (group().group != request.group)
        co_return make_error(ErrorCode::Conflict, "a replica of another group");
      PREDA_CO_TRY(const bool is_settled, co_await take_place(request.replica, peer, deadline));
      co_return std::string(1, is_settled ? kSettled : '\0');
    }
    case MemberRequestKind::change: {
      PREDA_CO_CHECK(co_await change_here(request.change, request.node, deadline));
      co_return std::string{};
    }
    case MemberRequestKind::transfer: {
      PREDA_CO_CHECK(co_await transfer_leadership(request.node, deadline));
      co_return std::string{};
    }
  }
  co_return encode_member_state(state());
}

MemberState MemberReplica::state() const {
  MemberState state;
  state.is_new = is_new();
  if (inner_ == nullptr) return state;
  const raft::ReplicaStatus status = inner_->status();
  state.has_replica = true;
  state.is_first = !identity_->first.empty();
  state.is_leader = status.role == raft::ReplicaRole::leader;
  state.group = identity_->group;
  state.replica = identity_->id;
  state.term = status.term;
  return state;
}

Task<Result<void>> MemberReplica::prepare(std::uint64_t group) {
  if (inner_ == nullptr) {
    PREDA_CO_CHECK(co_await become_another(group));
  }
  if (identity_->group != group)
    co_return make_error(ErrorCode::Conflict, "the node has a replica of another group");
  co_return Result<void>{};
}

// One step each time it is asked, and true when there was none left: the new one learns; it votes
// when it has caught up, if the old one did; the old one, which nobody is any more, goes. What
// there is to do is in the configuration at every moment, so that the next leader goes on.
Task<Result<bool>> MemberReplica::take_place(raft::VoterId replica, NodeId node, Instant deadline) {
  if (!leads()) co_return make_error(ErrorCode::NotLeader, "this node does not lead");
  if (is_changing_) co_return make_error(ErrorCode::Unavailable, "another change is under way");
  const std::vector<raft::MemberStatus> replicas = replicas_of(group(), node);
  const auto own = std::ranges::find(replicas, replica,
                                     [](const raft::MemberStatus& each) { return each.member.id; });
  const bool is_member = own != replicas.end();
  const bool others_vote = std::ranges::any_of(replicas, [&](const raft::MemberStatus& each) {
    return each.member.id != replica && each.member.is_voter;
  });
  raft::MemberChange change;
  change.id = replica;
  change.node = node;
  if (!is_member && replicas.empty())
    co_return make_error(ErrorCode::NotFound, "the node is no member of the group");
  if (!is_member) {
    change.kind = Kind::add_learner;
  } else if (!own->member.is_voter && others_vote) {
    change.kind = Kind::promote;
  } else if (replicas.size() > 1) {
    change.kind = Kind::remove;
    change.id = replicas.front().member.id == replica ? replicas.back().member.id
                                                      : replicas.front().member.id;
  } else {
    co_return true;
  }
  is_changing_ = true;
  const auto changed = co_await change_members(change, deadline);
  is_changing_ = false;
  if (!changed) co_return changed.error();
  telemetry::log_info("a replica takes the place of the one that its node has lost",
                      {{"node", node.value()}, {"replica", replica.value()}});
  co_return false;
}

Task<Result<void>> MemberReplica::change_here(Kind kind, NodeId node, Instant deadline) {
  if (!leads()) co_return make_error(ErrorCode::NotLeader, "this node does not lead");
  if (is_changing_) co_return make_error(ErrorCode::Unavailable, "another change is under way");
  is_changing_ = true;
  Result<void> changed;
  if (kind == Kind::add_learner) {
    changed = co_await add_here(node, deadline);
  } else {
    const std::vector<raft::MemberStatus> replicas = replicas_of(group(), node);
    if (replicas.empty())
      changed = make_error(ErrorCode::NotFound, "the node has no replica in the group");
    for (const raft::MemberStatus& each : replicas) {
      if (!changed) break;
      const bool is_meant = kind == Kind::remove ||
                            each.member.is_voter == (kind == Kind::demote) || replicas.size() == 1;
      if (!is_meant) continue;
      changed = co_await change_members({kind, each.member.id, node}, deadline);
      if (kind == Kind::promote) break;
    }
  }
  is_changing_ = false;
  co_return changed;
}

Task<Result<void>> MemberReplica::add_here(NodeId node, Instant deadline) {
  if (!replicas_of(group(), node).empty())
    co_return make_error(ErrorCode::AlreadyExists, "the node has a replica in the group already");
  MemberRequest request;
  request.kind = MemberRequestKind::prepare;
  request.group = group().group;
  PREDA_CO_TRY(const Buffer bytes, co_await ask(node, request, deadline));
  PREDA_CO_TRY(const MemberState prepared, decode_member_state(bytes));
  if (!prepared.has_replica || prepared.group != request.group)
    co_return make_error(ErrorCode::Unavailable, "the node could not make a replica");
  co_return co_await change_members({Kind::add_learner, prepared.replica, node}, deadline);
}

Task<Result<Buffer>> MemberReplica::ask(NodeId node, MemberRequest request, Instant deadline) {
  BufferChain body{Buffer::take(encode_member_request(request))};
  co_return co_await client_.call(node, rpc::MessageType::members, std::move(body), deadline);
}

Task<Result<Buffer>> MemberReplica::ask_leader(MemberRequest request, Instant deadline) {
  if (leads()) {
    PREDA_CO_TRY(std::string answered, co_await answer(request, options_.self, deadline));
    co_return Buffer::take(std::move(answered));
  }
  const auto leader = status().leader;
  if (!leader) co_return make_error(ErrorCode::Unavailable, "no leader is known");
  co_return co_await ask(*leader, request, deadline);
}

Task<Result<raft::GroupStatus>> MemberReplica::list(Instant deadline) {
  MemberRequest request;
  request.kind = MemberRequestKind::list;
  PREDA_CO_TRY(const Buffer bytes, co_await ask_leader(request, deadline));
  co_return decode_group_status(bytes);
}

Task<Result<void>> MemberReplica::change_node(Kind kind, NodeId node, Instant deadline) {
  MemberRequest request;
  request.kind = MemberRequestKind::change;
  request.change = kind;
  request.node = node;
  PREDA_CO_TRY([[maybe_unused]] const Buffer bytes, co_await ask_leader(request, deadline));
  co_return Result<void>{};
}

Task<Result<void>> MemberReplica::lead_from(NodeId node, Instant deadline) {
  MemberRequest request;
  request.kind = MemberRequestKind::transfer;
  request.node = node;
  PREDA_CO_TRY([[maybe_unused]] const Buffer bytes, co_await ask_leader(request, deadline));
  co_return Result<void>{};
}

}  // namespace predastore::node
