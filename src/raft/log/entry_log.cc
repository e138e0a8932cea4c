#include "raft/log/entry_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::raft {
namespace {

constexpr std::string_view kFileMagic = "PSL2";
constexpr std::string_view kMarkMagic = "PSM1";
constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::size_t kRecordHeadBytes = 4 + 4 + 8 + 8 + 8;
constexpr std::size_t kBlockHeadBytes = 4 + 4 + 4 * 8;
constexpr std::uint64_t kGroupBytesMax = 1u << 30;
constexpr std::uint32_t kConfigurationFlag = 1u << 31;  // of a record's command length

std::uint64_t round_up(std::uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

std::uint64_t chain_of(std::uint64_t before, const Entry& entry) {
  Encoder head;
  head.le(before).le(entry.index).le(entry.term);
  return digest::crc64nvme(as_bytes(entry.command), digest::crc64nvme(as_bytes(head.str())));
}

struct FileHead {
  std::uint64_t sequence = 0;
  std::uint64_t before_index = 0;
  std::uint64_t before_term = 0;
  std::uint64_t before_chain = 0;
  bool is_reset = false;   // what the files before it hold is gone
  bool is_forced = false;  // the configuration takes the place of what the log says
  StoredConfiguration configuration;
};

// magic | crc of what follows | sequence | before index, term, chain | flags u8 | configuration
// index | its length u32 | its bytes, and zeros up to the end of the block.
std::string encode_head(const FileHead& head) {
  Encoder body;
  body.le(head.sequence).le(head.before_index).le(head.before_term).le(head.before_chain);
  body.le(static_cast<std::uint8_t>((head.is_reset ? 1 : 0) + (head.is_forced ? 2 : 0)));
  body.le(head.configuration.index);
  const Configuration& configuration = head.configuration.configuration;
  body.string(configuration.members.empty() ? "" : encode_configuration(configuration));
  std::string rest = std::move(body).take();
  PREDA_ASSERT(rest.size() <= kBlockBytes - 8);
  rest.resize(kBlockBytes - 8);
  Encoder whole;
  whole.raw(as_bytes(kFileMagic)).le(digest::crc32(as_bytes(rest))).raw(as_bytes(rest));
  return std::move(whole).take();
}

std::optional<FileHead> decode_head(ByteSpan bytes) {
  if (bytes.size() < kBlockBytes) return std::nullopt;
  Decoder decoder(bytes.first(kBlockBytes));
  const auto magic = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (magic != kFileMagic || crc != digest::crc32(decoder.rest())) return std::nullopt;
  FileHead head;
  head.sequence = decoder.le<std::uint64_t>();
  head.before_index = decoder.le<std::uint64_t>();
  head.before_term = decoder.le<std::uint64_t>();
  head.before_chain = decoder.le<std::uint64_t>();
  const auto flags = decoder.le<std::uint8_t>();
  head.is_reset = (flags & 1) != 0;
  head.is_forced = (flags & 2) != 0;
  head.configuration.index = decoder.le<std::uint64_t>();
  const auto text = decoder.string();
  if (!decoder.ok() || flags > 3) return std::nullopt;
  if (!text.empty()) {
    auto configuration = decode_configuration(as_bytes(text));
    if (!configuration.has_value()) return std::nullopt;
    head.configuration.configuration = *std::move(configuration);
  }
  return head;
}

// magic | crc of the numbers | the numbers
using Numbers = std::array<std::uint64_t, 4>;

std::string encode_block(std::string_view magic, const Numbers& numbers) {
  Encoder body;
  for (const std::uint64_t number : numbers) body.le(number);
  Encoder whole;
  whole.raw(as_bytes(magic)).le(digest::crc32(as_bytes(body.str()))).raw(as_bytes(body.str()));
  std::string block = std::move(whole).take();
  block.resize(kBlockBytes);
  return block;
}

std::optional<Numbers> decode_block(std::string_view magic, ByteSpan bytes) {
  if (bytes.size() < kBlockHeadBytes) return std::nullopt;
  Decoder decoder(bytes.first(kBlockHeadBytes));
  const auto found = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (found != magic || crc != digest::crc32(decoder.rest())) return std::nullopt;
  Numbers numbers{};
  for (auto& number : numbers) number = decoder.le<std::uint64_t>();
  return numbers;
}

// Whether any block from the offset on is a mark of this file: what precedes it was then durable
// when the mark was written.
bool has_mark_from(ByteSpan bytes, std::uint64_t offset_bytes, std::uint64_t sequence) {
  for (; offset_bytes + kBlockHeadBytes <= bytes.size(); offset_bytes += kBlockBytes) {
    const auto mark = decode_block(kMarkMagic, bytes.subspan(offset_bytes));
    if (mark.has_value() && (*mark)[0] == sequence) return true;
  }
  return false;
}

void encode_record(Encoder& out, const Entry& entry, std::uint64_t chain) {
  Encoder body;
  body.le(static_cast<std::uint32_t>(entry.command.size()) |
          (entry.is_configuration ? kConfigurationFlag : 0))
      .le(entry.index)
      .le(entry.term)
      .le(chain);
  const std::uint32_t crc =
      digest::crc32(as_bytes(entry.command), digest::crc32(as_bytes(body.str())));
  out.le(crc).raw(as_bytes(body.str())).raw(as_bytes(entry.command));
}

struct Record {
  Entry entry;
  std::uint64_t chain = 0;
  std::uint32_t size_bytes = 0;
};

// The record at the front of `bytes`, or none when it is not a good one.
std::optional<Record> decode_record(ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto crc = decoder.le<std::uint32_t>();
  const auto length = decoder.le<std::uint32_t>();
  const std::uint32_t command_bytes = length & ~kConfigurationFlag;
  Record record;
  record.entry.is_configuration = (length & kConfigurationFlag) != 0;
  record.entry.index = decoder.le<std::uint64_t>();
  record.entry.term = decoder.le<std::uint64_t>();
  record.chain = decoder.le<std::uint64_t>();
  const ByteSpan command = decoder.raw(command_bytes);
  if (!decoder.ok()) return std::nullopt;
  if (digest::crc32(bytes.subspan(4, kRecordHeadBytes - 4 + command_bytes)) != crc)
    return std::nullopt;
  record.entry.command = as_text(command);
  record.size_bytes = static_cast<std::uint32_t>(kRecordHeadBytes + command_bytes);
  return record;
}

std::string file_name(std::uint64_t sequence) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (std::size_t i = 16; i-- > 0; sequence >>= 4) name[i] = kDigits[sequence & 15];
  return name + ".log";
}

std::optional<std::uint64_t> sequence_of(std::string_view name) {
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), sequence, 16);
  if (error != std::errc{} || file_name(sequence) != name) return std::nullopt;
  return sequence;
}

Error damaged(const std::string& path, std::uint64_t offset_bytes) {
  return make_error(ErrorCode::Corruption,
                    path + ": damaged at offset " + std::to_string(offset_bytes));
}

}  // namespace

Task<Result<std::unique_ptr<EntryLog>>> EntryLog::open(FileSystem& files, EntryLogOptions options) {
  std::unique_ptr<EntryLog> log(new EntryLog(files, std::move(options)));
  PREDA_CO_CHECK(co_await files.create_directories(log->options_.directory));
  PREDA_CO_TRY(std::vector<std::string> names, co_await files.list(log->options_.directory));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".log"); });
  PREDA_CO_CHECK(co_await log->drop_before_reset(&names));
  for (std::size_t i = 0; i < names.size(); ++i) {
    PREDA_CO_CHECK(co_await log->load_segment(names[i], i + 1 == names.size()));
  }
  PREDA_CO_CHECK(co_await files.sync_directory(log->options_.directory));
  if (log->configurations_.empty()) log->configurations_.push_back({});
  co_return log;
}

// What is before the last file that begins the log anew is gone, whatever there is of it. `names`
// is the caller's, which waits for this.
Task<Result<void>> EntryLog::drop_before_reset(std::vector<std::string>* names) {
  for (std::size_t i = names->size(); i-- > 1;) {
    const std::string path = options_.directory + "/" + (*names)[i];
    PREDA_CO_TRY(const auto file, co_await files_.open(path, FileMode{}));
    PREDA_CO_TRY(const Buffer bytes, co_await file->read(0, kBlockBytes));
    const auto head = decode_head(bytes);
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
  const auto sequence = sequence_of(name);
  if (!sequence.has_value()) co_return damaged(segment.path, 0);
  segment.sequence = *sequence;
  PREDA_CO_TRY(segment.file, co_await files_.open(segment.path, FileMode{.write = true}));
  PREDA_CO_TRY(const std::uint64_t size_bytes, co_await segment.file->size_bytes());
  PREDA_CO_TRY(const Buffer bytes,
               co_await segment.file->read(0, static_cast<std::size_t>(size_bytes)));
  const auto head = decode_head(bytes);
  if (!head.has_value()) co_return co_await drop_torn_segment(std::move(segment), bytes, is_last);
  if (head->sequence != segment.sequence) co_return damaged(segment.path, 0);
  segment.before_index = head->before_index;
  segment.before_term = head->before_term;
  segment.before_chain = head->before_chain;
  PREDA_CO_CHECK(join_segment(segment));
  if (!join_configuration(head->configuration, head->is_forced)) co_return damaged(segment.path, 0);
  const std::uint64_t marked_bytes = load_groups(segment, bytes);
  // A mark is written when its group is durable. What no mark vouches for may be torn in the last
  // file; elsewhere, or before a mark, it is damaged.
  const bool has_unmarked = marked_bytes < bytes.size();
  if (has_unmarked && (!is_last || has_mark_from(bytes, marked_bytes, segment.sequence)))
    co_return damaged(segment.path, marked_bytes);
  segments_.push_back(std::move(segment));
  if (is_last) co_return co_await rewrite_tail(bytes, marked_bytes);
  co_return Result<void>{};
}

// A file without a head: it was being begun when the machine stopped, unless there is more in it.
Task<Result<void>> EntryLog::drop_torn_segment(Segment segment, Buffer bytes, bool is_last) {
  const bool has_record =
      bytes.size() > kBlockBytes && decode_record(bytes.bytes().subspan(kBlockBytes)).has_value();
  if (!is_last || has_record || has_mark_from(bytes, kBlockBytes, segment.sequence))
    co_return damaged(segment.path, 0);
  segment.file.reset();
  PREDA_CO_CHECK(co_await files_.remove(segment.path));
  co_return co_await files_.sync_directory(options_.directory);
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
  std::uint64_t group_offset = kBlockBytes;
  is_mark_pending_ = false;
  segment.end_bytes = kBlockBytes;
  while (group_offset < bytes.size()) {
    std::uint64_t offset = group_offset;
    while (offset < bytes.size()) {
      const auto record = decode_record(bytes.subspan(offset));
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
    const std::uint64_t mark_offset = round_up(offset);
    last_group_offset_bytes_ = group_offset;
    segment.end_bytes = mark_offset;
    is_mark_pending_ = true;
    if (mark_offset >= bytes.size()) return group_offset;
    const auto mark = decode_block(kMarkMagic, bytes.subspan(mark_offset));
    if (mark !=
        Numbers{segment.sequence, group_offset, terms_.last_index(), chain_at(terms_.last_index())})
      return group_offset;
    is_mark_pending_ = false;
    group_offset = mark_offset + kBlockBytes;
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
  }
  if (marked_bytes == kBlockBytes) {
    PREDA_CO_CHECK(co_await file->write(0, bytes.slice(0, kBlockBytes)));
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
  return encode_block(kMarkMagic, {segments_.back().sequence, last_group_offset_bytes_,
                                   terms_.last_index(), chain_at(terms_.last_index())});
}

// Order of writes: the mark of the file before, synced; the head of the new one, synced; its name.
// With the name, what it replaces is gone.
Task<Result<void>> EntryLog::begin_segment(std::uint64_t first_index) {
  PREDA_CO_CHECK(co_await settle());
  FileHead head;
  head.before_index = first_index - 1;
  head.before_term = terms_.term_at(head.before_index).value();
  head.before_chain = chain_at(head.before_index);
  head.configuration = configuration_at(head.before_index);
  head.sequence = next_sequence();
  PREDA_CO_TRY(Segment segment, co_await make_segment(head.sequence, encode_head(head)));
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
  FileHead head;
  head.before_index = index;
  head.before_term = term;
  head.is_reset = true;
  head.configuration = std::move(configuration);
  head.sequence = next_sequence();
  PREDA_CO_TRY(Segment segment, co_await make_segment(head.sequence, encode_head(head)));
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
  FileHead head;
  head.before_index = terms_.last_index();
  head.before_term = terms_.last_term();
  head.before_chain = chain_at(terms_.last_index());
  head.is_forced = true;
  head.configuration = {terms_.last_index(), std::move(configuration)};
  head.sequence = next_sequence();
  PREDA_CO_TRY(Segment segment, co_await make_segment(head.sequence, encode_head(head)));
  segment.before_index = head.before_index;
  segment.before_term = head.before_term;
  segment.before_chain = head.before_chain;
  segments_.push_back(std::move(segment));
  (void)join_configuration(head.configuration, true);
  co_return Result<void>{};
}

// Durable when it returns, with its name.
Task<Result<EntryLog::Segment>> EntryLog::make_segment(std::uint64_t sequence, std::string head) {
  Segment segment;
  segment.sequence = sequence;
  segment.path = options_.directory + "/" + file_name(segment.sequence);
  PREDA_CO_TRY(segment.file,
               co_await files_.open(segment.path,
                                    FileMode{.write = true, .create = true, .exclusive = true}));
  PREDA_CO_CHECK(co_await segment.file->write(0, Buffer::take(std::move(head))));
  PREDA_CO_CHECK(co_await segment.file->sync());
  PREDA_CO_CHECK(co_await files_.sync_directory(options_.directory));
  segment.end_bytes = kBlockBytes;
  co_return segment;
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
    encode_record(group, entry, chain);
    places.push_back({segment.sequence, group_offset + before,
                      static_cast<std::uint32_t>(group.size() - before), chain});
  }
  PREDA_ASSERT(group.size() <= kGroupBytesMax);
  std::string padded = std::move(group).take();
  padded.resize(round_up(padded.size()));
  bytes.append(Buffer::take(std::move(padded)));
  const std::uint64_t end_bytes = write_offset + bytes.size();
  std::shared_ptr<File> file = segment.file;
  PREDA_CO_CHECK(co_await file->write(write_offset, std::move(bytes)));
  PREDA_CO_CHECK(co_await file->sync());
  segments_.back().end_bytes = end_bytes;
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
  segments_.back().end_bytes = offset_bytes + kBlockBytes;
  is_mark_pending_ = false;
  co_return Result<void>{};
}

std::uint64_t EntryLog::size_bytes() const {
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.end_bytes;
  return sum;
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
    const std::string path = segments_.front().path;
    PREDA_CO_CHECK(co_await files_.remove(path));
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
    co_return make_error(ErrorCode::NotFound,
                         "entry " + std::to_string(first_index) + " is not in the log");
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
  const std::vector<Place> places(places_.begin() + static_cast<std::ptrdiff_t>(position),
                                  places_.begin() + static_cast<std::ptrdiff_t>(position + count));
  std::shared_ptr<File> file = segment_at(first).file;
  PREDA_CO_TRY(const Buffer bytes,
               co_await file->read(first.offset_bytes,
                                   static_cast<std::size_t>(end_bytes - first.offset_bytes)));
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t offset = places[i].offset_bytes - first.offset_bytes;
    if (offset > bytes.size()) co_return damaged(path, places[i].offset_bytes);
    auto record = decode_record(bytes.bytes().subspan(offset));
    if (!record.has_value() || record->entry.index != first_index + i ||
        record->chain != places[i].chain) {
      co_return damaged(path, places[i].offset_bytes);
    }
    entries.push_back(std::move(record->entry));
  }
  co_return entries;
}

}  // namespace predastore::raft
