#include "node/growing.h"

namespace predastore::node {
namespace {

repair::JobRunnerOptions runner_options(NodeId self) {
  repair::JobRunnerOptions options;
  options.self = self;
  return options;
}

}  // namespace

Growing::Growing(Environment env, NodeId self, Services services, std::function<bool()> is_active)
    : runner_(env, runner_options(self), services.meta, services.growth, std::move(is_active)),
      migration_(env, repair::RsMigrationOptions{}, services.meta, services.growth,
                 services.chunks) {
  runner_.handle(JobKind::rs_migrate,
                 [this](repair::JobControl* control) { return migration_.run(control); });
}

Task<void> Growing::run() { co_await runner_.run(); }

void Growing::stop() { runner_.stop(); }

}  // namespace predastore::node
