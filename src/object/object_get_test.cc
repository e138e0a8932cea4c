#include <gtest/gtest.h>

#include <algorithm>

#include "base/codec.h"
#include "digest/crc.h"
#include "digest/hash.h"
#include "env/sync.h"
#include "object/testing/test_store.h"

namespace predastore::object {
namespace {

using chunk::testing::bytes_of;
using testing::TestStore;
using testing::TextBody;
using testing::TextSink;

TEST(ObjectGet, any_range_comes_back) {
  TestStore test{5, {3, 2}};
  const std::string bytes = bytes_of(2'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  auto reader = test.open("key").value();
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t first = test.cluster.random().below(bytes.size());
    const std::uint64_t size = round % 2 == 0
                                   ? 1 + test.cluster.random().below(200)
                                   : 1 + test.cluster.random().below(bytes.size() - first);
    const std::uint64_t last = std::min<std::uint64_t>(first + size, bytes.size()) - 1;
    if (round % 20 == 0) test.cluster.heal();
    if (round % 20 == 10)
      test.cluster.node(1 + test.cluster.random().below(5)).faults.is_down = true;
    const auto got = test.read(*reader, first, last);
    ASSERT_TRUE(got.has_value()) << got.error().to_string();
    ASSERT_TRUE(*got == bytes.substr(first, last - first + 1));
  }
  EXPECT_EQ(test.read(*reader, 5, 4).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(test.read(*reader, 0, bytes.size()).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(test.open("other").error().code, ErrorCode::NotFound);
}

TEST(ObjectGet, layouts_of_a_large_object_come_by_the_page) {
  TestStore test{3};
  const std::string bytes = bytes_of(15 * test.options.chunk_size_bytes, 1);
  ASSERT_TRUE(test.put("key", bytes));
  test.meta.get_object_count = 0;
  EXPECT_TRUE(test.text("key") == bytes);
  EXPECT_EQ(test.meta.get_object_count, 5U);
  EXPECT_LE(test.meta.layouts_given_max, 3U);
}

TEST(ObjectGet, nothing_is_written_before_the_first_bytes_are_there) {
  TestStore test{3};
  ASSERT_TRUE(test.put("key", bytes_of(1'000'000, 1)));
  auto reader = test.open("key").value();
  test.cluster.node(1).faults.is_down = test.cluster.node(2).faults.is_down = true;
  TextSink sink;
  const auto sent = test.cluster.run(reader->send({0, 999'999}, sink));
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::Unavailable);
  EXPECT_TRUE(sink.text.empty());
}

TEST(ObjectGet, what_cannot_be_read_ends_in_an_error_and_never_in_wrong_bytes) {
  TestStore test{3};
  const std::string bytes = bytes_of(2'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  auto reader = test.open("key").value();
  TextSink sink;
  sink.on_write = [&](std::size_t written) {
    if (written < 1'000'000) return;
    for (std::uint64_t i = 1; i <= 2; ++i) test.cluster.node(i).faults.flips_bits = true;
  };
  const auto sent = test.cluster.run(reader->send({0, bytes.size() - 1}, sink));
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::Corruption);
  EXPECT_LT(sink.text.size(), bytes.size());
  EXPECT_TRUE(sink.text == bytes.substr(0, sink.text.size()));
}

TEST(ObjectGet, a_chunk_that_is_not_the_one_that_was_written_is_not_sent_to_its_end) {
  TestStore test{3};
  const std::string bytes = bytes_of(1'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  for (auto& [key, layout] : test.meta.layouts) {
    if (layout.chunk_index.value() == 1) layout.crc64nvme ^= 1;
  }
  auto reader = test.open("key").value();
  TextSink sink;
  const auto sent = test.cluster.run(reader->send({0, bytes.size() - 1}, sink));
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::Corruption);
  EXPECT_LT(sink.text.size(), 2 * test.options.chunk_size_bytes);
}

TEST(ObjectGet, the_checksum_of_the_object_is_verified_when_all_of_it_is_read) {
  using Algorithm = ChecksumAlgorithm;
  const std::string bytes = bytes_of(1'000'000, 1);
  const auto be = [](auto value) { return Encoder{}.be(value).str(); };
  const std::vector<ObjectChecksum> checksums{
      {Algorithm::none, ChecksumType::full_object, ""},  // the store's own CRC64NVME
      {Algorithm::crc32, ChecksumType::full_object, be(digest::crc32(as_bytes(bytes)))},
      {Algorithm::crc32c, ChecksumType::full_object, be(digest::crc32c(as_bytes(bytes)))},
      {Algorithm::sha1, ChecksumType::full_object, digest::sha1(bytes)},
      {Algorithm::sha256, ChecksumType::full_object, digest::sha256(bytes)}};
  for (const bool is_degraded : {false, true}) {
    TestStore test{3};
    for (const ObjectChecksum& checksum : checksums) {
      test.cluster.heal();
      test.forget();
      TextBody body{bytes};
      body.sent = checksum;
      ASSERT_TRUE(test.put("key", body));
      test.cluster.node(1).faults.is_down = is_degraded;
      EXPECT_TRUE(test.text("key") == bytes);
      test.meta.objects["key"].checksum.value.front() ^= 1;
      auto reader = test.open("key").value();
      TextSink sink;
      const auto sent = test.cluster.run(reader->send({0, bytes.size() - 1}, sink));
      ASSERT_FALSE(sent.has_value());
      EXPECT_EQ(sent.error().code, ErrorCode::Corruption);
      EXPECT_LT(sink.text.size(), bytes.size());
      const auto most = test.read(*reader, 0, bytes.size() - 2);  // not all: the chunks' will do
      ASSERT_TRUE(most.has_value());
      EXPECT_TRUE(*most == bytes.substr(0, bytes.size() - 1));
    }
  }
}

// Three parts of several chunks each, with checksums that clients sent.
std::string put_in_parts(TestStore& test, ChecksumAlgorithm algorithm) {
  meta::UploadRecord upload;
  upload.bucket = "bucket";
  upload.key = "key";
  upload = test.cluster.run(test.meta.create_upload(upload, kNever)).value();
  meta::CompleteUpload complete;
  complete.key = "key";
  complete.upload_id = upload.upload_id;
  std::string all;
  std::string checksums;
  const auto checksum_of = [&](const std::string& bytes) {
    if (algorithm == ChecksumAlgorithm::sha256) return digest::sha256(bytes);
    return Encoder{}.be(digest::crc32c(as_bytes(bytes))).str();
  };
  for (std::uint16_t number = 1; number <= 3; ++number) {
    const std::string bytes = bytes_of(700'000, number);
    TextBody body{bytes};
    body.sent = {algorithm, ChecksumType::full_object, checksum_of(bytes)};
    PutPartRequest request{"bucket", "key", upload.upload_id, PartNumber{number}, &body};
    EXPECT_TRUE(test.cluster.run(test.store.put_part(std::move(request))));
    complete.parts.push_back({PartNumber{number}, ""});
    all += bytes;
    checksums += checksum_of(bytes);
  }
  EXPECT_TRUE(test.cluster.run(test.meta.complete_upload(complete, kNever)));
  test.meta.objects["key"].checksum = {algorithm, ChecksumType::composite, checksum_of(checksums)};
  return all;
}

TEST(ObjectGet, of_composite_checksums_each_part_is_verified) {
  for (const auto algorithm : {ChecksumAlgorithm::crc32c, ChecksumAlgorithm::sha256}) {
    for (const bool is_degraded : {false, true}) {
      TestStore test{3};
      const std::string all = put_in_parts(test, algorithm);
      test.cluster.node(1).faults.is_down = is_degraded;
      EXPECT_TRUE(test.text("key") == all);
      ObjectRecord& record = test.meta.objects["key"];
      const auto sent_of_whole = [&] {
        auto reader = test.open("key").value();
        TextSink sink;
        const auto sent = test.cluster.run(reader->send({0, all.size() - 1}, sink));
        EXPECT_FALSE(sent.has_value());
        if (!sent) {
          EXPECT_EQ(sent.error().code, ErrorCode::Corruption);
        }
        return sink.text;
      };
      // The whole is not that of the parts, or not in this order: nothing is sent.
      record.checksum.value.front() ^= 1;
      EXPECT_EQ(sent_of_whole(), "");
      record.checksum.value.front() ^= 1;
      std::swap(record.parts[0].checksum, record.parts[1].checksum);
      EXPECT_EQ(sent_of_whole(), "");
      std::swap(record.parts[0].checksum, record.parts[1].checksum);
      // The second part has the chunks of the third: it is not sent to its end.
      std::swap(record.parts[1].object_id, record.parts[2].object_id);
      std::swap(record.parts[1].part_number, record.parts[2].part_number);
      const std::string sent = sent_of_whole();
      EXPECT_GE(sent.size(), 700'000U);
      EXPECT_LT(sent.size(), 1'400'000U);
      EXPECT_TRUE(sent.substr(0, 700'000) == all.substr(0, 700'000));
    }
  }
}

TEST(ObjectGet, a_part_that_is_read_whole_is_verified_and_pieces_of_it_are_not) {
  TestStore test{3};
  const std::string all = put_in_parts(test, ChecksumAlgorithm::sha256);
  test.meta.objects["key"].parts[1].checksum.value.front() ^= 1;
  auto reader = test.open("key").value();
  EXPECT_EQ(test.read(*reader, 700'000, 1'399'999).error().code, ErrorCode::Corruption);
  EXPECT_TRUE(*test.read(*reader, 0, 699'999) == all.substr(0, 700'000));
  EXPECT_TRUE(*test.read(*reader, 700'001, 2'099'999) == all.substr(700'001));
  EXPECT_TRUE(*test.read(*reader, 0, 1'399'998) == all.substr(0, 1'399'999));
}

TEST(ObjectGet, many_that_want_a_hot_object_at_once_have_it_fetched_once) {
  TestStore test{3};
  const std::string bytes = bytes_of(2'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  for (std::uint64_t i = 1; i <= 3; ++i) test.cluster.node(i).faults.delay = 10ms;
  const auto fetched = [&] {
    std::uint64_t count = 0;
    for (std::uint64_t i = 1; i <= 3; ++i) count += test.cluster.node(i).fetched_segment_count;
    return count;
  };
  const std::uint64_t before_one = fetched();
  EXPECT_TRUE(test.text("key") == bytes);
  const std::uint64_t of_one = fetched() - before_one;
  EXPECT_EQ(test.store.shared_fetch_count(), 0U);

  constexpr std::size_t kReaders = 16;
  std::vector<std::unique_ptr<ObjectReader>> readers;
  std::vector<TextSink> sinks(kReaders);
  for (std::size_t i = 0; i < kReaders; ++i) readers.push_back(test.open("key").value());
  const std::uint64_t before_many = fetched();
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  for (std::size_t i = 0; i < kReaders; ++i)
    group.spawn(readers[i]->send({0, bytes.size() - 1}, sinks[i]));
  EXPECT_TRUE(test.cluster.run(group.join()).has_value());
  for (const TextSink& sink : sinks) EXPECT_TRUE(sink.text == bytes);
  EXPECT_LE(fetched() - before_many, 2 * of_one);
  EXPECT_GE(test.store.shared_fetch_count(), kReaders - 1);
  test.cluster.run(test.store.stop());
  EXPECT_EQ(test.store.get_bytes_in_use(), 0U);
}

TEST(ObjectGet, who_shares_a_fetch_that_fails_has_its_own_try) {
  TestStore test{3};
  const std::string bytes = bytes_of(100'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  for (std::uint64_t i = 1; i <= 2; ++i) test.cluster.node(i).faults.is_down = true;
  std::vector<std::unique_ptr<ObjectReader>> readers;
  std::vector<TextSink> sinks(4);
  for (std::size_t i = 0; i < sinks.size(); ++i) readers.push_back(test.open("key").value());
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  for (std::size_t i = 0; i < sinks.size(); ++i)
    group.spawn(readers[i]->send({0, bytes.size() - 1}, sinks[i]));
  EXPECT_FALSE(test.cluster.run(group.join()).has_value());
  for (const TextSink& sink : sinks) EXPECT_TRUE(sink.text.empty());
  test.cluster.heal();
  test.forget();
  EXPECT_TRUE(test.text("key") == bytes);
}

TEST(ObjectGet, a_sink_that_breaks_ends_the_download) {
  TestStore test{3};
  ASSERT_TRUE(test.put("key", bytes_of(2'000'000, 1)));
  auto reader = test.open("key").value();
  TextSink sink;
  sink.breaks_at = 300'000;
  EXPECT_EQ(test.cluster.run(reader->send({0, 1'999'999}, sink)).error().code,
            ErrorCode::Cancelled);
  test.cluster.run(test.store.stop());
  EXPECT_EQ(test.store.get_bytes_in_use(), 0U);
}

TEST(ObjectGet, after_a_repair_that_moved_shards_an_open_reader_finds_them) {
  TestStore test{4};
  const std::string bytes = bytes_of(2'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  auto reader = test.open("key").value();
  // Two shards of every chunk move, one after the other, and the old ones are deleted.
  for (const std::uint8_t role : {std::uint8_t{0}, std::uint8_t{1}}) {
    for (auto& [key, layout] : test.meta.layouts) {
      NodeId target{};
      for (std::uint64_t id = 1; id <= 4; ++id) {
        bool is_used = false;
        for (const auto& place : layout.places) is_used = is_used || place.node == NodeId{id};
        if (!is_used) target = NodeId{id};
      }
      const NodeId old = layout.places[role].node;
      chunk::RebuildRequest request{
          layout, Incarnation{77}, WriteEpoch{3}, {{ShardRole{role}, target}}};
      auto moved = test.cluster.run(test.chunks.rebuild(request, test.cluster.in(1min))).value();
      const ShardKey shard{layout.object_id, layout.chunk_index, ShardRole{role}};
      std::vector<shard::ShardRemoval> removals{{shard, layout.generation}};
      ASSERT_TRUE(test.cluster.run(test.cluster.remove(old, removals, test.cluster.in(1s))));
      layout = moved;
    }
  }
  const auto got = test.read(*reader, 0, bytes.size() - 1);
  ASSERT_TRUE(got.has_value()) << got.error().to_string();
  EXPECT_TRUE(*got == bytes);
}

TEST(ObjectGet, a_reader_of_a_replaced_object_goes_on_or_fails_but_never_mixes) {
  TestStore test{3};
  const std::string old = bytes_of(3'000'000, 1);
  ASSERT_TRUE(test.put("key", old));
  auto reader = test.open("key").value();
  ASSERT_TRUE(test.put("key", bytes_of(3'000'000, 2)));
  EXPECT_TRUE(*test.read(*reader, 0, old.size() - 1) == old);
  auto late = test.open("key").value();
  const ObjectId id = late->record().parts[0].object_id;
  std::erase_if(test.meta.layouts, [&](const auto& entry) { return entry.second.object_id == id; });
  ASSERT_TRUE(test.put("key", bytes_of(3'000'000, 3)));
  EXPECT_EQ(test.read(*late, 0, 2'999'999).error().code, ErrorCode::Unavailable);
}

TEST(ObjectGet, downloads_stay_within_their_memory_and_slow_ones_stop_nobody) {
  ObjectOptions options = TestStore::small();
  options.get_reserve_bytes = 4 * 1024 * 1024;
  options.get_ahead_bytes = 400 * 1024;
  TestStore test{3, {2, 1}, options};
  const std::string bytes = bytes_of(3'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  std::vector<std::unique_ptr<TextSink>> sinks;
  std::size_t done = 0;
  std::uint64_t most = 0;
  auto get = [](TestStore& store, BodySink& sink, std::size_t& count) -> Task<void> {
    auto reader = co_await store.store.get("bucket", "key");
    if (!reader) co_return;
    const ByteRange range{0, (*reader)->record().size_bytes - 1};
    auto sent = co_await (*reader)->send(range, sink);
    count += sent ? 1 : 0;
  };
  std::optional<Instant> fast_done;
  for (int i = 0; i < 12; ++i) {
    sinks.push_back(std::make_unique<TextSink>());
    TextSink& sink = *sinks.back();
    sink.on_write = [&](std::size_t) { most = std::max(most, test.store.get_bytes_in_use()); };
    if (i < 11) {
      sink.clock = &test.cluster.clock();
      sink.delay = 5s;  // each segment
    }
    group.spawn(get(test, sink, done));
  }
  const Instant begun = test.cluster.clock().now();
  auto until = [](TestStore& store, std::size_t& count) -> Task<void> {
    while (count == 0) co_await sleep_for(store.cluster.clock(), 100ms);
  };
  test.cluster.run(until(test, done));
  EXPECT_LT(test.cluster.clock().now() - begun, 5s);  // the fast one
  (void)test.cluster.run(group.join());
  EXPECT_EQ(done, 12U);
  for (const auto& sink : sinks) EXPECT_TRUE(sink->text == bytes);
  EXPECT_LE(most, options.get_reserve_bytes + options.get_ahead_bytes);
  EXPECT_EQ(test.store.get_bytes_in_use(), 0U);
}

struct Crowd {
  TestStore& test;
  Instant begun;
  std::size_t size = 0;
  std::size_t sent = 0;
  std::vector<Duration> refused_after{};
};

// A client that takes a second for each segment.
Task<void> get_one(Crowd& crowd) {
  auto reader = co_await crowd.test.store.get("bucket", "key");
  TextSink sink;
  sink.clock = &crowd.test.cluster.clock();
  sink.delay = 1s;
  const auto done = co_await (*reader)->send({0, crowd.size - 1}, sink);
  crowd.sent += done ? 1 : 0;
  if (done) co_return;
  EXPECT_EQ(done.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(sink.text.size(), 0U) << "an error with a status";
  crowd.refused_after.push_back(crowd.test.cluster.clock().now() - crowd.begun);
}

TEST(ObjectGet, a_crowd_is_refused_early_and_afterwards_all_is_as_before) {
  ObjectOptions options = TestStore::small();
  options.get_reserve_bytes = 3 * 1024 * 1024;
  options.admission_waiting_max = 4;
  TestStore test{3, {2, 1}, options};
  const std::string bytes = bytes_of(1'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  Crowd crowd{test, test.cluster.clock().now(), bytes.size()};
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  for (int i = 0; i < 40; ++i) group.spawn(get_one(crowd));
  (void)test.cluster.run(group.join());
  std::vector<Duration>& refused_after = crowd.refused_after;
  EXPECT_EQ(crowd.sent + refused_after.size(), 40U);
  EXPECT_GE(crowd.sent, 5U);
  ASSERT_FALSE(refused_after.empty());
  std::sort(refused_after.begin(), refused_after.end());
  EXPECT_LE(refused_after[refused_after.size() / 2], 100ms);
  EXPECT_LE(refused_after.back(), options.admission_timeout + 100ms);
  EXPECT_EQ(test.store.refused_count(), refused_after.size());
  EXPECT_EQ(test.store.get_bytes_in_use(), 0U);
  EXPECT_TRUE(test.text("key") == bytes);
}

// There is memory for the windows of two: they give back what is more than a stripe when others
// wait.
TEST(ObjectGet, many_downloads_share_what_two_would_take) {
  ObjectOptions options;
  options.get_reserve_bytes = 3 * 1024 * 1024;
  options.get_ahead_bytes = 400 * 1024;
  TestStore test{3, {2, 1}, options};
  const std::string bytes = bytes_of(5'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  std::size_t done = 0;
  auto get = [](TestStore& store, const std::string& all, std::size_t& count) -> Task<void> {
    auto reader = co_await store.store.get("bucket", "key");
    TextSink sink;
    sink.clock = &store.cluster.clock();
    sink.delay = 50ms;  // each segment; a window takes 0.8 s
    const auto sent = co_await (*reader)->send({0, all.size() - 1}, sink);
    EXPECT_TRUE(sent) << sent.error().to_string();
    count += sent && sink.text == all ? 1 : 0;
  };
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  for (int i = 0; i < 12; ++i) group.spawn(get(test, bytes, done));
  (void)test.cluster.run(group.join());
  EXPECT_EQ(done, 12U);
  EXPECT_EQ(test.store.refused_count(), 0U);
  EXPECT_EQ(test.store.get_bytes_in_use(), 0U);
}

TEST(ObjectGet, a_node_that_dies_in_mid_stream_is_replaced_by_parity) {
  for (const bool hangs : {false, true}) {
    TestStore test{3};
    const std::string bytes = bytes_of(3'000'000, 1);
    ASSERT_TRUE(test.put("key", bytes));
    auto reader = test.open("key").value();
    TextSink sink;
    sink.on_write = [&](std::size_t written) {
      if (written < 1'000'000) return;
      test.cluster.node(1).faults.is_down = !hangs;
      test.cluster.node(1).faults.hangs = hangs;
    };
    const Instant begun = test.cluster.clock().now();
    EXPECT_TRUE(test.cluster.run(reader->send({0, bytes.size() - 1}, sink)));
    EXPECT_TRUE(sink.text == bytes);
    EXPECT_LT(test.cluster.clock().now() - begun, 2s);
  }
}

TEST(ObjectGet, a_hanging_node_does_not_stall_a_download) {
  TestStore test{3};
  const std::string bytes = bytes_of(10'000'000, 1);
  ASSERT_TRUE(test.put("key", bytes));
  test.cluster.node(2).faults.hangs = true;
  const Instant begun = test.cluster.clock().now();
  EXPECT_TRUE(test.text("key") == bytes);
  EXPECT_LT(test.cluster.clock().now() - begun, 2s);
}

}  // namespace
}  // namespace predastore::object
