#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "raft/core/core.h"

namespace predastore::raft {

std::optional<std::uint64_t> Core::propose(std::string command, Instant now) {
  std::vector<std::string> commands;
  commands.push_back(std::move(command));
  return propose(std::move(commands), now);
}

std::optional<std::uint64_t> Core::propose(std::vector<std::string> commands, Instant now) {
  if (role_ != Role::leader || transfer_to_.has_value()) return std::nullopt;
  const std::uint64_t first_index = log_.last_index() + 1;
  for (std::string& command : commands) {
    PREDA_ASSERT(!command.empty());
    append_own(std::move(command));
  }
  send_appends_to_all(now);
  return first_index;
}

void Core::append_own(std::string command, bool is_configuration) {
  log_.append(hard_state_.term);
  output_.entries.push_back(
      {log_.last_index(), hard_state_.term, std::move(command), is_configuration});
}

// Entries that come in replace what disagrees with them. Nothing that is committed ever does.
void Core::store_entries(std::vector<Entry> entries) {
  for (Entry& entry : entries) {
    const auto held = log_.term_at(entry.index);
    if (held == entry.term || entry.index <= log_.base_index()) continue;
    if (held.has_value()) {
      PREDA_ASSERT(entry.index > commit_index_);
      log_.truncate_from(entry.index);
      drop_configurations_from(entry.index);
      durable_index_ = std::min(durable_index_, entry.index - 1);
      for (PendingSave& save : saves_) save.last_index = std::min(save.last_index, entry.index - 1);
      std::erase_if(output_.entries,
                    [&](const Entry& other) { return other.index >= entry.index; });
    }
    PREDA_ASSERT(entry.index == log_.last_index() + 1);
    log_.append(entry.term);
    if (entry.is_configuration)
      set_configuration(entry.index, decode_configuration(as_bytes(entry.command)).value());
    output_.entries.push_back(std::move(entry));
  }
}

// The beginning of everything that only the leader of a term sends. False: it is not the leader any
// more, and is told so.
bool Core::begin_leader_message(const Message& message, Instant now) {
  if (message.term < hard_state_.term) {
    Message answer = message_to(message.from, MessageKind::append_answer);
    answer.is_rejected = true;
    send_after_save(std::move(answer));
    return false;
  }
  PREDA_ASSERT(role_ != Role::leader);  // there is one a term
  become_follower(message.term, message.from, now);
  leader_heard_ = now;
  reset_election_deadline(now);
  return true;
}

void Core::receive_append(Message message, Instant now) {
  if (!begin_leader_message(message, now)) return;
  std::uint64_t expected = message.index;
  for (const Entry& entry : message.entries) {
    if (entry.index != ++expected || entry.term > message.term) return;  // no leader sends this
    if (entry.is_configuration && !decode_configuration(as_bytes(entry.command))) return;
  }
  const bool is_trimmed = message.index < log_.base_index();
  if (!is_trimmed && log_.term_at(message.index) != message.index_term) {
    Message answer = message_to(message.from, MessageKind::append_answer);
    answer.is_rejected = true;
    answer.index = message.index;
    answer.hint = message.index > log_.last_index() ? log_.last_index() + 1
                                                    : log_.first_of_run(message.index);
    answer.hint = std::max(answer.hint, commit_index_ + 1);
    return send_after_save(std::move(answer));
  }
  const std::uint64_t last_index = message.index + message.entries.size();
  store_entries(std::move(message.entries));
  verified_index_ = std::max(verified_index_, std::min(last_index, log_.last_index()));
  commit_to(std::min(std::max(message.commit, told_commit_), verified_index_));
  answer_append();
}

// Tells the leader how far its log is stored here. The rest is told when it is: saved() comes here
// too.
void Core::answer_append() {
  if (!leader_.has_value() || verified_index_ == 0 || durable_term_ != hard_state_.term) return;
  Message answer = message_to(*leader_, MessageKind::append_answer);
  answer.index = std::min(verified_index_, durable_index_);
  output_.messages.push_back(std::move(answer));
}

void Core::receive_append_answer(const Message& message, Instant now) {
  const auto found = progress_.find(message.from);
  if (role_ != Role::leader || message.term != hard_state_.term || found == progress_.end()) return;
  Progress& progress = found->second;
  progress.last_answer = now;
  progress.has_answered = true;
  if (message.is_rejected) {
    if (message.index <= progress.match || message.index >= progress.next) return;  // from before
    progress.next = std::max(progress.match + 1, std::min(message.hint, message.index));
    progress.is_probing = true;
    progress.in_flight.clear();
    progress.has_probe_in_flight = false;
    progress.needs_snapshot =
        progress.next <= log_.base_index() && message.index <= log_.base_index();
    return send_appends(message.from, now);
  }
  if (message.index > log_.last_index()) return;  // no follower of ours says this
  if (progress.needs_snapshot && message.index < log_.base_index()) return;
  progress.needs_snapshot = false;
  if (message.index > progress.match) {
    progress.match = message.index;
    progress.last_progress = now;
  }
  // Taken, though perhaps not stored yet. Should this answer be an older append's and the probe be
  // lost, the window that it now counts in does not move and is given up.
  if (progress.is_probing && progress.has_probe_in_flight) {
    progress.is_probing = false;
    progress.has_probe_in_flight = false;
    progress.next = progress.probe_last + 1;
    progress.in_flight.push_back(progress.probe_last);
    progress.last_progress = now;
  }
  progress.next = std::max(progress.next, progress.match + 1);
  while (!progress.in_flight.empty() && progress.in_flight.front() <= progress.match)
    progress.in_flight.pop_front();
  advance_commit(now);
  if (role_ != Role::leader) return;
  send_appends(message.from, now);
  if (transfer_to_ == message.from) send_timeout_now();
}

void Core::send_appends_to_all(Instant now) {
  for (auto& [peer, progress] : progress_) send_appends(peer, now);
}

void Core::send_appends(VoterId to, Instant now) {
  Progress& progress = progress_.at(to);
  if (progress.needs_snapshot) {
    // Said again at the pace of heartbeats: fetching one takes its time.
    if (std::exchange(progress.has_probe_in_flight, true)) return;
    Message message = message_to(to, MessageKind::snapshot);
    message.index = log_.base_index();
    message.index_term = log_.term_at(message.index).value();
    output_.messages.push_back(std::move(message));
    return;
  }
  while (progress.next <= log_.last_index()) {
    if (progress.is_probing && progress.has_probe_in_flight) return;
    if (progress.in_flight.size() >= options_.appends_in_flight_max) return;
    if (progress.in_flight.empty()) progress.last_progress = now;
    progress.next = std::max(progress.next, log_.base_index() + 1);
    Message message = message_to(to, MessageKind::append);
    message.index = progress.next - 1;
    message.index_term = log_.term_at(message.index).value();
    message.commit = commit_index_;
    message.count = std::min(options_.append_entries_max, log_.last_index() - message.index);
    if (progress.is_probing) {
      progress.has_probe_in_flight = true;
      progress.probe_last = message.index + message.count;
    } else {
      progress.next += message.count;
      progress.in_flight.push_back(message.index + message.count);
    }
    output_.messages.push_back(std::move(message));
    if (progress.is_probing) return;
  }
}

void Core::trim_to(std::uint64_t index) {
  PREDA_ASSERT(index <= std::min(commit_index_, durable_index_));
  if (index <= log_.base_index()) return;
  log_.trim_to(index);
  while (configurations_.size() > 1 && configurations_[1].index <= index)
    configurations_.pop_front();
}

void Core::unreachable(VoterId peer) {
  const auto found = progress_.find(peer);
  if (found == progress_.end()) return;
  found->second.is_probing = true;
  found->second.has_probe_in_flight = false;
  found->second.in_flight.clear();
  found->second.next = found->second.match + 1;
}

void Core::send_heartbeats(Instant now) {
  next_heartbeat_ = now + options_.heartbeat_interval;
  std::uint64_t everywhere = std::min(durable_index_, commit_index_);
  for (const auto& [peer, progress] : progress_) everywhere = std::min(everywhere, progress.match);
  stored_everywhere_ = std::max(stored_everywhere_, everywhere);
  for (auto& [peer, progress] : progress_) {
    Message message = message_to(peer, MessageKind::heartbeat);
    message.commit = std::min(commit_index_, progress.match);
    message.index = log_.term_at(progress.match).has_value() ? progress.match : 0;
    message.index_term = log_.term_at(message.index).value_or(0);
    message.round = round_;
    message.hint = stored_everywhere_;
    output_.messages.push_back(std::move(message));
  }
}

void Core::receive_heartbeat(const Message& message, Instant now) {
  if (message.term == hard_state_.term) {
    PREDA_ASSERT(role_ != Role::leader);
    become_follower(message.term, message.from, now);
    leader_heard_ = now;
    reset_election_deadline(now);
    // A voter that was restarted within the term learns here again how far its log is the leader's;
    // there may be nothing more to append. What is not verified in this term is not believed.
    if (message.index > 0 && log_.term_at(message.index) == message.index_term)
      verified_index_ = std::max(verified_index_, message.index);
    commit_to(std::min(std::max(message.commit, told_commit_), verified_index_));
    stored_everywhere_ =
        std::max(stored_everywhere_, std::min({message.hint, verified_index_, commit_index_}));
  }
  Message answer = message_to(message.from, MessageKind::heartbeat_answer);
  answer.is_rejected = message.term < hard_state_.term;
  answer.round = message.round;
  // Not held up by entries that are being stored, only by a term that is not durable yet.
  if (durable_term_ == hard_state_.term) {
    output_.messages.push_back(std::move(answer));
  } else {
    send_after_save(std::move(answer));
  }
}

void Core::receive_heartbeat_answer(const Message& message, Instant now) {
  const auto found = progress_.find(message.from);
  if (role_ != Role::leader || message.term != hard_state_.term || message.is_rejected ||
      found == progress_.end())
    return;
  Progress& progress = found->second;
  progress.last_answer = now;
  progress.has_answered = true;
  progress.round = std::max(progress.round, std::min(message.round, round_));
  // An append may have been lost with its stream: a probe is sent anew at each heartbeat, a window
  // that does not move is given up.
  if (progress.is_probing) progress.has_probe_in_flight = false;
  if (!progress.in_flight.empty() && now - progress.last_progress > options_.election_timeout)
    unreachable(message.from);
  if (transfer_to_ == message.from) send_timeout_now();  // it may have been lost
  release_reads();
  if (!reads_.empty() && reads_.front().round > round_) begin_read_round(now);
  send_appends(message.from, now);
}

bool Core::read(std::uint64_t id, Instant now) {
  if (role_ != Role::leader) return false;
  // Before an entry of its own term is committed a leader does not know what is (thesis, 6.4).
  const bool is_ready = commit_index_ >= term_start_index_;
  reads_.push_back({id, commit_index_, is_ready ? round_ + 1 : 0});
  if (!is_ready) return true;
  const bool is_round_under_way = std::ranges::any_of(
      reads_, [&](const PendingRead& other) { return other.round != 0 && other.round <= round_; });
  if (!is_round_under_way) begin_read_round(now);
  return true;
}

void Core::learn_commit(std::uint64_t term, std::uint64_t index) {
  if (term != hard_state_.term || role_ != Role::follower) return;
  told_commit_ = std::max(told_commit_, index);
  commit_to(std::min(told_commit_, verified_index_));
}

void Core::begin_read_round(Instant now) {
  ++round_;
  if (!progress_.empty()) send_heartbeats(now);
  release_reads();
}

// What a majority of the voters have reached at least, this one with `own`.
std::uint64_t Core::reached_by_majority(std::uint64_t own,
                                        std::uint64_t Progress::* of_others) const {
  std::vector<std::uint64_t> reached;
  for (const Member& member : configuration().members) {
    if (!member.is_voter) continue;
    reached.push_back(member.id == options_.self ? own : progress_.at(member.id).*of_others);
  }
  std::ranges::sort(reached, std::greater{});
  return reached[majority() - 1];
}

void Core::release_reads() {
  const std::uint64_t confirmed = reached_by_majority(round_, &Progress::round);
  while (!reads_.empty() && reads_.front().round != 0 && reads_.front().round <= confirmed) {
    output_.reads.push_back({reads_.front().id, reads_.front().index});
    reads_.pop_front();
  }
}

void Core::refuse_reads() {
  for (const PendingRead& read : reads_) output_.refused_reads.push_back(read.id);
  reads_.clear();
}

void Core::advance_commit(Instant now) {
  const std::uint64_t index = reached_by_majority(durable_index_, &Progress::match);
  if (index <= commit_index_ || log_.term_at(index) != hard_state_.term) return;
  const bool was_ready = commit_index_ >= term_start_index_;
  commit_to(index);
  step_down_if_removed(now);
  if (was_ready || commit_index_ < term_start_index_ || reads_.empty()) return;
  for (PendingRead& read : reads_) {
    read.index = commit_index_;
    read.round = round_ + 1;
  }
  begin_read_round(now);
}

void Core::commit_to(std::uint64_t index) {
  PREDA_ASSERT(index <= log_.last_index());
  commit_index_ = std::max(commit_index_, index);
}

void Core::check_quorum(Instant now) {
  if (now - quorum_checked_ < options_.election_timeout) return;
  quorum_checked_ = now;
  std::size_t alive = is_voter(options_.self) ? 1 : 0;
  for (const VoterId peer : other_voters())
    alive += now - progress_.at(peer).last_answer <= options_.election_timeout ? 1 : 0;
  if (alive < majority()) become_follower(hard_state_.term, std::nullopt, now);
}

}  // namespace predastore::raft
