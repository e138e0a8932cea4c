#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "rpc/rpc.h"

namespace predastore::meta {

class StateMachine;

// What all replicas must have come to at one index: everything that apply changed and answered
// since `since` goes into the hash. It is in the state itself, so that a restart and a copy of the
// state go on with it. Two of them can be compared when index and `since` are the same.
struct StateHash {
  std::uint64_t index = 0;
  std::uint64_t since = 0;
  std::uint64_t hash = 0;
  friend bool operator==(const StateHash&, const StateHash&) = default;
};

// The last ones of a replica. Any thread.
class StateHashes {
 public:
  void note(StateHash hash);
  void restart(StateHash hash);  // nothing before it is known any more; index 0: nothing at all
  std::optional<StateHash> at(std::uint64_t index) const;
  std::optional<StateHash> last() const;

 private:
  mutable std::mutex mutex_;
  std::deque<StateHash> hashes_;  // by index
};

// The answer to a serialised pb::Query for one of them, at the index it names or else the last;
// none when it asks for something else.
std::optional<std::string> answer_state_hash(const StateHashes& hashes, const std::string& request);

// Compares the own state with those of the other replicas, every now and then. One that differs
// from more of them than it agrees with stops: it has lost or damaged something, or applied
// something else. With nobody to decide it only says so. Used on the loop of `env`.
class StateCheck {
 public:
  // `client` may be null: then there is nobody to compare with. All outlive this.
  StateCheck(Environment env, NodeId self, Duration interval, StateMachine& state,
             rpc::Client* client);
  Task<void> run();  // until stop()
  void stop();
  // Once, now. True when the states that could be compared are equal.
  Task<bool> compare();

 private:
  struct Answer {
    NodeId node;
    StateHash hash;
  };
  Task<std::vector<NodeId>> others();
  Task<std::vector<Answer>> ask_all(std::uint64_t index);
  Task<void> ask(NodeId node, std::uint64_t index, std::vector<Answer>* answers);

  Environment env_;
  NodeId self_;
  Duration interval_;
  StateMachine& state_;
  rpc::Client* client_;
  bool is_stopping_ = false;
  Signal stopping_;
};

}  // namespace predastore::meta
