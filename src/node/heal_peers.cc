#include "node/heal_peers.h"

#include <utility>

namespace predastore::node {
namespace {

constexpr Duration kLookInterval = 1s;
constexpr Duration kLookTimeout = 1500ms;
constexpr Duration kBelievedFor = 3s;

}  // namespace

HealPeers::HealPeers(Environment env, rpc::Client& client, Access access)
    : env_(env), client_(client), access_(std::move(access)), stopped_(env.clock) {}

void HealPeers::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
}

Task<void> HealPeers::run() {
  while (!is_stopping_) {
    if (access_.is_active()) co_await look(env_.clock.now() + kLookTimeout);
    const Instant until = env_.clock.now() + kLookInterval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
  }
}

Task<void> HealPeers::look(Instant deadline) {
  std::set<NodeId> up;
  repair::ClientLoad load;
  TaskGroup questions{env_.executor, env_.clock};
  for (const NodeId node : access_.nodes()) questions.spawn(ask(node, deadline, &up, &load));
  (void)co_await questions.join();
  up_ = std::move(up);
  load_ = load;
  looked_ = env_.clock.now();
}

// `up` and `load` are the caller's, who waits for this.
Task<void> HealPeers::ask(NodeId node, Instant deadline, std::set<NodeId>* up,
                          repair::ClientLoad* load) {
  const auto status = co_await access_.ask(node, deadline);
  if (!status) co_return;
  up->insert(node);
  load->in_flight += status->heal.clients.in_flight;
  load->late += status->heal.clients.late;
}

Task<std::set<NodeId>> HealPeers::up(Instant deadline) {
  if (looked_ == Instant{} || env_.clock.now() - looked_ > kBelievedFor)
    co_await look(std::min(deadline, env_.clock.now() + kLookTimeout));
  co_return up_;
}

Task<Result<repair::RepairAnswer>> HealPeers::repair(NodeId worker, repair::RepairOrder order,
                                                     Instant deadline) {
  if (worker == access_.self) co_return co_await access_.repair_here(order);
  BufferChain body{Buffer::take(encode(order))};
  PREDA_CO_TRY(const Buffer answer,
               co_await client_.call(worker, kRepairChunk, std::move(body), deadline));
  co_return repair::decode_repair_answer(answer);
}

Task<void> HealPeers::answer(rpc::Call call) {
  const auto order = repair::decode_repair_order(call.body());
  if (!order) {
    co_await call.answer(order.error());
    co_return;
  }
  const auto answer = co_await access_.repair_here(*order);
  if (!answer) {
    co_await call.answer(answer.error());
    co_return;
  }
  BufferChain body{Buffer::take(encode(*answer))};
  co_await call.answer(std::move(body));
}

}  // namespace predastore::node
