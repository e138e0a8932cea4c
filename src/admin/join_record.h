#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/ids.h"

namespace predastore::admin {

// What the metadata keep of the token that was made for a node (a setting of that node): until when
// it may be used, and by whom it was. A token is used once: the first machine that joins with it
// writes its own number here by comparison, and every other one is refused, while that one may ask
// again when an answer was lost.
struct JoinRecord {
  std::string token;  // 16 hexadecimal digits
  std::int64_t expires_ms = 0;
  std::string machine;  // 32 hexadecimal digits that it made for itself; empty: nobody has joined
  friend bool operator==(const JoinRecord&, const JoinRecord&) = default;
};

std::string join_setting(NodeId node);
std::string encode_join_record(const JoinRecord& record);
Result<JoinRecord> decode_join_record(std::string_view text);  // Corruption

struct JoinClaim {
  std::string token;
  std::string machine;
};
// What is to be stored so that the machine has joined. InvalidArgument: the claim is none;
// NotFound: no token was made for the node; Conflict: another token, one that was used, or too
// late.
Result<JoinRecord> claim_join(const std::optional<std::string>& stored, const JoinClaim& claim,
                              std::int64_t now_ms);
// A record of a token that nobody has used yet. InvalidArgument.
Result<JoinRecord> issued_token(std::string token, std::int64_t expires_ms, std::int64_t now_ms);

}  // namespace predastore::admin
