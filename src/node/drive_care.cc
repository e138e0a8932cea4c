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
  bool is_whole() const override { return drives_.is_whole(); }

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
  drives_.on_change = [this] { changed_.notify_all(); };
  TaskGroup tasks{env_.executor, env_.clock};
  tasks.spawn(watch());
  tasks.spawn(sweeper_.run());
  tasks.spawn(reconciler_.run());
  (void)co_await tasks.join();
}

void DriveCare::stop() {
  is_stopping_ = true;
  drives_.on_change = {};
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
  Instant next_report = env_.clock.now();
  while (!is_stopping_) {
    bool is_owed = false;  // what could not be done is tried again soon
    if (has_news()) {
      const auto compared = co_await compare_with_marks();
      is_owed = !compared.has_value();
    }
    if (is_reconciled_) {
      is_reconciled_ = false;
      const auto finished = co_await finish_reconcile();
      if (!finished) is_reconciled_ = is_owed = true;
    }
    if (env_.clock.now() >= next_report) {
      const auto reported = co_await report();
      next_report = env_.clock.now() + (reported ? options_.report_interval : kRetryAfter);
    }
    if (is_stopping_ || (!is_owed && (is_reconciled_ || has_news()))) continue;
    (void)co_await changed_.wait_until(
        is_owed ? std::min(next_report, env_.clock.now() + kRetryAfter) : next_report);
  }
}

// A drive was opened that is not compared so far, or one was given up.
bool DriveCare::has_news() const {
  const auto is_in = [](const std::vector<DriveId>& ids, const DriveId& id) {
    return std::ranges::find(ids, id) != ids.end();
  };
  for (const shard::DriveInfo& drive : drives_.drives()) {
    if (drive.is_unreconciled && !is_in(unreconciled_, drive.id)) return true;
    const bool is_open =
        drive.state != shard::DriveState::failed && drive.state != shard::DriveState::rebuilding;
    if (is_open && !is_in(compared_, drive.id)) return true;
  }
  return false;
}

// Until the metadata answers, what is here is served: every read names the try that it wants, so
// what is old is never taken for what is new.
Task<Result<void>> DriveCare::compare_with_marks() {
  PREDA_CO_TRY(const auto marks,
               co_await meta_.drive_marks(self_, env_.clock.now() + kCallTimeout));
  bool was_rebuilt = false;
  bool is_behind = false;
  for (const shard::DriveInfo& drive : drives_.drives()) {
    const bool is_open =
        drive.state != shard::DriveState::failed && drive.state != shard::DriveState::rebuilding;
    if (!is_open || std::ranges::find(compared_, drive.id) != compared_.end()) continue;
    compared_.push_back(drive.id);
    was_rebuilt = was_rebuilt || drive.status.was_rebuilt;
    const auto mark = std::ranges::find(marks, drive.id, &meta::DriveMark::drive);
    if (mark == marks.end() || mark->sequence <= drive.opened_sequence) continue;
    telemetry::log_error("a drive is behind what it was: keep its shards from readers",
                         {{"drive", to_hex(drive.id.span())},
                          {"sequence", drive.opened_sequence},
                          {"was", mark->sequence}});
    rolled_back_.push_back(drive.id);
    is_behind = true;
  }
  if (is_behind) gate_.close();
  request_reconcile(is_behind, was_rebuilt);
  co_return Result<void>{};
}

void DriveCare::request_reconcile(bool is_behind, bool was_rebuilt) {
  const std::size_t known = unreconciled_.size();
  for (const DriveId& id : drives_.unreconciled()) {
    if (std::ranges::find(unreconciled_, id) == unreconciled_.end()) unreconciled_.push_back(id);
  }
  if (is_behind) {
    reconciler_.request("a drive is behind what it was");
  } else if (unreconciled_.size() > known) {
    reconciler_.request("a drive was replaced, given up, or was away");
  } else if (was_rebuilt) {
    reconciler_.request("the index of a drive was made again");
  }
}

// Only of drives that were compared: what is told must not hide that one was put back.
Task<Result<void>> DriveCare::report() {
  std::vector<meta::DriveMark> marks;
  for (const shard::DriveInfo& drive : drives_.drives()) {
    if (!drive.status.is_available) continue;
    if (std::ranges::find(compared_, drive.id) == compared_.end()) continue;
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
    // More may come while this is written; they were not compared.
    const std::vector<DriveId> ids = unreconciled_;
    PREDA_CO_CHECK(co_await drives_.mark_reconciled(ids));
    std::erase_if(unreconciled_,
                  [&ids](const DriveId& id) { return std::ranges::find(ids, id) != ids.end(); });
  }
  co_return Result<void>{};
}

}  // namespace predastore::node
