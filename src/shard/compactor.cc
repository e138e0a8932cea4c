#include "shard/compactor.h"

#include <algorithm>

#include "base/codec.h"
#include "env/blocking.h"
#include "shard/live_records.h"
#include "telemetry/log.h"

namespace predastore::shard {
namespace {

using segment::RecordHeader;
using segment::RecordKind;

constexpr std::size_t kVictimsMax = 16;
constexpr double kGarbageShareMin = 0.05;  // of a file, to be worth a copy of the rest
constexpr Duration kHoldBack = 600s;
constexpr double kShareInUse = 0.25;    // of the rate, while others use the drive
constexpr Duration kPaceSlice = 100ms;  // after which the rate is looked at again
constexpr std::string_view kOutputPrefix = "output/";

std::string output_mark(ShardFileId id) {
  Encoder encoder;
  encoder.raw(as_bytes(kOutputPrefix)).be(id.value());
  return std::move(encoder).take();
}

void append_place(std::vector<Extent>& extents, const Extent& from, std::uint32_t i,
                  ShardFileId file_id, std::uint64_t offset_bytes) {
  RecordHeader header;
  header.file_id = file_id;
  header.own_offset_bytes = offset_bytes;
  header.segment_index = SegmentIndex{from.first + i};
  header.stored_size_bytes = from.stored_size_bytes;
  header.logical_size_bytes = from.logical_size_bytes;
  add_segment(extents, header);
}

}  // namespace

Compactor::Compactor(Environment env, std::shared_ptr<const ShardStoreOptions> options,
                     std::shared_ptr<kv::KeyValueStore> index, std::shared_ptr<DriveWriter> writer,
                     Hooks hooks)
    : env_(env),
      options_(std::move(options)),
      index_(std::move(index)),
      writer_(std::move(writer)),
      hooks_(std::move(hooks)),
      wake_(env.clock) {}

void Compactor::request(ShardFileId id) {
  requested_.insert(id);
  wake_.notify_all();
}

void Compactor::stop() {
  stopping_ = true;
  wake_.notify_all();
}

Task<void> Compactor::run() {
  while (!stopping_) {
    const auto removed = co_await run_once();
    if (!removed) {
      telemetry::log_warn("compaction failed", {{"detail", removed.error().to_string()}});
    }
    if (stopping_ || (removed && *removed > 0)) continue;
    (void)co_await wake_.wait_until(env_.clock.now() + options_->compaction_interval);
  }
}

Task<Result<std::size_t>> Compactor::run_once() {
  if (is_running_ || writer_->is_index_failed()) co_return std::size_t{0};
  is_running_ = true;
  Round round;
  auto removed = co_await compact(round);
  co_await discard_outputs(round);  // none is left of a round that went through
  is_running_ = false;
  co_return removed;
}

Task<void> Compactor::discard_outputs(Round& round) {
  if (round.outputs.empty()) co_return;
  kv::Batch batch;
  for (auto& output : round.outputs) {
    co_await output->discard();
    batch.erase(kStateFamily, output_mark(output->id()));
  }
  auto strike = [index = index_, &batch] { return index->write(batch); };
  (void)co_await run_blocking(env_.blocking, std::move(strike));  // else at the next open
}

// ---- what is worth it

bool Compactor::is_pressed() const {
  return writer_->used_bytes() + options_->reserve_bytes + 2 * options_->shard_file_size_bytes >
         writer_->capacity_bytes();
}

double Compactor::garbage_bytes() const {
  const std::uint64_t used = writer_->used_bytes();
  return static_cast<double>(used - std::min(writer_->usage().live_bytes(), used));
}

std::vector<ShardFileId> Compactor::pick() const {
  std::set<ShardFileId> excluded = writer_->files_in_use();
  for (const auto& [id, until] : held_back_) {
    if (env_.clock.now() < until) excluded.insert(id);
  }
  const FileUsage& usage = writer_->usage();
  const double garbage = garbage_bytes();
  const bool is_wasteful =
      garbage > options_->compaction_garbage_share * static_cast<double>(writer_->used_bytes()) &&
      garbage > 2.0 * static_cast<double>(options_->shard_file_size_bytes);
  // A file without anything live goes at once: it costs no copy.
  const double share_min = is_wasteful || is_pressed() ? kGarbageShareMin : 1.0;
  std::vector<ShardFileId> picked;
  std::uint64_t live_bytes = 0;
  for (const ShardFileId id : requested_) {
    if (picked.size() == kVictimsMax || excluded.contains(id) || !usage.contains(id)) continue;
    live_bytes += usage.files().at(id).live_bytes;
    picked.push_back(id);
  }
  excluded.insert(picked.begin(), picked.end());
  while (picked.size() < kVictimsMax) {
    const auto id = usage.most_wasteful(share_min, excluded);
    if (!id) break;
    live_bytes += usage.files().at(*id).live_bytes;
    if (!picked.empty() && live_bytes > options_->shard_file_size_bytes) break;
    picked.push_back(*id);
    excluded.insert(*id);
  }
  return picked;
}

Task<Result<Compactor::Victim>> Compactor::load(ShardFileId id) {
  FileRecovery recovery{env_, options_};
  PREDA_CO_TRY(FoundFile found, co_await recovery.find(id));
  PREDA_CO_TRY(auto records, co_await recovery.load(found));
  for (const Damage& damage : recovery.take_damage()) hooks_.report(damage);
  co_return Victim{found, std::move(records)};
}

// ---- a round

Task<Result<std::size_t>> Compactor::compact(Round& round) {
  for (const ShardFileId id : pick()) {
    auto victim = co_await load(id);
    if (victim) {
      round.victims.push_back(std::move(*victim));
    } else {
      held_back_[id] = env_.clock.now() + kHoldBack;
    }
  }
  std::vector<Victim> copied;
  for (Victim& victim : round.victims) {
    const auto result = co_await copy(round, victim);
    if (!result && result.error().code == ErrorCode::Corruption) {
      // Something live in it is damaged; repair writes it anew, and it is dead then.
      held_back_[victim.file.id] = env_.clock.now() + kHoldBack;
      round.given_up.insert(victim.file.id);
      continue;
    }
    PREDA_CO_CHECK(result);
    copied.push_back(std::move(victim));
    if (stopping_) co_return make_error(ErrorCode::Cancelled, "the drive is being closed");
  }
  round.victims = std::move(copied);
  if (round.victims.empty()) co_return std::size_t{0};
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  for (const Victim& victim : round.victims) before += victim.file.size_bytes;
  for (auto& output : round.outputs) {
    PREDA_CO_CHECK(co_await output->finish());
    after += output->size_bytes();
  }
  const bool is_requested = std::ranges::any_of(
      round.victims, [this](const Victim& victim) { return requested_.contains(victim.file.id); });
  if (after >= before && !is_requested) {  // all tombstones that are needed still
    for (const Victim& victim : round.victims)
      held_back_[victim.file.id] = env_.clock.now() + kHoldBack;
    co_return std::size_t{0};
  }
  PREDA_CO_CHECK(co_await switch_over(round));
  co_return co_await remove_victims(round);
}

Result<bool> Compactor::is_tombstone_needed(const RecordHeader& record,
                                            const Situation& situation) const {
  if (record.sequence == situation.last_decision) return true;
  PREDA_TRY(const auto value, index_->get(kDeadFamily, encode_shard_key(record.key)));
  if (!value) return false;
  PREDA_TRY(const auto files, decode_dead(*value));
  return std::ranges::any_of(
      files, [&](ShardFileId id) { return id != record.file_id && situation.files.contains(id); });
}

// What is to be copied: live records, and tombstones that are still needed.
Task<Result<std::vector<bool>>> Compactor::find_kept(const Victim& victim) {
  // As of now: a file that is made later holds nothing older than a sealed file's tombstone.
  Situation situation;
  situation.last_decision = writer_->last_decision();
  for (const auto& [id, file] : writer_->usage().files()) situation.files.insert(id);
  auto look = [this, &victim, &situation]() -> Result<std::vector<bool>> {
    PREDA_TRY(std::vector<bool> kept, find_live(*index_, victim.records));
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (victim.records[i].kind != RecordKind::tombstone) continue;
      PREDA_TRY(const bool is_needed, is_tombstone_needed(victim.records[i], situation));
      kept[i] = is_needed;
    }
    return kept;
  };
  co_return co_await run_blocking(env_.blocking, std::move(look));
}

Task<Result<void>> Compactor::copy(Round& round, const Victim& victim) {
  PREDA_CO_TRY(const std::vector<bool> kept, co_await find_kept(victim));
  const std::string path = options_->directory + "/shards/" + shard_file_name(victim.file.id);
  PREDA_CO_TRY(auto file, co_await env_.files.open(path, FileMode{.direct = options_->direct_io}));
  for (std::vector<RecordHeader>& run : runs_of(victim.records, kept)) {
    if (stopping_) break;
    PREDA_CO_CHECK(co_await copy_run(round, file, std::move(run)));
  }
  co_return Result<void>{};
}

Task<Result<void>> Compactor::copy_run(Round& round, std::shared_ptr<File> file,
                                       std::vector<RecordHeader> run) {
  const RunPlace place = place_of(run);
  PREDA_CO_TRY(const Buffer bytes, co_await file->read(place.begin_bytes, place.size_bytes));
  for (const RecordHeader& record : run) {
    // A decision is all in its header, which the file's index holds as well: good even if the
    // record itself is not.
    std::optional<Buffer> payload = Buffer{};
    if (record.kind == RecordKind::segment) payload = read_record(record, place, bytes);
    if (!payload) {
      hooks_.report({options_->drive, record.key, record.write_id, record.file_id,
                     record.own_offset_bytes, "a damaged record met by compaction"});
      co_return make_error(ErrorCode::Corruption, "a damaged record");
    }
    PREDA_CO_TRY(CompactionOutput * output, co_await output_for(round, record));
    PREDA_CO_TRY(const RecordHeader stored, co_await output->add(record, std::move(*payload)));
    round.moved[record.key].push_back({record.file_id, record.own_offset_bytes, stored});
  }
  co_await pace(place.size_bytes);
  co_return Result<void>{};
}

Task<Result<CompactionOutput*>> Compactor::output_for(Round& round, RecordHeader header) {
  if (!round.outputs.empty() && round.outputs.back()->fits(header))
    co_return round.outputs.back().get();
  const ShardFileId id{env_.random.next_u64()};
  auto mark = [index = index_, id]() -> Result<void> {
    kv::Batch batch;
    batch.put(kStateFamily, output_mark(id), std::string{});
    PREDA_CHECK(index->write(batch));
    return index->flush();
  };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(mark)));
  round.outputs.push_back(std::make_unique<CompactionOutput>(env_, options_, id));
  PREDA_CO_CHECK(co_await round.outputs.back()->create());
  co_return round.outputs.back().get();
}

// All of the rate again from twice the garbage at which copying begins: whoever overwrites faster
// than a quarter of it gives back must not fill the drive.
double Compactor::rate() const {
  if (is_pressed()) return 0;
  const auto full = static_cast<double>(options_->compaction_bytes_per_second);
  if (!hooks_.is_in_use || !hooks_.is_in_use()) return full;
  const double begins =
      options_->compaction_garbage_share * static_cast<double>(writer_->used_bytes());
  const double urgency = begins > 0 ? std::clamp(garbage_bytes() / begins - 1, 0.0, 1.0) : 1;
  return full * (kShareInUse + (1 - kShareInUse) * urgency);
}

Task<void> Compactor::pace(std::uint64_t size_bytes) {
  auto left = static_cast<double>(size_bytes);
  while (!stopping_ && left > 0) {
    const double bytes_per_second = rate();
    if (bytes_per_second == 0) co_return;
    const std::chrono::duration<double> needed{left / bytes_per_second};
    const Instant begun = env_.clock.now();
    const auto wait = needed < kPaceSlice ? std::chrono::duration_cast<Duration>(needed) + 1ns
                                          : Duration{kPaceSlice};
    (void)co_await wake_.wait_until(begun + wait);
    left -= bytes_per_second * std::chrono::duration<double>(env_.clock.now() - begun).count();
  }
}

// ---- the switch

Task<Result<void>> Compactor::switch_over(Round& round) {
  (void)co_await writer_->index_lock().acquire(1, kNever);
  SemaphoreHold lock{writer_->index_lock(), 1};
  // From here on the index may refer to the outputs, whatever is answered: they are not discarded.
  const auto outputs = std::move(round.outputs);
  round.outputs.clear();
  Changes changes;
  auto write = [&]() -> Result<void> {
    kv::Batch batch;
    for (const auto& [key, moved] : round.moved) {
      PREDA_CHECK(move_entry(round, key, batch, changes));
    }
    for (const auto& output : outputs) batch.erase(kStateFamily, output_mark(output->id()));
    return index_->write(batch);
  };
  const auto written = co_await run_blocking(env_.blocking, std::move(write));
  if (!written) {
    writer_->fail_index(written.error());
    co_return written;
  }
  for (const auto& output : outputs) writer_->file_added(output->id(), output->size_bytes());
  for (const auto& [before, after] : changes) {
    writer_->usage().subtract(before);
    writer_->usage().add(after);
  }
  lock.release();
  co_return co_await flush_index();
}

// Only what still names the old place is changed: a shard may have been replaced or removed since
// its records were copied, and then the copy is as dead as they are.
Result<void> Compactor::move_entry(const Round& round, const ShardKey& key, kv::Batch& batch,
                                   Changes& changes) const {
  const std::string encoded = encode_shard_key(key);
  PREDA_TRY(const auto value, index_->get(kShardFamily, encoded));
  std::optional<IndexEntry> entry;
  if (value) {
    PREDA_TRY(entry, decode_entry(*value));
  }
  PREDA_TRY(const auto dead_value, index_->get(kDeadFamily, encoded));
  std::vector<ShardFileId> dead;
  if (dead_value) {
    PREDA_TRY(dead, decode_dead(*dead_value));
  }
  std::map<std::pair<ShardFileId, std::uint64_t>, const RecordHeader*> places;
  std::optional<IndexEntry> changed = entry;
  bool is_dead_changed = false;
  for (const Moved& record : round.moved.at(key)) {
    const bool is_given_up = round.given_up.contains(record.from);
    if (!is_given_up) places[{record.from, record.from_offset_bytes}] = &record.header;
    if (record.header.kind != RecordKind::commit) continue;
    const bool is_live = !is_given_up && entry && entry->sequence == record.header.sequence &&
                         entry->commit_file_id == record.from;
    if (is_live) changed->commit_file_id = record.header.file_id;
    dead.push_back(is_live ? record.from : record.header.file_id);
    is_dead_changed = true;
  }
  if (changed) {
    changed->extents.clear();
    for (const Extent& extent : entry->extents) {
      for (std::uint32_t i = 0; i < extent.count; ++i) {
        const std::uint64_t offset = extent.offset_bytes + i * extent.record_size_bytes();
        const auto place = places.find({extent.file_id, offset});
        const bool is_moved =
            place != places.end() && place->second->write_id == entry->stamp.write_id;
        append_place(changed->extents, extent, i,
                     is_moved ? place->second->file_id : extent.file_id,
                     is_moved ? place->second->own_offset_bytes : offset);
      }
    }
    batch.put(kShardFamily, encoded, encode_entry(*changed));
    changes.emplace_back(*entry, *changed);
  }
  if (is_dead_changed) batch.put(kDeadFamily, encoded, encode_dead(dead));
  return {};
}

Task<Result<void>> Compactor::flush_index() {
  auto flush = [index = index_] { return index->flush(); };
  co_return co_await run_blocking(env_.blocking, std::move(flush));
}

Task<Result<std::size_t>> Compactor::remove_victims(Round& round) {
  for (const Victim& victim : round.victims) {
    const std::string path = options_->directory + "/shards/" + shard_file_name(victim.file.id);
    PREDA_CO_CHECK(co_await env_.files.remove(path));
    requested_.erase(victim.file.id);
    writer_->file_removed(victim.file.id);
    hooks_.file_removed(victim.file.id);
  }
  PREDA_CO_CHECK(co_await env_.files.sync_directory(options_->directory + "/shards"));
  held_back_.clear();  // tombstones may be needed no more
  PREDA_CO_CHECK(co_await strike_out(round.victims));
  PREDA_CO_CHECK(co_await writer_->refresh_capacity());
  co_return round.victims.size();
}

Task<Result<void>> Compactor::strike_out(const std::vector<Victim>& victims) {
  (void)co_await writer_->index_lock().acquire(1, kNever);
  const SemaphoreHold lock{writer_->index_lock(), 1};
  std::set<ShardFileId> removed;
  for (const Victim& victim : victims) removed.insert(victim.file.id);
  auto strike = [&]() -> Result<void> {
    std::set<ShardKey> keys;
    for (const Victim& victim : victims) {
      for (const RecordHeader& record : victim.records)
        if (record.kind == RecordKind::commit) keys.insert(record.key);
    }
    kv::Batch batch;
    for (const ShardKey& key : keys) {
      const std::string encoded = encode_shard_key(key);
      PREDA_TRY(const auto value, index_->get(kDeadFamily, encoded));
      if (!value) continue;
      PREDA_TRY(std::vector<ShardFileId> dead, decode_dead(*value));
      std::erase_if(dead, [&](ShardFileId id) { return removed.contains(id); });
      if (dead.empty()) {
        batch.erase(kDeadFamily, encoded);
      } else {
        batch.put(kDeadFamily, encoded, encode_dead(dead));
      }
    }
    return batch.empty() ? Result<void>{} : index_->write(batch);
  };
  co_return co_await run_blocking(env_.blocking, std::move(strike));
}

Task<Result<std::vector<ShardFileId>>> Compactor::remove_leftovers(
    Environment env, std::shared_ptr<const ShardStoreOptions> options,
    std::shared_ptr<kv::KeyValueStore> index) {
  std::vector<ShardFileId> outputs;
  auto look = [index, &outputs]() -> Result<void> {
    const auto marks = index->iterate(kStateFamily);
    for (marks->seek(kOutputPrefix); marks->valid(); marks->next()) {
      if (!marks->key().starts_with(kOutputPrefix)) break;
      Decoder decoder{as_bytes(marks->key().substr(kOutputPrefix.size()))};
      const ShardFileId id{decoder.be<std::uint64_t>()};
      if (decoder.finished()) outputs.push_back(id);
    }
    return marks->status();
  };
  PREDA_CO_CHECK(co_await run_blocking(env.blocking, std::move(look)));
  if (outputs.empty()) co_return outputs;
  const std::string directory = options->directory + "/shards";
  for (const ShardFileId id : outputs) {
    const auto removed = co_await env.files.remove(directory + "/" + shard_file_name(id));
    if (!removed && removed.error().code != ErrorCode::NotFound) co_return removed.error();
  }
  PREDA_CO_CHECK(co_await env.files.sync_directory(directory));
  auto strike = [index, &outputs]() -> Result<void> {
    kv::Batch batch;
    for (const ShardFileId id : outputs) batch.erase(kStateFamily, output_mark(id));
    return index->write(batch);
  };
  PREDA_CO_CHECK(co_await run_blocking(env.blocking, std::move(strike)));
  co_return outputs;
}

}  // namespace predastore::shard
