#include "node/member_messages.h"

#include "base/codec.h"

namespace predastore::node {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMemberBytes = 8 + 8 + 1 + 8;

Error nonsense(const char* what) {
  return make_error(ErrorCode::Corruption, std::string("a message about members with ") + what);
}

std::uint8_t bit(bool value, int position) {
  return static_cast<std::uint8_t>((value ? 1 : 0) << position);
}

Result<void> check_version(Decoder& in) {
  const auto version = in.le<std::uint8_t>();
  if (in.ok() && version != kVersion)
    return make_error(ErrorCode::Unsupported, "a message about members of another version");
  return {};
}

}  // namespace

// version u8 | kind u8 | group u64 | replica u64 | node u64 | change u8
std::string encode_member_request(const MemberRequest& request) {
  Encoder out;
  out.le(kVersion).le(static_cast<std::uint8_t>(request.kind)).le(request.group);
  out.le(request.replica.value()).le(request.node.value());
  out.le(static_cast<std::uint8_t>(request.change));
  return std::move(out).take();
}

Result<MemberRequest> decode_member_request(ByteSpan bytes) {
  Decoder in(bytes);
  PREDA_CHECK(check_version(in));
  const auto kind = in.le<std::uint8_t>();
  MemberRequest request;
  request.group = in.le<std::uint64_t>();
  request.replica = raft::VoterId{in.le<std::uint64_t>()};
  request.node = NodeId{in.le<std::uint64_t>()};
  const auto change = in.le<std::uint8_t>();
  if (!in.finished()) return nonsense("another length than it says");
  if (kind < static_cast<std::uint8_t>(MemberRequestKind::state) ||
      kind > static_cast<std::uint8_t>(MemberRequestKind::transfer))
    return nonsense("an unknown kind");
  if (change > static_cast<std::uint8_t>(raft::MemberChange::Kind::remove))
    return nonsense("an unknown change");
  request.kind = static_cast<MemberRequestKind>(kind);
  request.change = static_cast<raft::MemberChange::Kind>(change);
  return request;
}

// version u8 | flags u8 (1 replica, 2 new, 4 first, 8 leader) | group u64 | replica u64 | term u64
std::string encode_member_state(const MemberState& state) {
  Encoder out;
  out.le(kVersion);
  out.le(static_cast<std::uint8_t>(bit(state.has_replica, 0) | bit(state.is_new, 1) |
                                   bit(state.is_first, 2) | bit(state.is_leader, 3)));
  out.le(state.group).le(state.replica.value()).le(state.term);
  return std::move(out).take();
}

Result<MemberState> decode_member_state(ByteSpan bytes) {
  Decoder in(bytes);
  PREDA_CHECK(check_version(in));
  const auto flags = in.le<std::uint8_t>();
  MemberState state;
  state.has_replica = (flags & 1) != 0;
  state.is_new = (flags & 2) != 0;
  state.is_first = (flags & 4) != 0;
  state.is_leader = (flags & 8) != 0;
  state.group = in.le<std::uint64_t>();
  state.replica = raft::VoterId{in.le<std::uint64_t>()};
  state.term = in.le<std::uint64_t>();
  if (!in.finished() || flags > 15) return nonsense("another length than it says");
  return state;
}

// version u8 | group u64 | leader's replica u64 | last index u64 | count u32 | members, each:
// replica u64 | node u64 | flags u8 (1 votes, 2 heard, 4 needs a snapshot) | stored index u64
std::string encode_group_status(const raft::GroupStatus& group) {
  Encoder out;
  out.le(kVersion).le(group.group).le(group.self.value()).le(group.last_index);
  out.le(static_cast<std::uint32_t>(group.members.size()));
  for (const raft::MemberStatus& each : group.members) {
    out.le(each.member.id.value()).le(each.member.node.value());
    out.le(static_cast<std::uint8_t>(bit(each.member.is_voter, 0) | bit(each.is_heard, 1) |
                                     bit(each.needs_snapshot, 2)));
    out.le(each.stored_index);
  }
  return std::move(out).take();
}

Result<raft::GroupStatus> decode_group_status(ByteSpan bytes) {
  Decoder in(bytes);
  PREDA_CHECK(check_version(in));
  raft::GroupStatus group;
  group.group = in.le<std::uint64_t>();
  group.self = raft::VoterId{in.le<std::uint64_t>()};
  group.last_index = in.le<std::uint64_t>();
  const auto count = in.le<std::uint32_t>();
  if (!in.ok() || count > raft::kMembersMax || in.remaining() != count * kMemberBytes)
    return nonsense("another length than it says");
  for (std::uint32_t i = 0; i < count; ++i) {
    raft::MemberStatus each;
    each.member.id = raft::VoterId{in.le<std::uint64_t>()};
    each.member.node = NodeId{in.le<std::uint64_t>()};
    const auto flags = in.le<std::uint8_t>();
    if (flags > 7) return nonsense("an unknown flag");
    each.member.is_voter = (flags & 1) != 0;
    each.is_heard = (flags & 2) != 0;
    each.needs_snapshot = (flags & 4) != 0;
    each.stored_index = in.le<std::uint64_t>();
    group.members.push_back(each);
  }
  return group;
}

}  // namespace predastore::node
