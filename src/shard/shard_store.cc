#include "shard/shard_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "env/blocking.h"
#include "segment/checksum.h"
#include "shard/compactor.h"
#include "shard/drive_writer.h"
#include "shard/index_replay.h"
#include "shard/rebuild_log.h"
#include "shard/recovery.h"
#include "shard/scrubber.h"
#include "shard/shard_index.h"

namespace predastore::shard {
namespace {

using segment::kRecordHeaderSizeBytes;
using segment::RecordHeader;

constexpr std::uint64_t kRecordMaxBytes = kRecordHeaderSizeBytes + kSegmentSizeBytes;
constexpr Duration kInUseFor = 1s;  // after a read or a new shard

Result<void> check_options(const ShardStoreOptions& options) {
  const bool is_sized = options.shard_file_size_bytes >= 256 * 1024 &&
                        options.shard_file_size_bytes <= (4ULL << 30) &&
                        options.write_budget_bytes >= 4 * kRecordMaxBytes &&
                        options.shard_window_bytes >= 2 * kRecordMaxBytes &&
                        options.read_budget_bytes >= 2 * kFetchBodyMaxBytes &&
                        options.open_files_max > 0;
  if (!is_sized) return make_error(ErrorCode::InvalidArgument, "sizes of a shard store");
  if (options.directory.empty() || !options.open_index)
    return make_error(ErrorCode::InvalidArgument, "a shard store without a place");
  return {};
}

// A run of bytes of one file that holds records first .. first+count-1.
struct Piece {
  Extent extent;  // cut to what is asked for
  std::uint64_t size_bytes() const { return extent.count * extent.record_size_bytes(); }
};

// The pieces with the segments asked for, as many as go into one answer.
std::vector<Piece> pieces_of(const IndexEntry& entry, std::uint32_t first, std::uint32_t count) {
  std::vector<Piece> pieces;
  std::uint64_t room = kFetchBodyMaxBytes;
  for (const Extent& extent : entry.extents) {
    if (count == 0) break;
    if (first >= extent.first + extent.count) continue;
    const std::uint64_t fit = room / extent.record_size_bytes();
    const std::uint64_t wanted =
        std::min<std::uint64_t>(count, extent.first + extent.count - first);
    const auto taken = static_cast<std::uint32_t>(std::min(fit, wanted));
    if (taken == 0) break;
    Piece piece{extent};
    piece.extent.offset_bytes += (first - extent.first) * extent.record_size_bytes();
    piece.extent.first = first;
    piece.extent.count = taken;
    room -= piece.size_bytes();
    first += taken;
    count -= taken;
    pieces.push_back(piece);
    if (taken < wanted) break;
  }
  return pieces;
}

// A read never believes the disk: a good record of something else in this place is damage as well.
bool is_expected(const RecordHeader& header, const ShardKey& key, const IndexEntry& entry,
                 const Extent& extent, std::uint32_t i) {
  return header.kind == segment::RecordKind::segment && header.key == key &&
         header.write_id == entry.stamp.write_id && header.generation == entry.stamp.generation &&
         header.segment_index.value() == extent.first + i && header.file_id == extent.file_id &&
         header.own_offset_bytes == extent.offset_bytes + i * extent.record_size_bytes() &&
         header.stored_size_bytes == extent.stored_size_bytes &&
         header.logical_size_bytes == extent.logical_size_bytes;
}

// False: the index names a file that is not there. Somebody took it away, and not the last one.
Task<Result<bool>> names_only(Environment env, std::shared_ptr<kv::KeyValueStore> index,
                              const FoundFiles& found) {
  std::set<ShardFileId> there;
  for (const FoundFile& file : found.files) there.insert(file.id);
  auto look = [index, there = std::move(there)]() -> Result<bool> {
    const auto entries = index->iterate(kShardFamily);
    for (entries->seek({}); entries->valid(); entries->next()) {
      const auto entry = decode_entry(entries->value());
      if (!entry) continue;  // a damaged one is met, and reported, when it is read
      const bool is_any_lost = !there.contains(entry->commit_file_id) ||
                               std::ranges::any_of(entry->extents, [&there](const Extent& extent) {
                                 return !there.contains(extent.file_id);
                               });
      if (is_any_lost) return false;
    }
    PREDA_CHECK(entries->status());
    return true;
  };
  co_return co_await run_blocking(env.blocking, std::move(look));
}

}  // namespace

// Counts a call that close() has to wait for.
class InFlight {
 public:
  explicit InFlight(ShardStore& store) : store_(store) { ++store_.in_flight_; }
  ~InFlight() {
    if (--store_.in_flight_ == 0) store_.idle_.notify_all();
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  ShardStore& store_;
};

ShardStore::ShardStore(Environment env, std::shared_ptr<const ShardStoreOptions> options)
    : env_(env),
      options_(std::move(options)),
      read_budget_(env.clock, options_->read_budget_bytes),
      tasks_(env.executor, env.clock),
      idle_(env.clock) {}

ShardStore::~ShardStore() { PREDA_ASSERT(closed_ || writer_ == nullptr); }

Task<Result<std::unique_ptr<ShardStore>>> ShardStore::open(Environment env,
                                                           ShardStoreOptions options) {
  PREDA_CO_CHECK(check_options(options));
  std::unique_ptr<ShardStore> store{
      new ShardStore{env, std::make_shared<const ShardStoreOptions>(std::move(options))}};
  PREDA_CO_CHECK(co_await store->recover());
  co_return std::move(store);
}

Task<Result<void>> ShardStore::recover() {
  FileRecovery recovery{env_, options_};
  PREDA_CO_TRY(FoundFiles found, co_await recovery.run());
  for (const Damage& damage : found.damage) report(damage);
  bool is_current = false;
  auto opened = co_await open_index(options_->discard_index);
  if (opened) {
    index_ = std::move(*opened);
    const auto current = co_await index_is_current(found.last_decision.value());
    is_current = !options_->discard_index && current && *current;
    if (is_current) {
      PREDA_CO_TRY(is_current, co_await names_only(env_, index_, found));
    }
  } else if (opened.error().code != ErrorCode::Corruption) {
    co_return opened.error();
  }
  if (!is_current) {
    was_rebuilt_ = !found.files.empty();
    Result<void> rebuilt{ErrorCode::Corruption};
    if (index_ != nullptr) rebuilt = co_await rebuild_index(recovery, found);
    if (!rebuilt &&
        rebuilt.error().code == ErrorCode::Corruption) {  // thrown away: it is only an index
      index_.reset();
      PREDA_CO_TRY(auto fresh, co_await open_index(true));
      index_ = std::move(fresh);
      rebuilt = co_await rebuild_index(recovery, found);
    }
    PREDA_CO_CHECK(std::move(rebuilt));
  } else {
    PREDA_CO_TRY(const auto removed, co_await Compactor::remove_leftovers(env_, options_, index_));
    std::erase_if(found.files, [&](const FoundFile& file) {
      const bool is_removed = std::ranges::find(removed, file.id) != removed.end();
      if (is_removed) found.used_bytes -= file.size_bytes;
      return is_removed;
    });
  }
  PREDA_CO_TRY(FileUsage usage, co_await count_usage(found));
  DriveWriter::Start start{found.last_sequence, found.last_decision, found.used_bytes,
                           std::move(usage)};
  auto writer = std::make_shared<DriveWriter>(env_, options_, index_, std::move(start));
  PREDA_CO_CHECK(co_await writer->refresh_capacity());
  writer_ = std::move(writer);
  tasks_.spawn(writer_->run());
  start_upkeep();
  co_return Result<void>{};
}

void ShardStore::start_upkeep() {
  Compactor::Hooks hooks;
  hooks.report = [this](const Damage& damage) { report(damage); };
  hooks.file_removed = [this](ShardFileId id) {
    const auto open = open_files_.find(id);
    if (open == open_files_.end()) return;
    recent_files_.erase(open->second.recency);
    open_files_.erase(open);
  };
  hooks.is_in_use = [this] { return is_in_use(); };
  compactor_ = std::make_unique<Compactor>(env_, options_, index_, writer_, std::move(hooks));
  if (options_->run_compaction) tasks_.spawn(compactor_->run());
  Scrubber::Hooks scrub_hooks;
  scrub_hooks.report = [this](const Damage& damage) { report(damage); };
  scrub_hooks.rewrite = [this](ShardFileId id) { compactor_->request(id); };
  scrubber_ = std::make_unique<Scrubber>(env_, options_, index_, writer_, std::move(scrub_hooks));
  if (options_->run_scrub) tasks_.spawn(scrubber_->run());
}

bool ShardStore::is_in_use() const {
  return used_at_ != Instant{} && env_.clock.now() - used_at_ < kInUseFor;
}

Task<Result<ScrubReport>> ShardStore::scrub_once() {
  InFlight in_flight{*this};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drive is closed");
  co_return co_await scrubber_->run_once();
}

Task<Result<std::size_t>> ShardStore::compact_once() {
  InFlight in_flight{*this};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drive is closed");
  co_return co_await compactor_->run_once();
}

Task<Result<void>> ShardStore::rebuild_index(FileRecovery& recovery, const FoundFiles& found) {
  auto replay = std::make_shared<IndexReplay>(*index_, options_->drive);
  auto clear = [replay] { return replay->clear(); };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(clear)));
  RebuildLog log{env_.clock, *options_, found.files.size()};
  for (const FoundFile& file : found.files) {
    if (options_->should_stop && options_->should_stop())
      co_return make_error(ErrorCode::Cancelled, "the drive is not opened any more");
    PREDA_CO_TRY(auto records, co_await recovery.load(file));
    const std::size_t count = records.size();
    auto add = [replay, records = std::move(records)] { return replay->add(records); };
    PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(add)));
    log.file_done(count);
  }
  auto finish = [replay, last = found.last_decision] { return replay->finish(last); };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(finish)));
  rebuilt_ = log.progress();
  for (const Damage& damage : replay->take_damage()) report(damage);
  for (const Damage& damage : recovery.take_damage()) report(damage);
  co_return Result<void>{};
}

Task<Result<FileUsage>> ShardStore::count_usage(const FoundFiles& found) {
  FileUsage usage;
  for (const FoundFile& file : found.files) {
    usage.set_size(file.id, file.size_bytes);
    usage.seal(file.id);
  }
  auto count = [index = index_, &usage]() -> Result<void> {
    const auto entries = index->iterate(kShardFamily);
    for (entries->seek({}); entries->valid(); entries->next()) {
      const auto entry = decode_entry(entries->value());
      if (entry) usage.add(*entry);  // a damaged one is met, and reported, when it is read
    }
    return entries->status();
  };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(count)));
  co_return usage;
}

Task<Result<std::unique_ptr<kv::KeyValueStore>>> ShardStore::open_index(bool afresh) {
  const std::string path = options_->directory + "/kv";
  if (afresh) {
    PREDA_CO_CHECK(co_await env_.files.remove_tree(path));
  }
  kv::RocksOptions rocks;
  rocks.path = path;
  rocks.families = {"shards", "state", "dead", "replay"};
  rocks.write_buffer_bytes = 8u << 20;  // every drive has an index
  rocks.use_wal = true;  // unsynced: the end of the process alone does not make a rebuild
  auto open = [this, rocks] { return options_->open_index(rocks); };
  co_return co_await run_blocking(env_.blocking, std::move(open));
}

Task<Result<bool>> ShardStore::index_is_current(std::uint64_t highest_decision) {
  auto look = [index = index_.get()] { return get_state(*index); };
  PREDA_CO_TRY(const auto state, co_await run_blocking(env_.blocking, std::move(look)));
  co_return state && *state == IndexState{options_->drive, Sequence{highest_decision}};
}

Task<Result<void>> ShardStore::close() {
  if (closed_) co_return Result<void>{};
  closed_ = true;
  compactor_->stop();
  scrubber_->stop();
  writer_->stop();
  (void)co_await tasks_.join();
  while (in_flight_ > 0) co_await idle_.wait();
  auto finished = co_await writer_->finish();
  auto flush = [index = index_] { return index->flush(); };
  auto flushed = co_await run_blocking(env_.blocking, std::move(flush));
  open_files_.clear();
  recent_files_.clear();
  // Writers may outlive the store; the index must not.
  compactor_.reset();
  scrubber_.reset();
  writer_->release_index();
  index_.reset();
  co_return finished ? std::move(flushed) : std::move(finished);
}

void ShardStore::report(const Damage& damage) {
  ++damage_count_;
  if (options_->on_damage) options_->on_damage(damage);
}

DriveStatus ShardStore::status() const {
  DriveStatus status;
  writer_->fill(status);
  status.was_rebuilt = was_rebuilt_;
  status.rebuilt_file_count = rebuilt_.files_done;
  status.rebuilt_record_count = rebuilt_.record_count;
  status.damage_count = damage_count_;
  status.read_bytes = read_bytes_;
  status.read_error_count = read_error_count_;
  return status;
}

void ShardStore::note_error(DriveErrorKind kind, const Error& error) {
  if (kind == DriveErrorKind::read) ++read_error_count_;
  if (options_->on_drive_error) options_->on_drive_error(kind, error);
}

void ShardStore::take_out(Error reason) {
  writer_->fail_index(std::move(reason));
  compactor_->stop();
  scrubber_->stop();
}

std::optional<Error> ShardStore::failure() const {
  const Result<void> available = writer_->available();
  if (available) return std::nullopt;
  return available.error();
}

Task<Result<bool>> ShardStore::is_indexed(ShardKey key) {
  InFlight in_flight{*this};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drive is closed");
  auto look_up = [index = index_, encoded = encode_shard_key(key)] {
    return index->get(kShardFamily, encoded);
  };
  PREDA_CO_TRY(const auto value, co_await run_blocking(env_.blocking, std::move(look_up)));
  co_return value.has_value();
}

Task<void> ShardStore::refresh_space() {
  InFlight in_flight{*this};
  if (closed_) co_return;
  (void)co_await writer_->refresh_capacity();
}

// ---- writing

Result<std::unique_ptr<ShardWriter>> ShardStore::create(ShardKey key, ShardStamp stamp) {
  if (closed_) return make_error(ErrorCode::Unavailable, "the drive is closed");
  PREDA_CHECK(writer_->available());
  if (key.role.value() >= kDataShardsMax + kParityShardsMax)
    return make_error(ErrorCode::InvalidArgument, "a role that cannot be");
  PREDA_CHECK(writer_->has_room(kRecordMaxBytes));
  note_use();
  auto attempt = std::make_shared<ShardTry>(env_.clock, key, stamp, options_->shard_window_bytes);
  return make_shard_writer(writer_, std::move(attempt));
}

Task<Result<std::unique_ptr<ShardWriter>>> ShardStore::begin(ShardKey key, ShardStamp stamp,
                                                             Instant) {
  co_return create(key, stamp);
}

Task<Result<void>> ShardStore::remove(std::vector<ShardRemoval> removals, Instant deadline) {
  InFlight in_flight{*this};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drive is closed");
  for (const ShardRemoval& removal : removals) {
    if (removal.key.role.value() >= kDataShardsMax + kParityShardsMax) {
      co_return make_error(ErrorCode::InvalidArgument, "a role that cannot be");
    }
  }
  co_return co_await writer_->remove(std::move(removals), deadline);
}

// ---- reading

Task<Result<IndexEntry>> ShardStore::find(ShardKey key) {
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drive is closed");
  PREDA_CO_CHECK(writer_->available());
  std::string encoded = encode_shard_key(key);
  auto value = index_->get_cached(kShardFamily, encoded);
  if (!value) {
    auto look_up = [index = index_, wanted = std::move(encoded)] {
      return index->get(kShardFamily, wanted);
    };
    value = co_await run_blocking(env_.blocking, std::move(look_up));
  }
  if (value && !*value) co_return make_error(ErrorCode::NotFound, "no such shard");
  auto entry = value ? decode_entry(**value) : Result<IndexEntry>{value.error()};
  if (!entry && entry.error().code == ErrorCode::Corruption) {
    co_await writer_->doubt_index();
    report({options_->drive, key, WriteId{}, ShardFileId{}, 0,
            "damaged index: " + entry.error().detail});
  }
  co_return entry;
}

Task<Result<ShardInfo>> ShardStore::stat(ShardKey key, Instant) {
  InFlight in_flight{*this};
  PREDA_CO_TRY(const IndexEntry entry, co_await find(key));
  co_return ShardInfo{key, entry.stamp, entry.segment_count, entry.logical_size_bytes};
}

Task<Result<std::shared_ptr<File>>> ShardStore::file_for_reading(ShardFileId file_id) {
  auto found = open_files_.find(file_id);
  if (found != open_files_.end()) {
    recent_files_.splice(recent_files_.begin(), recent_files_, found->second.recency);
    co_return found->second.file;
  }
  const std::string path = options_->directory + "/shards/" + shard_file_name(file_id);
  PREDA_CO_TRY(auto file, co_await env_.files.open(path, FileMode{.direct = options_->direct_io}));
  if (open_files_.contains(file_id)) co_return file;  // somebody else was as fast
  while (open_files_.size() >= options_->open_files_max) {
    open_files_.erase(recent_files_.back());
    recent_files_.pop_back();
  }
  recent_files_.push_front(file_id);
  open_files_[file_id] = OpenFile{file, recent_files_.begin()};
  co_return file;
}

Task<Result<ShardStore::Records>> ShardStore::fetch_records(ShardKey key, WriteId write_id,
                                                            SegmentIndex first, std::uint16_t count,
                                                            Instant deadline) {
  InFlight in_flight{*this};
  note_use();
  // Compaction moves shards: when the file that an entry names is gone, the entry may have changed.
  constexpr int kTries = 4;
  for (int attempt = 1;; ++attempt) {
    PREDA_CO_TRY(IndexEntry entry, co_await find(key));
    if (write_id.value() != 0 && write_id != entry.stamp.write_id)
      co_return make_error(ErrorCode::NotFound, "another try is stored");
    auto records = co_await read_records(key, entry, first, count, deadline);
    if (records || records.error().code != ErrorCode::NotFound) co_return records;
    PREDA_CO_TRY(const IndexEntry now, co_await find(key));
    if (attempt < kTries && now.extents != entry.extents) continue;
    report({options_->drive, key, entry.stamp.write_id, entry.extents.front().file_id, 0,
            "a shard file is gone"});
    co_return make_error(ErrorCode::Corruption, "a shard file is gone");
  }
}

Task<Result<ShardStore::Records>> ShardStore::read_records(ShardKey key, IndexEntry entry,
                                                           SegmentIndex first, std::uint16_t count,
                                                           Instant deadline) {
  const std::vector<Piece> pieces =
      pieces_of(entry, first.value(), std::min(count, kFetchSegmentsMax));
  Records records;
  records.write_id = entry.stamp.write_id;
  std::uint64_t budget_bytes = 0;
  for (const Piece& piece : pieces) budget_bytes += piece.size_bytes() + 2 * kDiskBlockBytes;
  PREDA_CO_CHECK(co_await read_budget_.acquire(budget_bytes, deadline));
  records.budget = SemaphoreHold{read_budget_, budget_bytes};
  for (const Piece& piece : pieces) {
    PREDA_CO_CHECK(co_await read_piece(key, entry, piece.extent, records));
  }
  co_return records;
}

// NotFound: there is no such file (any more).
Task<Result<void>> ShardStore::read_piece(ShardKey key, const IndexEntry& entry,
                                          const Extent& extent, Records& records) {
  const auto fail = [&](std::uint64_t offset_bytes, Error error) {
    report(
        {options_->drive, key, entry.stamp.write_id, extent.file_id, offset_bytes, error.detail});
    return Result<void>{std::move(error)};
  };
  PREDA_CO_TRY(const auto file, co_await file_for_reading(extent.file_id));
  const std::uint64_t size_bytes = extent.count * extent.record_size_bytes();
  const std::uint64_t begin = extent.offset_bytes / kDiskBlockBytes * kDiskBlockBytes;
  const std::uint64_t end = round_up_to_block(extent.offset_bytes + size_bytes);
  auto read = co_await file->read(begin, static_cast<std::size_t>(end - begin));
  if (!read) {
    note_error(DriveErrorKind::read, read.error());
    co_return fail(
        begin, make_error(ErrorCode::Corruption, "cannot be read: " + read.error().to_string()));
  }
  const std::size_t skip = static_cast<std::size_t>(extent.offset_bytes - begin);
  if (read->size() < skip + size_bytes)
    co_return fail(begin, make_error(ErrorCode::Corruption, "a shard file is cut off"));
  const Buffer bytes = read->slice(skip, static_cast<std::size_t>(size_bytes));
  for (std::uint32_t i = 0; i < extent.count; ++i) {
    const std::size_t at = static_cast<std::size_t>(i * extent.record_size_bytes());
    const auto header = segment::decode_record_header(bytes.bytes().subspan(at));
    const bool is_good =
        header && is_expected(*header, key, entry, extent, i) &&
        segment::is_payload_good(
            *header, bytes.bytes().subspan(at + kRecordHeaderSizeBytes, extent.stored_size_bytes));
    if (!is_good)
      co_return fail(extent.offset_bytes + at,
                     make_error(ErrorCode::Corruption, "a damaged segment"));
    records.crc32 =
        segment::crc32(bytes.bytes().subspan(at, kRecordHeaderSizeBytes), records.crc32);
  }
  read_bytes_ += bytes.size();
  records.bytes.append(bytes);
  co_return Result<void>{};
}

Task<Result<std::vector<Segment>>> ShardStore::fetch(ShardKey key, WriteId write_id,
                                                     SegmentIndex first, std::uint16_t count,
                                                     Instant deadline) {
  InFlight in_flight{*this};
  count = std::min(count, kFetchSegmentsMax);
  std::vector<Segment> segments;
  for (;;) {
    const auto next = static_cast<std::uint32_t>(segments.size());
    const auto left = static_cast<std::uint16_t>(count - next);
    PREDA_CO_TRY(
        const Records records,
        co_await fetch_records(key, write_id, SegmentIndex{first.value() + next}, left, deadline));
    for (const Buffer& piece : records.bytes.buffers()) {
      for (std::size_t at = 0; at < piece.size();) {
        PREDA_CO_TRY(const RecordHeader header,
                     segment::decode_record_header(piece.bytes().subspan(at)));
        segments.push_back({header.segment_index,
                            static_cast<std::uint32_t>(header.logical_size_bytes), header.codec,
                            header.payload_crc32,
                            piece.slice(at + kRecordHeaderSizeBytes, header.stored_size_bytes)});
        at += header.record_size_bytes();
      }
    }
    write_id = records.write_id;  // the rest of the same try
    // An answer with room for another record was the last.
    if (segments.size() >= count || records.bytes.size() + kRecordMaxBytes <= kFetchBodyMaxBytes)
      co_return segments;
  }
}

Task<Result<std::vector<ShardInfo>>> ShardStore::inventory(std::optional<ShardKey> after,
                                                           std::size_t count_max) {
  InFlight in_flight{*this};
  if (closed_) co_return make_error(ErrorCode::Unavailable, "the drive is closed");
  PREDA_CO_CHECK(writer_->available());
  auto collect = [index = index_, after, count_max]() -> Result<std::vector<ShardInfo>> {
    std::vector<ShardInfo> infos;
    auto iterator = index->iterate(kShardFamily);
    iterator->seek(after ? encode_shard_key(*after) + '\0' : std::string{});
    for (; iterator->valid() && infos.size() < count_max; iterator->next()) {
      PREDA_TRY(const ShardKey key, decode_shard_key(iterator->key()));
      PREDA_TRY(const IndexEntry entry, decode_entry(iterator->value()));
      infos.push_back({key, entry.stamp, entry.segment_count, entry.logical_size_bytes});
    }
    PREDA_CHECK(iterator->status());
    return infos;
  };
  co_return co_await run_blocking(env_.blocking, std::move(collect));
}

Task<Result<void>> ShardStore::verify(ShardKey key, Instant deadline) {
  InFlight in_flight{*this};
  PREDA_CO_TRY(const ShardInfo info, co_await stat(key, deadline));
  std::uint32_t crc = 0;
  std::uint32_t next = 0;
  while (next < info.segment_count) {
    PREDA_CO_TRY(const auto segments, co_await fetch(key, info.stamp.write_id, SegmentIndex{next},
                                                     kFetchSegmentsMax, deadline));
    if (segments.empty())
      co_return make_error(ErrorCode::Corruption, "a shard is shorter than its index says");
    for (const Segment& segment : segments) crc = segment::extend_commit_crc(crc, segment.crc32);
    next += static_cast<std::uint32_t>(segments.size());
  }
  PREDA_CO_TRY(const IndexEntry entry, co_await find(key));
  if (entry.stamp.write_id != info.stamp.write_id || crc == entry.commit_crc32)
    co_return Result<void>{};
  report({options_->drive, key, info.stamp.write_id, ShardFileId{}, 0,
          "the segments are not those that were committed"});
  co_return make_error(ErrorCode::Corruption, "the segments are not those that were committed");
}

}  // namespace predastore::shard
