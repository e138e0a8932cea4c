#include "node/growing.h"

#include "telemetry/log.h"

namespace predastore::node {
namespace {

constexpr Duration kDropInterval = 60s;
constexpr Duration kCallTimeout = 10s;

repair::JobRunnerOptions runner_options(NodeId self) {
  repair::JobRunnerOptions options;
  options.self = self;
  return options;
}

}  // namespace

Growing::Growing(Environment env, NodeId self, Services services, std::function<bool()> is_active)
    : env_(env),
      growth_(services.growth),
      is_active_(is_active),
      stopped_(env.clock),
      runner_(env, runner_options(self), services.meta, services.growth, std::move(is_active),
              std::move(services.load)),
      migration_(env, repair::RsMigrationOptions{}, services.meta, services.growth,
                 services.chunks),
      rebalancer_(env, repair::RebalanceOptions{}, services.meta, services.growth, services.chunks,
                  services.shards, std::move(services.on_damage)) {
  runner_.handle(JobKind::rs_migrate,
                 [this](repair::JobControl* control) { return migration_.run(control); });
  runner_.handle(JobKind::rebalance,
                 [this](repair::JobControl* control) { return rebalancer_.run(control); });
}

Task<void> Growing::run() {
  TaskGroup tasks{env_.executor, env_.clock};
  tasks.spawn(runner_.run());
  tasks.spawn(drop_old_rings());
  (void)co_await tasks.join();
}

void Growing::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
  runner_.stop();
}

Task<void> Growing::drop_old_rings() {
  while (!is_stopping_) {
    const Instant until = env_.clock.now() + kDropInterval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
    if (!is_stopping_ && is_active_()) co_await drop_once();
  }
}

// What may go is decided when the command is applied.
Task<void> Growing::drop_once() {
  const auto topology = co_await growth_.topology(env_.clock.now() + kCallTimeout);
  if (!topology) co_return;
  for (const RingEpoch epoch : topology->droppable) {
    const auto dropped = co_await growth_.drop_ring(epoch, env_.clock.now() + kCallTimeout);
    if (dropped) telemetry::log_info("drop an epoch of the ring", {{"epoch", epoch.value()}});
  }
}

}  // namespace predastore::node
