#include "raft/log/log_format.h"

#include <charconv>
#include <utility>

#include "base/assert.h"
#include "digest/crc.h"

namespace predastore::raft {
namespace {

constexpr std::string_view kFileMagic = "PSL3";  // its last character is the version
constexpr std::string_view kMarkMagic = "PSM1";
constexpr std::size_t kRecordHeadBytes = 4 + 4 + 8 + 8 + 8;
constexpr std::size_t kMarkBytes = 4 + 4 + 4 * 8;
constexpr std::uint64_t kIndexMax = std::uint64_t{1} << 62;
constexpr std::uint32_t kConfigurationFlag = 1u << 31;  // of a record's command length

// The sequence is in no record, and yet a record of another file is not a good one.
std::uint32_t crc_of(std::uint64_t sequence, ByteSpan bytes) {
  Encoder identity;
  identity.le(sequence);
  return digest::crc32(bytes, digest::crc32(as_bytes(identity.str())));
}

}  // namespace

std::uint64_t chain_of(std::uint64_t before, const Entry& entry) {
  Encoder head;
  head.le(before).le(entry.index).le(entry.term);
  return digest::crc64nvme(as_bytes(entry.command), digest::crc64nvme(as_bytes(head.str())));
}

// magic | crc of what follows | sequence | before index, term, chain | flags u8 | configuration
// index | its length u32 | its bytes, and zeros up to the end of the block.
std::string encode_log_head(const LogFileHead& head) {
  Encoder body;
  body.le(head.sequence).le(head.before_index).le(head.before_term).le(head.before_chain);
  body.le(static_cast<std::uint8_t>((head.is_reset ? 1 : 0) + (head.is_forced ? 2 : 0)));
  body.le(head.configuration.index);
  const Configuration& configuration = head.configuration.configuration;
  body.string(configuration.members.empty() ? "" : encode_configuration(configuration));
  std::string rest = std::move(body).take();
  PREDA_ASSERT(rest.size() <= kLogBlockBytes - 8);
  rest.resize(kLogBlockBytes - 8);
  Encoder whole;
  whole.raw(as_bytes(kFileMagic)).le(digest::crc32(as_bytes(rest))).raw(as_bytes(rest));
  return std::move(whole).take();
}

std::optional<LogFileHead> decode_log_head(ByteSpan bytes) {
  if (bytes.size() < kLogBlockBytes) return std::nullopt;
  Decoder decoder(bytes.first(kLogBlockBytes));
  const auto magic = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (magic != kFileMagic || crc != digest::crc32(decoder.rest())) return std::nullopt;
  LogFileHead head;
  head.sequence = decoder.le<std::uint64_t>();
  head.before_index = decoder.le<std::uint64_t>();
  head.before_term = decoder.le<std::uint64_t>();
  head.before_chain = decoder.le<std::uint64_t>();
  const auto flags = decoder.le<std::uint8_t>();
  head.is_reset = (flags & 1) != 0;
  head.is_forced = (flags & 2) != 0;
  head.configuration.index = decoder.le<std::uint64_t>();
  const auto text = decoder.string();
  if (!decoder.ok() || flags > 3 || head.before_index > kIndexMax) return std::nullopt;
  if (!text.empty()) {
    auto configuration = decode_configuration(as_bytes(text));
    if (!configuration.has_value()) return std::nullopt;
    head.configuration.configuration = *std::move(configuration);
  }
  return head;
}

bool is_log_head_of_other_version(ByteSpan bytes) {
  if (bytes.size() < kLogBlockBytes) return false;
  Decoder decoder(bytes.first(kLogBlockBytes));
  const auto magic = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  return magic != kFileMagic && magic.substr(0, 3) == kFileMagic.substr(0, 3) && magic[3] >= '0' &&
         magic[3] <= '9' && crc == digest::crc32(decoder.rest());
}

// magic | crc of the numbers | the numbers, and zeros up to the end of the block.
std::string encode_log_mark(const LogMark& mark) {
  Encoder body;
  body.le(mark.sequence).le(mark.group_offset_bytes).le(mark.last_index).le(mark.last_chain);
  Encoder whole;
  whole.raw(as_bytes(kMarkMagic)).le(digest::crc32(as_bytes(body.str()))).raw(as_bytes(body.str()));
  std::string block = std::move(whole).take();
  block.resize(kLogBlockBytes);
  return block;
}

std::optional<LogMark> decode_log_mark(ByteSpan bytes) {
  if (bytes.size() < kMarkBytes) return std::nullopt;
  Decoder decoder(bytes.first(kMarkBytes));
  const auto magic = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (magic != kMarkMagic || crc != digest::crc32(decoder.rest())) return std::nullopt;
  LogMark mark;
  mark.sequence = decoder.le<std::uint64_t>();
  mark.group_offset_bytes = decoder.le<std::uint64_t>();
  mark.last_index = decoder.le<std::uint64_t>();
  mark.last_chain = decoder.le<std::uint64_t>();
  return mark;
}

bool has_mark_from(ByteSpan bytes, std::uint64_t offset_bytes, std::uint64_t sequence) {
  for (; offset_bytes + kMarkBytes <= bytes.size(); offset_bytes += kLogBlockBytes) {
    const auto mark = decode_log_mark(bytes.subspan(offset_bytes));
    if (mark.has_value() && mark->sequence == sequence) return true;
  }
  return false;
}

// crc of the file's sequence and what follows | command length u32 | index | term | chain | command
void encode_log_record(Encoder& out, std::uint64_t sequence, const Entry& entry,
                       std::uint64_t chain) {
  Encoder body;
  body.le(static_cast<std::uint32_t>(entry.command.size()) |
          (entry.is_configuration ? kConfigurationFlag : 0))
      .le(entry.index)
      .le(entry.term)
      .le(chain);
  const std::uint32_t crc =
      digest::crc32(as_bytes(entry.command), crc_of(sequence, as_bytes(body.str())));
  out.le(crc).raw(as_bytes(body.str())).raw(as_bytes(entry.command));
}

std::optional<LogRecord> decode_log_record(std::uint64_t sequence, ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto crc = decoder.le<std::uint32_t>();
  const auto length = decoder.le<std::uint32_t>();
  const std::uint32_t command_bytes = length & ~kConfigurationFlag;
  LogRecord record;
  record.entry.is_configuration = (length & kConfigurationFlag) != 0;
  record.entry.index = decoder.le<std::uint64_t>();
  record.entry.term = decoder.le<std::uint64_t>();
  record.chain = decoder.le<std::uint64_t>();
  const ByteSpan command = decoder.raw(command_bytes);
  if (!decoder.ok()) return std::nullopt;
  if (crc_of(sequence, bytes.subspan(4, kRecordHeadBytes - 4 + command_bytes)) != crc)
    return std::nullopt;
  record.entry.command = as_text(command);
  record.size_bytes = static_cast<std::uint32_t>(kRecordHeadBytes + command_bytes);
  return record;
}

std::string log_file_name(std::uint64_t sequence) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (std::size_t i = 16; i-- > 0; sequence >>= 4) name[i] = kDigits[sequence & 15];
  return name + ".log";
}

std::optional<std::uint64_t> log_file_sequence(std::string_view name) {
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), sequence, 16);
  if (error != std::errc{} || log_file_name(sequence) != name) return std::nullopt;
  return sequence;
}

}  // namespace predastore::raft
