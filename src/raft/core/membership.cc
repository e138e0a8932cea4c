#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "raft/core/core.h"

// Changes of members, one at a time (thesis, chapter 4), and snapshots in place of a log that is
// gone (chapter 5).
namespace predastore::raft {

// A configuration counts from when its entry is in the log, and no longer when it is not.
void Core::set_configuration(std::uint64_t index, Configuration configuration) {
  PREDA_ASSERT(index > configuration_index());
  configurations_.push_back({index, std::move(configuration)});
}

void Core::drop_configurations_from(std::uint64_t index) {
  while (configurations_.size() > 1 && configurations_.back().index >= index)
    configurations_.pop_back();
  // That of an empty log: nobody is known then.
  if (configurations_.back().index >= index) configurations_.back() = {};
}

const StoredConfiguration& Core::configuration_at(std::uint64_t index) const {
  PREDA_ASSERT(index >= log_.base_index());
  auto found = configurations_.rbegin();
  while (found->index > index && std::next(found) != configurations_.rend()) ++found;
  return *found;
}

// Leader: knows of every member but itself, and of nobody else.
void Core::add_missing_progress(Instant now) {
  std::erase_if(progress_,
                [this](const auto& item) { return configuration().find(item.first) == nullptr; });
  for (const Member& member : configuration().members) {
    if (member.id == options_.self || progress_.contains(member.id)) continue;
    Progress progress;
    progress.next = log_.last_index() + 1;
    progress.last_answer = now;
    progress.last_progress = now;
    progress_.emplace(member.id, progress);
  }
}

bool Core::is_heard(const Progress& progress, Instant now) const {
  return progress.has_answered && now - progress.last_answer <= options_.election_timeout;
}

Core::MemberProgress Core::progress_of(VoterId id, Instant now) const {
  if (id == options_.self) return {durable_index_, true, false};
  const auto found = progress_.find(id);
  if (found == progress_.end()) return {};
  return {found->second.match, is_heard(found->second, now), found->second.needs_snapshot};
}

Result<std::uint64_t> Core::change_members(const MemberChange& change, Instant now) {
  if (role_ != Role::leader) return make_error(ErrorCode::NotLeader);
  PREDA_TRY(Configuration next, changed(configuration(), change));
  PREDA_CHECK(check_change(change, next, now));
  std::string command = encode_configuration(next);
  set_configuration(log_.last_index() + 1, std::move(next));
  add_missing_progress(now);
  append_own(std::move(command), true);
  send_appends_to_all(now);
  return log_.last_index();
}

// Before an entry of its own term is committed a leader does not know which configuration is: one
// of an earlier term that it does not have may be, and two that are two steps apart need not share
// a voter (the bug in the published single-server changes).
Result<void> Core::check_change(const MemberChange& change, const Configuration& next,
                                Instant now) const {
  if (transfer_to_.has_value())
    return make_error(ErrorCode::Unavailable, "the leadership is being handed over");
  if (commit_index_ < term_start_index_)
    return make_error(ErrorCode::Unavailable, "nothing of the leader's term is committed yet");
  if (!is_configuration_committed())
    return make_error(ErrorCode::Unavailable, "another change of members is under way");
  if (change.kind == MemberChange::Kind::promote) {
    const Progress& learner = progress_.at(change.id);
    const std::uint64_t lag = log_.last_index() - std::min(learner.match, log_.last_index());
    if (!is_heard(learner, now))
      return make_error(ErrorCode::Unavailable, "the learner is not heard");
    if (lag > options_.append_entries_max)
      return make_error(ErrorCode::Unavailable,
                        "the learner lacks " + std::to_string(lag) + " entries");
  }
  std::size_t heard = 0;
  for (const Member& member : next.members) {
    if (!member.is_voter) continue;
    const auto found = progress_.find(member.id);
    heard +=
        member.id == options_.self || (found != progress_.end() && is_heard(found->second, now))
            ? 1
            : 0;
  }
  if (heard < next.majority())
    return make_error(ErrorCode::Unavailable,
                      "it would cost the majority: of the " + std::to_string(next.voter_count()) +
                          " voters that there would be, " + std::to_string(heard) +
                          " are heard, and " + std::to_string(next.majority()) + " are needed");
  return {};
}

// A leader that is no voter any more leads until that is committed (thesis, 4.2.2). Whoever has all
// of it may stand at once; the others would wait for their time-outs.
void Core::step_down_if_removed(Instant now) {
  if (role_ != Role::leader || !is_configuration_committed() || is_voter(options_.self)) return;
  send_heartbeats(now);
  for (const VoterId peer : other_voters()) {
    if (progress_.at(peer).match != log_.last_index()) continue;
    output_.messages.push_back(message_to(peer, MessageKind::timeout_now));
    break;
  }
  become_follower(hard_state_.term, std::nullopt, now);
}

// The leader's log begins after message.index. What it has let go is committed, and so is in every
// log that is as long.
void Core::receive_snapshot(const Message& message, Instant now) {
  if (!begin_leader_message(message, now)) return;
  const bool is_there = log_.term_at(message.index) == message.index_term;
  if (is_there) commit_to(message.index);
  if (message.index > commit_index_) {
    output_.needed_snapshot = NeededSnapshot{message.from, message.index};
    return;
  }
  // What is committed is the leader's log as well.
  verified_index_ = std::max(verified_index_, commit_index_);
  answer_append();
}

bool Core::install(const Snapshot& snapshot, Instant now) {
  PREDA_ASSERT(snapshot.configuration.index <= snapshot.index);
  if (snapshot.index <= commit_index_ || role_ == Role::leader) return false;
  if (log_.term_at(snapshot.index) != snapshot.term) {
    log_ = TermLog(snapshot.index, snapshot.term);
    output_.entries.clear();
    output_.reset = LogReset{snapshot.index, snapshot.term};
    for (PendingSave& save : saves_) save.last_index = 0;
    durable_index_ = 0;  // until the reset is
    configurations_.clear();
    configurations_.push_back(snapshot.configuration);
    if (snapshot.term > hard_state_.term) become_follower(snapshot.term, std::nullopt, now);
  }
  commit_to(snapshot.index);
  if (role_ != Role::follower) become_follower(hard_state_.term, std::nullopt, now);
  verified_index_ = std::max(verified_index_, snapshot.index);
  answer_append();
  return true;
}

}  // namespace predastore::raft
