#include "meta/state_check.h"

#include <algorithm>
#include <utility>

#include "meta/queries.h"
#include "meta/state_machine.h"
#include "telemetry/log.h"

namespace predastore::meta {
namespace {

constexpr std::size_t kHashesMax = 4096;
constexpr Duration kAskTimeout = 2s;

}  // namespace

void StateHashes::note(StateHash hash) {
  const std::lock_guard lock(mutex_);
  hashes_.push_back(hash);
  if (hashes_.size() > kHashesMax) hashes_.pop_front();
}

void StateHashes::restart(StateHash hash) {
  const std::lock_guard lock(mutex_);
  hashes_.clear();
  if (hash.index != 0) hashes_.push_back(hash);
}

std::optional<StateHash> StateHashes::at(std::uint64_t index) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::lower_bound(hashes_, index, {}, &StateHash::index);
  if (found == hashes_.end() || found->index != index) return std::nullopt;
  return *found;
}

std::optional<StateHash> StateHashes::last() const {
  const std::lock_guard lock(mutex_);
  if (hashes_.empty()) return std::nullopt;
  return hashes_.back();
}

std::optional<std::string> answer_state_hash(const StateHashes& hashes,
                                             const std::string& request) {
  pb::Query query;
  if (!query.ParseFromString(request) || !query.has_state_hash()) return std::nullopt;
  auto hash = hashes.at(query.state_hash().index());
  if (!hash) hash = hashes.last();
  pb::QueryAnswer answer;
  pb::StateHash* message = answer.mutable_state_hash();
  message->set_index(hash.value_or(StateHash{}).index);
  message->set_since(hash.value_or(StateHash{}).since);
  message->set_hash(hash.value_or(StateHash{}).hash);
  return answer.SerializeAsString();
}

StateCheck::StateCheck(Environment env, NodeId self, Duration interval, StateMachine& state,
                       rpc::Client* client)
    : env_(env),
      self_(self),
      interval_(interval),
      state_(state),
      client_(client),
      stopping_(env.clock) {}

Task<void> StateCheck::run() {
  while (!is_stopping_) {
    (void)co_await stopping_.wait_until(env_.clock.now() + interval_);
    if (!is_stopping_) (void)co_await compare();
  }
}

void StateCheck::stop() {
  is_stopping_ = true;
  stopping_.notify_all();
}

Task<bool> StateCheck::compare() {
  const auto newest = state_.hashes().last();
  if (client_ == nullptr || !newest.has_value()) co_return true;
  const auto differs = [this](const Answer& answer) {
    const auto own = state_.hashes().at(answer.hash.index);
    return own.has_value() && own->since == answer.hash.since && own->hash != answer.hash.hash;
  };
  std::uint64_t index = newest->index;
  const std::vector<Answer> first = co_await ask_all(index);
  if (std::ranges::none_of(first, differs)) co_return true;
  // Who of them is right can be told at an index that all of them have come to.
  for (const Answer& answer : first) {
    if (state_.hashes().at(answer.hash.index).has_value())
      index = std::min(index, answer.hash.index);
  }
  const std::vector<Answer> answers = co_await ask_all(index);
  const auto own = state_.hashes().at(index);
  if (!own.has_value()) co_return false;
  std::map<std::uint64_t, std::size_t> counts;
  counts[own->hash] = 1;
  for (const Answer& answer : answers) {
    if (answer.hash.index == index && answer.hash.since == own->since) ++counts[answer.hash.hash];
  }
  std::size_t most = 0;
  for (const auto& [hash, count] : counts) {
    if (hash != own->hash) most = std::max(most, count);
  }
  if (most == 0) co_return false;
  const std::string detail = "at entry " + std::to_string(index) +
                             " the metadata is another than " + std::to_string(most) +
                             " others have, and as " + std::to_string(counts[own->hash] - 1) +
                             " others have";
  telemetry::log_error("replicas differ", {{"node", self_.value()}, {"detail", detail}});
  if (most > counts[own->hash]) state_.refuse(make_error(ErrorCode::Corruption, detail));
  co_return false;
}

// Those without a replica have nothing to say.
Task<std::vector<NodeId>> StateCheck::others() {
  pb::Query query;
  query.set_version(kQueryVersion);
  query.mutable_topology();
  const auto bytes = co_await state_.query(query.SerializeAsString());
  std::vector<NodeId> nodes;
  pb::QueryAnswer answer;
  if (!bytes.has_value() || !answer.ParseFromString(*bytes)) co_return nodes;
  for (const pb::Node& node : answer.topology().nodes()) {
    if (NodeId{node.node()} != self_) nodes.push_back(NodeId{node.node()});
  }
  co_return nodes;
}

Task<std::vector<StateCheck::Answer>> StateCheck::ask_all(std::uint64_t index) {
  std::vector<Answer> answers;
  TaskGroup questions(env_.executor, env_.clock);
  const std::vector<NodeId> nodes = co_await others();
  for (const NodeId node : nodes) questions.spawn(ask(node, index, &answers));
  (void)co_await questions.join();
  co_return answers;
}

// `answers` is the caller's, which waits for this.
Task<void> StateCheck::ask(NodeId node, std::uint64_t index, std::vector<Answer>* answers) {
  pb::Query query;
  query.set_version(kQueryVersion);
  query.mutable_state_hash()->set_index(index);
  BufferChain body{Buffer::take(query.SerializeAsString())};
  const Instant deadline = env_.clock.now() + kAskTimeout;
  const auto bytes =
      co_await client_->call(node, rpc::MessageType::query, std::move(body), deadline);
  pb::QueryAnswer answer;
  if (!bytes.has_value() ||
      !answer.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())) ||
      !answer.has_state_hash())
    co_return;
  const pb::StateHash& hash = answer.state_hash();
  answers->push_back({node, {hash.index(), hash.since(), hash.hash()}});
}

}  // namespace predastore::meta
