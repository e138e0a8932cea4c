#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/growth_request.h"
#include "env/environment.h"
#include "meta/growth.h"

namespace predastore::admin {

// The replicas of the metadata as their leader sees them.
struct MemberReport {
  std::uint64_t replica = 0;
  NodeId node;
  bool is_voter = false;
  bool is_leader = false;
  bool is_heard = false;
  bool needs_snapshot = false;
  std::uint64_t stored_index = 0;
};
struct GroupReport {
  std::uint64_t group = 0;
  std::uint64_t last_index = 0;
  std::vector<MemberReport> members;
};

enum class MemberVerb : std::uint8_t { add, promote, demote, remove, transfer };

// Who has replicas of the metadata, through whichever node leads. Each change is done and committed
// when it returns, or refused with the reason.
class Membership {
 public:
  virtual ~Membership() = default;
  virtual Task<Result<GroupReport>> group(Instant deadline) = 0;
  virtual Task<Result<void>> change(MemberVerb verb, NodeId node, Instant deadline) = 0;
};

// Settings of the metadata, one for each node whose replica is to vote when it has caught up; the
// leader sees to it (node/promotions.h).
inline constexpr const char* kPromotions = "meta/promote/";
std::string promotion_of(NodeId node);

// /v1/meta of the administration. Used on one loop.
class MemberApi {
 public:
  // All outlive this.
  MemberApi(Environment env, Membership& membership, meta::Growth& growth)
      : env_(env), membership_(membership), growth_(growth) {}

  Task<Result<std::string>> answer(GrowthRequest request);  // JSON

 private:
  Task<Result<std::string>> list();
  Task<Result<std::string>> change(MemberVerb verb, std::string name);
  Instant deadline() const;

  Environment env_;
  Membership& membership_;
  meta::Growth& growth_;
};

}  // namespace predastore::admin
