#include "node/drive_care.h"

#include <algorithm>

#include "base/text.h"
#include "telemetry/log.h"

namespace predastore::node {
namespace {

constexpr Duration kRetryAfter = 500ms;
constexpr Duration kCallTimeout = 10s;

repair::SweepOptions with_self(repair::SweepOptions options, NodeId self) {
  options.self = self;
  return options;
}
repair::ReconcileOptions with_self(repair::ReconcileOptions options, NodeId self) {
  options.self = self;
  return options;
}

}  // namespace

class DriveCare::Shards final : public repair::OwnShards {
 public:
  explicit Shards(shard::DriveSet& drives) : drives_(drives) {}
  Task<Result<std::vector<shard::ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                        std::size_t count_max) override {
    return drives_.inventory(after, count_max);
  }
  Task<Result<void>> remove(std::vector<shard::ShardRemoval> removals, Instant deadline) override {
    return drives_.remove(std::move(removals), deadline);
  }

 private:
  shard::DriveSet& drives_;
};

DriveCare::DriveCare(Environment env, NodeId self, DriveCareOptions options,
                     meta::MetaService& meta, shard::DriveSet& drives, shard::GatedShards& gate)
    : env_(env),
      self_(self),
      options_(std::move(options)),
      meta_(meta),
      drives_(drives),
      gate_(gate),
      opened_(drives.drives()),
      shards_(std::make_unique<Shards>(drives)),
      sweeper_(env, with_self(options_.sweep, self), meta, *shards_),
      reconciler_(env, with_self(options_.reconcile, self), meta, *shards_),
      changed_(env.clock) {
  reconciler_.on_done = [this] {
    is_reconciled_ = true;
    changed_.notify_all();
  };
}

Task<void> DriveCare::run() {
  TaskGroup tasks{env_.executor, env_.clock};
  tasks.spawn(watch());
  tasks.spawn(sweeper_.run());
  tasks.spawn(reconciler_.run());
  (void)co_await tasks.join();
}

void DriveCare::stop() {
  is_stopping_ = true;
  sweeper_.stop();
  reconciler_.stop();
  changed_.notify_all();
}

repair::UpkeepStatus DriveCare::status() const {
  repair::UpkeepStatus status;
  status.sweep = sweeper_.status();
  status.reconcile = reconciler_.status();
  status.drives_rolled_back = rolled_back_.size();
  return status;
}

Task<void> DriveCare::watch() {
  while (!is_stopping_) {
    const auto compared = co_await compare_with_marks();
    if (compared) break;
    (void)co_await changed_.wait_until(env_.clock.now() + kRetryAfter);
  }
  Instant next_report = env_.clock.now();
  while (!is_stopping_) {
    const Instant now = env_.clock.now();
    if (is_reconciled_) {
      is_reconciled_ = false;
      const auto finished = co_await finish_reconcile();
      if (!finished) is_reconciled_ = true;
    } else if (now >= next_report) {
      const auto reported = co_await report();
      next_report = env_.clock.now() + (reported ? options_.report_interval : kRetryAfter);
      continue;
    }
    (void)co_await changed_.wait_until(
        is_reconciled_ ? std::min(next_report, env_.clock.now() + kRetryAfter) : next_report);
  }
}

// Until the metadata answers, what is here is served: every read names the try that it wants, so
// what is old is never taken for what is new.
Task<Result<void>> DriveCare::compare_with_marks() {
  PREDA_CO_TRY(const auto marks,
               co_await meta_.drive_marks(self_, env_.clock.now() + kCallTimeout));
  bool was_rebuilt = false;
  for (const shard::DriveInfo& drive : opened_) {
    if (drive.state == shard::DriveState::failed) continue;
    was_rebuilt = was_rebuilt || drive.status.was_rebuilt;
    const auto mark = std::ranges::find(marks, drive.id, &meta::DriveMark::drive);
    if (mark == marks.end() || mark->sequence <= drive.status.durable_sequence) continue;
    telemetry::log_error("a drive is behind what it was: keep its shards from readers",
                         {{"drive", to_hex(drive.id.span())},
                          {"sequence", drive.status.durable_sequence},
                          {"was", mark->sequence}});
    rolled_back_.push_back(drive.id);
  }
  unreconciled_ = drives_.unreconciled();
  if (!rolled_back_.empty()) {
    gate_.close();
    reconciler_.request("a drive is behind what it was");
  } else if (!unreconciled_.empty()) {
    reconciler_.request("a drive was replaced, or was away");
  } else if (was_rebuilt) {
    reconciler_.request("the index of a drive was made again");
  }
  co_return Result<void>{};
}

Task<Result<void>> DriveCare::report() {
  std::vector<meta::DriveMark> marks;
  for (const shard::DriveInfo& drive : drives_.drives()) {
    if (drive.state == shard::DriveState::failed) continue;
    if (std::ranges::find(rolled_back_, drive.id) != rolled_back_.end()) continue;
    marks.push_back({drive.id, drive.status.durable_sequence, false});
  }
  if (marks.empty()) co_return Result<void>{};
  co_return co_await meta_.report_drives(self_, std::move(marks), env_.clock.now() + kCallTimeout);
}

Task<Result<void>> DriveCare::finish_reconcile() {
  if (!rolled_back_.empty()) {
    std::vector<meta::DriveMark> marks;
    for (const shard::DriveInfo& drive : drives_.drives()) {
      if (std::ranges::find(rolled_back_, drive.id) != rolled_back_.end())
        marks.push_back({drive.id, drive.status.durable_sequence, true});
    }
    PREDA_CO_CHECK(
        co_await meta_.report_drives(self_, std::move(marks), env_.clock.now() + kCallTimeout));
    telemetry::log_info("readers may have the shards again", {{"drives", rolled_back_.size()}});
    rolled_back_.clear();
    gate_.open();
  }
  if (!unreconciled_.empty()) {
    const std::vector<DriveId> ids = unreconciled_;
    PREDA_CO_CHECK(co_await drives_.mark_reconciled(ids));
    unreconciled_.clear();
  }
  co_return Result<void>{};
}

}  // namespace predastore::node
