#include "raft/testing/core_inspector.h"

#include <algorithm>

#include "raft/message_codec.h"

namespace predastore::raft {

using testing::kFrozen;

void CoreInspector::freeze(Core& core) {
  core.random_state_ = 1;
  core.leader_heard_.reset();
  core.election_deadline_ = kNever;
  core.next_heartbeat_ = kNever;
  core.quorum_checked_ = kFrozen;
  core.transfer_until_ = kNever;
  for (auto& [peer, progress] : core.progress_) {
    progress.last_answer = kFrozen;
    progress.last_progress = kFrozen;
  }
}

void CoreInspector::expire_election(Core& core) { core.election_deadline_ = kFrozen; }
void CoreInspector::expire_heartbeat(Core& core) { core.next_heartbeat_ = kFrozen; }
void CoreInspector::expire_quorum(Core& core) {
  core.quorum_checked_ = Instant{};
  for (auto& [peer, progress] : core.progress_) progress.last_answer = Instant{};
}

void CoreInspector::describe(const Core& core, std::string& out) {
  const auto add = [&out](std::uint64_t number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  const auto add_node = [&](const std::optional<VoterId>& node) {
    add(node.has_value() ? node->value() + 1 : 0);
  };
  add(core.hard_state_.term);
  add_node(core.hard_state_.vote);
  add(core.log_.last_index());
  add(core.log_.base_index());
  for (std::uint64_t i = core.log_.base_index() + 1; i <= core.log_.last_index(); ++i)
    add(core.log_.term_at(i).value());
  for (const StoredConfiguration& stored : core.configurations_) {
    add(stored.index);
    out += encode_configuration(stored.configuration);
  }
  add(core.commit_index_);
  add(core.durable_index_);
  add(core.durable_term_);
  add(static_cast<std::uint64_t>(core.role_));
  add_node(core.leader_);
  for (const auto& [node, is_granted] : core.votes_) add(node.value() * 2 + (is_granted ? 1 : 0));
  for (const auto& [node, progress] : core.progress_) {
    add(node.value());
    add(progress.match);
    add(progress.next);
    add((progress.is_probing ? 2u : 0u) + (progress.has_probe_in_flight ? 1u : 0u) +
        (progress.has_answered ? 4u : 0u) + (progress.needs_snapshot ? 8u : 0u));
    add(progress.probe_last);
    add(progress.in_flight.size());
    for (const std::uint64_t last : progress.in_flight) add(last);
    add(progress.round);
  }
  add_node(core.transfer_to_);
  add(core.stored_everywhere_);
  add(core.verified_index_);
  add(core.told_commit_);
  add(core.round_);
  for (const auto& read : core.reads_) {
    add(read.id);
    add(read.index);
    add(read.round);
  }
  add(core.term_start_index_);
  // The numbers of saves only grow; what matters is what waits for them.
  for (const auto& save : core.saves_) {
    add(save.last_index);
    add(save.term);
    for (const Message& message : save.messages) out += encode_message(message);
  }
}

namespace testing {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}
}  // namespace

void feed(Hash128& hash, std::uint64_t number) {
  hash.a = mix(hash.a ^ number) + 0x9e3779b97f4a7c15ull;
  hash.b = mix(hash.b + number * 0xbf58476d1ce4e5b9ull) ^ (hash.a >> 7);
}
Hash128 hash_of(const std::string& bytes) {
  Hash128 hash;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t number = 0;
    std::copy_n(bytes.data() + at, 8, reinterpret_cast<char*>(&number));
    feed(hash, number);
  }
  std::uint64_t rest = 0;
  std::copy_n(bytes.data() + at, bytes.size() - at, reinterpret_cast<char*>(&rest));
  feed(hash, rest);
  feed(hash, bytes.size());
  return hash;
}

}  // namespace testing
}  // namespace predastore::raft
