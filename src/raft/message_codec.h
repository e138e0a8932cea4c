#pragma once

#include <string>

#include "base/buffer.h"
#include "base/result.h"
#include "raft/core/core.h"

namespace predastore::raft {

// Messages between voters as bytes (docs/formats/raft_messages.md). On a stream each one follows
// its length, a u32.

inline constexpr std::size_t kCommandMaxBytes = 8u << 20;
inline constexpr std::size_t kAppendBytesGoal = 1u << 20;  // an append is cut beyond this
inline constexpr std::size_t kMessageMaxBytes = kCommandMaxBytes + kAppendBytesGoal + (64u << 10);

std::string encode_message(const Message& message);
// Unsupported for another version, Corruption for what no voter sends. Believes no length.
Result<Message> decode_message(ByteSpan bytes);

// What a leader answers to the question for the index of a read (rpc::MessageType::read_index,
// which has no body): it led in `term` when it was asked or later, and everything that was
// committed when it was asked is within `index`.
struct ReadPoint {
  std::uint64_t term = 0;
  std::uint64_t index = 0;
};
std::string encode_read_point(const ReadPoint& point);
Result<ReadPoint> decode_read_point(ByteSpan bytes);  // errors as above

}  // namespace predastore::raft
