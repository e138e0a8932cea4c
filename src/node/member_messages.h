#pragma once

#include <string>

#include "raft/replica.h"

namespace predastore::node {

// What nodes tell each other about who belongs to the raft group: requests and answers of
// rpc::MessageType::members (docs/formats/raft_messages.md). Decoders give Corruption for what
// their encoder does not make, Unsupported for another version.

enum class MemberRequestKind : std::uint8_t {
  state = 1,  // which replica is there: answered by every node, for those that have none yet
  prepare,    // to a node that is to become a member: which replica it has; it makes one
  join,       // to the leader, by a replica that does not vote: the asker's node is not who it was
  change,     // to the leader: one change of members, by node
  list,       // to the leader
  transfer,   // to the leader: another node is to lead
};
struct MemberRequest {
  MemberRequestKind kind = MemberRequestKind::state;
  std::uint64_t group = 0;  // prepare, join
  raft::VoterId replica;    // join
  NodeId node;              // change, transfer
  raft::MemberChange::Kind change = raft::MemberChange::Kind::add_learner;
  friend bool operator==(const MemberRequest&, const MemberRequest&) = default;
};
std::string encode_member_request(const MemberRequest& request);
Result<MemberRequest> decode_member_request(ByteSpan bytes);

// The answer to `state` and `prepare`.
struct MemberState {
  bool has_replica = false;
  bool is_new = false;  // no replica, and nothing that tells of an earlier one
  bool is_first = false;
  bool is_leader = false;
  std::uint64_t group = 0;
  raft::VoterId replica;
  std::uint64_t term = 0;
  friend bool operator==(const MemberState&, const MemberState&) = default;
};
std::string encode_member_state(const MemberState& state);
Result<MemberState> decode_member_state(ByteSpan bytes);

// The answer to `list`.
std::string encode_group_status(const raft::GroupStatus& group);
Result<raft::GroupStatus> decode_group_status(ByteSpan bytes);

}  // namespace predastore::node
