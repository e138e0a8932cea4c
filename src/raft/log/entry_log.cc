#include "raft/log/entry_log.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::raft {
namespace {

constexpr std::string_view kFileMagic = "PSL1";
constexpr std::string_view kMarkMagic = "PSM1";
constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::size_t kRecordHeadBytes = 4 + 4 + 8 + 8 + 8;
constexpr std::size_t kMarkBytes = 4 + 4 + 4 * 8;
constexpr std::size_t kFileHeadBytes = 4 + 4 + 4 * 8;
constexpr std::uint64_t kGroupBytesMax = 1u << 30;

std::uint64_t round_up(std::uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

std::uint64_t chain_of(std::uint64_t before, const Entry& entry) {
  Encoder head;
  head.le(before).le(entry.index).le(entry.term);
  return digest::crc64nvme(as_bytes(entry.command), digest::crc64nvme(as_bytes(head.str())));
}

// magic | crc of the four numbers | the four numbers: file heads and marks alike.
std::string encode_block(std::string_view magic, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                         std::uint64_t d) {
  Encoder body;
  body.le(a).le(b).le(c).le(d);
  Encoder whole;
  whole.raw(as_bytes(magic)).le(digest::crc32(as_bytes(body.str()))).raw(as_bytes(body.str()));
  std::string block = std::move(whole).take();
  block.resize(kBlockBytes);
  return block;
}

std::optional<std::array<std::uint64_t, 4>> decode_block(std::string_view magic, ByteSpan bytes) {
  if (bytes.size() < kMarkBytes) return std::nullopt;
  Decoder decoder(bytes.first(kMarkBytes));
  const auto found = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (found != magic || crc != digest::crc32(decoder.rest())) return std::nullopt;
  std::array<std::uint64_t, 4> numbers{};
  for (auto& number : numbers) number = decoder.le<std::uint64_t>();
  return numbers;
}
static_assert(kMarkBytes == kFileHeadBytes);

void encode_record(Encoder& out, const Entry& entry, std::uint64_t chain) {
  Encoder body;
  body.le(static_cast<std::uint32_t>(entry.command.size()))
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
  const auto command_bytes = decoder.le<std::uint32_t>();
  Record record;
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

std::string file_name(std::uint64_t first_index) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (std::size_t i = 16; i-- > 0; first_index >>= 4) name[i] = kDigits[first_index & 15];
  return name + ".log";
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
  for (std::size_t i = 0; i < names.size(); ++i) {
    PREDA_CO_CHECK(co_await log->load_segment(names[i], i + 1 == names.size()));
  }
  co_return log;
}

Task<Result<void>> EntryLog::load_segment(std::string name, bool is_last) {
  Segment segment;
  segment.path = options_.directory + "/" + name;
  PREDA_CO_TRY(segment.file, co_await files_.open(segment.path, FileMode{.write = true}));
  PREDA_CO_TRY(const std::uint64_t size_bytes, co_await segment.file->size_bytes());
  PREDA_CO_TRY(const Buffer head_block, co_await segment.file->read(0, kBlockBytes));
  const auto head = decode_block(kFileMagic, head_block);
  if (!head.has_value()) {
    // A file whose beginning is not durable holds no acknowledged entry, and is the last one.
    PREDA_CO_TRY(const bool has_mark, co_await has_mark_after(segment, 0, size_bytes));
    if (!is_last || has_mark) co_return damaged(segment.path, 0);
    segment.file.reset();
    PREDA_CO_CHECK(co_await files_.remove(segment.path));
    co_return co_await files_.sync_directory(options_.directory);
  }
  const auto [first_index, before_index, before_term, before_chain] = *head;
  if (first_index != before_index + 1 || name != file_name(first_index))
    co_return damaged(segment.path, 0);
  if (segments_.empty()) {
    terms_ = TermLog(before_index, before_term);
    base_chain_ = before_chain;
  } else if (before_index != terms_.last_index() || before_term != terms_.last_term() ||
             before_chain != chain_at_end()) {
    co_return damaged(segment.path, 0);
  }
  segment.first_index = first_index;
  PREDA_CO_TRY(segment.end_bytes, co_await load_groups(segment, segments_.size(), size_bytes));
  if (segment.end_bytes != size_bytes) {
    PREDA_CO_TRY(const bool has_mark,
                 co_await has_mark_after(segment, segment.end_bytes, size_bytes));
    if (!is_last || has_mark) co_return damaged(segment.path, segment.end_bytes);
    PREDA_CO_CHECK(co_await segment.file->truncate(segment.end_bytes));
    PREDA_CO_CHECK(co_await segment.file->sync());
  }
  segments_.push_back(std::move(segment));
  co_return Result<void>{};
}

// Reads groups until there is none that is whole; where that is.
Task<Result<std::uint64_t>> EntryLog::load_groups(Segment& segment, std::size_t position,
                                                  std::uint64_t file_size_bytes) {
  PREDA_CO_TRY(const Buffer bytes,
               co_await segment.file->read(0, static_cast<std::size_t>(file_size_bytes)));
  std::uint64_t group_offset = kBlockBytes;
  while (group_offset < bytes.size()) {
    std::vector<Record> records;
    std::uint64_t offset = group_offset;
    std::uint64_t chain = chain_at_end();
    std::uint64_t index = terms_.last_index();
    std::uint64_t term = terms_.last_term();
    while (offset < bytes.size()) {
      auto record = decode_record(bytes.bytes().subspan(offset));
      if (!record.has_value() || record->entry.index != index + 1 || record->entry.term < term)
        break;
      if (record->chain != chain_of(chain, record->entry)) break;
      index = record->entry.index;
      term = record->entry.term;
      chain = record->chain;
      offset += record->size_bytes;
      record->entry.command.clear();
      records.push_back(*std::move(record));
    }
    const std::uint64_t mark_offset = group_offset + round_up(offset - group_offset);
    if (records.empty() || mark_offset + kBlockBytes > bytes.size()) break;
    const auto mark = decode_block(kMarkMagic, bytes.bytes().subspan(mark_offset));
    if (!mark.has_value() || (*mark)[0] != group_offset || (*mark)[1] != offset - group_offset ||
        (*mark)[2] != index || (*mark)[3] != chain)
      break;
    offset = group_offset;
    for (const Record& record : records) {
      terms_.append(record.entry.term);
      places_.push_back({position, offset, record.size_bytes, group_offset, record.chain});
      offset += record.size_bytes;
    }
    group_offset = mark_offset + kBlockBytes;
  }
  co_return std::min<std::uint64_t>(group_offset,
                                    std::max<std::uint64_t>(bytes.size(), kBlockBytes));
}

// Whether any block at or after the offset is a mark of this file: then what precedes it was
// acknowledged.
Task<Result<bool>> EntryLog::has_mark_after(Segment& segment, std::uint64_t offset_bytes,
                                            std::uint64_t file_size_bytes) {
  for (std::uint64_t block = offset_bytes / kBlockBytes * kBlockBytes; block < file_size_bytes;
       block += kBlockBytes) {
    PREDA_CO_TRY(const Buffer bytes, co_await segment.file->read(block, kBlockBytes));
    const auto mark = decode_block(kMarkMagic, bytes);
    // The mark of the torn group itself proves nothing: its block may have been written before
    // those of its group.
    if (mark.has_value() && (*mark)[0] + round_up((*mark)[1]) == block &&
        (*mark)[0] != offset_bytes)
      co_return true;
  }
  co_return false;
}

Task<Result<void>> EntryLog::begin_segment(std::uint64_t first_index) {
  Segment segment;
  segment.first_index = first_index;
  segment.path = options_.directory + "/" + file_name(first_index);
  PREDA_CO_TRY(segment.file,
               co_await files_.open(segment.path, FileMode{.write = true, .create = true}));
  PREDA_CO_CHECK(co_await segment.file->truncate(0));
  std::string head = encode_block(kFileMagic, first_index, terms_.last_index(), terms_.last_term(),
                                  chain_at_end());
  PREDA_CO_CHECK(co_await segment.file->write(0, Buffer::take(std::move(head))));
  PREDA_CO_CHECK(co_await segment.file->sync());
  PREDA_CO_CHECK(co_await files_.sync_directory(options_.directory));
  segment.end_bytes = kBlockBytes;
  segments_.push_back(std::move(segment));
  co_return Result<void>{};
}

Task<Result<void>> EntryLog::append(std::vector<Entry> entries) {
  PREDA_ASSERT(!entries.empty());
  PREDA_CO_CHECK(co_await truncate_from(entries.front().index));
  PREDA_ASSERT(entries.front().index == terms_.last_index() + 1);
  if (segments_.empty() || segments_.back().end_bytes >= options_.file_size_bytes) {
    PREDA_CO_CHECK(co_await begin_segment(entries.front().index));
  }
  co_return co_await write_group(std::move(entries));
}

// Order of writes: the records and their mark in one write, then one sync. Before it the end of the
// file is that of the group before.
Task<Result<void>> EntryLog::write_group(std::vector<Entry> entries) {
  Segment& segment = segments_.back();
  const std::uint64_t group_offset = segment.end_bytes;
  Encoder group;
  std::vector<Place> places;
  std::uint64_t chain = chain_at_end();
  for (const Entry& entry : entries) {
    chain = chain_of(chain, entry);
    const std::uint64_t offset = group_offset + group.size();
    encode_record(group, entry, chain);
    const auto size_bytes = static_cast<std::uint32_t>(group_offset + group.size() - offset);
    places.push_back({segments_.size() - 1, offset, size_bytes, group_offset, chain});
  }
  const std::uint64_t group_bytes = group.size();
  PREDA_ASSERT(group_bytes <= kGroupBytesMax);
  std::string bytes = std::move(group).take();
  bytes.resize(round_up(group_bytes));
  bytes += encode_block(kMarkMagic, group_offset, group_bytes, entries.back().index, chain);
  const std::uint64_t end_bytes = group_offset + bytes.size();
  std::shared_ptr<File> file = segment.file;
  PREDA_CO_CHECK(co_await file->write(group_offset, Buffer::take(std::move(bytes))));
  PREDA_CO_CHECK(co_await file->sync());
  segments_.back().end_bytes = end_bytes;
  for (const Entry& entry : entries) terms_.append(entry.term);
  places_.insert(places_.end(), places.begin(), places.end());
  co_return Result<void>{};
}

// Files after the one that holds `index` go, the newest first, so that a crash in between leaves no
// hole; then the group that holds it is cut, and its entries before `index` are written again as a
// group of their own.
Task<Result<void>> EntryLog::truncate_from(std::uint64_t index) {
  PREDA_ASSERT(index > terms_.base_index());
  if (index > terms_.last_index()) co_return Result<void>{};
  const Place place = places_[index - terms_.base_index() - 1];
  std::uint64_t kept_from = index;
  while (kept_from - 1 > terms_.base_index()) {
    const Place& before = places_[kept_from - 2 - terms_.base_index()];
    if (before.segment != place.segment || before.group_offset_bytes != place.group_offset_bytes)
      break;
    --kept_from;
  }
  std::vector<Entry> kept;
  while (kept_from + kept.size() < index) {
    PREDA_CO_TRY(auto some, co_await read(kept_from + kept.size(), index - 1, 1u << 20));
    kept.insert(kept.end(), std::make_move_iterator(some.begin()),
                std::make_move_iterator(some.end()));
  }
  while (segments_.size() > place.segment + 1) {
    const std::string path = segments_.back().path;
    PREDA_CO_CHECK(co_await files_.remove(path));
    PREDA_CO_CHECK(co_await files_.sync_directory(options_.directory));
    segments_.pop_back();
  }
  std::shared_ptr<File> file = segments_.back().file;
  PREDA_CO_CHECK(co_await file->truncate(place.group_offset_bytes));
  PREDA_CO_CHECK(co_await file->sync());
  segments_.back().end_bytes = place.group_offset_bytes;
  places_.resize(kept_from - terms_.base_index() - 1);
  terms_.truncate_from(kept_from);
  if (kept.empty()) co_return Result<void>{};
  co_return co_await write_group(std::move(kept));
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
    if (place.segment != first.segment ||
        place.offset_bytes + place.size_bytes - first.offset_bytes > bytes_max)
      break;
    end_bytes = place.offset_bytes + place.size_bytes;
    ++count;
  }
  const std::string path = segments_[first.segment].path;
  const std::vector<Place> places(places_.begin() + static_cast<std::ptrdiff_t>(position),
                                  places_.begin() + static_cast<std::ptrdiff_t>(position + count));
  std::shared_ptr<File> file = segments_[first.segment].file;
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
