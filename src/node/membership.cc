#include "node/membership.h"

namespace predastore::node {

Task<Result<admin::GroupReport>> NodeMembership::group(Instant deadline) {
  PREDA_CO_TRY(const raft::GroupStatus found, co_await replica_.list(deadline));
  admin::GroupReport report;
  report.group = found.group;
  report.last_index = found.last_index;
  for (const raft::MemberStatus& each : found.members) {
    admin::MemberReport member;
    member.replica = each.member.id.value();
    member.node = each.member.node;
    member.is_voter = each.member.is_voter;
    member.is_leader = each.member.id == found.self;
    member.is_heard = each.is_heard;
    member.needs_snapshot = each.needs_snapshot;
    member.stored_index = each.stored_index;
    report.members.push_back(member);
  }
  co_return report;
}

Task<Result<void>> NodeMembership::change(admin::MemberVerb verb, NodeId node, Instant deadline) {
  using Kind = raft::MemberChange::Kind;
  switch (verb) {
    case admin::MemberVerb::add:
      co_return co_await replica_.change_node(Kind::add_learner, node, deadline);
    case admin::MemberVerb::promote:
      co_return co_await replica_.change_node(Kind::promote, node, deadline);
    case admin::MemberVerb::demote:
      co_return co_await replica_.change_node(Kind::demote, node, deadline);
    case admin::MemberVerb::remove:
      co_return co_await replica_.change_node(Kind::remove, node, deadline);
    case admin::MemberVerb::transfer: break;
  }
  co_return co_await replica_.lead_from(node, deadline);
}

}  // namespace predastore::node
