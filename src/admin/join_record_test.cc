#include "admin/join_record.h"

#include <gtest/gtest.h>

namespace predastore::admin {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
const std::string kToken = "0123456789abcdef";
const std::string kMachine = "00112233445566778899aabbccddeeff";
const std::string kOther = "ffeeddccbbaa99887766554433221100";

std::string issued(std::int64_t expires_ms) {
  return encode_join_record(JoinRecord{kToken, expires_ms, {}});
}

TEST(JoinRecord, says_the_same_after_it_was_stored) {
  for (const std::string& machine : {std::string{}, kMachine}) {
    const JoinRecord record{kToken, kNow, machine};
    const auto again = decode_join_record(encode_join_record(record));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, record);
  }
}

TEST(JoinRecord, refuses_what_is_no_record) {
  for (const char* text :
       {"", "-", "0123456789abcdef", "0123456789abcdef 5", "0123456789abcdef x -",
        "0123456789abcdef 5 -x", "0123456789abcdef 5 - ", "0123456789ABCDEF 5 -", "0123 5 -",
        "0123456789abcdef 5 00112233445566778899aabbccddeef"})
    EXPECT_EQ(decode_join_record(text).error().code, ErrorCode::Corruption) << text;
}

TEST(JoinRecord, the_first_machine_joins_and_may_ask_again_and_no_other_one_does) {
  const auto joined = claim_join(issued(kNow + 1), {kToken, kMachine}, kNow);
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->machine, kMachine);
  const std::string stored = encode_join_record(*joined);
  // Long after: whoever has joined has joined.
  const auto again = claim_join(stored, {kToken, kMachine}, kNow + 1'000'000);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, *joined);
  EXPECT_EQ(claim_join(stored, {kToken, kOther}, kNow).error().code, ErrorCode::Conflict);
}

TEST(JoinRecord, is_refused_when_it_is_too_late_or_of_another_token) {
  EXPECT_EQ(claim_join(issued(kNow), {kToken, kMachine}, kNow).error().code, ErrorCode::Conflict);
  EXPECT_EQ(claim_join(issued(kNow + 1), {"fedcba9876543210", kMachine}, kNow).error().code,
            ErrorCode::Conflict);
  EXPECT_EQ(claim_join(std::nullopt, {kToken, kMachine}, kNow).error().code, ErrorCode::NotFound);
  EXPECT_EQ(claim_join(issued(kNow + 1), {kToken, "-"}, kNow).error().code,
            ErrorCode::InvalidArgument);
}

TEST(JoinRecord, a_token_is_not_issued_without_a_number_or_a_time_that_is_to_come) {
  EXPECT_TRUE(issued_token(kToken, kNow + 1, kNow).has_value());
  EXPECT_EQ(issued_token(kToken, kNow, kNow).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(issued_token("x", kNow + 1, kNow).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace predastore::admin
