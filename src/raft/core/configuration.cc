#include "raft/core/configuration.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace predastore::raft {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMemberBytes = 8 + 8 + 1;

Error nonsense(const char* what) {
  return make_error(ErrorCode::Corruption, std::string("a raft configuration with ") + what);
}

std::string name_of(VoterId id) { return "replica " + std::to_string(id.value()); }

}  // namespace

const Member* Configuration::find(VoterId id) const {
  const auto found = std::ranges::lower_bound(members, id, {}, &Member::id);
  return found != members.end() && found->id == id ? &*found : nullptr;
}

bool Configuration::is_voter(VoterId id) const {
  const Member* member = find(id);
  return member != nullptr && member->is_voter;
}

std::size_t Configuration::voter_count() const {
  return static_cast<std::size_t>(std::ranges::count(members, true, &Member::is_voter));
}

Configuration configuration_of(std::vector<Member> members) {
  std::ranges::sort(members, {}, &Member::id);
  return {std::move(members)};
}

// version u8 | member count u32 | members, each: id u64 | node u64 | is_voter u8
std::string encode_configuration(const Configuration& configuration) {
  Encoder out;
  out.le(kVersion).le(static_cast<std::uint32_t>(configuration.members.size()));
  for (const Member& member : configuration.members) {
    out.le(member.id.value()).le(member.node.value());
    out.le(static_cast<std::uint8_t>(member.is_voter ? 1 : 0));
  }
  return std::move(out).take();
}

Result<Configuration> decode_configuration(ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto version = decoder.le<std::uint8_t>();
  const auto count = decoder.le<std::uint32_t>();
  if (!decoder.ok() || version != kVersion) return nonsense("a broken head");
  if (count > kMembersMax || count != decoder.remaining() / kMemberBytes)
    return nonsense("another length than it says");
  Configuration configuration;
  for (std::uint32_t i = 0; i < count; ++i) {
    Member member;
    member.id = VoterId{decoder.le<std::uint64_t>()};
    member.node = NodeId{decoder.le<std::uint64_t>()};
    const auto is_voter = decoder.le<std::uint8_t>();
    if (is_voter > 1) return nonsense("a member of an unknown kind");
    member.is_voter = is_voter == 1;
    if (i > 0 && member.id <= configuration.members.back().id)
      return nonsense("members out of order");
    configuration.members.push_back(member);
  }
  if (!decoder.finished()) return nonsense("another length than it says");
  if (configuration.voter_count() == 0) return nonsense("nobody to vote");
  return configuration;
}

Result<Configuration> changed(const Configuration& configuration, const MemberChange& change) {
  Configuration next = configuration;
  const auto found = std::ranges::find(next.members, change.id, &Member::id);
  const bool is_there = found != next.members.end();
  if (change.kind == MemberChange::Kind::add_learner) {
    if (is_there)
      return make_error(ErrorCode::InvalidArgument, name_of(change.id) + " is a member already");
    if (next.members.size() >= kMembersMax)
      return make_error(ErrorCode::InvalidArgument, "the group has as many members as it may");
    next.members.push_back({change.id, change.node, false});
    return configuration_of(std::move(next.members));
  }
  if (!is_there)
    return make_error(ErrorCode::InvalidArgument, name_of(change.id) + " is no member");
  if (change.kind == MemberChange::Kind::remove) {
    next.members.erase(found);
  } else {
    const bool is_promotion = change.kind == MemberChange::Kind::promote;
    if (found->is_voter == is_promotion)
      return make_error(ErrorCode::InvalidArgument,
                        name_of(change.id) + (is_promotion ? " votes already" : " does not vote"));
    found->is_voter = is_promotion;
  }
  if (next.voter_count() == 0)
    return make_error(ErrorCode::InvalidArgument, "nobody would be left to vote");
  return next;
}

}  // namespace predastore::raft
