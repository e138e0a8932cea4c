#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/records.h"
#include "raft/replica.h"

namespace predastore::meta {

struct PackerOptions {
  std::size_t waiting_max = 4096;             // proposals; more are refused (SlowDown)
  std::size_t waiting_bytes_max = 64u << 20;  // of commands
  std::size_t entry_bytes_max = 1u << 20;     // a larger command has an entry of its own
  std::size_t entries_in_flight_max = 4;
};

// What became of one attempt to have a command executed.
struct ProposeOutcome {
  enum class Kind : std::uint8_t {
    answered,  // by apply
    refused,   // it was not proposed and never will be by this attempt; `error` says why
    open,      // unknown: it may still be executed
  };
  Kind kind = Kind::refused;
  pb::Answer answer;
  Error error;
  bool is_busy = false;  // refused, because too much waits already

  static ProposeOutcome refused(Error error) {
    return {Kind::refused, {}, std::move(error), false};
  }
  static ProposeOutcome open(Error error) { return {Kind::open, {}, std::move(error), false}; }
};

// At the leader: puts everything that waits into one entry of the log, stamped with this node's
// clock. Used on the loop of `env`.
class Packer {
 public:
  Packer(Environment env, raft::Replica& replica, PackerOptions options);

  Task<ProposeOutcome> submit(pb::Proposal proposal, Instant deadline);
  Task<void> join();  // nothing is submitted any more

 private:
  struct Waiter;
  using Waiters = std::vector<std::shared_ptr<Waiter>>;

  Task<void> pump();
  Waiters take();
  Task<void> propose(Waiters waiters);

  Environment env_;
  raft::Replica& replica_;
  PackerOptions options_;
  std::deque<std::shared_ptr<Waiter>> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::size_t pumps_ = 0;
  TaskGroup tasks_;
};

}  // namespace predastore::meta
