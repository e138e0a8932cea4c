#include "shard/drive_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "shard/drive_set_parts.h"
#include "telemetry/log.h"

namespace predastore::shard {
namespace {

constexpr std::uint64_t kWriteBudgetMinBytes = 1 << 20;
constexpr std::uint64_t kReadBudgetMinBytes = 2 * kFetchBodyMaxBytes;
constexpr std::size_t kOpenFilesMin = 8;

bool is_refusal(const Error& error) {
  return error.code == ErrorCode::InvalidArgument || error.code == ErrorCode::Unsupported;
}

}  // namespace

std::string_view name_of(DriveState state) {
  switch (state) {
    case DriveState::ok: return "ok";
    case DriveState::near_full: return "near_full";
    case DriveState::full: return "full";
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
      stopping_(env.clock),
      idle_(env.clock),
      self_(std::make_shared<DriveSet*>(this)) {}

DriveSet::~DriveSet() {
  PREDA_ASSERT(closed_ || drives_.empty());
  *self_ = nullptr;
}

// ---- opening

Task<Result<std::unique_ptr<DriveSet>>> DriveSet::open(Environment env, DriveSetOptions options) {
  if (options.drives.empty() || options.drives.size() > kDrivesMax)
    co_return make_error(ErrorCode::InvalidArgument,
                         fmt::format("a node has 1 to {} drives", kDrivesMax));
  std::unique_ptr<DriveSet> set{new DriveSet{env, std::move(options)}};
  const Result<void> opened = co_await set->open_all();
  if (!opened) {
    (void)co_await set->close();
    co_return opened.error();
  }
  set->tasks_.spawn(set->watch_space());
  co_return std::move(set);
}

Task<Result<void>> DriveSet::open_all() {
  std::vector<DrivePlace> places;
  for (const DrivePart& part : options_.drives) places.push_back(part.at);
  PREDA_CO_TRY(DriveClaim claim,
               co_await claim_drives(env_, options_.store.cluster, options_.store.node,
                                     options_.list_path, std::move(places)));
  list_ = std::move(claim.list);
  for (std::size_t i = 0; i < claim.drives.size(); ++i) {
    auto drive = std::make_unique<Drive>();
    drive->id = claim.drives[i].id;
    drive->part = options_.drives[i];
    drive->is_unreconciled = claim.drives[i].is_unreconciled;
    drive->problem = claim.drives[i].problem;
    drives_.push_back(std::move(drive));
  }
  std::vector<Result<void>> outcomes(drives_.size());
  TaskGroup opening{env_.executor, env_.clock};
  for (std::size_t i = 0; i < drives_.size(); ++i)
    opening.spawn(open_drive(drives_[i].get(), &outcomes[i]));
  (void)co_await opening.join();
  std::optional<Error> first;
  bool is_any_open = false;
  for (std::size_t i = 0; i < drives_.size(); ++i) {
    is_any_open = is_any_open || drives_[i]->store != nullptr;
    if (outcomes[i]) continue;
    if (is_refusal(outcomes[i].error())) co_return outcomes[i].error();
    if (!first) first = outcomes[i].error();
  }
  if (!is_any_open) co_return *first;
  for (const auto& drive : drives_) {
    if (drive->store == nullptr) note_failure(*drive);
  }
  co_return Result<void>{};
}

// `drive` and `outcome` are of open_all(), which waits for this.
Task<void> DriveSet::open_drive(Drive* drive, Result<void>* outcome) {
  if (!drive->problem.empty()) {
    *outcome = make_error(ErrorCode::Io, drive->part.at.place + ": " + drive->problem);
    co_return;
  }
  const std::uint64_t count = drives_.size();
  ShardStoreOptions options = options_.store;
  options.directory = drive->part.at.directory;
  options.drive = drive->id;
  options.capacity_bytes = drive->part.capacity_bytes;
  options.write_budget_bytes = std::max(kWriteBudgetMinBytes, options.write_budget_bytes / count);
  options.shard_window_bytes = std::min(options.shard_window_bytes, options.write_budget_bytes);
  options.read_budget_bytes = std::max(kReadBudgetMinBytes, options.read_budget_bytes / count);
  options.open_files_max = std::max(kOpenFilesMin, options.open_files_max / count);
  options.on_drive_error = [this, drive](DriveErrorKind kind, const Error& error) {
    note_error(*drive, kind, error);
  };
  auto opened = co_await ShardStore::open(env_, std::move(options));
  if (!opened) {
    drive->problem = opened.error().to_string();
    *outcome = opened.error();
    co_return;
  }
  drive->store = std::move(*opened);
  drive->weight =
      static_cast<double>(std::max<std::uint64_t>(1, drive->store->status().capacity_bytes));
}

Task<Result<void>> DriveSet::close() {
  if (closed_) co_return Result<void>{};
  closed_ = true;
  stopping_.notify_all();
  (void)co_await tasks_.join();
  while (in_flight_ > 0) co_await idle_.wait();
  Result<void> outcome;
  for (const auto& drive : drives_) {
    if (drive->store == nullptr) continue;
    const bool took_part = takes_part(*drive);
    auto closed = co_await drive->store->close();
    if (!closed && took_part && outcome) outcome = std::move(closed);
  }
  co_return outcome;
}

// ---- state

bool DriveSet::takes_part(const Drive& drive) const {
  return drive.store != nullptr && !drive.store->failure();
}

DriveState DriveSet::state_of(const Drive& drive) const {
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
  drive.store->take_out(make_error(ErrorCode::Io, drive.problem));
  note_failure(drive);
}

void DriveSet::note_failure(Drive& drive) {
  if (std::exchange(drive.is_told, true)) return;
  telemetry::log_error("take a drive out", {{"drive", to_hex(drive.id.span())},
                                            {"place", drive.part.at.place},
                                            {"reason", drive.problem}});
  if (!options_.on_failed) return;
  for (const DriveInfo& info : drives()) {
    if (info.place == drive.part.at.place) options_.on_failed(info);
  }
}

// Others use the file systems, too: what they take or give back is noticed. So is a drive whose
// index has failed.
Task<void> DriveSet::watch_space() {
  while (!closed_) {
    (void)co_await stopping_.wait_until(env_.clock.now() + kSpaceInterval);
    for (const auto& drive : drives_) {
      if (closed_) co_return;
      if (drive->store == nullptr) continue;
      const auto failure = drive->store->failure();
      if (failure) {
        if (drive->problem.empty()) drive->problem = failure->detail;
        note_failure(*drive);
        continue;
      }
      co_await drive->store->refresh_space();
    }
  }
}

std::vector<DriveId> DriveSet::unreconciled() const {
  std::vector<DriveId> ids;
  for (const auto& drive : drives_) {
    if (drive->is_unreconciled) ids.push_back(drive->id);
  }
  return ids;
}

Task<Result<void>> DriveSet::mark_reconciled(std::vector<DriveId> drives) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  (void)co_await list_lock_.acquire(1, kNever);
  const SemaphoreHold lock{list_lock_, 1};
  const auto is_named = [&drives](const DriveId& id) {
    return std::ranges::find(drives, id) != drives.end();
  };
  DriveList list = list_;
  for (KnownDrive& known : list.drives) {
    if (is_named(known.id)) known.is_unreconciled = false;
  }
  std::string text = encode_drive_list(list);
  PREDA_CO_CHECK(
      co_await write_file_durably(env_.files, options_.list_path, Buffer::take(std::move(text))));
  list_ = std::move(list);
  for (const auto& drive : drives_) {
    if (is_named(drive->id)) drive->is_unreconciled = false;
  }
  co_return Result<void>{};
}

}  // namespace predastore::shard
