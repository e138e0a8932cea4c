#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/heal_status.h"
#include "repair/repair_order.h"
#include "repair/throttle.h"

namespace predastore::repair {

// The setting of the cluster with the bytes a second of chunks that healing may read, in decimal; 0
// is without a limit. None: HealOptions.
inline constexpr const char* kHealRateSetting = "heal.bytes_per_second";

struct HealOptions {
  Duration interval = 1s;                       // between looks at a queue that had nothing to do
  Duration round_max = 30s;                     // after which the queue is ordered anew
  std::size_t list_max = 20'000;                // chunks of a round, the most urgent ones
  std::uint32_t page_items = 1000;              // of the queue, read at a time
  std::size_t at_once = 2;                      // chunks that one node repairs at the same time
  std::uint64_t bytes_per_second = 128u << 20;  // of chunks
  Duration retry_min = 1s;                      // of a chunk that could not be repaired
  Duration retry_max = 60s;
  Duration chunk_timeout = 150s;  // longer than a node gives itself for one
  Duration call_timeout = 10s;
};

// The nodes of the cluster, as healing needs them. Outlives who uses it.
class HealNodes {
 public:
  virtual ~HealNodes() = default;
  // Those that answer now, or did a moment ago.
  virtual Task<std::set<NodeId>> up(Instant deadline) = 0;
  // Has a node repair a chunk. An error: it did not, or its answer was lost.
  virtual Task<Result<RepairAnswer>> repair(NodeId worker, RepairOrder order, Instant deadline) = 0;
};

// Heals the cluster, on the node for which `is_active` says so (the leader of the metadata): goes
// through the repair queue in rounds, what has the least redundancy left first (of the shards on
// nodes that answer), and has all nodes repair, each some chunks at a time, within one rate for all
// of them. A round ends early when nodes come or go, so that the order is never old. What cannot be
// repaired now is tried again, less and less often, and at once when nodes have come or gone.
// Nothing is deleted here. On one loop.
class Healer {
 public:
  // Everything given by reference outlives this. `load`: what clients want of the whole cluster.
  Healer(Environment env, HealOptions options, meta::MetaService& meta, HealNodes& nodes,
         std::function<bool()> is_active, Throttle::Load load);

  Task<void> run();  // until stop()
  void stop();
  // One round, whoever is active; how many chunks were repaired. Everything is tried.
  Task<Result<std::size_t>> heal_once();

  HealProgress progress() const;

 private:
  struct Item {
    RepairOrder order;
    std::uint64_t size_bytes = 0;
    int redundancy = 0;         // how many more of its shards may be lost
    std::vector<NodeId> nodes;  // of its shards, those that answer
  };
  struct Trial {
    RepairOutcome outcome = RepairOutcome::waiting;
    Duration delay{};
    Instant next_try{};
    std::uint64_t seen_round = 0;
    NodeId failed_worker;  // that did not answer, or could not
    DamagedChunk damaged;
  };

  Task<Result<std::size_t>> round();
  Task<Result<void>> read_settings();
  Task<Result<std::vector<Item>>> scan();
  bool is_workable(const meta::RepairItem& found, const Item& item, const std::string& key);
  Item item_of(const meta::RepairItem& found) const;
  void keep_most_urgent(std::vector<Item>* items) const;
  Task<std::size_t> work_off(std::vector<Item> items);
  Task<void> work_on(Item item, NodeId worker, std::size_t* repaired);
  Task<bool> is_round_over(Instant began);
  std::optional<NodeId> free_worker(const Item& item) const;
  void note(const Item& item, NodeId worker, const Result<RepairAnswer>& answer);
  void count_stuck(const Trial& trial);
  void try_all_again();
  Task<void> wait(Duration duration);
  Instant call_deadline() const { return env_.clock.now() + options_.call_timeout; }

  Environment env_;
  HealOptions options_;
  meta::MetaService& meta_;
  HealNodes& nodes_;
  std::function<bool()> is_active_;
  Throttle throttle_;
  Signal changed_;  // stopped, or a worker has become free
  bool is_stopping_ = false;
  std::set<NodeId> up_;
  std::map<NodeId, std::size_t> busy_;   // chunks that a node repairs now
  std::map<std::string, Trial> trials_;  // by chunk key
  std::uint64_t round_ = 0;
  Instant settings_read_;
  std::optional<Instant> began_;  // since when there is something to heal
  HealProgress progress_;
  std::deque<std::pair<Instant, std::uint64_t>> lately_;  // bytes by the time of their repair
};

}  // namespace predastore::repair
