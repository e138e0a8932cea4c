#include "meta/packer.h"

#include <algorithm>

#include "meta/state/applier.h"

namespace predastore::meta {

struct Packer::Waiter {
  Waiter(Clock& clock, pb::Proposal asked, Instant until)
      : proposal(std::move(asked)), deadline(until), done(clock) {
    size_bytes = proposal.ByteSizeLong();
  }
  pb::Proposal proposal;
  Instant deadline;
  std::size_t size_bytes = 0;
  bool is_given_up = false;
  std::optional<ProposeOutcome> outcome;
  Signal done;
};

Packer::Packer(Environment env, raft::Replica& replica, PackerOptions options)
    : env_(env), replica_(replica), options_(options), tasks_(env.executor, env.clock) {}

Task<ProposeOutcome> Packer::submit(pb::Proposal proposal, Instant deadline) {
  auto waiter = std::make_shared<Waiter>(env_.clock, std::move(proposal), deadline);
  if (waiting_.size() >= options_.waiting_max ||
      waiting_bytes_ + waiter->size_bytes > options_.waiting_bytes_max) {
    ProposeOutcome busy = ProposeOutcome::refused(
        make_error(ErrorCode::Unavailable, "too many proposals are waiting"));
    busy.is_busy = true;
    co_return busy;
  }
  waiting_bytes_ += waiter->size_bytes;
  waiting_.push_back(waiter);
  if (pumps_ < options_.entries_in_flight_max) {
    ++pumps_;
    tasks_.spawn(pump());
  }
  while (!waiter->outcome) {
    const bool is_in_time = co_await waiter->done.wait_until(deadline);
    if (is_in_time || waiter->outcome) continue;
    // Still in the queue: it will be dropped there. Otherwise nobody knows.
    const bool is_waiting = std::find(waiting_.begin(), waiting_.end(), waiter) != waiting_.end();
    waiter->is_given_up = true;
    if (is_waiting)
      co_return ProposeOutcome::refused(make_error(ErrorCode::Unavailable, "not proposed in time"));
    co_return ProposeOutcome::open(make_error(ErrorCode::TimedOut, "no answer of the log in time"));
  }
  co_return std::move(*waiter->outcome);
}

Task<void> Packer::join() { (void)co_await tasks_.join(); }

Task<void> Packer::pump() {
  while (!waiting_.empty()) {
    Waiters waiters = take();
    if (!waiters.empty()) co_await propose(std::move(waiters));
  }
  --pumps_;
}

Packer::Waiters Packer::take() {
  Waiters taken;
  std::size_t bytes = 0;
  while (!waiting_.empty()) {
    const auto& waiter = waiting_.front();
    if (!taken.empty() && bytes + waiter->size_bytes > options_.entry_bytes_max) break;
    bytes += waiter->size_bytes;
    waiting_bytes_ -= waiter->size_bytes;
    if (!waiter->is_given_up) taken.push_back(waiter);
    waiting_.pop_front();
  }
  return taken;
}

Task<void> Packer::propose(Waiters waiters) {
  pb::Entry entry;
  entry.set_version(kEntryVersion);
  entry.set_time_ms(env_.clock.wall_now().time_since_epoch().count());
  Instant deadline = env_.clock.now();
  for (const auto& waiter : waiters) {
    *entry.add_proposals() = std::move(waiter->proposal);
    deadline = std::max(deadline, waiter->deadline);
  }
  std::string bytes = entry.SerializeAsString();
  auto result = co_await replica_.propose(std::move(bytes), deadline);
  pb::EntryAnswer answers;
  const bool is_read = result && answers.ParseFromString(*result) &&
                       answers.answers_size() == static_cast<int>(waiters.size());
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    ProposeOutcome outcome;
    if (is_read) {
      outcome.kind = ProposeOutcome::Kind::answered;
      outcome.answer = std::move(*answers.mutable_answers(static_cast<int>(i)));
    } else if (result) {
      outcome = ProposeOutcome::open(make_error(ErrorCode::Internal, "an unreadable answer"));
    } else {
      const ErrorCode code = result.error().code;
      const bool is_refused = code == ErrorCode::NotLeader || code == ErrorCode::Unavailable;
      outcome.kind = is_refused ? ProposeOutcome::Kind::refused : ProposeOutcome::Kind::open;
      outcome.error = result.error();
    }
    waiters[i]->outcome = std::move(outcome);
    waiters[i]->done.notify_all();
  }
}

}  // namespace predastore::meta
