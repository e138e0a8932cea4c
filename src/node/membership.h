#pragma once

#include "admin/member_api.h"
#include "node/member_replica.h"

namespace predastore::node {

// The administration's view of MemberReplica.
class NodeMembership final : public admin::Membership {
 public:
  explicit NodeMembership(MemberReplica& replica) : replica_(replica) {}
  Task<Result<admin::GroupReport>> group(Instant deadline) override;
  Task<Result<void>> change(admin::MemberVerb verb, NodeId node, Instant deadline) override;

 private:
  MemberReplica& replica_;
};

}  // namespace predastore::node
