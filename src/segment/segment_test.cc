#include <gtest/gtest.h>

#include "model/limits.h"
#include "segment/checksum.h"
#include "segment/geometry.h"
#include "segment/record.h"

namespace predastore::segment {
namespace {

RecordHeader sample_header() {
  RecordHeader header;
  for (std::size_t i = 0; i < 32; ++i)
    header.key.object_id.bytes[i] = static_cast<std::byte>(i * 7);
  header.key.chunk_index = ChunkIndex{0x01020304};
  header.key.role = ShardRole{2};
  header.segment_index = SegmentIndex{77};
  header.logical_size_bytes = 65536;
  header.stored_size_bytes = 65536;
  header.payload_crc32 = 0xDEADBEEF;
  header.file_id = ShardFileId{0x1111222233334444};
  header.own_offset_bytes = 8192;
  header.write_id = WriteId{9};
  header.generation = Generation{3};
  header.write_epoch = WriteEpoch{12};
  header.sequence = Sequence{1ULL << 40};
  header.incarnation = Incarnation{0xABCDEF};
  return header;
}

TEST(Record, round_trips_every_kind) {
  std::array<std::byte, kRecordHeaderSizeBytes> bytes{};
  RecordHeader header = sample_header();
  encode_record_header(header, bytes);
  EXPECT_EQ(decode_record_header(bytes).value(), header);
  header.kind = RecordKind::commit;
  header.stored_size_bytes = 0;
  encode_record_header(header, bytes);
  EXPECT_EQ(decode_record_header(bytes).value(), header);
  header.kind = RecordKind::tombstone;
  header.logical_size_bytes = 0;
  header.payload_crc32 = 0;
  encode_record_header(header, bytes);
  EXPECT_EQ(decode_record_header(bytes).value(), header);
}

TEST(Record, any_flipped_bit_is_noticed) {
  std::array<std::byte, kRecordHeaderSizeBytes> bytes{};
  encode_record_header(sample_header(), bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(decode_record_header(damaged).has_value()) << bit;
  }
  EXPECT_FALSE(decode_record_header(ByteSpan{bytes}.first(kRecordHeaderSizeBytes - 1)).has_value());
}

TEST(Record, crc_is_the_gzip_one) { EXPECT_EQ(crc32(as_bytes("123456789")), 0xCBF43926U); }

void check_geometry(std::uint64_t size, std::uint8_t k) {
  const RsConfig rs{.data_shards = k, .parity_shards = 2};
  const std::uint32_t stripes = stripe_count(size, k);
  std::uint64_t offset = 0;
  std::vector<std::uint32_t> counts(rs.width());
  std::vector<std::uint64_t> sizes(rs.width());
  for (std::uint32_t s = 0; s < stripes; ++s) {
    std::uint32_t longest = 0;
    for (std::uint8_t role = 0; role < rs.width(); ++role) {
      const std::uint32_t length = segment_size(size, k, StripeIndex{s}, ShardRole{role});
      ASSERT_LE(length, kSegmentSizeBytes);
      if (length > 0) {
        ASSERT_EQ(counts[role]++, s);  // a role has the segments of stripes 0 .. count-1
      }
      sizes[role] += length;
      if (role >= k) {
        ASSERT_EQ(length, longest);
        continue;
      }
      longest = std::max(longest, length);
      if (length == 0) continue;
      ASSERT_EQ(segment_offset(size, k, StripeIndex{s}, ShardRole{role}), offset);
      const Location first{
          .stripe = StripeIndex{s}, .role = ShardRole{role}, .offset_in_segment = 0};
      const Location last{
          .stripe = StripeIndex{s}, .role = ShardRole{role}, .offset_in_segment = length - 1};
      ASSERT_EQ(locate(size, k, offset), first);
      ASSERT_EQ(locate(size, k, offset + length - 1), last);
      offset += length;
    }
    ASSERT_GT(longest, 0U);
  }
  ASSERT_EQ(offset, size);  // every byte once, in order
  for (std::uint8_t role = 0; role < rs.width(); ++role) {
    ASSERT_EQ(segment_count(size, rs, ShardRole{role}), counts[role]);
    ASSERT_EQ(shard_size(size, rs, ShardRole{role}), sizes[role]);
  }
}

TEST(Geometry, every_byte_has_one_place_for_all_sizes_and_k) {
  for (std::uint8_t k = 1; k <= 16; ++k) {
    const std::uint64_t stripe = k * kSegmentSizeBytes;
    for (std::uint64_t base : {std::uint64_t{0}, stripe, 3 * stripe}) {
      for (std::uint64_t extra = 0; extra <= stripe; extra += 4096) {
        for (int delta = -1; delta <= 1; ++delta) {
          if (base + extra == 0 && delta < 0) continue;
          check_geometry(base + extra + static_cast<std::uint64_t>(delta), k);
          if (testing::Test::HasFatalFailure())
            FAIL() << "size " << base + extra << " k " << int{k};
        }
      }
    }
    check_geometry(kChunkSizeBytes, k);
    check_geometry(kChunkSizeBytes - 1, k);
  }
}

TEST(Geometry, a_small_object_is_spread_and_not_doubled) {
  const RsConfig rs{.data_shards = 2, .parity_shards = 1};
  EXPECT_EQ(segment_size(100 * 1024, 2, StripeIndex{0}, ShardRole{0}), 56U * 1024);
  EXPECT_EQ(segment_size(100 * 1024, 2, StripeIndex{0}, ShardRole{1}), 44U * 1024);
  EXPECT_EQ(segment_size(100 * 1024, 2, StripeIndex{0}, ShardRole{2}), 56U * 1024);
  EXPECT_EQ(segment_count(1, rs, ShardRole{0}), 1U);
  EXPECT_EQ(segment_count(1, rs, ShardRole{1}), 0U);  // not stored
  EXPECT_EQ(segment_count(1, rs, ShardRole{2}), 1U);
}

}  // namespace
}  // namespace predastore::segment
