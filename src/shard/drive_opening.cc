// The part of DriveSet that opens drives and looks after them while they are used.
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
    if (!drive->problem.empty())
      drive->open_error = make_error(ErrorCode::Io, drive->part.at.place + ": " + drive->problem);
    drives_.push_back(std::move(drive));
  }
  for (const auto& drive : drives_) {
    if (drive->open_error) continue;
    drive->is_opening = true;
    tasks_.spawn(open_drive(drive.get()));
  }
  // Whose it is has been checked of every file before an index is made again.
  const auto is_quick = [](const auto& drive) {
    return !drive->is_opening || drive->rebuild.files_total > 0;
  };
  while (!std::ranges::all_of(drives_, is_quick)) co_await changed_.wait();
  PREDA_CO_CHECK(check_opened());
  for (const auto& drive : drives_) {
    if (drive->open_error) note_failure(*drive);
  }
  co_return Result<void>{};
}

// An error: the node must not start, or cannot.
Result<void> DriveSet::check_opened() const {
  std::optional<Error> first;
  bool is_any_good = false;
  for (const auto& drive : drives_) {
    if (!drive->open_error) {
      is_any_good = true;
    } else if (is_refusal(*drive->open_error)) {
      return *drive->open_error;
    } else if (!first) {
      first = drive->open_error;
    }
  }
  if (is_any_good) return {};
  return *first;
}

ShardStoreOptions DriveSet::store_options(Drive& drive) {
  const std::uint64_t count = drives_.size();
  ShardStoreOptions options = options_.store;
  options.directory = drive.part.at.directory;
  options.drive = drive.id;
  options.capacity_bytes = drive.part.capacity_bytes;
  options.write_budget_bytes = std::max(kWriteBudgetMinBytes, options.write_budget_bytes / count);
  options.shard_window_bytes = std::min(options.shard_window_bytes, options.write_budget_bytes);
  options.read_budget_bytes = std::max(kReadBudgetMinBytes, options.read_budget_bytes / count);
  options.open_files_max = std::max(kOpenFilesMin, options.open_files_max / count);
  options.on_drive_error = [this, &drive](DriveErrorKind kind, const Error& error) {
    note_error(drive, kind, error);
  };
  options.on_rebuild = [this, &drive](const RebuildProgress& progress) {
    drive.rebuild = progress;
    changed_.notify_all();
    if (options_.store.on_rebuild) options_.store.on_rebuild(progress);
  };
  options.should_stop = [this] { return closed_; };
  options.discard_index = drive.reopened_at.has_value();
  return options;
}

Task<void> DriveSet::open_drive(Drive* drive) {
  auto opened = co_await ShardStore::open(env_, store_options(*drive));
  drive->is_opening = false;
  drive->rebuild = {};
  if (opened) {
    drive->open_error.reset();
    drive->store = std::move(*opened);
    const DriveStatus status = drive->store->status();
    drive->opened_sequence = status.durable_sequence;
    drive->weight = static_cast<double>(std::max<std::uint64_t>(1, status.capacity_bytes));
  } else {
    drive->open_error = opened.error();
    drive->problem = opened.error().to_string();
  }
  changed_.notify_all();
  if (on_change) on_change();
}

Task<void> DriveSet::wait_until_opened() {
  const auto is_opened = [](const auto& drive) { return !drive->is_opening; };
  while (!std::ranges::all_of(drives_, is_opened)) co_await changed_.wait();
}

Task<Result<void>> DriveSet::close() {
  if (closed_) co_return Result<void>{};
  closed_ = true;
  changed_.notify_all();
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

// ---- looking after

// Others use the file systems, too: what they take or give back is noticed. So is a drive whose
// index has failed.
Task<void> DriveSet::watch_space() {
  Instant next_look = env_.clock.now() + kSpaceInterval;
  while (!closed_) {
    (void)co_await changed_.wait_until(next_look);
    const bool is_time = env_.clock.now() >= next_look;
    if (is_time) next_look = env_.clock.now() + kSpaceInterval;
    for (const auto& drive : drives_) {
      if (closed_) co_return;
      if (is_time || drive->is_told || drive->open_error) co_await look_after(drive.get());
    }
  }
}

Task<void> DriveSet::look_after(Drive* drive) {
  if (drive->is_opening) co_return;
  if (takes_part(*drive)) {
    co_await drive->store->refresh_space();
    co_return;
  }
  if (drive->problem.empty()) drive->problem = drive->store->failure()->detail;
  note_failure(*drive);
  if (may_reopen(*drive)) {
    co_await reopen(drive);
  } else if (may_give_up(*drive)) {
    const Result<void> given_up = co_await give_up(drive);
    if (!given_up)
      telemetry::log_warn("cannot give up a drive", {{"place", drive->part.at.place},
                                                     {"error", given_up.error().to_string()}});
  }
}

// Its index failed; the files are the truth.
bool DriveSet::may_reopen(const Drive& drive) const {
  if (drive.store == nullptr || drive.is_taken_out || drive.is_given_up) return false;
  return !drive.reopened_at || *drive.reopened_at + kReopenInterval < env_.clock.now();
}

Task<void> DriveSet::reopen(Drive* drive) {
  telemetry::log_warn("open a drive again, with its index made anew",
                      {{"place", drive->part.at.place}, {"reason", drive->problem}});
  drive->is_opening = true;
  drive->reopened_at = env_.clock.now();
  std::unique_ptr<ShardStore> store = std::move(drive->store);
  (void)co_await store->close();
  drive->retired.push_back(std::move(store));
  drive->problem.clear();
  drive->is_told = false;
  tasks_.spawn(open_drive(drive));
}

// The last drive is not given up: a node without any is like one that is away.
bool DriveSet::may_give_up(const Drive& drive) const {
  if (drive.is_given_up || env_.clock.now() < drive.failed_at + options_.give_up_after)
    return false;
  return std::ranges::any_of(drives_, [this](const auto& other) { return takes_part(*other); });
}

Task<Result<void>> DriveSet::give_up(Drive* drive) {
  std::vector<DriveId> ids{drive->id};
  PREDA_CO_CHECK(co_await set_listed(std::move(ids), true));
  drive->is_unreconciled = true;
  drive->is_given_up = true;
  telemetry::log_error("give up a drive: what it held is to be made again on the others",
                       {{"drive", to_hex(drive->id.span())},
                        {"place", drive->part.at.place},
                        {"reason", drive->problem}});
  if (on_change) on_change();
  co_return Result<void>{};
}

// ---- what is known of them

bool DriveSet::is_whole() const {
  return std::ranges::all_of(
      drives_, [this](const auto& drive) { return takes_part(*drive) || drive->is_given_up; });
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
  const auto is_named = [&drives](const DriveId& id) {
    return std::ranges::find(drives, id) != drives.end();
  };
  std::vector<DriveId> listed;
  std::vector<Drive*> given_up;
  for (const auto& drive : drives_) {
    if (!is_named(drive->id)) continue;
    if (drive->is_given_up) {
      given_up.push_back(drive.get());
    } else {
      listed.push_back(drive->id);
    }
  }
  PREDA_CO_CHECK(co_await set_listed(std::move(listed), false));
  for (Drive* const drive : given_up) drive->is_unreconciled = false;
  for (const auto& drive : drives_) {
    // One that was given up meanwhile is another matter.
    if (is_named(drive->id) && !drive->is_given_up) drive->is_unreconciled = false;
  }
  co_return Result<void>{};
}

Task<Result<void>> DriveSet::set_listed(std::vector<DriveId> drives, bool is_unreconciled) {
  (void)co_await list_lock_.acquire(1, kNever);
  const SemaphoreHold lock{list_lock_, 1};
  DriveList list = list_;
  for (KnownDrive& known : list.drives) {
    if (std::ranges::find(drives, known.id) != drives.end())
      known.is_unreconciled = is_unreconciled;
  }
  std::string text = encode_drive_list(list);
  PREDA_CO_CHECK(
      co_await write_file_durably(env_.files, options_.list_path, Buffer::take(std::move(text))));
  list_ = std::move(list);
  co_return Result<void>{};
}

}  // namespace predastore::shard
