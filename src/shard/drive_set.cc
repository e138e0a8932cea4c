#include "shard/drive_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "telemetry/log.h"

namespace predastore::shard {
namespace {

constexpr std::uint64_t kWriteBudgetMinBytes = 1 << 20;
constexpr std::uint64_t kReadBudgetMinBytes = 2 * kFetchBodyMaxBytes;
constexpr std::size_t kOpenFilesMin = 8;

std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

std::uint64_t absorb(std::uint64_t state, ByteSpan bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    const std::size_t size = std::min<std::size_t>(8, bytes.size() - at);
    for (std::size_t i = 0; i < size; ++i)
      word |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
    state = mix(state + 0x9E3779B97F4A7C15ULL + word);
  }
  return state;
}

// Higher comes first: each drive is first for a share of the keys that is its share of the weight.
double score(const ShardKey& key, const DriveId& drive, double weight) {
  std::uint64_t hash = absorb(0, key.object_id.span());
  hash = mix(hash + (std::uint64_t{key.chunk_index.value()} << 8 | key.role.value()));
  hash = absorb(hash, drive.span());
  const double unit = (static_cast<double>(hash >> 11) + 0.5) / 9007199254740992.0;  // in (0, 1)
  return -weight / std::log(unit);
}

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

struct DriveSet::Drive {
  DriveId id;
  DrivePart part;
  bool is_unreconciled = false;
  std::string problem;  // why it was not opened, or taken out
  std::unique_ptr<ShardStore> store;
  double weight = 1;
  std::deque<Instant> errors;  // within the window
  bool is_told = false;        // that it failed
};

// Counts a call that close() has to wait for.
class SetInFlight {
 public:
  SetInFlight(std::size_t& count, Signal& idle) : count_(count), idle_(idle) { ++count_; }
  ~SetInFlight() {
    if (--count_ == 0) idle_.notify_all();
  }
  SetInFlight(const SetInFlight&) = delete;
  SetInFlight& operator=(const SetInFlight&) = delete;

 private:
  std::size_t& count_;
  Signal& idle_;
};

// One shard on one of several drives: its commit is compared with what the others hold.
class DriveSet::PlacedWriter final : public ShardWriter {
 public:
  PlacedWriter(std::shared_ptr<DriveSet*> set, Drive* drive, ShardKey key, ShardStamp stamp,
               std::unique_ptr<ShardWriter> inner)
      : set_(std::move(set)), drive_(drive), key_(key), stamp_(stamp), inner_(std::move(inner)) {}

  Task<Result<void>> append(std::vector<Segment> segments, Instant deadline) override {
    return inner_->append(std::move(segments), deadline);
  }
  Task<Result<void>> commit(Instant deadline) override {
    DriveSet* const set = *set_;
    if (set == nullptr) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
    co_return co_await set->commit(drive_, key_, stamp_, inner_.get(), deadline);
  }

 private:
  std::shared_ptr<DriveSet*> set_;
  Drive* drive_;
  ShardKey key_;
  ShardStamp stamp_;
  std::unique_ptr<ShardWriter> inner_;
};

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
  drive->weight = static_cast<double>(
      std::max<std::uint64_t>(1, drive->store->status().capacity_bytes));
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
  telemetry::log_error("take a drive out",
                       {{"drive", to_hex(drive.id.span())},
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
  PREDA_CO_CHECK(co_await write_file_durably(env_.files, options_.list_path,
                                             Buffer::take(std::move(text))));
  list_ = std::move(list);
  for (const auto& drive : drives_) {
    if (is_named(drive->id)) drive->is_unreconciled = false;
  }
  co_return Result<void>{};
}

// ---- where a shard is

std::vector<DriveSet::Drive*> DriveSet::order_of(const ShardKey& key) const {
  std::vector<Drive*> order;
  if (drives_.size() == 1) return {drives_.front().get()};
  std::vector<std::pair<double, Drive*>> scored;
  for (const auto& drive : drives_)
    scored.emplace_back(score(key, drive->id, drive->weight), drive.get());
  std::stable_sort(scored.begin(), scored.end(),
                   [](const auto& left, const auto& right) { return left.first > right.first; });
  for (const auto& [points, drive] : scored) order.push_back(drive);
  return order;
}

// Of a drive that is out of order.
Task<bool> DriveSet::may_hold(Drive* drive, ShardKey key) {
  if (drive->store == nullptr) co_return true;
  const auto is_indexed = co_await drive->store->is_indexed(key);
  co_return !is_indexed || *is_indexed;
}

// The answer when no drive that takes part has what was asked for.
Task<Error> DriveSet::not_found(ShardKey key, std::string detail) {
  for (Drive* const drive : order_of(key)) {
    if (takes_part(*drive)) continue;
    const bool is_possible = co_await may_hold(drive, key);
    if (is_possible)
      co_return make_error(ErrorCode::Unavailable,
                           fmt::format("the drive at {} is out of order", drive->part.at.place));
  }
  co_return make_error(ErrorCode::NotFound, std::move(detail));
}

Task<Result<ShardInfo>> DriveSet::stat(ShardKey key, Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  std::optional<ShardInfo> newest;
  std::optional<Error> problem;
  for (Drive* const drive : order_of(key)) {
    if (!takes_part(*drive)) continue;
    auto info = co_await drive->store->stat(key, deadline);
    if (!info) {
      if (info.error().code != ErrorCode::NotFound) problem = info.error();
      continue;
    }
    if (!newest || info->stamp.generation > newest->stamp.generation) newest = *info;
  }
  if (newest) co_return *newest;
  if (problem) co_return *problem;
  co_return co_await not_found(key, "no such shard");
}

// The try of the highest generation; zero when there is but one drive, which knows it best.
Task<Result<WriteId>> DriveSet::newest_of(ShardKey key, Instant deadline) {
  if (drives_.size() == 1) co_return WriteId{};
  PREDA_CO_TRY(const ShardInfo info, co_await stat(key, deadline));
  co_return info.stamp.write_id;
}

Task<Result<std::vector<Segment>>> DriveSet::fetch(ShardKey key, WriteId write_id,
                                                   SegmentIndex first, std::uint16_t count,
                                                   Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  if (write_id == WriteId{}) {
    PREDA_CO_TRY(write_id, co_await newest_of(key, deadline));
  }
  for (Drive* const drive : order_of(key)) {
    if (!takes_part(*drive)) continue;
    auto segments = co_await drive->store->fetch(key, write_id, first, count, deadline);
    const bool is_elsewhere = !segments && (segments.error().code == ErrorCode::NotFound ||
                                            segments.error().code == ErrorCode::Unavailable);
    if (!is_elsewhere) co_return segments;
  }
  co_return co_await not_found(key, "no such shard, or another try is stored");
}

Task<Result<LocalShards::Records>> DriveSet::fetch_records(ShardKey key, WriteId write_id,
                                                           SegmentIndex first, std::uint16_t count,
                                                           Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  if (write_id == WriteId{}) {
    PREDA_CO_TRY(write_id, co_await newest_of(key, deadline));
  }
  for (Drive* const drive : order_of(key)) {
    if (!takes_part(*drive)) continue;
    auto records = co_await drive->store->fetch_records(key, write_id, first, count, deadline);
    const bool is_elsewhere = !records && (records.error().code == ErrorCode::NotFound ||
                                           records.error().code == ErrorCode::Unavailable);
    if (!is_elsewhere) co_return records;
  }
  co_return co_await not_found(key, "no such shard, or another try is stored");
}

Task<Result<void>> DriveSet::verify(ShardKey key, Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  PREDA_CO_TRY(const ShardInfo newest, co_await stat(key, deadline));
  for (Drive* const drive : order_of(key)) {
    if (!takes_part(*drive)) continue;
    const auto info = co_await drive->store->stat(key, deadline);
    if (!info || info->stamp.write_id != newest.stamp.write_id) continue;
    co_return co_await drive->store->verify(key, deadline);
  }
  co_return co_await not_found(key, "no such shard");
}

Task<Result<std::vector<ShardInfo>>> DriveSet::inventory(std::optional<ShardKey> after,
                                                         std::size_t count_max) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  std::vector<ShardInfo> all;
  std::optional<Error> problem;
  bool is_any = false;
  for (const auto& drive : drives_) {
    if (!takes_part(*drive)) continue;
    auto infos = co_await drive->store->inventory(after, count_max);
    if (!infos) {
      problem = infos.error();
      continue;
    }
    is_any = true;
    all.insert(all.end(), infos->begin(), infos->end());
  }
  if (!is_any) {
    if (problem) co_return *problem;
    co_return make_error(ErrorCode::Unavailable, "no drive takes part");
  }
  std::stable_sort(all.begin(), all.end(), [](const ShardInfo& left, const ShardInfo& right) {
    return left.key < right.key;
  });
  // All of one key come in one answer, so that the next one can begin after it.
  std::size_t count = std::min(count_max, all.size());
  while (count > 0 && count < all.size() && all[count].key == all[count - 1].key) ++count;
  all.resize(count);
  co_return all;
}

// ---- changes

Task<Result<std::unique_ptr<ShardWriter>>> DriveSet::begin(ShardKey key, ShardStamp stamp,
                                                           Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  std::vector<Drive*> order = order_of(key);
  std::stable_partition(order.begin(), order.end(),
                        [this](Drive* drive) { return state_of(*drive) == DriveState::ok; });
  Error reason = make_error(ErrorCode::Unavailable, "no drive takes part");
  for (Drive* const drive : order) {
    if (!takes_part(*drive)) continue;
    auto writer = co_await drive->store->begin(key, stamp, deadline);
    if (writer && drives_.size() == 1) co_return writer;
    if (writer) {
      std::unique_ptr<ShardWriter> placed =
          std::make_unique<PlacedWriter>(self_, drive, key, stamp, std::move(*writer));
      co_return std::move(placed);
    }
    // Not because of the drive: the next one would say the same.
    if (writer.error().code == ErrorCode::InvalidArgument) co_return writer.error();
    if (reason.code != ErrorCode::NoSpace) reason = writer.error();
  }
  co_return reason;
}

// `writer` is of the caller, who waits for this. One commit of a key at a time, so that each sees
// what the other has made.
Task<Result<void>> DriveSet::commit(Drive* drive, ShardKey key, ShardStamp stamp,
                                    ShardWriter* writer, Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  while (committing_.contains(key)) {
    const bool was_notified = co_await committed_.wait_until(deadline);
    if (!was_notified && committing_.contains(key))
      co_return make_error(ErrorCode::TimedOut, "another commit of the shard is under way");
  }
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  committing_.insert(key);
  struct Release {
    DriveSet& set;
    ShardKey key;
    ~Release() {
      set.committing_.erase(key);
      set.committed_.notify_all();
    }
  };
  const Release release{*this, key};
  std::vector<std::pair<Drive*, ShardRemoval>> replaced;
  for (Drive* const other : order_of(key)) {
    if (other == drive || !takes_part(*other)) continue;
    const auto held = co_await other->store->stat(key, deadline);
    if (!held) continue;
    if (held->stamp.generation > stamp.generation)
      co_return make_error(ErrorCode::Conflict, "a higher generation is stored");
    replaced.emplace_back(
        other, ShardRemoval{key, held->stamp.generation, held->stamp.write_id});
  }
  PREDA_CO_CHECK(co_await writer->commit(deadline));
  for (auto& [other, removal] : replaced) {
    std::vector<ShardRemoval> removals{removal};
    const auto removed = co_await other->store->remove(std::move(removals), deadline);
    if (!removed)
      telemetry::log_warn("leave a replaced shard on another drive",
                          {{"place", other->part.at.place}, {"error", removed.error().to_string()}});
  }
  co_return Result<void>{};
}

// `outcome` is of remove(), which waits for this.
Task<void> DriveSet::remove_from(Drive* drive, std::vector<ShardRemoval> removals, Instant deadline,
                                 Result<void>* outcome) {
  if (takes_part(*drive)) {
    *outcome = co_await drive->store->remove(std::move(removals), deadline);
    co_return;
  }
  for (const ShardRemoval& removal : removals) {
    const bool is_possible = co_await may_hold(drive, removal.key);
    if (!is_possible) continue;
    *outcome = make_error(ErrorCode::Unavailable,
                          fmt::format("the drive at {} is out of order", drive->part.at.place));
    co_return;
  }
}

Task<Result<void>> DriveSet::remove(std::vector<ShardRemoval> removals, Instant deadline) {
  SetInFlight in_flight{in_flight_, idle_};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drives are closed");
  std::vector<Result<void>> outcomes(drives_.size());
  TaskGroup removing{env_.executor, env_.clock};
  for (std::size_t i = 0; i < drives_.size(); ++i)
    removing.spawn(remove_from(drives_[i].get(), removals, deadline, &outcomes[i]));
  (void)co_await removing.join();
  for (Result<void>& outcome : outcomes) {
    if (!outcome) co_return outcome;
  }
  co_return Result<void>{};
}

}  // namespace predastore::shard
