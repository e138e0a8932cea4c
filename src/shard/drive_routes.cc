// The part of DriveSet that finds shards and changes them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "shard/drive_set_parts.h"
#include "telemetry/log.h"

namespace predastore::shard {
namespace {

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

}  // namespace

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
    if (takes_part(*drive) || drive->is_given_up) continue;
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
    replaced.emplace_back(other, ShardRemoval{key, held->stamp.generation, held->stamp.write_id});
  }
  PREDA_CO_CHECK(co_await writer->commit(deadline));
  for (auto& [other, removal] : replaced) {
    if (!takes_part(*other)) continue;  // it failed meanwhile
    std::vector<ShardRemoval> removals{removal};
    const auto removed = co_await other->store->remove(std::move(removals), deadline);
    if (!removed)
      telemetry::log_warn(
          "leave a replaced shard on another drive",
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
  if (drive->is_given_up) co_return;  // should it come back, the sweep finds what is there
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
