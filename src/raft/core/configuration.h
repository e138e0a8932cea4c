#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/strong.h"
#include "model/ids.h"

namespace predastore::raft {

// A replica's identity in its group: random, made with its log and its vote and lost with them, so
// that whoever comes back without them is another one.
using VoterId = Strong<std::uint64_t, struct VoterIdTag>;

struct Member {
  VoterId id;
  NodeId node;           // where it runs
  bool is_voter = true;  // else a learner: gets the log, counts for nothing
  friend bool operator==(const Member&, const Member&) = default;
};

inline constexpr std::size_t kMembersMax = 32;

// Who belongs to the group. It takes effect when its entry is appended, not when it is committed.
struct Configuration {
  std::vector<Member> members;  // ordered by id, no id twice

  const Member* find(VoterId id) const;
  bool is_voter(VoterId id) const;
  std::size_t voter_count() const;
  std::size_t majority() const { return voter_count() / 2 + 1; }
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

Configuration configuration_of(std::vector<Member> members);

// The command of an entry that changes the configuration.
std::string encode_configuration(const Configuration& configuration);
// Corruption: not the configuration of any group: nobody in it, no voter, an id twice.
Result<Configuration> decode_configuration(ByteSpan bytes);

struct StoredConfiguration {
  std::uint64_t index = 0;  // of its entry
  Configuration configuration;
  friend bool operator==(const StoredConfiguration&, const StoredConfiguration&) = default;
};

struct MemberChange {
  enum class Kind : std::uint8_t { add_learner, promote, demote, remove };
  Kind kind = Kind::add_learner;
  VoterId id;
  NodeId node;  // add_learner
};

// InvalidArgument: there is nothing to change, or nobody would be left to vote.
Result<Configuration> changed(const Configuration& configuration, const MemberChange& change);

}  // namespace predastore::raft
