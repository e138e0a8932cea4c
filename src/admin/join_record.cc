#include "admin/join_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace predastore::admin {
namespace {

constexpr std::size_t kTokenDigits = 16;
constexpr std::size_t kMachineDigits = 32;
constexpr std::string_view kNobody = "-";

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t space = text.find(' ');
    words.push_back(text.substr(0, space));
    if (space == std::string_view::npos) return words;
    text.remove_prefix(space + 1);
  }
}

}  // namespace

std::string join_setting(NodeId node) { return fmt::format("node.join.{:016x}", node.value()); }

std::string encode_join_record(const JoinRecord& record) {
  return fmt::format("{} {} {}", record.token, record.expires_ms,
                     record.machine.empty() ? kNobody : std::string_view{record.machine});
}

Result<JoinRecord> decode_join_record(std::string_view text) {
  const auto words = words_of(text);
  JoinRecord record;
  bool is_good = words.size() == 3 && is_hex(words[0], kTokenDigits) &&
                 (words[2] == kNobody || is_hex(words[2], kMachineDigits));
  if (is_good) {
    const char* end = words[1].data() + words[1].size();
    const auto parsed = std::from_chars(words[1].data(), end, record.expires_ms);
    is_good = parsed.ec == std::errc{} && parsed.ptr == end;
  }
  if (!is_good) return make_error(ErrorCode::Corruption, "what is stored of a token");
  record.token = words[0];
  if (words[2] != kNobody) record.machine = words[2];
  return record;
}

Result<JoinRecord> claim_join(const std::optional<std::string>& stored, const JoinClaim& claim,
                              std::int64_t now_ms) {
  if (!is_hex(claim.token, kTokenDigits) || !is_hex(claim.machine, kMachineDigits))
    return make_error(ErrorCode::InvalidArgument,
                      "\"token\" and \"machine\" are to be 16 and 32 hexadecimal digits");
  if (!stored) return make_error(ErrorCode::NotFound, "no token was made for this node");
  PREDA_TRY(JoinRecord record, decode_join_record(*stored));
  if (record.token != claim.token)
    return make_error(ErrorCode::Conflict, "another token was made for this node");
  if (!record.machine.empty() && record.machine != claim.machine)
    return make_error(ErrorCode::Conflict,
                      "the token was used already, by another machine or for another directory");
  if (record.machine.empty() && now_ms >= record.expires_ms)
    return make_error(ErrorCode::Conflict, "the token has expired");
  record.machine = claim.machine;
  return record;
}

Result<JoinRecord> issued_token(std::string token, std::int64_t expires_ms, std::int64_t now_ms) {
  if (!is_hex(token, kTokenDigits))
    return make_error(ErrorCode::InvalidArgument, "\"token\" is to be 16 hexadecimal digits");
  if (expires_ms <= now_ms)
    return make_error(ErrorCode::InvalidArgument, "a token that has expired already");
  return JoinRecord{std::move(token), expires_ms, {}};
}

}  // namespace predastore::admin
