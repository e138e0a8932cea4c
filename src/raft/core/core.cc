#include "raft/core/core.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace predastore::raft {
namespace {

// splitmix64 (Steele, Lea, Flood 2014): enough for jitter.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Core::Core(CoreOptions options, StoredState stored, Instant now)
    : options_(std::move(options)),
      random_state_(options_.seed ^ options_.self.value()),
      hard_state_(stored.hard_state),
      log_(std::move(stored.log)),
      configurations_(stored.configurations.begin(), stored.configurations.end()),
      commit_index_(std::max(stored.applied_index, log_.base_index())),
      durable_index_(log_.last_index()),
      durable_term_(hard_state_.term),
      next_heartbeat_(now),
      quorum_checked_(now) {
  if (configurations_.empty()) configurations_.push_back({});
  PREDA_ASSERT(configurations_.back().index <= log_.last_index());
  PREDA_ASSERT(commit_index_ <= log_.last_index());
  PREDA_ASSERT(log_.last_term() <= hard_state_.term);
  reset_election_deadline(now);
  // There is nobody to wait for.
  if (configuration().voter_count() == 1 && is_voter(options_.self)) election_deadline_ = now;
}

// Whoever is on its way out stands until that is committed: the others may not have heard of it,
// and with fewer entries they could not win without it (thesis, 4.2.2).
bool Core::may_stand() const {
  if (!may_lead_) return false;
  for (auto at = configurations_.rbegin(); at != configurations_.rend(); ++at) {
    if (at->configuration.is_voter(options_.self)) return true;
    if (at->index <= commit_index_) return false;
  }
  return false;
}

std::size_t Core::granted_votes() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(votes_, [this](const auto& vote) { return is_voter(vote.first); }));
}

std::vector<VoterId> Core::other_voters() const {
  std::vector<VoterId> others;
  for (const Member& member : configuration().members) {
    if (member.is_voter && member.id != options_.self) others.push_back(member.id);
  }
  return others;
}

void Core::reset_election_deadline(Instant now) {
  const auto spread = static_cast<std::uint64_t>(options_.election_timeout.count());
  election_deadline_ = now + options_.election_timeout +
                       Duration(static_cast<Duration::rep>(next_random(random_state_) % spread));
}

bool Core::hears_a_leader(Instant now) const {
  return role_ == Role::leader ||
         (leader_heard_.has_value() && now - *leader_heard_ < options_.election_timeout);
}

Message Core::message_to(VoterId to, MessageKind kind) const {
  Message message;
  message.kind = kind;
  message.from = options_.self;
  message.to = to;
  message.term = hard_state_.term;
  return message;
}

void Core::set_hard_state(HardState state) {
  PREDA_ASSERT(state.term >= hard_state_.term);
  if (state == hard_state_) return;
  hard_state_ = state;
  is_hard_state_changed_ = true;
}

// A message that speaks for the hard state leaves only when that is durable: else a vote could be
// given twice after a crash.
void Core::send_after_save(Message message) {
  if (!is_hard_state_changed_ && saves_.empty()) {
    output_.messages.push_back(std::move(message));
  } else if (!is_hard_state_changed_ && output_.save_number == 0) {
    saves_.back().messages.push_back(std::move(message));
  } else {
    after_save_.push_back(std::move(message));
  }
}

void Core::stage_save() {
  if (!is_hard_state_changed_ && output_.entries.empty() && !output_.reset.has_value()) {
    PREDA_ASSERT(after_save_.empty());
    return;
  }
  if (is_hard_state_changed_) output_.hard_state = hard_state_;
  output_.save_number = next_save_number_++;
  saves_.push_back(
      {output_.save_number, log_.last_index(), hard_state_.term, std::exchange(after_save_, {})});
  is_hard_state_changed_ = false;
}

bool Core::has_output() const {
  return is_hard_state_changed_ || !output_.entries.empty() || !output_.messages.empty() ||
         !output_.reads.empty() || !output_.refused_reads.empty() || output_.reset.has_value() ||
         output_.needed_snapshot.has_value();
}

Output Core::take_output() {
  stage_save();
  // Never what is not stored here: the state machine's disk must not run ahead of the log's.
  output_.apply_index = std::min(commit_index_, durable_index_);
  return std::exchange(output_, {});
}

void Core::saved(std::uint64_t save_number, Instant now) {
  while (!saves_.empty() && saves_.front().number <= save_number) {
    PendingSave save = std::move(saves_.front());
    saves_.pop_front();
    durable_index_ = std::max(durable_index_, save.last_index);
    durable_term_ = std::max(durable_term_, save.term);
    for (Message& message : save.messages) {
      // What was promised in a term that is over is of no use to anybody.
      if (message.term >= hard_state_.term) output_.messages.push_back(std::move(message));
    }
  }
  if (role_ == Role::leader) {
    advance_commit(now);
    send_appends_to_all(now);
  } else if (role_ == Role::follower) {
    answer_append();
  } else {
    // The own vote counts when it is durable.
    Message own =
        message_to(options_.self, role_ == Role::candidate ? MessageKind::vote_answer
                                                           : MessageKind::pre_vote_answer);
    if (durable_term_ == hard_state_.term) receive_vote_answer(own, now);
  }
}

void Core::tick(Instant now) {
  if (role_ == Role::leader) {
    if (transfer_to_.has_value() && now >= transfer_until_) transfer_to_.reset();
    check_quorum(now);
    if (role_ == Role::leader && now >= next_heartbeat_) send_heartbeats(now);
    return;
  }
  if (now < election_deadline_) return;
  if (may_stand()) return begin_pre_vote(now);
  leader_.reset();  // it was not heard for as long
  reset_election_deadline(now);
}

Instant Core::next_tick() const {
  return role_ == Role::leader ? next_heartbeat_ : election_deadline_;
}

void Core::become_follower(std::uint64_t term, std::optional<VoterId> leader, Instant now) {
  if (term > hard_state_.term) {
    set_hard_state({term, std::nullopt});
    verified_index_ = 0;
    told_commit_ = 0;
  } else if (role_ != Role::follower) {
    verified_index_ = 0;
  }
  if (role_ == Role::leader) refuse_reads();
  transfer_to_.reset();
  if (role_ != Role::follower) reset_election_deadline(now);
  role_ = Role::follower;
  leader_ = leader;
  progress_.clear();
  votes_.clear();
}

void Core::begin_pre_vote(Instant now) {
  role_ = Role::pre_candidate;
  leader_.reset();
  votes_.clear();
  reset_election_deadline(now);
  for (const VoterId peer : other_voters()) {
    Message message = message_to(peer, MessageKind::pre_vote);
    message.term = hard_state_.term + 1;
    message.index = log_.last_index();
    message.index_term = log_.last_term();
    output_.messages.push_back(std::move(message));
  }
  votes_[options_.self] = true;
  if (granted_votes() >= majority()) begin_vote(now, false);
}

void Core::begin_vote(Instant now, bool is_wanted_by_leader) {
  role_ = Role::candidate;
  leader_.reset();
  votes_.clear();
  reset_election_deadline(now);
  set_hard_state({hard_state_.term + 1, options_.self});
  verified_index_ = 0;
  told_commit_ = 0;
  for (const VoterId peer : other_voters()) {
    Message message = message_to(peer, MessageKind::vote);
    message.hint = is_wanted_by_leader ? 1 : 0;
    message.index = log_.last_index();
    message.index_term = log_.last_term();
    send_after_save(std::move(message));
  }
}

void Core::become_leader(Instant now) {
  PREDA_ASSERT(role_ == Role::candidate && durable_term_ == hard_state_.term);
  role_ = Role::leader;
  leader_ = options_.self;
  votes_.clear();
  progress_.clear();
  add_missing_progress(now);
  quorum_checked_ = now;
  // Entries of earlier terms are committed only together with one of this term (thesis,
  // figure 3.7).
  append_own({});
  term_start_index_ = log_.last_index();
  send_heartbeats(now);
  send_appends_to_all(now);
}

bool Core::is_up_to_date(const Message& message) const {
  if (message.index_term != log_.last_term()) return message.index_term > log_.last_term();
  return message.index >= log_.last_index();
}

void Core::receive(Message message, Instant now) {
  // Not only from those whom it knows as members: its own configuration may be an old one, and then
  // it would refuse its vote to whom the others elect, and its ear to whom they follow.
  if (message.to != options_.self || message.from == options_.self) return;
  const bool is_request =
      message.kind == MessageKind::pre_vote || message.kind == MessageKind::vote;
  if (is_request) return receive_vote_request(message, now);
  if (message.kind == MessageKind::pre_vote_answer) {
    // A refusal carries the refuser's term; a grant the term that was asked for.
    if (message.is_rejected && message.term > hard_state_.term)
      return become_follower(message.term, std::nullopt, now);
    return receive_vote_answer(message, now);
  }
  if (message.term > hard_state_.term) become_follower(message.term, std::nullopt, now);
  switch (message.kind) {
    case MessageKind::vote_answer: return receive_vote_answer(message, now);
    case MessageKind::append: return receive_append(std::move(message), now);
    case MessageKind::append_answer: return receive_append_answer(message, now);
    case MessageKind::heartbeat: return receive_heartbeat(message, now);
    case MessageKind::heartbeat_answer: return receive_heartbeat_answer(message, now);
    case MessageKind::timeout_now: return receive_timeout_now(message, now);
    case MessageKind::snapshot: return receive_snapshot(message, now);
    default: return;
  }
}

bool Core::transfer(VoterId to, Instant now) {
  if (role_ != Role::leader || !progress_.contains(to) || !is_voter(to)) return false;
  transfer_to_ = to;
  transfer_until_ = now + options_.election_timeout;
  send_appends(to, now);
  send_timeout_now();
  return true;
}

void Core::send_timeout_now() {
  const auto found = progress_.find(transfer_to_.value_or(options_.self));
  if (found == progress_.end() || found->second.match != log_.last_index()) return;
  output_.messages.push_back(message_to(*transfer_to_, MessageKind::timeout_now));
}

// Without a pre-vote: the others still hear the leader, whose wish it is. An election like any
// other all the same, so that it is safe whenever this comes.
void Core::receive_timeout_now(const Message& message, Instant now) {
  if (message.term == hard_state_.term && role_ == Role::follower && leader_ == message.from &&
      may_stand())
    begin_vote(now, true);
}

void Core::receive_vote_request(const Message& message, Instant now) {
  const bool is_pre_vote = message.kind == MessageKind::pre_vote;
  // Whoever hears a leader does not help to depose it: a node that was cut off cannot disturb the
  // others (thesis, 4.2.3).
  const bool is_wanted_by_leader = !is_pre_vote && message.hint == 1;
  if (message.term > hard_state_.term && hears_a_leader(now) && !is_wanted_by_leader) return;
  Message answer = message_to(
      message.from, is_pre_vote ? MessageKind::pre_vote_answer : MessageKind::vote_answer);
  if (is_pre_vote) {
    answer.is_rejected = message.term <= hard_state_.term || !is_up_to_date(message);
    if (!answer.is_rejected) answer.term = message.term;
    return send_after_save(std::move(answer));
  }
  if (message.term > hard_state_.term) become_follower(message.term, std::nullopt, now);
  answer.term = hard_state_.term;
  const bool is_free = !hard_state_.vote.has_value() || *hard_state_.vote == message.from;
  answer.is_rejected = message.term < hard_state_.term || role_ != Role::follower || !is_free ||
                       !is_up_to_date(message);
  if (!answer.is_rejected) {
    set_hard_state({hard_state_.term, message.from});
    reset_election_deadline(now);
  }
  send_after_save(std::move(answer));
}

void Core::receive_vote_answer(const Message& message, Instant now) {
  const bool is_pre_vote = message.kind == MessageKind::pre_vote_answer;
  if (role_ != (is_pre_vote ? Role::pre_candidate : Role::candidate)) return;
  const std::uint64_t wanted =
      hard_state_.term + (is_pre_vote && message.from != options_.self ? 1 : 0);
  if (message.is_rejected || message.term != wanted) return;
  votes_[message.from] = true;
  // One's own vote is among them only when it is durable, so the majority is of durable votes.
  if (granted_votes() < majority()) return;
  if (is_pre_vote) return begin_vote(now, false);
  if (votes_.contains(options_.self)) become_leader(now);
}

}  // namespace predastore::raft
