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

}  // namespace predastore::raft
