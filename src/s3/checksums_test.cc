#include "s3/checksums.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "digest/crc.h"
#include "digest/hash.h"

namespace predastore::s3 {
namespace {

std::string big_endian(std::uint64_t value, int size) {
  std::string raw;
  for (int i = size - 1; i >= 0; --i) raw.push_back(static_cast<char>(value >> (8 * i)));
  return raw;
}
std::string raw_checksum(ChecksumAlgorithm algorithm, std::string_view bytes) {
  switch (algorithm) {
    case ChecksumAlgorithm::crc32: return big_endian(digest::crc32(as_bytes(bytes)), 4);
    case ChecksumAlgorithm::crc32c: return big_endian(digest::crc32c(as_bytes(bytes)), 4);
    case ChecksumAlgorithm::crc64nvme: return big_endian(digest::crc64nvme(as_bytes(bytes)), 8);
    case ChecksumAlgorithm::sha1: return digest::sha1(bytes);
    case ChecksumAlgorithm::sha256: return digest::sha256(bytes);
    case ChecksumAlgorithm::none: break;
  }
  return {};
}
std::vector<ObjectPart> parts_of(ChecksumAlgorithm algorithm,
                                 const std::vector<std::string>& pieces) {
  std::vector<ObjectPart> parts;
  for (const std::string& piece : pieces) {
    ObjectPart part;
    part.size_bytes = piece.size();
    part.checksum = {algorithm, ChecksumType::full_object, raw_checksum(algorithm, piece)};
    parts.push_back(part);
  }
  return parts;
}
const std::vector<std::string> kPieces{std::string(70'000, 'a'), "b", std::string(12'345, 'c')};

TEST(Checksums, of_the_full_object_come_from_those_of_the_parts) {
  const std::string whole = kPieces[0] + kPieces[1] + kPieces[2];
  for (const auto algorithm :
       {ChecksumAlgorithm::crc32, ChecksumAlgorithm::crc32c, ChecksumAlgorithm::crc64nvme}) {
    const ObjectChecksum combined =
        combine_parts({algorithm, ChecksumType::full_object}, parts_of(algorithm, kPieces));
    EXPECT_EQ(combined.value, raw_checksum(algorithm, whole)) << algorithm_name(algorithm);
    EXPECT_EQ(combined.type, ChecksumType::full_object);
  }
}

TEST(Checksums, composite_are_those_of_the_checksums) {
  for (const auto algorithm : {ChecksumAlgorithm::crc32, ChecksumAlgorithm::crc32c,
                               ChecksumAlgorithm::sha1, ChecksumAlgorithm::sha256}) {
    std::string concatenated;
    for (const std::string& piece : kPieces) concatenated += raw_checksum(algorithm, piece);
    const ObjectChecksum combined =
        combine_parts({algorithm, ChecksumType::composite}, parts_of(algorithm, kPieces));
    EXPECT_EQ(combined.value, raw_checksum(algorithm, concatenated));
    EXPECT_EQ(checksum_text(combined, 3), to_base64(as_bytes(combined.value)) + "-3");
  }
}

TEST(Checksums, without_an_algorithm_of_the_upload_are_those_of_its_parts) {
  EXPECT_EQ(combine_parts({}, parts_of(ChecksumAlgorithm::crc64nvme, kPieces)).type,
            ChecksumType::full_object);
  EXPECT_EQ(combine_parts({}, parts_of(ChecksumAlgorithm::sha256, kPieces)).type,
            ChecksumType::composite);
  auto mixed = parts_of(ChecksumAlgorithm::crc64nvme, kPieces);
  mixed[1] = parts_of(ChecksumAlgorithm::crc32, kPieces)[1];
  EXPECT_EQ(combine_parts({}, mixed).algorithm, ChecksumAlgorithm::none);
  EXPECT_EQ(combine_parts({}, {}).algorithm, ChecksumAlgorithm::none);
}

TEST(Checksums, of_uploads_follow_the_table_of_aws) {
  const auto asked = [](std::string algorithm, std::string type) -> std::string {
    http::Headers headers;
    if (!algorithm.empty()) headers.add("x-amz-checksum-algorithm", algorithm);
    if (!type.empty()) headers.add("x-amz-checksum-type", type);
    const auto wanted = upload_checksum(headers);
    if (!wanted) return std::string(wanted.error().name());
    return std::string(checksum_type_name(wanted->type));
  };
  EXPECT_EQ(asked("", ""), "FULL_OBJECT");
  EXPECT_EQ(asked("", "COMPOSITE"), "InvalidRequest");
  EXPECT_EQ(asked("CRC64NVME", ""), "FULL_OBJECT");
  EXPECT_EQ(asked("CRC64NVME", "COMPOSITE"), "InvalidRequest");
  EXPECT_EQ(asked("CRC32", ""), "COMPOSITE");
  EXPECT_EQ(asked("crc32", "FULL_OBJECT"), "FULL_OBJECT");
  EXPECT_EQ(asked("CRC32C", "COMPOSITE"), "COMPOSITE");
  EXPECT_EQ(asked("SHA1", "FULL_OBJECT"), "InvalidRequest");
  EXPECT_EQ(asked("SHA256", ""), "COMPOSITE");
  EXPECT_EQ(asked("MD5", ""), "InvalidRequest");
  EXPECT_EQ(asked("CRC32", "HALF"), "InvalidRequest");
}

TEST(Checksums, claimed_by_headers_have_the_right_length) {
  EXPECT_EQ(claimed_checksum({})->algorithm, ChecksumAlgorithm::none);
  const auto claimed = claimed_checksum({{"X-Amz-Checksum-CRC32", "AAAAAA==-12"}});
  EXPECT_EQ(claimed->value, std::string(4, '\0'));
  EXPECT_EQ(claimed->part_count, 12u);
  for (const char* bad : {"", "AAAA", "AAAAAA", "AAAAAA==-", "AAAAAA==-0", "AAAAAA==-10001", "!!"})
    EXPECT_FALSE(claimed_checksum({{"x-amz-checksum-crc32", bad}}).has_value()) << bad;
  EXPECT_FALSE(claimed_checksum(
                   {{"x-amz-checksum-crc32", "AAAAAA=="}, {"x-amz-checksum-crc32c", "AAAAAA=="}})
                   .has_value());
}

TEST(Checksums, names_of_elements_and_headers_belong_together) {
  for (const auto algorithm :
       {ChecksumAlgorithm::crc32, ChecksumAlgorithm::crc32c, ChecksumAlgorithm::crc64nvme,
        ChecksumAlgorithm::sha1, ChecksumAlgorithm::sha256}) {
    EXPECT_EQ(algorithm_of_element(checksum_element(algorithm)), algorithm);
    EXPECT_EQ(parse_algorithm(algorithm_name(algorithm)), algorithm);
  }
  EXPECT_EQ(checksum_header(ChecksumAlgorithm::crc64nvme), "x-amz-checksum-crc64nvme");
  EXPECT_FALSE(algorithm_of_element("ChecksumType").has_value());
}

}  // namespace
}  // namespace predastore::s3
