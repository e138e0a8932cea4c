// The contract of transports, held against both of ours.
#include "net/testing/transport_contract.h"

#include "net/memory_transport.h"
#include "net/testing/quic_cluster.h"

namespace predastore::net::testing {
namespace {

constexpr std::size_t kWindowBytes = 1024 * 1024;

class MemoryWorld final : public TransportWorld {
 public:
  MemoryWorld() {
    for (const NodeId node : {kAnna, kBert, kCleo}) nodes_[node] = network_.endpoint(node);
  }
  Environment env() override { return host_.environment(); }
  void run(Task<void> task) override { run_until_done(host_.loop, std::move(task)); }
  Transport& at(NodeId node) override { return *nodes_.at(node); }
  void gone(NodeId node) override { nodes_.at(node).reset(); }
  void back(NodeId node) override { nodes_[node] = network_.endpoint(node); }
  std::size_t in_flight_max_bytes() const override { return kWindowBytes + 64 * 1024; }

 private:
  ProductionHost host_{1};
  MemoryNetwork network_{host_.environment(), kWindowBytes};
  std::map<NodeId, std::unique_ptr<Transport>> nodes_;
};

using Maker = std::function<std::unique_ptr<TransportWorld>()>;
const Maker kMemory = [] { return std::make_unique<MemoryWorld>(); };
const Maker kQuic = [] { return std::make_unique<QuicCluster>(); };

INSTANTIATE_TEST_SUITE_P(memory, TransportContract, ::testing::Values(kMemory));
INSTANTIATE_TEST_SUITE_P(quic, TransportContract, ::testing::Values(kQuic));

}  // namespace
}  // namespace predastore::net::testing
