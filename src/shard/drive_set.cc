#include "shard/drive_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "shard/drive_set_parts.h"
#include "telemetry/log.h"

namespace predastore::shard {

std::string_view name_of(DriveState state) {
  switch (state) {
    case DriveState::ok: return "ok";
    case DriveState::near_full: return "near_full";
    case DriveState::full: return "full";
    case DriveState::rebuilding: return "rebuilding";
    case DriveState::failed: break;
  }
  return "failed";
}

DriveSet::DriveSet(Environment env, DriveSetOptions options)
    : env_(env),
      options_(std::move(options)),
      list_lock_(env.clock, 1),
      committed_(env.clock),
      tasks_(env.executor, env.clock),
      changed_(env.clock),
      idle_(env.clock),
      self_(std::make_shared<DriveSet*>(this)) {}

DriveSet::~DriveSet() {
  PREDA_ASSERT(closed_ || drives_.empty());
  *self_ = nullptr;
}

// ---- state

bool DriveSet::takes_part(const Drive& drive) const {
  return drive.store != nullptr && !drive.store->failure();
}

DriveState DriveSet::state_of(const Drive& drive) const {
  if (drive.is_opening) return DriveState::rebuilding;
  if (!takes_part(drive)) return DriveState::failed;
  const DriveStatus status = drive.store->status();
  if (status.is_full) return DriveState::full;
  return status.is_near_full ? DriveState::near_full : DriveState::ok;
}

ShardStore* DriveSet::store(std::size_t index) { return drives_.at(index)->store.get(); }

std::vector<DriveInfo> DriveSet::drives() const {
  std::vector<DriveInfo> infos;
  for (const auto& drive : drives_) {
    DriveInfo info;
    info.id = drive->id;
    info.place = drive->part.at.place;
    info.state = state_of(*drive);
    info.problem = drive->problem;
    if (drive->store != nullptr) {
      info.status = drive->store->status();
      const auto failure = drive->store->failure();
      if (failure && info.problem.empty()) info.problem = failure->detail;
    } else {
      info.status.is_available = false;
    }
    info.is_unreconciled = drive->is_unreconciled;
    info.is_given_up = drive->is_given_up;
    if (drive->is_opening) info.rebuild = drive->rebuild;
    info.opened_sequence = drive->opened_sequence;
    infos.push_back(std::move(info));
  }
  return infos;
}

DriveStatus DriveSet::status() const {
  DriveStatus sum;
  sum.is_available = false;
  sum.is_near_full = true;
  sum.is_full = true;
  for (const DriveInfo& drive : drives()) {
    const DriveStatus& one = drive.status;
    if (one.is_available) {
      sum.is_near_full = sum.is_near_full && one.is_near_full;
      sum.is_full = sum.is_full && one.is_full;
      sum.capacity_bytes += one.capacity_bytes;
    }
    sum.is_available = sum.is_available || one.is_available;
    sum.was_rebuilt = sum.was_rebuilt || one.was_rebuilt;
    sum.used_bytes += one.used_bytes;
    sum.live_bytes += one.live_bytes;
    sum.queued_bytes += one.queued_bytes;
    sum.shard_file_count += one.shard_file_count;
    sum.durable_sequence = std::max(sum.durable_sequence, one.durable_sequence);
    sum.damage_count += one.damage_count;
    sum.group_count += one.group_count;
    sum.sync_count += one.sync_count;
    sum.written_bytes += one.written_bytes;
    sum.read_bytes += one.read_bytes;
    sum.abandoned_file_count += one.abandoned_file_count;
    sum.read_error_count += one.read_error_count;
    sum.write_error_count += one.write_error_count;
  }
  sum.is_near_full = sum.is_near_full && sum.is_available;
  sum.is_full = sum.is_full && sum.is_available;
  return sum;
}

void DriveSet::note_error(Drive& drive, DriveErrorKind kind, const Error& error) {
  telemetry::log_warn("meet an error of a drive",
                      {{"drive", to_hex(drive.id.span())},
                       {"place", drive.part.at.place},
                       {"kind", kind == DriveErrorKind::read ? "read" : "write"},
                       {"error", error.to_string()}});
  const Instant now = env_.clock.now();
  drive.errors.push_back(now);
  while (drive.errors.front() + kDriveErrorWindow < now) drive.errors.pop_front();
  // While it is opened there is nobody to take out yet; its damage is met again.
  if (drive.errors.size() < kDriveErrorsMax || !takes_part(drive)) return;
  drive.problem = fmt::format("{} errors within {} minutes, the last: {}", drive.errors.size(),
                              kDriveErrorWindow / std::chrono::minutes{1}, error.to_string());
  drive.is_taken_out = true;
  drive.store->take_out(make_error(ErrorCode::Io, drive.problem));
  note_failure(drive);
}

void DriveSet::note_failure(Drive& drive) {
  if (std::exchange(drive.is_told, true)) return;
  drive.failed_at = env_.clock.now();
  changed_.notify_all();
  telemetry::log_error("take a drive out", {{"drive", to_hex(drive.id.span())},
                                            {"place", drive.part.at.place},
                                            {"reason", drive.problem}});
  if (!options_.on_failed) return;
  for (const DriveInfo& info : drives()) {
    if (info.place == drive.part.at.place) options_.on_failed(info);
  }
}

}  // namespace predastore::shard
