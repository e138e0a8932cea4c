#include "erasure/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>

#include "digest/hash.h"

namespace predastore::erasure {
namespace {

// Numbers that are the same everywhere.
class Lcg {
 public:
  explicit Lcg(std::uint64_t seed) : state_(seed) {}
  std::uint8_t next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint8_t>(state_ >> 56);
  }
  std::size_t below(std::size_t bound) {
    return (std::size_t{next()} << 16 | std::size_t{next()} << 8 | next()) % bound;
  }

 private:
  std::uint64_t state_;
};

std::string bytes_of(std::size_t size, std::uint64_t seed) {
  Lcg lcg{seed};
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(lcg.next());
  return text;
}

MutableByteSpan span_of(std::string& text) {
  return std::as_writable_bytes(std::span{text.data(), text.size()});
}

std::vector<std::string> parity_of(const Codec& codec, const std::vector<std::string>& data) {
  std::size_t longest = 0;
  for (const auto& segment : data) longest = std::max(longest, segment.size());
  std::vector<std::string> parity(codec.rs().parity_shards, std::string(longest, 'x'));
  std::vector<ByteSpan> from;
  for (const auto& segment : data) from.push_back(as_bytes(segment));
  std::vector<MutableByteSpan> to;
  for (auto& segment : parity) to.push_back(span_of(segment));
  codec.encode(from, to);
  return parity;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

struct Stripe {
  Stripe(Codec& used, std::vector<std::size_t> sizes, std::uint64_t seed) : codec(used) {
    std::vector<std::string> data;
    for (const std::size_t size : sizes) {
      longest = std::max(longest, size);
      data.push_back(bytes_of(size, ++seed));
    }
    all = data;
    for (auto& parity : parity_of(codec, data)) all.push_back(std::move(parity));
  }
  // Whether everything that is not in `there` comes back as it was.
  bool comes_back(std::uint32_t there) {
    std::vector<Present> present;
    std::vector<std::string> lost(all.size(), std::string(longest, '?'));
    std::vector<Wanted> wanted;
    for (std::uint8_t role = 0; role < all.size(); ++role) {
      if (there >> role & 1) {
        present.push_back({ShardRole{role}, as_bytes(all[role])});
      } else {
        wanted.push_back({ShardRole{role}, span_of(lost[role])});
      }
    }
    if (!codec.decode(present, wanted)) return false;
    for (std::size_t role = 0; role < all.size(); ++role) {
      std::string expected = all[role];
      expected.resize(longest, '\0');
      if (!(there >> role & 1) && lost[role] != expected) return false;
    }
    return true;
  }
  Codec& codec;
  std::size_t longest = 0;
  std::vector<std::string> all;  // by role
};

TEST(Erasure, parity_is_that_of_the_golden_vectors) {
  const auto two_one = parity_of(Codec{{2, 1}}, {"predastore", "segments"});
  EXPECT_EQ(hex(two_one[0]), "e21a6ae29d66166339bc");
  const auto three_two = parity_of(Codec{{3, 2}}, {"abcdefgh", "ijklmnop", "qrs"});
  EXPECT_EQ(hex(three_two[0]), "1f92e9e19b156feb");
  EXPECT_EQ(hex(three_two[1]), "db68f205e5d83853");

  std::vector<std::string> sixteen;
  for (std::uint64_t seed = 1; seed <= 15; ++seed) sixteen.push_back(bytes_of(8192, seed));
  sixteen.push_back(bytes_of(5000, 16));
  std::string all;
  for (const auto& segment : parity_of(Codec{{16, 8}}, sixteen)) all += segment;
  EXPECT_EQ(hex(digest::sha256(all)),
            "1f9fcbe6b49a27e46236a27543285e69de6eb3d09ccdf759794d1494a3b3de10");
}

TEST(Erasure, every_loss_that_can_be_survived_is_for_small_schemes) {
  for (std::uint8_t k = 1; k <= 6; ++k) {
    for (std::uint8_t m = 0; m <= 4; ++m) {
      Codec codec{{k, m}};
      std::vector<std::size_t> sizes(k, 300);
      sizes.back() = 117;
      if (k > 2) sizes[k - 2] = 299, sizes[k - 1] = 0;
      Stripe stripe{codec, sizes, k * 10U + m};
      for (std::uint32_t there = 0; there < 1U << (k + m); ++there) {
        ASSERT_EQ(stripe.comes_back(there), std::popcount(there) >= k)
            << int{k} << "+" << int{m} << " with " << there;
      }
    }
  }
}

TEST(Erasure, random_losses_of_the_widest_schemes_come_back) {
  Lcg lcg{7};
  for (const RsConfig rs : {RsConfig{16, 8}, RsConfig{10, 8}, RsConfig{16, 1}, RsConfig{8, 4}}) {
    Codec codec{rs};
    for (int round = 0; round < 300; ++round) {
      const std::size_t longest = 1 + lcg.below(3000);
      std::vector<std::size_t> sizes(rs.data_shards, longest);
      for (std::size_t i = 1; i < sizes.size(); ++i) sizes[i] = std::min(sizes[i - 1], longest);
      sizes.back() = lcg.below(longest + 1);
      Stripe stripe{codec, sizes, static_cast<std::uint64_t>(round)};
      auto there = (1U << rs.width()) - 1;
      for (std::size_t lost = lcg.below(rs.parity_shards + 1U); lost > 0; --lost)
        there &= ~(1U << lcg.below(rs.width()));
      ASSERT_TRUE(stripe.comes_back(there)) << there;
    }
  }
}

TEST(Erasure, every_thirty_first_pattern_of_eight_losses_of_sixteen_and_eight_comes_back) {
  Codec codec{{16, 8}};
  Stripe stripe{codec, std::vector<std::size_t>(16, 16), 3};
  std::uint32_t seen = 0;
  for (std::uint32_t there = (1U << 16) - 1; there < 1U << 24;) {
    if (++seen % 31 == 0) {
      ASSERT_TRUE(stripe.comes_back(there)) << there;
    }
    // The next larger number with as many bits.
    const std::uint32_t low = there & (~there + 1);
    const std::uint32_t carried = there + low;
    there = carried | (((carried ^ there) / low) >> 2);
  }
  EXPECT_EQ(seen, 735471U);
}

TEST(Erasure, a_full_segment_with_a_short_last_one_is_coded_over_its_whole_length) {
  Codec codec{{2, 1}};
  for (const std::size_t last : {0UL, 1UL, 8191UL, 8192UL, 65535UL, 65536UL}) {
    Stripe stripe{codec, {kSegmentSizeBytes, last}, last};
    for (const std::uint32_t there : {3U, 5U, 6U}) EXPECT_TRUE(stripe.comes_back(there));
  }
}

TEST(Erasure, too_few_segments_are_unavailable) {
  Codec codec{{3, 2}};
  const std::string segment(64, 'a');
  const Present present[] = {{ShardRole{0}, as_bytes(segment)}, {ShardRole{4}, as_bytes(segment)}};
  std::string lost(64, '?');
  const Wanted wanted[] = {{ShardRole{1}, span_of(lost)}};
  const auto decoded = codec.decode(present, wanted);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code, ErrorCode::Unavailable);
}

TEST(Erasure, schemes_beyond_the_limits_are_not_supported) {
  EXPECT_TRUE(is_supported({1, 0}));
  EXPECT_TRUE(is_supported({16, 8}));
  EXPECT_FALSE(is_supported({0, 1}));
  EXPECT_FALSE(is_supported({17, 1}));
  EXPECT_FALSE(is_supported({2, 9}));
}

}  // namespace
}  // namespace predastore::erasure
