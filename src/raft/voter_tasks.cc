#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/codec.h"
#include "raft/message_codec.h"
#include "raft/voter.h"
#include "telemetry/log.h"

namespace predastore::raft {
namespace {

constexpr std::size_t kGroupBytesGoal = 4u << 20;  // of one durable write
constexpr std::size_t kApplyBytesGoal = 1u << 20;
constexpr std::size_t kApplyEntriesMax = 1024;
constexpr std::size_t kUnsavedBytesMax = 128u << 20;
constexpr std::size_t kStreamsPerPeerMax = 4;
constexpr Duration kTickMin = 1ms;

}  // namespace

Task<void> Voter::tick_loop() {
  while (!is_stopping_) {
    core_.tick(env_.clock.now());
    pump();
    if (is_stopping_) break;
    // A role may change before the next tick that the present one has.
    const Instant now = env_.clock.now();
    const Instant next = std::max(core_.next_tick(), now + kTickMin);
    co_await stopping_.wait_until(std::min(next, now + options_.heartbeat_interval));
  }
}

Task<void> Voter::propose_loop() {
  while (!is_stopping_) {
    if (queued_proposals_.empty()) {
      co_await proposal_queued_.wait();
      continue;
    }
    propose_queued();
    pump();
  }
}

// Whatever has gathered while the last write was under way goes in one write and one sync. A later
// save may replace entries of an earlier one; those are then not written at all.
Voter::Save Voter::take_saves() {
  Save all;
  while (!saves_.empty() && (all.number == 0 || all.size_bytes < kGroupBytesGoal)) {
    Save save = std::move(saves_.front());
    saves_.pop_front();
    all.number = save.number;
    all.size_bytes += save.size_bytes;
    if (save.hard_state.has_value()) all.hard_state = save.hard_state;
    if (save.reset.has_value()) {
      all.reset = save.reset;
      all.entries.clear();
    }
    if (save.entries.empty()) continue;
    const std::uint64_t first_index = save.entries.front().index;
    while (!all.entries.empty() && all.entries.back().index >= first_index) all.entries.pop_back();
    all.entries.insert(all.entries.end(), std::make_move_iterator(save.entries.begin()),
                       std::make_move_iterator(save.entries.end()));
  }
  return all;
}

Task<void> Voter::write_loop() {
  while (!is_stopping_) {
    if (saves_.empty()) {
      const Instant wake_at = std::min(settle_at_, trim_at_);
      const bool is_queued = co_await save_queued_.wait_until(wake_at);
      if (is_queued) continue;
    }
    if (is_stopping_) break;
    const bool is_time_to_trim = env_.clock.now() >= trim_at_;
    if (saves_.empty() || is_time_to_trim) {
      auto tidied = co_await tidy_log();
      if (!tidied.has_value()) fail(std::move(tidied).error());
    } else {
      auto written = co_await write_saves();
      if (!written.has_value()) fail(std::move(written).error());
    }
  }
}

// Nothing that the own state machine has not made durable; of the rest what every voter has stored,
// and more than that when it is much: who was away for so long fetches a snapshot. Who is fetching
// one goes on from there, unless it takes too long.
std::uint64_t Voter::index_to_trim() const {
  const std::uint64_t bytes = log_->size_bytes();
  std::uint64_t index = core_.stored_everywhere();
  if (bytes > options_.log_bytes_max) {
    std::uint64_t beyond = log_->index_before_last(options_.log_bytes_max);
    const auto in_use = source_.index_in_use();
    if (in_use.has_value() && bytes < 4 * options_.log_bytes_max)
      beyond = std::min(beyond, *in_use);
    index = std::max(index, beyond);
  }
  return std::min({index, state_machine_.durable_index(), applied_});
}

// What can wait until nothing else is to be written: the mark of the last group, and letting go of
// what is not needed any more.
Task<Result<void>> Voter::tidy_log() {
  const Instant now = env_.clock.now();
  if (now >= settle_at_) {
    settle_at_ = kNever;
    PREDA_CO_CHECK(co_await log_->settle());
  }
  if (now < trim_at_ || is_stopping_) co_return Result<void>{};
  trim_at_ = now + 10 * options_.heartbeat_interval;
  co_await source_.tidy();
  // After a reset of the core the log follows with the next save.
  const std::uint64_t index = index_to_trim();
  if (index <= core_.log().base_index() || is_install_pending_) co_return Result<void>{};
  PREDA_CO_CHECK(co_await log_->trim_to(index));
  const std::uint64_t base_index = log_->terms().base_index();
  if (base_index > core_.log().base_index()) core_.trim_to(base_index);
  co_return Result<void>{};
}

// Order of writes: the term before entries of that term, so that a restart never finds entries of a
// term it does not know; and the core hears of both only when both are durable.
Task<Result<void>> Voter::write_saves() {
  Save save = take_saves();
  if (save.hard_state.has_value()) {
    PREDA_CO_CHECK(co_await vote_->write(*save.hard_state));
  }
  if (save.reset.has_value()) {
    const Snapshot& reset = *save.reset;
    PREDA_CO_CHECK(co_await log_->reset_to(reset.index, reset.term, reset.configuration));
  }
  if (!save.entries.empty()) {
    PREDA_CO_CHECK(co_await log_->append(std::move(save.entries)));
    settle_at_ = env_.clock.now() + options_.heartbeat_interval;
    if (log_->wants_spare()) tasks_.spawn(log_->prepare_spare());
  }
  unsaved_bytes_ -= save.size_bytes;
  if (is_stopping_) co_return Result<void>{};
  if (save.reset.has_value()) {
    PREDA_CO_CHECK(co_await end_install());
  }
  core_.saved(save.number, env_.clock.now());
  pump();
  co_return Result<void>{};
}

Task<void> Voter::apply_loop() {
  while (!is_stopping_) {
    if (applied_ >= apply_target_ && !fetched_.has_value()) {
      co_await apply_wanted_.wait();
      continue;
    }
    Result<void> applied;
    if (fetched_.has_value()) {
      applied = co_await install_fetched();
    } else {
      applied = co_await apply_some();
    }
    if (!applied.has_value()) fail(std::move(applied).error());
  }
}

Task<Result<void>> Voter::apply_some() {
  const std::uint64_t last = std::min<std::uint64_t>(apply_target_, applied_ + kApplyEntriesMax);
  PREDA_CO_TRY(std::vector<Entry> entries, co_await load(applied_ + 1, last, kApplyBytesGoal));
  PREDA_ASSERT(!entries.empty() && entries.front().index == applied_ + 1);
  const std::uint64_t last_index = entries.back().index;
  std::vector<CommittedEntry> commands;
  std::vector<CommittedEntry> names;  // without the commands
  for (Entry& entry : entries) {
    if (entry.command.empty() || entry.is_configuration) continue;
    names.push_back({entry.index, entry.term, {}});
    commands.push_back({entry.index, entry.term, std::move(entry.command)});
  }
  std::vector<std::string> answers;
  if (!commands.empty()) {
    PREDA_CO_TRY(answers, co_await state_machine_.apply(std::move(commands)));
  }
  if (answers.size() != names.size())
    co_return make_error(ErrorCode::Internal, "the state machine gave another number of answers");
  answer_applied(std::move(names), std::move(answers), last_index);
  co_return Result<void>{};
}

void Voter::answer_applied(std::vector<CommittedEntry> entries, std::vector<std::string> answers,
                           std::uint64_t last_index) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto found = proposals_.find(entries[i].index);
    if (found == proposals_.end()) continue;
    const bool is_same = found->second.term == entries[i].term;
    // Had another leader's entry come here it would have replaced ours in the log before.
    PREDA_ASSERT(is_same);
    proposed_bytes_ -= found->second.size_bytes;
    found->second.pending->resolve(std::move(answers[i]));
    proposals_.erase(found);
  }
  applied_ = last_index;
  applied_changed_.notify_all();
}

Task<Result<Message>> Voter::read_message(net::Stream& stream) {
  const Instant head_by = env_.clock.now() + kLinkIdleTimeout;
  PREDA_CO_TRY(const Buffer head, co_await rpc::read_exactly(stream, 4, head_by));
  Decoder decoder(head);
  const auto size_bytes = decoder.le<std::uint32_t>();
  if (size_bytes > kMessageMaxBytes)
    co_return make_error(ErrorCode::Corruption, "a raft message is larger than allowed");
  const Instant body_by = env_.clock.now() + 10 * options_.election_timeout;
  PREDA_CO_TRY(const Buffer body, co_await rpc::read_exactly(stream, size_bytes, body_by));
  co_return decode_message(body);
}

Task<void> Voter::receive(rpc::Call call) {
  net::Stream* stream = &call.stream();
  const NodeId peer = call.peer();
  if (is_stopping_ || stream->lane() != net::Lane::raft || peer == options_.self) co_return;
  const auto group = decode_stream_head(call.body());
  if (!group.has_value() || *group != options_.group) co_return;
  // A peer that opens a stream has given up its older ones, whether or not we have heard of it.
  if (std::ranges::count(inbound_, peer, &Inbound::peer) >=
      static_cast<std::ptrdiff_t>(kStreamsPerPeerMax))
    std::ranges::find(inbound_, peer, &Inbound::peer)->stream->reset();
  inbound_.push_back({peer, stream});
  ++calls_;
  while (!is_stopping_) {
    auto message = co_await read_message(*stream);
    if (!message.has_value()) {
      if (message.error().code == ErrorCode::Corruption ||
          message.error().code == ErrorCode::Unsupported)
        telemetry::log_warn("refused a raft message",
                            {{"peer", peer.value()}, {"error", message.error().to_string()}});
      break;
    }
    if (message->to == options_.id && speaks_for(peer, *message)) accept(std::move(*message));
  }
  std::erase_if(inbound_, [&](const Inbound& inbound) { return inbound.stream == stream; });
  if (--calls_ == 0) idle_.notify_all();
}

void Voter::accept(Message message) {
  if (is_stopping_) return;
  // A disk that does not keep up: what is not taken now is sent again.
  if (message.kind == MessageKind::append && !message.entries.empty() &&
      unsaved_bytes_ > kUnsavedBytesMax)
    return;
  core_.receive(std::move(message), env_.clock.now());
  pump();
}

}  // namespace predastore::raft
