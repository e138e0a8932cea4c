#include <gtest/gtest.h>

#include <algorithm>

#include "base/codec.h"
#include "base/text.h"
#include "digest/crc.h"
#include "digest/hash.h"
#include "object/testing/test_store.h"

namespace predastore::object {
namespace {

using chunk::testing::bytes_of;
using testing::TestStore;
using testing::TextBody;
using testing::TextSink;

constexpr std::size_t kKiB = 1024;

std::string be64(std::uint64_t value) {
  Encoder encoder;
  encoder.be(value);
  return std::move(encoder).take();
}

TEST(ObjectPut, every_size_comes_back_with_any_one_node_down) {
  for (const RsConfig rs : {RsConfig{2, 1}, RsConfig{3, 2}}) {
    TestStore test{rs.width(), rs};
    const std::size_t stripe = chunk::stripe_size_bytes(rs);
    const std::size_t chunk = test.options.chunk_size_bytes;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, 8 * kKiB - 1, 8 * kKiB, 64 * kKiB - 1, 64 * kKiB,
          64 * kKiB + 1, stripe - 1, stripe, stripe + 1, chunk - 1, chunk, chunk + 1, 2 * chunk,
          5 * chunk + 70'001}) {
      const std::string bytes = bytes_of(size, size);
      const auto record = test.put("key", bytes);
      ASSERT_TRUE(record.has_value()) << record.error().to_string();
      EXPECT_EQ(record->size_bytes, size);
      EXPECT_EQ(record->etag, to_hex(as_bytes(digest::md5(bytes))));
      ASSERT_TRUE(test.text("key") == bytes) << size;
      for (std::uint64_t down = 1; down <= rs.width(); ++down) {
        test.cluster.node(down).faults.is_down = true;
        ASSERT_TRUE(test.text("key") == bytes) << size << " without " << down;
        test.cluster.heal();
        test.forget();
      }
    }
  }
}

TEST(ObjectPut, the_chunks_of_the_real_size_come_back_too) {
  TestStore test{3, {2, 1}, ObjectOptions{}};
  for (const std::size_t size : {kChunkSizeBytes - 1, kChunkSizeBytes, kChunkSizeBytes + 1}) {
    const std::string bytes = bytes_of(size, size);
    const auto record = test.put("key", bytes);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->etag, to_hex(as_bytes(digest::md5(bytes))));
    ASSERT_TRUE(test.text("key") == bytes) << size;
    test.cluster.node(2).faults.is_down = true;
    ASSERT_TRUE(test.text("key") == bytes) << size;
    test.cluster.heal();
    test.forget();
  }
}

TEST(ObjectPut, the_record_says_what_was_sent) {
  TestStore test{3};
  const std::string bytes = bytes_of(1'000'000, 1);
  TextBody body{bytes};
  PutRequest request;
  request.bucket = "bucket";
  request.key = "a/b";
  request.headers = {{"content-type", "text/plain"}};
  request.user_metadata = {{"who", "me"}};
  request.body = &body;
  const auto record = test.cluster.run(test.store.put(request)).value();
  EXPECT_EQ(record.headers, request.headers);
  EXPECT_EQ(record.user_metadata, request.user_metadata);
  EXPECT_EQ(record.incarnation, Incarnation{77});
  ASSERT_EQ(record.parts.size(), 1U);
  EXPECT_EQ(record.parts[0].part_number, PartNumber{0});
  EXPECT_EQ(record.parts[0].chunk_size_bytes, test.options.chunk_size_bytes);
  EXPECT_EQ(record.parts[0].etag_md5, digest::md5(bytes));
  EXPECT_EQ(record.checksum.algorithm, ChecksumAlgorithm::crc64nvme);
  EXPECT_EQ(record.checksum.value, be64(digest::crc64nvme(as_bytes(bytes))));
  EXPECT_EQ(test.cluster.run(test.store.head("bucket", "a/b")).value(), record);
  for (const auto& [key, layout] : test.meta.layouts) {
    EXPECT_EQ(layout.write_epoch, WriteEpoch{3});
    EXPECT_EQ(layout.placement_hash, ring::placement_hash("bucket", "a/b", layout.chunk_index));
  }
}

TEST(ObjectPut, the_clients_checksum_is_kept_and_held_against_the_chunks) {
  TestStore test{3};
  TextBody body{"hello"};
  body.sent = {ChecksumAlgorithm::crc32, ChecksumType::full_object, "abcd"};
  EXPECT_EQ(test.put("key", body)->checksum, body.sent);
  TextBody wrong{"hello"};
  wrong.sent = {ChecksumAlgorithm::crc64nvme, ChecksumType::full_object, be64(1)};
  EXPECT_EQ(test.put("other", wrong).error().code, ErrorCode::Corruption);
  EXPECT_FALSE(test.meta.objects.contains("other"));
}

TEST(ObjectPut, every_write_has_an_id_of_its_own) {
  TestStore test{3};
  const auto first = test.put("key", std::string{"same"}).value();
  const auto second = test.put("key", std::string{"same"}).value();
  EXPECT_EQ(first.etag, second.etag);
  EXPECT_NE(first.parts[0].object_id, second.parts[0].object_id);
}

TEST(ObjectPut, a_body_of_unknown_length_and_odd_pieces_is_stored_whole) {
  TestStore test{3};
  for (const std::size_t size : {0UL, 1UL, 65'535UL, 131'072UL, 327'680UL, 900'000UL}) {
    const std::string bytes = bytes_of(size, size);
    TextBody body{bytes};
    body.is_announced = false;
    body.random = &test.cluster.random();
    const auto record = test.put("key", body);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->etag, to_hex(as_bytes(digest::md5(bytes))));
    EXPECT_TRUE(test.text("key") == bytes);
  }
}

TEST(ObjectPut, what_breaks_off_or_is_refused_is_never_visible) {
  TestStore test{3};
  ASSERT_TRUE(test.put("key", std::string{"old"}));
  for (const std::size_t at : {0UL, 100UL, 400'000UL, 999'999UL}) {
    TextBody body{bytes_of(1'000'000, 1)};
    body.random = &test.cluster.random();
    body.breaks_at = at;
    EXPECT_EQ(test.put("key", body).error().code, ErrorCode::InvalidArgument);
    EXPECT_EQ(test.text("key"), "old");
  }
  test.meta.refuses = make_error(ErrorCode::StaleEpoch, "too late");
  EXPECT_EQ(test.put("key", std::string{"new"}).error().code, ErrorCode::StaleEpoch);
  EXPECT_EQ(test.text("key"), "old");
  PutRequest request;
  TextBody body{"new"};
  request.bucket = "bucket";
  request.key = "key";
  request.precondition.if_none_match_any = true;
  request.body = &body;
  EXPECT_EQ(test.cluster.run(test.store.put(request)).error().code, ErrorCode::Conflict);
  request.bucket = "another";
  EXPECT_EQ(test.cluster.run(test.store.put(request)).error().code, ErrorCode::NotFound);
}

TEST(ObjectPut, after_an_unknown_outcome_nothing_is_deleted) {
  TestStore test{3};
  test.meta.loses_answer = make_error(ErrorCode::TimedOut, "no answer");
  const std::string bytes = bytes_of(500'000, 1);
  EXPECT_EQ(test.put("key", bytes).error().code, ErrorCode::TimedOut);
  EXPECT_TRUE(test.text("key") == bytes);
}

TEST(ObjectPut, below_the_quorum_it_is_unavailable_and_nothing_is_visible) {
  TestStore test{3};
  test.cluster.node(1).faults.is_down = test.cluster.node(2).faults.is_down = true;
  EXPECT_EQ(test.put("key", bytes_of(1'000'000, 1)).error().code, ErrorCode::Unavailable);
  EXPECT_FALSE(test.meta.objects.contains("key"));
}

TEST(ObjectPut, a_node_that_dies_in_the_middle_costs_nothing_but_redundancy) {
  for (std::uint64_t dies_after = 0; dies_after < 24; ++dies_after) {
    TestStore test{3};
    test.cluster.node(1 + dies_after % 3).faults.dies_after = dies_after;
    const std::string bytes = bytes_of(1'500'000, dies_after);
    const auto record = test.put("key", bytes);
    ASSERT_TRUE(record.has_value()) << record.error().to_string();
    EXPECT_TRUE(test.text("key") == bytes);
  }
}

TEST(ObjectPut, the_body_is_read_on_while_earlier_chunks_become_durable) {
  TestStore test{3};
  for (std::uint64_t i = 1; i <= 3; ++i) test.cluster.node(i).faults.delay = 1s;
  TextBody body{bytes_of(640 * kKiB, 1)};  // two chunks
  std::optional<Instant> second_read_at;
  body.on_read = [&](std::size_t at) {
    if (at >= 320 * kKiB && !second_read_at) second_read_at = test.cluster.clock().now();
  };
  const Instant begun = test.cluster.clock().now();
  ASSERT_TRUE(test.put("key", body));
  // To open, append and commit takes more than 1.5 s.
  ASSERT_TRUE(second_read_at.has_value());
  EXPECT_LT(*second_read_at - begun, 100ms);
  EXPECT_LT(test.cluster.clock().now() - begun, 5s);
}

TEST(ObjectPut, uploads_stay_within_their_memory_and_all_end) {
  ObjectOptions options = TestStore::small();
  options.put_budget_bytes = 3 * 1024 * 1024;
  TestStore test{3, {2, 1}, options};
  test.cluster.node(2).faults.delay = 20ms;
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  std::vector<std::unique_ptr<TextBody>> bodies;
  std::uint64_t most = 0;
  std::size_t done = 0;
  auto put = [](TestStore& store, BodySource& body, int i, std::size_t& count) -> Task<void> {
    PutRequest request;
    request.bucket = "bucket";
    request.key = std::to_string(i);
    request.body = &body;
    auto record = co_await store.store.put(std::move(request));
    count += record ? 1 : 0;
  };
  for (int i = 0; i < 24; ++i) {
    bodies.push_back(std::make_unique<TextBody>(bytes_of(1'000'000, static_cast<unsigned>(i))));
    bodies.back()->on_read = [&](std::size_t) {
      most = std::max(most, test.store.put_bytes_in_use());
    };
    group.spawn(put(test, *bodies.back(), i, done));
  }
  (void)test.cluster.run(group.join());
  EXPECT_EQ(done, 24U);
  EXPECT_LE(most, options.put_budget_bytes);
  EXPECT_GT(most, options.put_budget_bytes / 2);
  EXPECT_EQ(test.store.put_bytes_in_use(), 0U);
  for (int i = 0; i < 24; ++i)
    EXPECT_TRUE(test.text(std::to_string(i)) == bytes_of(1'000'000, static_cast<unsigned>(i)));
}

// Bodies are hashed together with others that are under way, but wait for nobody.
TEST(ObjectPut, a_body_that_stalls_holds_up_the_hash_of_no_other) {
  TestStore test{3, {2, 1}, ObjectOptions{}};
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  auto put = [](TestStore& store, BodySource& body, std::string key, Instant& ended) -> Task<void> {
    PutRequest request;
    request.bucket = "bucket";
    request.key = std::move(key);
    request.body = &body;
    auto record = co_await store.store.put(std::move(request));
    EXPECT_TRUE(record) << record.error().to_string();
    ended = store.cluster.clock().now();
  };
  const Instant begun = test.cluster.clock().now();
  const std::vector<std::size_t> sizes{3'000'000, 700'000, 70'000, 3'000'000, 2'500'000};
  std::vector<std::unique_ptr<TextBody>> bodies;
  std::vector<Instant> ended(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    bodies.push_back(std::make_unique<TextBody>(bytes_of(sizes[i], static_cast<unsigned>(i))));
    if (i == 0) {
      bodies[i]->clock = &test.cluster.clock();
      bodies[i]->delay = 1s;
    }
    group.spawn(put(test, *bodies[i], std::to_string(i), ended[i]));
  }
  (void)test.cluster.run(group.join());
  EXPECT_GE(ended[0] - begun, 5s);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(ended[i] - begun, 1s) << i;
    }
    EXPECT_TRUE(test.text(std::to_string(i)) == bytes_of(sizes[i], static_cast<unsigned>(i))) << i;
  }
}

struct Crowd {
  TestStore& test;
  Instant begun;
  std::size_t stored = 0;
  std::size_t unread = 0;  // of those refused: nothing of the body was read
  std::vector<Duration> refused_after{};
};

Task<void> put_one(Crowd& crowd, int number) {
  TextBody body{bytes_of(1'000'000, 2)};
  bool is_read = false;
  body.on_read = [&is_read](std::size_t) { is_read = true; };
  PutRequest request;
  request.bucket = "bucket";
  request.key = std::to_string(number);
  request.body = &body;
  const auto record = co_await crowd.test.store.put(std::move(request));
  crowd.stored += record ? 1 : 0;
  if (record) co_return;
  EXPECT_EQ(record.error().code, ErrorCode::Unavailable);
  crowd.refused_after.push_back(crowd.test.cluster.clock().now() - crowd.begun);
  crowd.unread += is_read ? 0 : 1;
}

// More begin than there is memory for, on nodes that take nothing for a while.
TEST(ObjectPut, a_crowd_is_refused_early_and_afterwards_all_is_as_before) {
  ObjectOptions options = TestStore::small();
  options.put_budget_bytes = 3 * 1024 * 1024;
  options.admission_waiting_max = 4;
  TestStore test{3, {2, 1}, options};
  const auto be_slow = [&](Duration delay) {
    for (std::uint64_t i = 1; i <= 3; ++i) test.cluster.node(i).faults.delay = delay;
  };
  const auto time_of_one = [&] {
    const Instant begun = test.cluster.clock().now();
    EXPECT_TRUE(test.put("one", bytes_of(1'000'000, 1)));
    return test.cluster.clock().now() - begun;
  };
  be_slow(4ms);
  const Duration before = time_of_one();
  be_slow(2800ms);  // as slow as a store may be without being given up
  Crowd crowd{test, test.cluster.clock().now()};
  TaskGroup group{test.cluster.env().executor, test.cluster.clock()};
  for (int i = 0; i < 40; ++i) group.spawn(put_one(crowd, i));
  (void)test.cluster.run(group.join());
  std::vector<Duration>& refused_after = crowd.refused_after;
  EXPECT_EQ(crowd.stored + refused_after.size(), 40U);
  EXPECT_GE(crowd.stored, 2U);  // those who had memory
  // Most hear it at once, those that waited for a place after the short patience.
  std::sort(refused_after.begin(), refused_after.end());
  EXPECT_LE(refused_after[refused_after.size() / 2], 10ms);
  EXPECT_LE(refused_after.back(), options.admission_timeout + 10ms);
  EXPECT_GT(crowd.unread, 0U) << "the client is told before its body is read";
  EXPECT_EQ(test.store.put_bytes_in_use(), 0U);
  be_slow(4ms);
  test.forget();
  EXPECT_LE(time_of_one(), before + before / 2);
}

TEST(ObjectPut, parts_come_in_any_order_and_again_and_are_read_in_theirs) {
  TestStore test{3};
  meta::UploadRecord upload;
  upload.bucket = "bucket";
  upload.key = "big";
  upload = test.cluster.run(test.meta.create_upload(upload, kNever)).value();
  std::map<int, std::string> parts;
  const auto put = [&](int number, const std::string& bytes) {
    TextBody body{bytes};
    body.random = &test.cluster.random();
    PutPartRequest request{"bucket", "big", upload.upload_id,
                           PartNumber{static_cast<std::uint16_t>(number)}, &body};
    parts[number] = bytes;
    return test.cluster.run(test.store.put_part(std::move(request)));
  };
  const std::string first_try = bytes_of(10, 9);
  ASSERT_TRUE(put(3, first_try));
  for (const int number : {3, 10'000, 1}) {
    const std::string bytes = bytes_of(700'000 + static_cast<std::size_t>(number) * 11,
                                       static_cast<std::uint64_t>(number));
    const auto part = put(number, bytes);
    ASSERT_TRUE(part.has_value());
    EXPECT_EQ(part->part.etag_md5, digest::md5(bytes));
  }
  meta::CompleteUpload complete;
  complete.key = "big";
  complete.upload_id = upload.upload_id;
  std::string all;
  for (const auto& [number, bytes] : parts) {
    complete.parts.push_back({PartNumber{static_cast<std::uint16_t>(number)}, ""});
    all += bytes;
  }
  ASSERT_TRUE(test.cluster.run(test.meta.complete_upload(complete, kNever)));
  ASSERT_TRUE(test.text("big") == all);
  auto reader = test.open("big").value();
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t first = test.cluster.random().below(all.size());
    const std::uint64_t last = first + test.cluster.random().below(all.size() - first);
    ASSERT_TRUE(*test.read(*reader, first, last) == all.substr(first, last - first + 1));
  }
  TextBody body{"x"};
  PutPartRequest unknown{"bucket", "big", "no-such-upload", PartNumber{1}, &body};
  EXPECT_EQ(test.cluster.run(test.store.put_part(unknown)).error().code, ErrorCode::NotFound);
}

TEST(ObjectPut, options_that_cannot_work_are_refused) {
  ObjectOptions options;
  EXPECT_TRUE(ChunkedObjectStore::check(options));
  options.chunk_size_bytes = 64 * 1024;  // 5 GiB would be 81920 chunks
  EXPECT_FALSE(ChunkedObjectStore::check(options));
  options = {};
  options.put_budget_bytes = 1000;
  EXPECT_FALSE(ChunkedObjectStore::check(options));
}

}  // namespace
}  // namespace predastore::object
