#pragma once

#include <functional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/own_shards.h"
#include "repair/upkeep_status.h"

namespace predastore::repair {

// The setting by which operators have every node reconcile, once for each change of its value.
inline constexpr const char* kReconcileSetting = "upkeep/reconcile";

struct ReconcileOptions {
  NodeId self;
  Duration interval = 7 * 24h;               // between the ends and beginnings of passes
  Duration retry_interval = 2s;              // after a pass that could not come to its end
  Duration look_interval = 2s;               // whether an operator wants a pass
  std::uint64_t chunks_per_second = 20'000;  // scanned in the layout table; 0: without a limit
  Duration call_timeout = 10s;
  std::uint32_t page_size = 1000;  // layouts scanned at a time
};

// Compares the layouts that name this node with what is on its drives. What is named and is not
// there, or is there as another try, goes to the repair queue; what is there and not named is the
// sweep's. Finds what no read has met: drives that were lost, replaced, or put back to an earlier
// state. On one loop.
class Reconciler {
 public:
  // `meta` and `shards` outlive this.
  Reconciler(Environment env, ReconcileOptions options, meta::MetaService& meta, OwnShards& shards);

  Task<void> run();  // until stop()
  void stop();
  // Has a pass begin as soon as it can, anew when one is under way.
  void request(std::string reason);
  // One pass; how many shards it queued for repair. An error: it did not come to the end.
  Task<Result<std::size_t>> reconcile_once();

  // On the loop, after a pass that began after everything requested so far.
  std::function<void()> on_done;
  const ReconcileStatus& status() const { return status_; }

 private:
  Task<Result<std::size_t>> reconcile_pages();
  Task<Result<std::size_t>> compare(std::vector<ChunkLayout> layouts, InventoryWalk* walk);
  Task<Result<std::size_t>> queue_missing(std::vector<ShardKey> suspects);
  Task<void> look_for_request();
  Task<void> pace(std::size_t chunks);

  Environment env_;
  ReconcileOptions options_;
  meta::MetaService& meta_;
  OwnShards& shards_;
  Signal changed_;
  bool is_stopping_ = false;
  bool is_requested_ = false;
  Instant next_pass_;
  std::string seen_setting_;  // the last value of kReconcileSetting
  bool has_seen_setting_ = false;
  ReconcileStatus status_;
};

// Has every node reconcile once. Conflict: somebody else asked at the same moment.
Task<Result<void>> request_reconcile(meta::MetaService& meta, Instant deadline);

}  // namespace predastore::repair
