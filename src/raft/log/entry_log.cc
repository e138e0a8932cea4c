#include "raft/log/entry_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "raft/log/log_format.h"

namespace predastore::raft {
namespace {

constexpr std::uint64_t kGroupBytesMax = 1u << 30;
constexpr std::uint64_t kFillBytes = 1u << 20;  // of one write
constexpr std::size_t kSparesMax = 2;
constexpr const char* kSpareSuffix = ".spare";

Error damaged(const std::string& path, std::uint64_t offset_bytes) {
  return make_error(ErrorCode::Corruption,
                    path + ": damaged at offset " + std::to_string(offset_bytes));
}

Error gone(std::uint64_t index) {
  return make_error(ErrorCode::NotFound, "entry " + std::to_string(index) + " is not in the log");
}

}  // namespace

Task<Result<std::unique_ptr<EntryLog>>> EntryLog::open(FileSystem& files, EntryLogOptions options) {
  std::unique_ptr<EntryLog> log(new EntryLog(files, std::move(options)));
  PREDA_CO_CHECK(co_await files.create_directories(log->options_.directory));
  PREDA_CO_TRY(std::vector<std::string> names, co_await files.list(log->options_.directory));
  PREDA_CO_CHECK(co_await log->drop_spares(names));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".log"); });
  PREDA_CO_CHECK(co_await log->drop_before_reset(&names));
  for (std::size_t i = 0; i < names.size(); ++i) {
    PREDA_CO_CHECK(co_await log->load_segment(names[i], i + 1 == names.size()));
  }
  PREDA_CO_CHECK(co_await files.sync_directory(log->options_.directory));
  if (log->configurations_.empty()) log->configurations_.push_back({});
  co_return log;
}

// After a crash a file may have its old name beside the new one, so that none that was set aside is
// used: its space could be that of a file of the log.
Task<Result<void>> EntryLog::drop_spares(std::vector<std::string> names) {
  for (const std::string& name : names) {
    if (!name.ends_with(kSpareSuffix)) continue;
    PREDA_CO_CHECK(co_await files_.remove(options_.directory + "/" + name));
  }
  co_return Result<void>{};
}

// What is before the last file that begins the log anew is gone, whatever there is of it. `names`
// is the caller's, which waits for this.
Task<Result<void>> EntryLog::drop_before_reset(std::vector<std::string>* names) {
  for (std::size_t i = names->size(); i-- > 1;) {
    const std::string path = options_.directory + "/" + (*names)[i];
    PREDA_CO_TRY(const auto file, co_await files_.open(path, FileMode{}));
    PREDA_CO_TRY(const Buffer bytes, co_await file->read(0, kLogBlockBytes));
    const auto head = decode_log_head(bytes);
    if (!head.has_value() || !head->is_reset) continue;
    for (std::size_t old = 0; old < i; ++old) {
      PREDA_CO_CHECK(co_await files_.remove(options_.directory + "/" + (*names)[old]));
    }
    names->erase(names->begin(), names->begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  co_return Result<void>{};
}

Task<Result<void>> EntryLog::load_segment(std::string name, bool is_last) {
  Segment segment;
  segment.path = options_.directory + "/" + name;
  const auto sequence = log_file_sequence(name);
  if (!sequence.has_value()) co_return damaged(segment.path, 0);
  segment.sequence = *sequence;
  PREDA_CO_TRY(segment.file, co_await files_.open(segment.path, FileMode{.write = true}));
  PREDA_CO_TRY(segment.size_bytes, co_await segment.file->size_bytes());
  const auto read_bytes = static_cast<std::size_t>(segment.size_bytes);
  PREDA_CO_TRY(const Buffer bytes, co_await segment.file->read(0, read_bytes));
  const auto head = decode_log_head(bytes);
  if (is_log_head_of_other_version(bytes))
    co_return make_error(ErrorCode::Unsupported, segment.path + ": a log of another version");
  if (!head.has_value() || head->sequence != segment.sequence) co_return damaged(segment.path, 0);
  segment.before_index = head->before_index;
  segment.before_term = head->before_term;
  segment.before_chain = head->before_chain;
  PREDA_CO_CHECK(join_segment(segment));
  if (!join_configuration(head->configuration, head->is_forced)) co_return damaged(segment.path, 0);
  const std::uint64_t marked_bytes = load_groups(segment, bytes);
  // A mark is written when its group is durable. What no mark vouches for may be torn in the last
  // file, or be what an older file has left there; before a mark it is damaged. A file that is not
  // the last has all its marks, and where it ends the next one's head says.
  if ((is_mark_pending_ && !is_last) || has_mark_from(bytes, marked_bytes, segment.sequence))
    co_return damaged(segment.path, marked_bytes);
  segments_.push_back(std::move(segment));
  if (is_last) co_return co_await rewrite_tail(bytes, marked_bytes);
  co_return Result<void>{};
}

// A file goes on where it says: at the end of the log, or before it, and then what was there from
// that place on has been replaced.
Result<void> EntryLog::join_segment(const Segment& segment) {
  if (segments_.empty()) {
    terms_ = TermLog(segment.before_index, segment.before_term);
    base_chain_ = segment.before_chain;
    return {};
  }
  if (segment.sequence != segments_.back().sequence + 1 ||
      terms_.term_at(segment.before_index) != segment.before_term ||
      chain_at(segment.before_index) != segment.before_chain)
    return damaged(segment.path, 0);
  cut_from(segment.before_index + 1);
  return {};
}

// The head says which configuration is in force before its first entry: the first file's is all
// that is known of it, a forced one takes the place of what the log says (an operator's recovery).
bool EntryLog::join_configuration(const StoredConfiguration& head, bool is_forced) {
  if (configurations_.empty() || is_forced) {
    if (!configurations_.empty() && configurations_.back().index >= head.index)
      configurations_.pop_back();
    configurations_.push_back(head);
    return true;
  }
  return configurations_.back() == head;
}

// Takes over the groups that have their marks, and behind them the good records of the one that may
// have none. Where the marked ones end.
std::uint64_t EntryLog::load_groups(Segment& segment, ByteSpan bytes) {
  std::uint64_t group_offset = kLogBlockBytes;
  is_mark_pending_ = false;
  segment.end_bytes = kLogBlockBytes;
  while (group_offset < bytes.size()) {
    std::uint64_t offset = group_offset;
    while (offset < bytes.size()) {
      const auto record = decode_log_record(segment.sequence, bytes.subspan(offset));
      if (!record.has_value() || record->entry.index != terms_.last_index() + 1 ||
          record->entry.term < terms_.last_term() ||
          record->chain != chain_of(chain_at(terms_.last_index()), record->entry) ||
          !note_configuration(record->entry))
        break;
      terms_.append(record->entry.term);
      places_.push_back({segment.sequence, offset, record->size_bytes, record->chain});
      offset += record->size_bytes;
    }
    if (offset == group_offset) return group_offset;
    const std::uint64_t mark_offset = round_up_to_block(offset);
    last_group_offset_bytes_ = group_offset;
    segment.end_bytes = mark_offset;
    is_mark_pending_ = true;
    if (mark_offset >= bytes.size()) return group_offset;
    const auto mark = decode_log_mark(bytes.subspan(mark_offset));
    if (mark !=
        LogMark{segment.sequence, group_offset, terms_.last_index(), chain_at(terms_.last_index())})
      return group_offset;
    is_mark_pending_ = false;
    group_offset = mark_offset + kLogBlockBytes;
    segment.end_bytes = group_offset;
  }
  return group_offset;
}

// Cuts what is torn, and makes durable what is not known to be: after a failed sync the cache may
// hold what the disk does not, so it is written again, not only synced.
Task<Result<void>> EntryLog::rewrite_tail(Buffer bytes, std::uint64_t marked_bytes) {
  Segment& segment = segments_.back();
  std::shared_ptr<File> file = segment.file;
  const std::uint64_t end_bytes = segment.end_bytes;
  const bool has_unmarked = is_mark_pending_;
  if (bytes.size() > end_bytes) {
    PREDA_CO_CHECK(co_await file->truncate(end_bytes));
    segment.size_bytes = end_bytes;
  }
  if (marked_bytes == kLogBlockBytes) {
    PREDA_CO_CHECK(co_await file->write(0, bytes.slice(0, kLogBlockBytes)));
  }
  if (has_unmarked) {
    const Place& last = places_.back();
    const std::uint64_t used_bytes = last.offset_bytes + last.size_bytes - marked_bytes;
    std::string group(bytes.slice(marked_bytes, used_bytes).text());
    group.resize(end_bytes - marked_bytes);
    PREDA_CO_CHECK(co_await file->write(marked_bytes, Buffer::take(std::move(group))));
  }
  PREDA_CO_CHECK(co_await file->sync());
  co_return Result<void>{};
}

void EntryLog::cut_from(std::uint64_t index) {
  if (index > terms_.last_index()) return;
  terms_.truncate_from(index);
  places_.resize(index - 1 - terms_.base_index());
  while (configurations_.size() > 1 && configurations_.back().index >= index)
    configurations_.pop_back();
}

bool EntryLog::note_configuration(const Entry& entry) {
  if (!entry.is_configuration) return true;
  auto configuration = decode_configuration(as_bytes(entry.command));
  if (!configuration.has_value()) return false;
  configurations_.push_back({entry.index, *std::move(configuration)});
  return true;
}

const StoredConfiguration& EntryLog::configuration_at(std::uint64_t index) const {
  auto found = configurations_.rbegin();
  while (found->index > index && std::next(found) != configurations_.rend()) ++found;
  return *found;
}

std::uint64_t EntryLog::chain_at(std::uint64_t index) const {
  return index == terms_.base_index() ? base_chain_
                                      : places_[index - terms_.base_index() - 1].chain;
}

std::string EntryLog::mark_block() const {
  return encode_log_mark({segments_.back().sequence, last_group_offset_bytes_, terms_.last_index(),
                          chain_at(terms_.last_index())});
}

// Order of writes: the mark of the file before, synced; the head of the new one, synced; its name.
// With the name, what it replaces is gone.
Task<Result<void>> EntryLog::begin_segment(std::uint64_t first_index) {
  PREDA_CO_CHECK(co_await settle());
  LogFileHead head;
  head.before_index = first_index - 1;
  head.before_term = terms_.term_at(head.before_index).value();
  head.before_chain = chain_at(head.before_index);
  head.configuration = configuration_at(head.before_index);
  head.sequence = next_sequence();
  PREDA_CO_TRY(Segment segment, co_await make_segment(head.sequence, encode_log_head(head)));
  segment.before_index = head.before_index;
  segment.before_term = head.before_term;
  segment.before_chain = head.before_chain;
  cut_from(first_index);
  segments_.push_back(std::move(segment));
  co_return Result<void>{};
}

Task<Result<void>> EntryLog::reset_to(std::uint64_t index, std::uint64_t term,
                                      StoredConfiguration configuration) {
  PREDA_CO_CHECK(co_await settle());
  LogFileHead head;
  head.before_index = index;
  head.before_term = term;
  head.is_reset = true;
  head.configuration = std::move(configuration);
  head.sequence = next_sequence();
  PREDA_CO_TRY(Segment segment, co_await make_segment(head.sequence, encode_log_head(head)));
  segment.before_index = index;
  segment.before_term = term;
  std::deque<Segment> old = std::exchange(segments_, {});
  segments_.push_back(std::move(segment));
  terms_ = TermLog(index, term);
  base_chain_ = 0;
  places_.clear();
  is_mark_pending_ = false;
  configurations_.clear();
  configurations_.push_back(head.configuration);
  for (const Segment& gone : old) {
    PREDA_CO_CHECK(co_await files_.remove(gone.path));
  }
  co_return co_await files_.sync_directory(options_.directory);
}

Task<Result<void>> EntryLog::force_configuration(Configuration configuration) {
  PREDA_CO_CHECK(co_await settle());
  LogFileHead head;
  head.before_index = terms_.last_index();
  head.before_term = terms_.last_term();
  head.before_chain = chain_at(terms_.last_index());
  head.is_forced = true;
  head.configuration = {terms_.last_index(), std::move(configuration)};
  head.sequence = next_sequence();
  PREDA_CO_TRY(Segment segment, co_await make_segment(head.sequence, encode_log_head(head)));
  segment.before_index = head.before_index;
  segment.before_term = head.before_term;
  segment.before_chain = head.before_chain;
  segments_.push_back(std::move(segment));
  (void)join_configuration(head.configuration, true);
  co_return Result<void>{};
}

// Durable when it returns, with its name; the head was durable before it had one. In the space of
// a file that is not needed any more, where there is one: what is written over costs no blocks and
// no journal, and its old records are those of another file.
Task<Result<EntryLog::Segment>> EntryLog::make_segment(std::uint64_t sequence, std::string head) {
  Segment segment;
  if (!spares_.empty()) {
    segment = std::move(spares_.front());
    spares_.pop_front();
  } else {
    segment.path = options_.directory + "/new" + kSpareSuffix;
    PREDA_CO_TRY(segment.file,
                 co_await files_.open(segment.path, FileMode{.write = true, .create = true}));
  }
  PREDA_CO_CHECK(co_await segment.file->write(0, Buffer::take(std::move(head))));
  PREDA_CO_CHECK(co_await segment.file->sync());
  const std::string path = options_.directory + "/" + log_file_name(sequence);
  PREDA_CO_CHECK(co_await files_.rename(segment.path, path));
  PREDA_CO_CHECK(co_await files_.sync_directory(options_.directory));
  is_spare_refused_ = false;
  segment.sequence = sequence;
  segment.path = path;
  segment.end_bytes = kLogBlockBytes;
  co_return segment;
}

bool EntryLog::wants_spare() const {
  return spares_.empty() && !is_preparing_ && !is_spare_refused_ && !segments_.empty() &&
         segments_.back().end_bytes * 2 >= options_.file_size_bytes;
}

Task<void> EntryLog::prepare_spare() {
  if (!wants_spare()) co_return;
  is_preparing_ = true;
  Segment spare;
  spare.path = options_.directory + "/next" + kSpareSuffix;
  const auto filled = co_await fill(spare);
  // A full or a failing disk shows itself to the log soon enough.
  if (filled.has_value() && spares_.empty()) {
    spares_.push_back(std::move(spare));
  } else {
    is_spare_refused_ = true;
    spare.file.reset();
    (void)co_await files_.remove(spare.path);
  }
  is_preparing_ = false;
}

// Written and not only allocated: else the first write of each block would still change what the
// file system knows of it.
Task<Result<void>> EntryLog::fill(Segment& spare) {
  PREDA_CO_TRY(spare.file,
               co_await files_.open(spare.path, FileMode{.write = true, .create = true}));
  const Buffer zeros = Buffer::take(std::string(std::min(kFillBytes, options_.file_size_bytes), 0));
  while (spare.size_bytes < options_.file_size_bytes) {
    PREDA_CO_CHECK(co_await spare.file->write(spare.size_bytes, zeros));
    spare.size_bytes += zeros.size();
  }
  co_return co_await spare.file->sync();
}

Task<Result<void>> EntryLog::append(std::vector<Entry> entries) {
  PREDA_ASSERT(!entries.empty());
  const std::uint64_t first_index = entries.front().index;
  PREDA_ASSERT(first_index > terms_.base_index());
  PREDA_ASSERT(first_index <= terms_.last_index() + 1);
  if (segments_.empty() || first_index <= terms_.last_index() ||
      segments_.back().end_bytes >= options_.file_size_bytes) {
    PREDA_CO_CHECK(co_await begin_segment(first_index));
  }
  co_return co_await write_group(std::move(entries));
}

// The mark of the group before goes with it, in the same write: that group is durable by now.
Task<Result<void>> EntryLog::write_group(std::vector<Entry> entries) {
  const Segment& segment = segments_.back();
  BufferChain bytes;
  if (is_mark_pending_) bytes.append(Buffer::take(mark_block()));
  const std::uint64_t write_offset = segment.end_bytes;
  const std::uint64_t group_offset = write_offset + bytes.size();
  Encoder group;
  std::vector<Place> places;
  std::uint64_t chain = chain_at(terms_.last_index());
  for (const Entry& entry : entries) {
    chain = chain_of(chain, entry);
    const std::size_t before = group.size();
    encode_log_record(group, segment.sequence, entry, chain);
    places.push_back({segment.sequence, group_offset + before,
                      static_cast<std::uint32_t>(group.size() - before), chain});
  }
  PREDA_ASSERT(group.size() <= kGroupBytesMax);
  std::string padded = std::move(group).take();
  padded.resize(round_up_to_block(padded.size()));
  bytes.append(Buffer::take(std::move(padded)));
  const std::uint64_t end_bytes = write_offset + bytes.size();
  std::shared_ptr<File> file = segment.file;
  PREDA_CO_CHECK(co_await file->write(write_offset, std::move(bytes)));
  PREDA_CO_CHECK(co_await file->sync());
  segments_.back().end_bytes = end_bytes;
  segments_.back().size_bytes = std::max(segments_.back().size_bytes, end_bytes);
  last_group_offset_bytes_ = group_offset;
  is_mark_pending_ = true;
  for (const Entry& entry : entries) {
    terms_.append(entry.term);
    (void)note_configuration(entry);
  }
  places_.insert(places_.end(), places.begin(), places.end());
  co_return Result<void>{};
}

Task<Result<void>> EntryLog::settle() {
  if (!is_mark_pending_) co_return Result<void>{};
  const std::uint64_t offset_bytes = segments_.back().end_bytes;
  std::shared_ptr<File> file = segments_.back().file;
  Buffer mark = Buffer::take(mark_block());
  PREDA_CO_CHECK(co_await file->write(offset_bytes, std::move(mark)));
  PREDA_CO_CHECK(co_await file->sync());
  segments_.back().end_bytes = offset_bytes + kLogBlockBytes;
  is_mark_pending_ = false;
  co_return Result<void>{};
}

std::uint64_t EntryLog::size_bytes() const {
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.end_bytes;
  return sum;
}

// Under a name by which it is not the log's, or not at all.
Task<Result<void>> EntryLog::let_go(Segment segment) {
  const bool is_kept =
      spares_.size() < kSparesMax && segment.size_bytes >= options_.file_size_bytes;
  if (!is_kept) co_return co_await files_.remove(segment.path);
  const std::string path = segment.path + kSpareSuffix;
  PREDA_CO_CHECK(co_await files_.rename(segment.path, path));
  segment.path = path;
  spares_.push_back(std::move(segment));
  co_return Result<void>{};
}

std::uint64_t EntryLog::index_before_last(std::uint64_t bytes) const {
  std::uint64_t sum = 0;
  for (std::size_t i = segments_.size(); i-- > 0;) {
    sum += segments_[i].end_bytes;
    if (sum >= bytes) return segments_[i].before_index;
  }
  return terms_.base_index();
}

// The oldest goes first, and durably before the next, so that a crash leaves no hole. A file that a
// later one cuts off before its own beginning cannot be the first.
Task<Result<void>> EntryLog::trim_to(std::uint64_t index) {
  std::size_t first_kept = 0;
  std::uint64_t later_before = ~std::uint64_t{0};
  for (std::size_t i = segments_.size(); i-- > 1;) {
    const std::uint64_t before = segments_[i].before_index;
    if (before <= index && before <= later_before) first_kept = std::max(first_kept, i);
    later_before = std::min(later_before, before);
  }
  for (; first_kept > 0; --first_kept) {
    PREDA_CO_CHECK(co_await let_go(segments_.front()));
    PREDA_CO_CHECK(co_await files_.sync_directory(options_.directory));
    segments_.pop_front();
  }
  if (segments_.empty() || segments_.front().before_index <= terms_.base_index())
    co_return Result<void>{};
  const std::uint64_t base_index = segments_.front().before_index;
  base_chain_ = segments_.front().before_chain;
  places_.erase(places_.begin(),
                places_.begin() + static_cast<std::ptrdiff_t>(base_index - terms_.base_index()));
  terms_.trim_to(base_index);
  while (configurations_.size() > 1 && configurations_[1].index <= base_index)
    configurations_.pop_front();
  co_return Result<void>{};
}

Task<Result<std::vector<Entry>>> EntryLog::read(std::uint64_t first_index, std::uint64_t last_index,
                                                std::size_t bytes_max) {
  if (first_index <= terms_.base_index() || first_index > terms_.last_index()) {
    co_return gone(first_index);
  }
  last_index = std::min(last_index, terms_.last_index());
  const std::size_t position = first_index - terms_.base_index() - 1;
  const Place first = places_[position];
  std::uint64_t end_bytes = first.offset_bytes + first.size_bytes;
  std::size_t count = 1;
  while (first_index + count <= last_index) {
    const Place& place = places_[position + count];
    if (place.sequence != first.sequence ||
        place.offset_bytes + place.size_bytes - first.offset_bytes > bytes_max)
      break;
    end_bytes = place.offset_bytes + place.size_bytes;
    ++count;
  }
  const std::string path = segment_at(first).path;
  const std::uint64_t sequence = segment_at(first).sequence;
  const std::vector<Place> places(places_.begin() + static_cast<std::ptrdiff_t>(position),
                                  places_.begin() + static_cast<std::ptrdiff_t>(position + count));
  std::shared_ptr<File> file = segment_at(first).file;
  PREDA_CO_TRY(const Buffer bytes,
               co_await file->read(first.offset_bytes,
                                   static_cast<std::size_t>(end_bytes - first.offset_bytes)));
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t offset = places[i].offset_bytes - first.offset_bytes;
    std::optional<LogRecord> record;
    if (offset <= bytes.size()) record = decode_log_record(sequence, bytes.bytes().subspan(offset));
    if (!record.has_value() || record->entry.index != first_index + i ||
        record->chain != places[i].chain) {
      // Or it was trimmed meanwhile, and another file is written in its place.
      if (first_index + i <= terms_.base_index()) co_return gone(first_index + i);
      co_return damaged(path, places[i].offset_bytes);
    }
    entries.push_back(std::move(record->entry));
  }
  co_return entries;
}

}  // namespace predastore::raft
