// Encoders and decoders of what lies on disk and goes over the wire: round trips, and bytes of
// anybody.
#include "shard/shard_file.h"
#include "shard/shard_index.h"
#include "shard/shard_messages.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

segment::RecordHeader header_of(std::uint64_t number) {
  segment::RecordHeader header;
  header.kind = number % 3 == 2 ? segment::RecordKind::commit : segment::RecordKind::segment;
  header.key = key_of(static_cast<std::uint32_t>(number / 3));
  header.file_id = ShardFileId{77};
  header.own_offset_bytes = kFileHeaderSizeBytes + number * 300;
  header.segment_index = SegmentIndex{static_cast<std::uint32_t>(number % 3)};
  header.logical_size_bytes = 100;
  header.stored_size_bytes = header.kind == segment::RecordKind::segment ? 100 : 0;
  header.sequence = Sequence{number + 1};
  header.write_id = WriteId{4};
  return header;
}

FooterBuilder footer_of(std::uint64_t count) {
  FooterBuilder footer;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::array<std::byte, segment::kRecordHeaderSizeBytes> bytes;
    segment::encode_record_header(header_of(i), bytes);
    footer.add(header_of(i), bytes);
  }
  return footer;
}

TEST(ShardFormat, a_footer_says_what_is_in_the_file) {
  for (const std::uint64_t count : {0, 1, 33, 34, 35, 1000}) {
    const FooterBuilder footer = footer_of(count);
    const std::uint64_t offset = round_up_to_block(kFileHeaderSizeBytes + count * 300);
    const std::string bytes = footer.encode(ShardFileId{77}, offset);
    ASSERT_EQ(bytes.size(), footer.size_bytes());
    ASSERT_EQ(bytes.size() % kDiskBlockBytes, 0U);
    const ByteSpan last = as_bytes(bytes).last(kDiskBlockBytes);
    const auto trailer = decode_trailer(last, ShardFileId{77}, offset + bytes.size());
    ASSERT_TRUE(trailer) << count;
    EXPECT_EQ(trailer->last_sequence, Sequence{count});
    EXPECT_EQ(trailer->last_decision, Sequence{count / 3 * 3});
    const auto headers = decode_index(*trailer, as_bytes(bytes).first(trailer->index_size_bytes()));
    ASSERT_TRUE(headers) << count;
    ASSERT_EQ(headers->size(), count);
    for (std::uint64_t i = 0; i < count; ++i) EXPECT_EQ((*headers)[i], header_of(i));
    EXPECT_FALSE(decode_trailer(last, ShardFileId{78}, offset + bytes.size()));
    EXPECT_FALSE(decode_trailer(last, ShardFileId{77}, offset + bytes.size() + kDiskBlockBytes));
    std::string damaged = bytes;
    for (std::size_t at = damaged.size() - kTrailerSizeBytes; at < damaged.size(); ++at) {
      damaged[at] ^= 8;
      EXPECT_FALSE(decode_trailer(as_bytes(damaged).last(kDiskBlockBytes), ShardFileId{77},
                                  offset + bytes.size()))
          << at;
      damaged[at] ^= 8;
    }
  }
}

TEST(ShardFormat, names_and_headers_of_files) {
  EXPECT_EQ(shard_file_name(ShardFileId{0xAB}), "00000000000000ab.shard");
  EXPECT_EQ(parse_shard_file_name("00000000000000ab.shard"), ShardFileId{0xAB});
  for (const char* name : {"00000000000000AB.shard", "0ab.shard", "00000000000000ab.shard.new", "",
                           "zz000000000000ab.shard"}) {
    EXPECT_FALSE(parse_shard_file_name(name)) << name;
  }
  FileHeader header;
  header.file_id = ShardFileId{5};
  header.drive.bytes[3] = std::byte{9};
  header.file_size_bytes = 1 << 20;
  std::string bytes = encode_file_header(header);
  ASSERT_EQ(bytes.size(), kFileHeaderSizeBytes);
  EXPECT_EQ(decode_file_header(as_bytes(bytes))->drive, header.drive);
  bytes[30] ^= 1;
  EXPECT_EQ(decode_file_header(as_bytes(bytes)).error().code, ErrorCode::Corruption);
}

TEST(ShardFormat, index_entries_join_runs_of_equal_segments) {
  IndexEntry entry;
  entry.stamp = stamp_of(3, 4);
  entry.segment_count = 3;
  for (std::uint32_t i = 0; i < 3; ++i) {
    segment::RecordHeader header = header_of(0);
    header.segment_index = SegmentIndex{i};
    header.own_offset_bytes = 8192 + i * 220;
    if (i == 2) header.logical_size_bytes = header.stored_size_bytes = 50;
    add_segment(entry.extents, header);
  }
  ASSERT_EQ(entry.extents.size(), 2U);
  const auto decoded = decode_entry(encode_entry(entry));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->extents, entry.extents);
  EXPECT_EQ(decoded->stamp.generation, Generation{4});
}

TEST(ShardFormat, fetch_answers_are_held_against_the_question) {
  const Segment segment = segment_of(4, 1, 100);
  segment::RecordHeader header = header_of(1);
  header.payload_crc32 = segment.crc32;
  std::string record(segment::kRecordHeaderSizeBytes, '\0');
  segment::encode_record_header(header,
                                std::as_writable_bytes(std::span{record.data(), record.size()}));
  record += segment.stored.text();
  const std::uint32_t crc = segment::crc32(as_bytes(record).first(segment::kRecordHeaderSizeBytes));
  const auto body =
      Buffer::take(encode_fetch_head(crc, static_cast<std::uint32_t>(record.size())) + record);
  const FetchRequest good{key_of(0), SegmentIndex{1}, 1, WriteId{4}};
  ASSERT_TRUE(decode_fetch_answer(good, body));
  EXPECT_TRUE(same(decode_fetch_answer(good, body)->segments.front(), segment));
  for (const FetchRequest& other : {FetchRequest{key_of(1), SegmentIndex{1}, 1, WriteId{4}},
                                    FetchRequest{key_of(0), SegmentIndex{0}, 1, WriteId{4}},
                                    FetchRequest{key_of(0), SegmentIndex{1}, 0, WriteId{4}},
                                    FetchRequest{key_of(0), SegmentIndex{1}, 1, WriteId{5}}}) {
    EXPECT_EQ(decode_fetch_answer(other, body).error().code, ErrorCode::Corruption);
  }
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_FALSE(decode_fetch_answer(good, body.slice(0, size))) << size;
  for (std::size_t at = 0; at < body.size(); ++at) {
    std::string flipped{body.text()};
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    EXPECT_FALSE(decode_fetch_answer(good, Buffer::take(std::move(flipped)))) << at;
  }
}

TEST(ShardFormat, lists_whose_count_lies_are_refused) {
  std::string bytes = encode_delete_request({{key_of(1), Generation{2}}});
  ASSERT_TRUE(decode_delete_request(as_bytes(bytes)));
  bytes[3] = '\x7f';
  EXPECT_FALSE(decode_delete_request(as_bytes(bytes)));
  EXPECT_FALSE(decode_stat_request(as_bytes("\xff\xff\xff\xff")));
}

// Every decoder on seeds of good bytes with random changes: an answer or an error, and nothing read
// outside (under the sanitizers).
TEST(ShardFormat, decoders_survive_any_bytes) {
  TestRandom random{42};
  IndexEntry entry;
  entry.segment_count = 1;
  add_segment(entry.extents, header_of(0));
  const std::vector<std::string> seeds{
      footer_of(40).encode(ShardFileId{77}, 20480),
      encode_file_header({}),
      encode_entry(entry),
      encode_fetch_request({key_of(1), SegmentIndex{0}, 3, WriteId{9}}),
      encode_fetch_head(0, 0),
      encode_store_request({key_of(1), stamp_of(3)}),
      encode_segment_frame(segment_of(1, 0, 10)).substr(1),
      encode_commit_frame({1, 2, 3}).substr(1),
      encode_delete_request({{key_of(1), Generation{2}}, {key_of(2), Generation{2}}}),
      encode_stat_request({key_of(1)})};
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = seeds[random.below(seeds.size())];
    for (std::uint64_t changes = random.below(4); changes > 0; --changes) {
      if (!bytes.empty()) bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    if (random.below(3) == 0) bytes.resize(random.below(bytes.size() + 20));
    const auto held = std::make_unique<char[]>(bytes.size());  // exactly as long, for the sanitizer
    std::memcpy(held.get(), bytes.data(), bytes.size());
    const std::string_view text{held.get(), bytes.size()};
    const ByteSpan span = as_bytes(text);
    (void)decode_file_header(span);
    if (span.size() >= kDiskBlockBytes) {
      const auto trailer =
          decode_trailer(span.last(kDiskBlockBytes), ShardFileId{77}, 20480 + span.size());
      if (trailer && trailer->index_size_bytes() <= span.size())
        (void)decode_index(*trailer, span.first(trailer->index_size_bytes()));
    }
    (void)decode_entry(text);
    (void)decode_shard_key(text);
    (void)decode_fetch_request(span);
    (void)decode_fetch_answer({key_of(1), SegmentIndex{0}, 16, WriteId{}}, Buffer::copy_of(span));
    (void)decode_store_request(span);
    (void)decode_segment_frame(span);
    (void)decode_commit_frame(span);
    const auto removals = decode_delete_request(span);
    EXPECT_TRUE(!removals || encode_delete_request(*removals) == text);
    const auto keys = decode_stat_request(span);
    EXPECT_TRUE(!keys || encode_stat_request(*keys) == text);
    (void)decode_stat_answer({key_of(1)}, span);
  }
}

}  // namespace
}  // namespace predastore::shard
