#include "s3/error_table.h"

#include <gtest/gtest.h>

#include <set>

namespace predastore::s3 {
namespace {

TEST(ErrorTable, has_every_code_at_its_place_and_every_name_once) {
  std::set<std::string_view> names;
  std::size_t index = 0;
  for (const S3CodeInfo& info : all_codes()) {
    EXPECT_EQ(static_cast<std::size_t>(info.code), index++) << info.name;
    EXPECT_EQ(&info_of(info.code), &info);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.message.empty()) << info.name;
    EXPECT_TRUE(info.status == 304 || info.status == 301 || info.status >= 400) << info.name;
    EXPECT_LT(info.status, 600u) << info.name;
  }
  EXPECT_EQ(index, static_cast<std::size_t>(S3Code::XAmzContentSHA256Mismatch) + 1);
}

TEST(ErrorTable, says_what_was_missing) {
  EXPECT_EQ(to_s3_error({ErrorCode::NotFound, "bucket"}).code, S3Code::NoSuchBucket);
  EXPECT_EQ(to_s3_error({ErrorCode::NotFound, "key"}).code, S3Code::NoSuchKey);
  EXPECT_EQ(to_s3_error({ErrorCode::NotFound, "upload"}).code, S3Code::NoSuchUpload);
  EXPECT_EQ(to_s3_error({ErrorCode::NotFound, "part"}).code, S3Code::InvalidPart);
  EXPECT_EQ(to_s3_error({ErrorCode::NotFound, "key"}, ErrorContext::write).code, S3Code::NoSuchKey);
}

TEST(ErrorTable, reads_a_conflict_by_what_was_being_done) {
  EXPECT_EQ(to_s3_error({ErrorCode::Conflict, ""}, ErrorContext::delete_bucket).code,
            S3Code::BucketNotEmpty);
  EXPECT_EQ(to_s3_error({ErrorCode::Conflict, ""}, ErrorContext::write).code,
            S3Code::PreconditionFailed);
  EXPECT_EQ(to_s3_error({ErrorCode::AlreadyExists, ""}, ErrorContext::create_bucket).code,
            S3Code::BucketAlreadyOwnedByYou);
}

TEST(ErrorTable, names_the_condition_and_the_fault_of_a_list_of_parts) {
  const S3Error failed = to_s3_error({ErrorCode::Conflict, "If-None-Match"}, ErrorContext::write);
  ASSERT_EQ(failed.details.size(), 1u);
  EXPECT_EQ(failed.details[0].second, "If-None-Match");
  EXPECT_EQ(to_s3_error({ErrorCode::InvalidArgument, "part order"}).code, S3Code::InvalidPartOrder);
  EXPECT_EQ(to_s3_error({ErrorCode::InvalidArgument, "part too small"}).code,
            S3Code::EntityTooSmall);
}

TEST(ErrorTable, sheds_what_did_not_happen_and_hides_the_inside_of_what_failed) {
  EXPECT_EQ(to_s3_error({ErrorCode::Unavailable, "queue full"}).code, S3Code::SlowDown);
  EXPECT_EQ(to_s3_error({ErrorCode::NoSpace, "drive 3"}).code, S3Code::InsufficientStorage);
  const S3Error internal = to_s3_error({ErrorCode::Corruption, "shard file 7 of drive 1"});
  EXPECT_EQ(internal.status(), 500u);
  EXPECT_EQ(internal.text().find("shard"), std::string_view::npos);
}

}  // namespace
}  // namespace predastore::s3
