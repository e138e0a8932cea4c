// The answers to reads and the checks of Complete.
#include <gtest/gtest.h>

#include "base/text.h"
#include "s3/checksums.h"
#include "s3/complete_plan.h"
#include "s3/read_plan.h"

namespace predastore::s3 {
namespace {

ObjectRecord plain_object(std::uint64_t size) {
  ObjectRecord record;
  record.etag = "0123456789abcdef0123456789abcdef";
  record.size_bytes = size;
  record.last_modified_ms = 784'111'777'000;
  record.headers = {{"content-type", "text/plain"}, {"cache-control", "no-cache"}};
  record.checksum = {ChecksumAlgorithm::crc32, ChecksumType::full_object, std::string(4, '\0')};
  ObjectPart part;
  part.size_bytes = size;
  record.parts = {part};
  return record;
}
ObjectRecord multipart_object() {
  ObjectRecord record = plain_object(25);
  record.etag += "-3";
  record.checksum = {ChecksumAlgorithm::crc32, ChecksumType::composite, std::string(4, '\0')};
  record.parts.clear();
  for (const auto& [number, size] : std::vector<std::pair<int, int>>{{1, 10}, {5, 10}, {6, 5}}) {
    ObjectPart part;
    part.part_number = PartNumber{static_cast<std::uint16_t>(number)};
    part.size_bytes = static_cast<std::uint64_t>(size);
    part.checksum = {ChecksumAlgorithm::crc32, ChecksumType::full_object, std::string(4, '\1')};
    record.parts.push_back(part);
  }
  return record;
}

std::string planned(const ObjectRecord& record, std::string_view query, http::Headers headers) {
  const auto plan = plan_read(record, *Query::parse(query), headers);
  if (!plan) return std::string(plan.error().name());
  return std::to_string(plan->status) + " " + std::to_string(plan->first) + "+" +
         std::to_string(plan->size_bytes) + " " + std::string(plan->headers.get("content-range"));
}

TEST(ReadPlan, sends_the_whole_or_a_range) {
  EXPECT_EQ(planned(plain_object(10), "", {}), "200 0+10 ");
  EXPECT_EQ(planned(plain_object(0), "", {}), "200 0+0 ");
  EXPECT_EQ(planned(plain_object(10), "", {{"Range", "bytes=2-4"}}), "206 2+3 bytes 2-4/10");
  EXPECT_EQ(planned(plain_object(10), "", {{"Range", "bytes=0-"}}), "206 0+10 bytes 0-9/10");
  EXPECT_EQ(planned(plain_object(10), "", {{"Range", "bytes=10-"}}), "InvalidRange");
  EXPECT_EQ(planned(plain_object(0), "", {{"Range", "bytes=0-"}}), "InvalidRange");
  EXPECT_EQ(planned(plain_object(10), "", {{"Range", "bytes=2-4"}, {"If-Range", "\"other\""}}),
            "200 0+10 ");
}

TEST(ReadPlan, sends_one_part) {
  EXPECT_EQ(planned(multipart_object(), "partNumber=1", {}), "206 0+10 bytes 0-9/25");
  EXPECT_EQ(planned(multipart_object(), "partNumber=5", {}), "206 10+10 bytes 10-19/25");
  EXPECT_EQ(planned(multipart_object(), "partNumber=6", {}), "206 20+5 bytes 20-24/25");
  EXPECT_EQ(planned(multipart_object(), "partNumber=2", {}), "InvalidPartNumber");
  EXPECT_EQ(planned(plain_object(10), "partNumber=1", {}), "206 0+10 bytes 0-9/10");
  EXPECT_EQ(planned(plain_object(0), "partNumber=1", {}), "200 0+0 ");
  EXPECT_EQ(planned(plain_object(10), "partNumber=2", {}), "InvalidPartNumber");
  for (const char* bad : {"0", "10001", "x", "", "-1"})
    EXPECT_EQ(planned(plain_object(10), "partNumber=" + std::string(bad), {}), "InvalidArgument");
  EXPECT_EQ(planned(multipart_object(), "partNumber=1", {{"Range", "bytes=0-1"}}),
            "InvalidRequest");
}

TEST(ReadPlan, tells_checksums_only_of_what_it_sends) {
  const http::Headers mode{{"x-amz-checksum-mode", "ENABLED"}};
  const auto checksum = [](const ObjectRecord& record, std::string_view query,
                           http::Headers headers) {
    const auto plan = plan_read(record, *Query::parse(query), headers);
    return std::string(plan->headers.get("x-amz-checksum-crc32")) + " " +
           std::string(plan->headers.get("x-amz-checksum-type"));
  };
  EXPECT_EQ(checksum(plain_object(10), "", {}), " ");
  EXPECT_EQ(checksum(plain_object(10), "", mode), "AAAAAA== FULL_OBJECT");
  EXPECT_EQ(checksum(multipart_object(), "", mode), "AAAAAA==-3 COMPOSITE");
  EXPECT_EQ(checksum(multipart_object(), "partNumber=5", mode), "AQEBAQ== FULL_OBJECT");
  http::Headers ranged = mode;
  ranged.add("Range", "bytes=0-1");
  EXPECT_EQ(checksum(plain_object(10), "", ranged), " ");
}

TEST(ReadPlan, answers_conditions_before_ranges) {
  const auto plan =
      plan_read(plain_object(10), Query{}, {{"If-None-Match", "*"}, {"Range", "bytes=99-"}});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->status, 304u);
  EXPECT_EQ(plan->headers.get("etag"), "\"0123456789abcdef0123456789abcdef\"");
  EXPECT_EQ(plan->headers.get("cache-control"), "no-cache");
  EXPECT_EQ(plan->headers.find("content-type"), nullptr);
  EXPECT_EQ(planned(plain_object(10), "", {{"If-Match", "\"x\""}, {"Range", "bytes=99-"}}),
            "PreconditionFailed");
}

TEST(ReadPlan, decrypts_nothing) {
  EXPECT_EQ(planned(plain_object(10), "",
                    {{"x-amz-server-side-encryption-customer-algorithm", "AES256"}}),
            "InvalidRequest");
}

TEST(ReadPlan, knows_one_version) {
  EXPECT_EQ(planned(plain_object(10), "versionId=null", {}), "200 0+10 ");
  EXPECT_EQ(planned(plain_object(10), "versionId=abc", {}), "NotImplemented");
}

constexpr std::uint64_t kMin = kPartSizeMinBytes;

meta::UploadRecord upload_of(ChecksumAlgorithm algorithm, ChecksumType type) {
  meta::UploadRecord upload;
  upload.upload_id = "id";
  upload.checksum_algorithm = algorithm;
  upload.checksum_type = type;
  return upload;
}
std::vector<meta::PartRecord> stored_of(std::vector<std::pair<int, std::uint64_t>> sizes,
                                        ChecksumAlgorithm algorithm) {
  std::vector<meta::PartRecord> stored;
  for (const auto& [number, size] : sizes) {
    meta::PartRecord record;
    record.part.part_number = PartNumber{static_cast<std::uint16_t>(number)};
    record.part.size_bytes = size;
    record.part.etag_md5 = std::string(16, static_cast<char>(number));
    if (algorithm != ChecksumAlgorithm::none) {
      record.part.checksum = {algorithm, ChecksumType::full_object,
                              std::string(raw_checksum_size(algorithm), '\2')};
    }
    stored.push_back(record);
  }
  return stored;
}
CompleteEntry entry_of(int number) {
  CompleteEntry entry;
  entry.part_number = PartNumber{static_cast<std::uint16_t>(number)};
  entry.etag = to_hex(as_bytes(std::string(16, static_cast<char>(number))));
  return entry;
}
std::string completed(const meta::UploadRecord& upload, const std::vector<meta::PartRecord>& stored,
                      const std::vector<CompleteEntry>& entries, http::Headers headers = {}) {
  const auto plan = plan_complete(upload, stored, entries, headers);
  if (!plan) return std::string(plan.error().name());
  return std::to_string(plan->parts.size());
}
constexpr auto kNone = ChecksumAlgorithm::none;
constexpr auto kCrc32 = ChecksumAlgorithm::crc32;
constexpr auto kFull = ChecksumType::full_object;

TEST(CompletePlan, takes_some_of_the_parts) {
  const auto stored = stored_of({{1, kMin}, {2, kMin}, {9, 1}}, kNone);
  const auto upload = upload_of(kNone, kFull);
  EXPECT_EQ(completed(upload, stored, {entry_of(1), entry_of(2), entry_of(9)}), "3");
  EXPECT_EQ(completed(upload, stored, {entry_of(1), entry_of(9)}), "2");
  EXPECT_EQ(completed(upload, stored, {entry_of(9)}), "1");
  EXPECT_EQ(completed(upload, stored, {entry_of(3)}), "InvalidPart");
  EXPECT_EQ(completed(upload, stored, {entry_of(10)}), "InvalidPart");
  EXPECT_EQ(completed(upload, {}, {entry_of(1)}), "InvalidPart");
  CompleteEntry other = entry_of(1);
  other.etag = entry_of(2).etag;
  EXPECT_EQ(completed(upload, stored, {other}), "InvalidPart");
}

TEST(CompletePlan, bounds_sizes) {
  const auto upload = upload_of(kNone, kFull);
  EXPECT_EQ(
      completed(upload, stored_of({{1, kMin - 1}, {2, 1}}, kNone), {entry_of(1), entry_of(2)}),
      "EntityTooSmall");
  EXPECT_EQ(completed(upload, stored_of({{1, kMin}, {2, 0}}, kNone), {entry_of(1), entry_of(2)}),
            "2");
  std::vector<std::pair<int, std::uint64_t>> sizes;
  std::vector<CompleteEntry> entries;
  for (int i = 1; i <= 100; ++i) {
    sizes.emplace_back(i, 60ULL << 30);
    entries.push_back(entry_of(i));
  }
  EXPECT_EQ(completed(upload, stored_of(sizes, kNone), entries), "EntityTooLarge");
}

TEST(CompletePlan, holds_checksums_against_what_is_stored) {
  const auto stored = stored_of({{1, kMin}, {2, 1}}, kCrc32);
  auto with = [](int number, char fill) {
    CompleteEntry entry = entry_of(number);
    entry.checksum = ClaimedChecksum{kCrc32, std::string(4, fill), 0};
    return entry;
  };
  const auto composite = upload_of(kCrc32, ChecksumType::composite);
  EXPECT_EQ(completed(composite, stored, {with(1, '\2'), with(2, '\2')}), "2");
  EXPECT_EQ(completed(composite, stored, {with(1, '\3'), with(2, '\2')}), "InvalidPart");
  EXPECT_EQ(completed(composite, stored, {entry_of(1), with(2, '\2')}), "InvalidRequest");
  EXPECT_EQ(completed(upload_of(kCrc32, kFull), stored, {entry_of(1), entry_of(2)}), "2");

  const auto plan = plan_complete(composite, stored, {with(1, '\2'), with(2, '\2')}, {});
  const std::string good = checksum_text(plan->checksum, 2);
  EXPECT_TRUE(good.ends_with("-2"));
  const std::vector<CompleteEntry> entries{with(1, '\2'), with(2, '\2')};
  EXPECT_EQ(completed(composite, stored, entries, {{"x-amz-checksum-crc32", good}}), "2");
  EXPECT_EQ(completed(composite, stored, entries, {{"x-amz-checksum-crc32", "AAAAAA==-2"}}),
            "BadDigest");
  EXPECT_EQ(completed(composite, stored, entries,
                      {{"x-amz-checksum-crc32", good.substr(0, good.size() - 1) + "3"}}),
            "BadDigest");
  EXPECT_EQ(completed(composite, stored, entries, {{"x-amz-checksum-type", "FULL_OBJECT"}}),
            "InvalidRequest");
}

TEST(CompletePlan, holds_the_size_of_the_whole_against_the_announced_one) {
  const auto stored = stored_of({{1, kMin}, {2, 1}}, kNone);
  const auto upload = upload_of(kNone, kFull);
  const std::vector<CompleteEntry> entries{entry_of(1), entry_of(2)};
  EXPECT_EQ(
      completed(upload, stored, entries, {{"x-amz-mp-object-size", std::to_string(kMin + 1)}}),
      "2");
  EXPECT_EQ(completed(upload, stored, entries, {{"x-amz-mp-object-size", std::to_string(kMin)}}),
            "InvalidRequest");
}

}  // namespace
}  // namespace predastore::s3
