// The simulated network keeps the promises of the real ones.
#include "net/testing/transport_contract.h"

#include "sim/host.h"
#include "sim/network.h"

namespace predastore::net::testing {
namespace {

class SimTransportWorld final : public TransportWorld {
 public:
  SimTransportWorld() {
    for (const NodeId node : {kAnna, kBert, kCleo}) back(node);
  }
  ~SimTransportWorld() override { scheduler_.settle(); }
  Environment env() override { return host_.environment(); }
  void run(Task<void> task) override { PREDA_ASSERT(sim::try_run(host_.process, std::move(task))); }
  Transport& at(NodeId node) override { return *transports_.at(node); }
  void gone(NodeId node) override { transports_.erase(node); }
  void back(NodeId node) override {
    transports_[node] = network_.attach(node, host_.process, host_.clock);
  }
  std::size_t in_flight_max_bytes() const override { return 2 * network_.options.window_bytes; }

 private:
  sim::Scheduler scheduler_{5};
  sim::SimDisk disk_{scheduler_, 6};
  sim::SimHost host_{scheduler_, disk_, "all", 7};
  sim::SimNetwork network_{scheduler_, 8};
  std::map<NodeId, std::unique_ptr<Transport>> transports_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Simulated, TransportContract,
                         ::testing::Values([]() -> std::unique_ptr<TransportWorld> {
                           return std::make_unique<SimTransportWorld>();
                         }));

}  // namespace predastore::net::testing
