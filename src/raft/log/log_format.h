#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "raft/core/core.h"

// What is in the files of a log, as bytes (docs/formats/raft_log.md). Everything that is decoded
// belongs to the file of the given sequence, or is not there: a file may lie in space that an older
// one has left, with what that held still behind its end.
namespace predastore::raft {

inline constexpr std::uint64_t kLogBlockBytes = 4096;

inline std::uint64_t round_up_to_block(std::uint64_t bytes) {
  return (bytes + kLogBlockBytes - 1) / kLogBlockBytes * kLogBlockBytes;
}

// A record's chain: of the one before it and of itself.
std::uint64_t chain_of(std::uint64_t before, const Entry& entry);

struct LogFileHead {
  std::uint64_t sequence = 0;
  std::uint64_t before_index = 0;  // the entry before the file's first
  std::uint64_t before_term = 0;
  std::uint64_t before_chain = 0;
  bool is_reset = false;   // what the files before it hold is gone
  bool is_forced = false;  // the configuration takes the place of what the log says
  StoredConfiguration configuration;
};
std::string encode_log_head(const LogFileHead& head);        // a block
std::optional<LogFileHead> decode_log_head(ByteSpan bytes);  // none: not a good one

// A whole head of a version that this code does not know: nothing is damaged.
bool is_log_head_of_other_version(ByteSpan bytes);

// What a mark says of the group before it, which is durable.
struct LogMark {
  std::uint64_t sequence = 0;
  std::uint64_t group_offset_bytes = 0;
  std::uint64_t last_index = 0;
  std::uint64_t last_chain = 0;
  friend bool operator==(const LogMark&, const LogMark&) = default;
};
std::string encode_log_mark(const LogMark& mark);  // a block
std::optional<LogMark> decode_log_mark(ByteSpan bytes);
// Whether any block from the offset on is a mark of the file `sequence`: what precedes it was then
// durable when the mark was written.
bool has_mark_from(ByteSpan bytes, std::uint64_t offset_bytes, std::uint64_t sequence);

struct LogRecord {
  Entry entry;
  std::uint64_t chain = 0;
  std::uint32_t size_bytes = 0;
};
void encode_log_record(Encoder& out, std::uint64_t sequence, const Entry& entry,
                       std::uint64_t chain);
// The record at the front of `bytes`, or none when it is not a good one of this file.
std::optional<LogRecord> decode_log_record(std::uint64_t sequence, ByteSpan bytes);

std::string log_file_name(std::uint64_t sequence);
std::optional<std::uint64_t> log_file_sequence(std::string_view name);

}  // namespace predastore::raft
