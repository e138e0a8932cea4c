#include "shard/scrubber.h"

#include <algorithm>

#include "base/codec.h"
#include "env/blocking.h"
#include "shard/live_records.h"
#include "shard/recovery.h"
#include "telemetry/log.h"

namespace predastore::shard {
namespace {

using segment::RecordHeader;
using segment::RecordKind;

constexpr std::string_view kPositionKey = "scrub";
constexpr double kBytesPerSecondMin = 64.0 * 1024;

}  // namespace

Scrubber::Scrubber(Environment env, std::shared_ptr<const ShardStoreOptions> options,
                   std::shared_ptr<kv::KeyValueStore> index, std::shared_ptr<DriveWriter> writer,
                   Hooks hooks)
    : env_(env),
      options_(std::move(options)),
      index_(std::move(index)),
      writer_(std::move(writer)),
      hooks_(std::move(hooks)),
      wake_(env.clock) {}

void Scrubber::stop() {
  stopping_ = true;
  wake_.notify_all();
}

std::vector<ShardFileId> Scrubber::sealed_files() const {
  std::vector<ShardFileId> files;
  const auto in_use = writer_->abandoned_files();
  for (const auto& [id, file] : writer_->usage().files()) {
    if (file.is_sealed && !in_use.contains(id)) files.push_back(id);
  }
  std::ranges::sort(files);
  return files;
}

// In the order of ids, so that a pass that was interrupted goes on where it was. A file that is
// made during a pass behind its position is read in the next one.
Task<void> Scrubber::run() {
  const auto stored = co_await load_position();
  std::optional<ShardFileId> position = stored ? *stored : std::nullopt;
  while (!stopping_) {
    const std::vector<ShardFileId> files = sealed_files();
    const auto next = position ? std::ranges::upper_bound(files, *position) : files.begin();
    if (next == files.end()) {
      position.reset();
      const Instant until = env_.clock.now() + (files.empty() ? Duration{60s} : Duration{1s});
      (void)co_await wake_.wait_until(until);
      continue;
    }
    position = *next;
    const auto scrubbed = co_await scrub_file(*position, true);
    if (!scrubbed) {
      telemetry::log_warn("scrub of a file failed", {{"detail", scrubbed.error().to_string()}});
      (void)co_await wake_.wait_until(env_.clock.now() + 60s);
    }
    co_await store_position(position);
  }
}

Task<Result<ScrubReport>> Scrubber::run_once() {
  const ScrubReport before = totals_;
  for (const ShardFileId id : sealed_files()) {
    if (stopping_) break;
    if (!writer_->usage().contains(id)) continue;  // compacted meanwhile
    PREDA_CO_CHECK(co_await scrub_file(id, false));
  }
  ScrubReport report = totals_;
  report.file_count -= before.file_count;
  report.record_count -= before.record_count;
  report.read_bytes -= before.read_bytes;
  report.damage_count -= before.damage_count;
  co_return report;
}

void Scrubber::report(Damage damage) {
  ++totals_.damage_count;
  hooks_.report(damage);
}

Task<Result<void>> Scrubber::scrub_file(ShardFileId id, bool is_paced) {
  FileRecovery recovery{env_, options_};
  auto found = co_await recovery.find(id);
  if (!found) {
    if (!writer_->usage().contains(id)) co_return Result<void>{};  // compacted meanwhile
    if (found.error().code != ErrorCode::NotFound) co_return found.error();
    report({options_->drive, std::nullopt, WriteId{}, id, 0, "a shard file is gone"});
    co_return co_await check_index(id, {});
  }
  PREDA_CO_TRY(const auto records, co_await recovery.load(*found));
  ++totals_.file_count;
  for (Damage& damage : recovery.take_damage()) {  // of its header or its index
    if (!damage.key) hooks_.rewrite(id);
    report(std::move(damage));
  }
  co_return co_await check_records(id, records, is_paced);
}

Task<Result<void>> Scrubber::check_records(ShardFileId id, const std::vector<RecordHeader>& records,
                                           bool is_paced) {
  const auto live_bytes = [this, id] {
    const auto found = writer_->usage().files().find(id);
    return found == writer_->usage().files().end() ? 0 : found->second.live_bytes;
  };
  const std::uint64_t live_before = live_bytes();
  auto look = [this, &records] { return find_live(*index_, records); };
  PREDA_CO_TRY(const std::vector<bool> live, co_await run_blocking(env_.blocking, std::move(look)));
  const bool is_still = live_before == live_bytes();
  std::uint64_t live_found = 0;
  std::vector<bool> wanted = live;
  std::vector<RecordHeader> dead_decisions;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (live[i]) live_found += records[i].record_size_bytes();
    if (live[i] || records[i].kind == RecordKind::segment) continue;
    wanted[i] = true;
    dead_decisions.push_back(records[i]);
  }
  const std::string path = options_->directory + "/shards/" + shard_file_name(id);
  auto file = co_await env_.files.open(path, FileMode{.direct = options_->direct_io});
  if (!file && file.error().code == ErrorCode::NotFound) co_return Result<void>{};
  if (!file) co_return file.error();
  for (std::vector<RecordHeader>& run : runs_of(records, wanted)) {
    if (stopping_) co_return Result<void>{};
    const std::uint64_t size_bytes = place_of(run).size_bytes;
    PREDA_CO_CHECK(co_await check_run(*file, std::move(run), dead_decisions));
    if (is_paced) co_await pace(size_bytes);
  }
  // The index refers to something that the file does not have (any more).
  if (is_still && live_found < live_before) co_return co_await check_index(id, records);
  co_return Result<void>{};
}

Task<Result<void>> Scrubber::check_run(std::shared_ptr<File> file, std::vector<RecordHeader> run,
                                       const std::vector<RecordHeader>& dead_decisions) {
  const RunPlace place = place_of(run);
  auto read = co_await file->read(place.begin_bytes, place.size_bytes);
  Buffer bytes;
  if (read) bytes = std::move(*read);  // an error: every record in it is damaged
  totals_.read_bytes += bytes.size();
  for (const RecordHeader& record : run) {
    ++totals_.record_count;
    if (read_record(record, place, bytes)) continue;
    // A decision is in the file's index as well; what counts no more need not be repaired.
    const bool is_dead = std::ranges::find(dead_decisions, record) != dead_decisions.end();
    hooks_.rewrite(record.file_id);
    Damage damage{options_->drive,         record.key,
                  record.write_id,         record.file_id,
                  record.own_offset_bytes, "a damaged record met by scrub"};
    if (is_dead) damage.key.reset();
    report(std::move(damage));
  }
  co_return Result<void>{};
}

Task<Result<void>> Scrubber::check_index(ShardFileId id, std::vector<RecordHeader> records) {
  std::vector<Damage> missing;
  auto compare = [this, id, &records, &missing]() -> Result<void> {
    const auto entries = index_->iterate(kShardFamily);
    for (entries->seek({}); entries->valid(); entries->next()) {
      PREDA_TRY(const IndexEntry entry, decode_entry(entries->value()));
      std::uint32_t expected = entry.commit_file_id == id ? 1 : 0;
      for (const Extent& extent : entry.extents)
        expected += extent.file_id == id ? extent.count : 0;
      if (expected == 0) continue;
      PREDA_TRY(const ShardKey key, decode_shard_key(entries->key()));
      const auto there = std::ranges::count_if(records, [&](const RecordHeader& record) {
        return record.key == key && refers_to(entry, record);
      });
      if (static_cast<std::uint32_t>(there) >= expected) continue;
      missing.push_back({options_->drive, key, entry.stamp.write_id, id, 0,
                         "the index refers to records that are not in the file"});
    }
    return entries->status();
  };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(compare)));
  for (Damage& damage : missing) report(std::move(damage));
  co_return Result<void>{};
}

// The whole drive within the period, and never faster than the limit.
Task<void> Scrubber::pace(std::uint64_t size_bytes) {
  const double period = std::chrono::duration<double>(options_->scrub_period).count();
  const double wanted = static_cast<double>(writer_->used_bytes()) / std::max(period, 1.0);
  const double limit = static_cast<double>(options_->scrub_bytes_per_second);
  const double rate = std::min(std::max(wanted, kBytesPerSecondMin), limit);
  const auto pause = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(static_cast<double>(size_bytes) / rate));
  const Instant until = env_.clock.now() + pause;
  while (!stopping_ && env_.clock.now() < until) (void)co_await wake_.wait_until(until);
}

Task<Result<std::optional<ShardFileId>>> Scrubber::load_position() {
  auto look = [index = index_]() -> Result<std::optional<ShardFileId>> {
    PREDA_TRY(const auto value, index->get(kStateFamily, kPositionKey));
    if (!value) return std::optional<ShardFileId>{};
    Decoder decoder{as_bytes(*value)};
    const ShardFileId id{decoder.le<std::uint64_t>()};
    return decoder.finished() ? std::optional{id} : std::optional<ShardFileId>{};
  };
  co_return co_await run_blocking(env_.blocking, std::move(look));
}

Task<void> Scrubber::store_position(std::optional<ShardFileId> id) {
  if (!id || writer_->is_index_failed()) co_return;
  auto store = [index = index_, id] {
    kv::Batch batch;
    Encoder encoder;
    encoder.le(id->value());
    batch.put(kStateFamily, std::string{kPositionKey}, std::move(encoder).take());
    return index->write(batch);
  };
  (void)co_await run_blocking(env_.blocking, std::move(store));
}

}  // namespace predastore::shard
