#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "chunk/testing/test_cluster.h"
#include "repair/repairer.h"

namespace predastore::repair::testing {

// The nodes of a TestCluster for healing: up is who is not told to be down. All of them repair with
// the one Repairer that there is.
class TestHealNodes final : public HealNodes {
 public:
  explicit TestHealNodes(chunk::testing::TestCluster& cluster) : cluster_(cluster) {}

  Task<std::set<NodeId>> up(Instant) override {
    std::set<NodeId> up;
    for (std::uint64_t id = 1; id <= cluster_.node_count(); ++id) {
      const chunk::testing::NodeFaults& faults = cluster_.node(id).faults;
      if (!faults.is_down && !faults.hangs) up.insert(NodeId{id});
    }
    co_return up;
  }
  Task<Result<RepairAnswer>> repair(NodeId worker, RepairOrder order, Instant) override {
    ++orders_of[worker];
    orders.push_back(order);
    if (dead_workers.contains(worker)) co_return make_error(ErrorCode::Unavailable, "no answer");
    co_return co_await repairer->repair(order);
  }

  Repairer* repairer = nullptr;
  std::map<NodeId, std::size_t> orders_of;
  std::vector<RepairOrder> orders;  // in the order in which they were given
  std::set<NodeId> dead_workers;    // answer pings and nothing else

 private:
  chunk::testing::TestCluster& cluster_;
};

// Without limits and waits that a test would have to sit out.
inline RepairOptions unlimited() {
  RepairOptions options;
  options.heal.bytes_per_second = 0;
  return options;
}

}  // namespace predastore::repair::testing
