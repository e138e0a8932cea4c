#include "raft/message_codec.h"

#include "base/codec.h"

namespace predastore::raft {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kEntryHeadBytes = 8 + 4;
constexpr std::uint32_t kConfigurationFlag = 1u << 31;  // of an entry's command length
constexpr std::uint64_t kIndexMax = std::uint64_t{1} << 62;

Error nonsense(const char* what) {
  return make_error(ErrorCode::Corruption, std::string("a raft message with ") + what);
}

}  // namespace

// version u8 | kind u8 | is_rejected u8 | from | to | term | index | index_term | commit | round |
// hint, each u64 | entry count u32 | entries, each: term u64 | command length u32 | command
std::string encode_message(const Message& message) {
  PREDA_ASSERT(message.entries.empty() || message.kind == MessageKind::append);
  Encoder out;
  out.le(kVersion).le(static_cast<std::uint8_t>(message.kind));
  out.le(static_cast<std::uint8_t>(message.is_rejected ? 1 : 0));
  out.le(message.from.value()).le(message.to.value()).le(message.term);
  out.le(message.index).le(message.index_term).le(message.commit);
  out.le(message.round).le(message.hint);
  out.le(static_cast<std::uint32_t>(message.entries.size()));
  for (const Entry& entry : message.entries) {
    const auto length = static_cast<std::uint32_t>(entry.command.size());
    out.le(entry.term).le(length | (entry.is_configuration ? kConfigurationFlag : 0));
    out.raw(as_bytes(entry.command));
  }
  return std::move(out).take();
}

Result<Message> decode_message(ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto version = decoder.le<std::uint8_t>();
  if (decoder.ok() && version != kVersion)
    return make_error(ErrorCode::Unsupported, "a raft message of another version");
  const auto kind = decoder.le<std::uint8_t>();
  const auto is_rejected = decoder.le<std::uint8_t>();
  Message message;
  message.from = VoterId{decoder.le<std::uint64_t>()};
  message.to = VoterId{decoder.le<std::uint64_t>()};
  message.term = decoder.le<std::uint64_t>();
  message.index = decoder.le<std::uint64_t>();
  message.index_term = decoder.le<std::uint64_t>();
  message.commit = decoder.le<std::uint64_t>();
  message.round = decoder.le<std::uint64_t>();
  message.hint = decoder.le<std::uint64_t>();
  const auto count = decoder.le<std::uint32_t>();
  if (!decoder.ok()) return nonsense("a broken head");
  if (kind < static_cast<std::uint8_t>(MessageKind::pre_vote) ||
      kind > static_cast<std::uint8_t>(MessageKind::snapshot))
    return nonsense("an unknown kind");
  message.kind = static_cast<MessageKind>(kind);
  message.is_rejected = is_rejected == 1;
  if (is_rejected > 1 || message.index > kIndexMax || message.term > kIndexMax)
    return nonsense("a number out of range");
  if (count > decoder.remaining() / kEntryHeadBytes ||
      (count > 0 && message.kind != MessageKind::append))
    return nonsense("entries it cannot hold");
  message.entries.reserve(count);
  std::uint64_t term = message.index_term;
  for (std::uint32_t i = 0; i < count && decoder.ok(); ++i) {
    Entry entry;
    entry.index = message.index + 1 + i;
    entry.term = decoder.le<std::uint64_t>();
    const auto length = decoder.le<std::uint32_t>();
    entry.is_configuration = (length & kConfigurationFlag) != 0;
    entry.command = as_text(decoder.raw(length & ~kConfigurationFlag));
    if (entry.is_configuration && !decode_configuration(as_bytes(entry.command)))
      return nonsense("a configuration of nobody");
    if (entry.term < term || entry.term > message.term) return nonsense("a term out of order");
    term = entry.term;
    message.entries.push_back(std::move(entry));
  }
  if (!decoder.finished()) return nonsense("another length than it says");
  return message;
}

// version u8 | term u64 | index u64
std::string encode_read_point(const ReadPoint& point) {
  Encoder out;
  out.le(kVersion).le(point.term).le(point.index);
  return std::move(out).take();
}

Result<ReadPoint> decode_read_point(ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto version = decoder.le<std::uint8_t>();
  if (decoder.ok() && version != kVersion)
    return make_error(ErrorCode::Unsupported, "a read index of another version");
  ReadPoint point;
  point.term = decoder.le<std::uint64_t>();
  point.index = decoder.le<std::uint64_t>();
  if (!decoder.finished() || point.term > kIndexMax || point.index > kIndexMax)
    return make_error(ErrorCode::Corruption, "a read index that no leader gives");
  return point;
}

}  // namespace predastore::raft
