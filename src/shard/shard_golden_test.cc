// A shard file of format version 1, kept in tests/golden: later versions of this code must read it,
// and a change of what is written is a new version, not an accident.
#include <fstream>
#include <iterator>

#include "base/codec.h"
#include "segment/codec.h"
#include "shard/shard_file.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

const std::string kGoldenPath =
    std::string(PREDASTORE_SOURCE_DIR) + "/tests/golden/shard_file_v1.shard";

// Shards of many sizes and codecs, one replaced, one removed. The same machine writes the same
// bytes.
void fill(TestMachine& machine) {
  ASSERT_TRUE(machine.open());
  for (std::uint32_t number = 0; number < 5; ++number) {
    auto segments = segments_of(number + 1, 1 + number * 700);
    if (number == 4) {  // a compressed one
      const std::string text(3000, 'p');
      segments.front() = {};
      const auto encoded = segment::encode_payload(segment::Codec::lz4, Buffer::copy_of(text));
      ASSERT_EQ(encoded.codec, segment::Codec::lz4);
      segments.front().logical_size_bytes = 3000;
      segments.front().codec = static_cast<std::uint8_t>(encoded.codec);
      segments.front().stored = encoded.stored;
      segments.front().crc32 = segment::crc32(encoded.stored);
    }
    auto writer = machine.store->create(key_of(number), stamp_of(number + 1));
    ASSERT_TRUE(machine.run(write_shard(std::move(writer), std::move(segments), machine.soon())));
  }
  auto writer = machine.store->create(key_of(1), stamp_of(11, 2));
  ASSERT_TRUE(machine.run(write_shard(std::move(writer), segments_of(11, 900), machine.soon())));
  ASSERT_TRUE(machine.run(machine.store->remove({{key_of(2), Generation{1}}}, machine.soon())));
  ASSERT_TRUE(machine.close());
}

std::string golden() {
  std::ifstream file(kGoldenPath, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// A machine whose only file is the given one.
void put_file(TestMachine& machine, std::string bytes) {
  const auto header = decode_file_header(as_bytes(std::string_view(bytes)));
  const ShardFileId id = header ? header->file_id : ShardFileId{1};
  auto inode = std::make_shared<TestDisk::Inode>();
  inode->live = inode->durable = std::move(bytes);
  const std::string path = "/drive/shards/" + shard_file_name(id);
  machine.disk.live_names[path] = machine.disk.durable_names[path] = inode;
}

TEST(ShardGolden, what_is_written_is_version_1_to_the_byte) {
  TestMachine machine{2026};
  fill(machine);
  ASSERT_EQ(machine.disk.live_names.size(), 1U);
  const std::string& written = machine.disk.live_names.begin()->second->live;
  if (std::getenv("PREDASTORE_WRITE_GOLDEN") != nullptr)
    std::ofstream(kGoldenPath, std::ios::binary) << written;
  EXPECT_TRUE(written == golden())
      << "the format has changed: give it a new version, keep the old file and read both";
}

TEST(ShardGolden, version_1_is_read) {
  TestMachine machine{7};
  put_file(machine, golden());
  ASSERT_TRUE(machine.open());
  EXPECT_TRUE(machine.store->status().was_rebuilt);
  EXPECT_TRUE(machine.damage.empty());
  for (const std::uint32_t number : {0U, 1U, 3U, 4U}) {
    const auto segments = machine.run(
        machine.store->fetch(key_of(number), WriteId{}, SegmentIndex{0}, 16, machine.soon()));
    ASSERT_TRUE(segments) << number;
    if (number == 4) {
      const auto text = segment::decode_payload(segments->front().codec, segments->front().stored,
                                                segments->front().logical_size_bytes);
      EXPECT_EQ(text.value().text(), std::string(3000, 'p'));
    } else {
      const std::uint64_t write_id = number == 1 ? 11 : number + 1;
      EXPECT_TRUE(same(*segments, segments_of(write_id, number == 1 ? 900 : 1 + number * 700)));
    }
  }
  EXPECT_EQ(machine.run(machine.store->stat(key_of(2), machine.soon())).error().code,
            ErrorCode::NotFound);
}

TEST(ShardGolden, a_version_that_is_not_known_is_refused_by_name) {
  std::string bytes = golden();
  ASSERT_GT(bytes.size(), kFileHeaderSizeBytes);
  ASSERT_EQ(bytes[8], 1);  // behind the magic
  bytes[8] = 2;
  constexpr std::size_t kCrcAt = 80;  // of the header's fields, which is right again
  Encoder crc;
  crc.le(segment::crc32(as_bytes(std::string_view(bytes).substr(0, kCrcAt))));
  bytes.replace(kCrcAt, 4, crc.str());
  TestMachine machine{7};
  put_file(machine, bytes);
  const auto opened = machine.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::Unsupported);
  EXPECT_NE(opened.error().detail.find("version 2"), std::string::npos) << opened.error().detail;
  EXPECT_TRUE(machine.disk.live_names.begin()->second->live == bytes);  // and not touched
}

// Whatever of a file is of a later version, and right in itself: it is not taken for damage.
TEST(ShardGolden, a_later_version_of_any_part_is_refused_by_name) {
  struct Part {
    const char* what;
    std::size_t version_at;
    std::size_t crc_begin;
    std::size_t crc_at;
  };
  const std::string good = golden();
  const std::size_t record = kFileHeaderSizeBytes;
  const std::size_t trailer = good.size() - kTrailerSizeBytes;
  const Part parts[] = {
      {"trailer", trailer + 8, trailer, trailer + kTrailerSizeBytes - 12},
      {"record", record + 4, record, record + segment::kRecordHeaderSizeBytes - 4},
  };
  for (const Part& part : parts) {
    SCOPED_TRACE(part.what);
    std::string bytes = good;
    ASSERT_EQ(bytes[part.version_at], 1);
    bytes[part.version_at] = 2;
    Encoder crc;
    crc.le(segment::crc32(
        as_bytes(std::string_view(bytes).substr(part.crc_begin, part.crc_at - part.crc_begin))));
    bytes.replace(part.crc_at, 4, crc.str());
    if (part.version_at == record + 4) bytes.resize(trailer / kDiskBlockBytes * kDiskBlockBytes);
    TestMachine machine{7};
    put_file(machine, bytes);
    const auto opened = machine.open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::Unsupported);
    EXPECT_NE(opened.error().detail.find("version 2"), std::string::npos) << opened.error().detail;
    EXPECT_TRUE(machine.disk.live_names.begin()->second->live == bytes);
  }
}

}  // namespace
}  // namespace predastore::shard
