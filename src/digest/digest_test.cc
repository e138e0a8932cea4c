#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "digest/crc.h"
#include "digest/crc_fold.h"
#include "digest/hash.h"

namespace predastore::digest {
namespace {

constexpr std::string_view kCheck = "123456789";  // the catalogue's check input

std::string hex(std::string_view raw) { return to_hex(as_bytes(raw)); }

std::string random_bytes(std::size_t size_bytes) {
  std::mt19937 random(static_cast<unsigned>(size_bytes));
  std::string bytes(size_bytes, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(Crc, folding_and_the_plain_way_agree_for_every_length_and_offset) {
  std::string bytes(5000, '\0');
  std::uint64_t state = 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  for (std::size_t size = 0; size <= 1700; ++size) {
    const ByteSpan some = as_bytes(bytes).subspan(size % 17, size);
    ASSERT_EQ(crc64nvme(some, size * 77), crc64nvme_by_table(some, size * 77)) << size;
    const auto before = static_cast<std::uint32_t>(size * 0x9e3779b9u);
    ASSERT_EQ(crc32(some, before), crc32_by_isal(some, before)) << size;
    if (size == 0 || size % 64 != 0 || !can_fold_crc()) continue;
    // Also where crc32() does not fold: short, or a processor with narrow registers only.
    const auto rest = fold_crc32(some, ~before);
    ASSERT_EQ(crc32_by_isal(rest, ~0u), crc32_by_isal(some, before)) << size;
  }
  EXPECT_EQ(crc64nvme(as_bytes(bytes)), crc64nvme_by_table(as_bytes(bytes), 0));
  EXPECT_EQ(crc32(as_bytes(bytes)), crc32_by_isal(as_bytes(bytes), 0));
}

TEST(Crc, check_values_are_those_of_the_catalogue) {
  EXPECT_EQ(crc32(as_bytes(kCheck)), 0xcbf43926u);
  EXPECT_EQ(crc32c(as_bytes(kCheck)), 0xe3069283u);
  EXPECT_EQ(crc64nvme(as_bytes(kCheck)), 0xae8b14860a799888u);
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc64nvme({}), 0u);
}

TEST(Crc, pieces_and_combination_equal_the_whole) {
  const std::string bytes = random_bytes(1003);
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8},
                                std::size_t{500}, bytes.size()}) {
    const ByteSpan whole = as_bytes(bytes), a = whole.first(cut), b = whole.subspan(cut);
    EXPECT_EQ(crc32(b, crc32(a)), crc32(whole));
    EXPECT_EQ(crc32c(b, crc32c(a)), crc32c(whole));
    EXPECT_EQ(crc64nvme(b, crc64nvme(a)), crc64nvme(whole));
    EXPECT_EQ(crc32_combine(crc32(a), crc32(b), b.size()), crc32(whole)) << cut;
    EXPECT_EQ(crc32c_combine(crc32c(a), crc32c(b), b.size()), crc32c(whole)) << cut;
    EXPECT_EQ(crc64nvme_combine(crc64nvme(a), crc64nvme(b), b.size()), crc64nvme(whole)) << cut;
  }
}

TEST(Hash, golden_values) {
  EXPECT_EQ(hex(md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, pieces_equal_the_whole_and_finish_begins_anew) {
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  EXPECT_EQ(hash.finish(), sha256("abc"));
  EXPECT_EQ(hash.finish(), sha256(""));
}

TEST(ConstantTimeEqual, compares_length_and_bytes) {
  EXPECT_TRUE(constant_time_equal("abc", "abc"));
  EXPECT_FALSE(constant_time_equal("abc", "abd"));
  EXPECT_FALSE(constant_time_equal("abc", "ab"));
  EXPECT_TRUE(constant_time_equal("", ""));
}

}  // namespace
}  // namespace predastore::digest
