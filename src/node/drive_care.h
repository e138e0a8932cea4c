#pragma once

#include <memory>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "meta/meta_service.h"
#include "repair/reconciler.h"
#include "repair/sweeper.h"
#include "shard/drive_set.h"
#include "shard/gated_shards.h"

namespace predastore::node {

struct DriveCareOptions {
  Duration report_interval = 60s;  // of how far the drives are: about a write epoch
  repair::SweepOptions sweep;
  repair::ReconcileOptions reconcile;
};

// What a node does on its own drives: it tells the metadata how far they are, and when one of them
// opens below what was told, its shards are kept from readers until it is reconciled; it sweeps; it
// reconciles, in its time and whenever a drive is not what it was or was given up. On the loop of
// `env`; run() has ended before it goes.
//
// Order of writes when a drive was behind: everything that it lacks is in the repair queue, then
// the metadata takes the drive as it is, then the gate opens. A crash between does all of it again.
class DriveCare {
 public:
  // `meta`, `drives` and `gate` outlive this.
  DriveCare(Environment env, NodeId self, DriveCareOptions options, meta::MetaService& meta,
            shard::DriveSet& drives, shard::GatedShards& gate);

  Task<void> run();  // until stop()
  void stop();
  repair::UpkeepStatus status() const;

  repair::Sweeper& sweeper() { return sweeper_; }
  repair::Reconciler& reconciler() { return reconciler_; }

 private:
  class Shards;
  Task<void> watch();
  bool has_news() const;
  Task<Result<void>> compare_with_marks();
  void request_reconcile(bool is_behind, bool was_rebuilt);
  Task<Result<void>> report();
  Task<Result<void>> finish_reconcile();

  Environment env_;
  NodeId self_;
  DriveCareOptions options_;
  meta::MetaService& meta_;
  shard::DriveSet& drives_;
  shard::GatedShards& gate_;
  std::unique_ptr<repair::OwnShards> shards_;
  repair::Sweeper sweeper_;
  repair::Reconciler reconciler_;
  Signal changed_;
  bool is_stopping_ = false;
  bool is_reconciled_ = false;        // a pass has ended that is not yet made use of
  std::vector<DriveId> compared_;     // with what was told of them
  std::vector<DriveId> rolled_back_;  // until they are reconciled
  std::vector<DriveId> unreconciled_;
};

}  // namespace predastore::node
