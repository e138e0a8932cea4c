#include "shard/shard_store.h"

#include "segment/codec.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

class ShardStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(machine_.open()); }
  Result<void> put(std::uint32_t number, std::uint64_t write_id, std::uint64_t size,
                   std::uint32_t generation = 1) {
    return machine_.run(
        write_shard(machine_.store->create(key_of(number), stamp_of(write_id, generation)),
                    segments_of(write_id, size), machine_.soon()));
  }
  Result<std::vector<Segment>> get(std::uint32_t number, std::uint64_t write_id = 0) {
    std::vector<Segment> all;
    for (;;) {
      auto some = machine_.run(machine_.store->fetch(
          key_of(number), WriteId{write_id}, SegmentIndex{static_cast<std::uint32_t>(all.size())},
          16, machine_.soon()));
      if (!some) return some.error();
      if (some->empty()) return all;
      for (Segment& segment : *some) all.push_back(std::move(segment));
    }
  }
  Result<void> remove(std::uint32_t number, std::uint32_t generation, std::uint64_t write_id = 0) {
    return machine_.run(machine_.store->remove(
        {{key_of(number), Generation{generation}, WriteId{write_id}}}, machine_.soon()));
  }
  void expect_holds(std::uint32_t number, std::uint64_t write_id, std::uint64_t size) {
    const auto got = get(number, write_id);
    ASSERT_TRUE(got) << number << ": " << got.error().to_string();
    EXPECT_TRUE(same(*got, segments_of(write_id, size))) << number;
  }
  void reopen() {
    ASSERT_TRUE(machine_.close());
    ASSERT_TRUE(machine_.open());
  }
  std::string& content_of(std::size_t nth_file) {
    auto name = machine_.disk.live_names.begin();
    std::advance(name, nth_file);
    return name->second->live;
  }

  TestMachine machine_;
};

TEST_F(ShardStoreTest, reads_what_was_committed_for_all_sizes) {
  const std::uint64_t sizes[] = {1,     511,   4096,   8192,       65535,
                                 65536, 65537, 200000, 16 * 65536, 40 * 65536 + 5};
  std::uint32_t number = 0;
  for (const std::uint64_t size : sizes) {
    ++number;
    ASSERT_TRUE(put(number, 100 + number, size));
  }
  for (int round = 0; round < 2; ++round) {
    number = 0;
    for (const std::uint64_t size : sizes) {
      ++number;
      expect_holds(number, 100 + number, size);
      const auto info = machine_.run(machine_.store->stat(key_of(number), machine_.soon()));
      ASSERT_TRUE(info);
      EXPECT_EQ(info->logical_size_bytes, size);
      EXPECT_EQ(info->stamp.incarnation, Incarnation{9});
      EXPECT_TRUE(machine_.run(machine_.store->verify(key_of(number), machine_.soon())));
    }
    reopen();
    EXPECT_FALSE(machine_.store->status().was_rebuilt);
  }
  EXPECT_TRUE(machine_.damage.empty());
}

TEST_F(ShardStoreTest, a_fetch_gives_sixteen_segments_and_none_past_the_end) {
  ASSERT_TRUE(put(1, 5, 40 * 65536));
  const auto some = machine_.run(
      machine_.store->fetch(key_of(1), WriteId{5}, SegmentIndex{3}, 100, machine_.soon()));
  ASSERT_TRUE(some);
  ASSERT_EQ(some->size(), 16U);
  EXPECT_EQ(some->front().index, SegmentIndex{3});
  const auto records = machine_.run(
      machine_.store->fetch_records(key_of(1), WriteId{5}, SegmentIndex{3}, 100, machine_.soon()));
  ASSERT_TRUE(records);
  EXPECT_LE(records->bytes.size(), kFetchBodyMaxBytes);
  const auto none = machine_.run(
      machine_.store->fetch(key_of(1), WriteId{5}, SegmentIndex{40}, 1, machine_.soon()));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST_F(ShardStoreTest, a_range_of_a_compressed_shard_reads_its_segments_and_no_others) {
  std::vector<Segment> segments;
  for (std::uint32_t i = 0; i < 20; ++i) {
    std::string text(kSegmentSizeBytes, static_cast<char>('a' + i));
    for (std::size_t at = 0; at < 400 * i; ++at) text[at * 8] = static_cast<char>(at * 37 + i);
    const auto encoded = segment::encode_payload(segment::Codec::lz4, Buffer::take(text));
    ASSERT_EQ(encoded.codec, segment::Codec::lz4);
    Segment made;
    made.index = SegmentIndex{i};
    made.logical_size_bytes = static_cast<std::uint32_t>(text.size());
    made.codec = static_cast<std::uint8_t>(encoded.codec);
    made.stored = encoded.stored;
    made.crc32 = segment::crc32(encoded.stored);
    segments.push_back(std::move(made));
  }
  const std::uint64_t wanted = segments[7].stored.size() + segments[8].stored.size();
  auto writer = machine_.store->create(key_of(1), stamp_of(5));
  ASSERT_TRUE(machine_.run(write_shard(std::move(writer), segments, machine_.soon())));
  const std::uint64_t before = machine_.store->status().read_bytes;
  const auto some = machine_.run(
      machine_.store->fetch(key_of(1), WriteId{5}, SegmentIndex{7}, 2, machine_.soon()));
  ASSERT_TRUE(some);
  ASSERT_EQ(some->size(), 2U);
  EXPECT_EQ(some->at(0).stored.text(), segments[7].stored.text());
  EXPECT_EQ(some->at(1).stored.text(), segments[8].stored.text());
  EXPECT_LE(machine_.store->status().read_bytes - before, wanted + 2 * 256);  // and their headers
}

TEST_F(ShardStoreTest, what_is_not_committed_does_not_exist) {
  auto writer = machine_.store->create(key_of(1), stamp_of(5));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(machine_.run((*writer)->append(segments_of(5, 5 * 65536), machine_.soon())));
  EXPECT_EQ(get(1).error().code, ErrorCode::NotFound);
  writer->reset();
  machine_.settle();
  EXPECT_EQ(machine_.store->status().queued_bytes, 0U);
  ASSERT_TRUE(put(2, 6, 100));
  machine_.index = {};
  reopen();
  EXPECT_EQ(get(1).error().code, ErrorCode::NotFound);
  expect_holds(2, 6, 100);
}

TEST_F(ShardStoreTest, generations_decide) {
  ASSERT_TRUE(put(1, 5, 1000, 2));
  EXPECT_EQ(put(1, 6, 2000, 1).error().code, ErrorCode::Conflict);
  expect_holds(1, 5, 1000);
  ASSERT_TRUE(put(1, 7, 3000, 2));  // within a generation the later one wins
  expect_holds(1, 7, 3000);
  EXPECT_EQ(get(1, 5).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(remove(1, 1));  // of an older generation: nothing
  expect_holds(1, 7, 3000);
  ASSERT_TRUE(put(1, 8, 70000, 3));
  for (int round = 0; round < 2; ++round) {
    expect_holds(1, 8, 70000);
    machine_.index = {};
    reopen();
    EXPECT_TRUE(machine_.store->status().was_rebuilt);
  }
  ASSERT_TRUE(remove(1, 3));
  ASSERT_TRUE(remove(1, 3));
  EXPECT_EQ(get(1).error().code, ErrorCode::NotFound);
  machine_.index = {};
  reopen();
  EXPECT_EQ(get(1).error().code, ErrorCode::NotFound);
}

TEST_F(ShardStoreTest, a_removal_that_names_a_try_takes_no_other) {
  ASSERT_TRUE(put(1, 5, 1000, 1));
  ASSERT_TRUE(put(1, 6, 2000, 1));
  ASSERT_TRUE(put(2, 7, 3000, 1));
  ASSERT_TRUE(remove(1, 1, 5));  // the try that 6 has replaced
  ASSERT_TRUE(remove(2, 1, 7));
  for (int round = 0; round < 2; ++round) {
    expect_holds(1, 6, 2000);
    EXPECT_EQ(get(2).error().code, ErrorCode::NotFound);
    machine_.index = {};
    reopen();
    EXPECT_TRUE(machine_.store->status().was_rebuilt);
  }
}

TEST_F(ShardStoreTest, a_lost_index_is_rebuilt_equal) {
  machine_.options.shard_file_size_bytes = 512 * 1024;
  reopen();
  for (std::uint32_t i = 0; i < 60; ++i) {
    ASSERT_TRUE(put(i % 40, 1000 + i, 1 + (i * 37 % 9) * 20000, i / 40));
    if (i % 7 == 0) {
      ASSERT_TRUE(remove(i % 40, i / 40));
    }
  }
  ASSERT_TRUE(machine_.close());
  EXPECT_GT(machine_.disk.live_names.size(), 5U);
  const auto before = machine_.index.live;
  machine_.index = {};
  ASSERT_TRUE(machine_.open());
  EXPECT_TRUE(machine_.store->status().was_rebuilt);
  EXPECT_EQ(machine_.index.live, before);
  EXPECT_TRUE(machine_.damage.empty());
}

// Whatever the files have become since: overwritten, deleted, compacted away.
TEST_F(ShardStoreTest, an_index_of_yesterday_is_noticed_and_made_anew) {
  machine_.options.shard_file_size_bytes = 256 * 1024;
  machine_.options.compaction_garbage_share = 0.01;
  reopen();
  for (std::uint32_t i = 0; i < 40; ++i) ASSERT_TRUE(put(i, 1000 + i, 30'000));
  ASSERT_TRUE(machine_.close());
  const TestIndex yesterday = machine_.index;
  ASSERT_TRUE(machine_.open());
  for (std::uint32_t i = 0; i < 40; ++i) {
    if (i % 4 == 0) {
      ASSERT_TRUE(remove(i, 1));
    } else if (i % 4 == 1) {
      ASSERT_TRUE(put(i, 2000 + i, 40'000, 2));
    } else if (i % 4 == 2) {
      ASSERT_TRUE(put(i, 3000 + i, 10'000, 2));
      ASSERT_TRUE(remove(i, 2));
    }
  }
  std::size_t removed = 0;
  for (int round = 0; round < 20; ++round)
    removed += machine_.run(machine_.store->compact_once()).value();
  ASSERT_GT(removed, 3U);
  ASSERT_TRUE(put(100, 7, 3000));
  ASSERT_TRUE(machine_.close());
  const auto today = machine_.index.live;
  machine_.index = yesterday;
  ASSERT_TRUE(machine_.open());
  EXPECT_TRUE(machine_.store->status().was_rebuilt);
  EXPECT_TRUE(machine_.damage.empty());
  for (std::uint32_t i = 0; i < 40; ++i) {
    if (i % 2 == 0) {
      EXPECT_EQ(get(i).error().code, ErrorCode::NotFound) << i;
    } else if (i % 4 == 1) {
      expect_holds(i, 2000 + i, 40'000);
    } else {
      expect_holds(i, 1000 + i, 30'000);
    }
  }
  expect_holds(100, 7, 3000);
}

TEST_F(ShardStoreTest, inventory_pages_in_order) {
  for (std::uint32_t i = 0; i < 25; ++i) ASSERT_TRUE(put(i, 100 + i, 10));
  std::vector<ShardInfo> all;
  for (;;) {
    const auto after = all.empty() ? std::nullopt : std::optional{all.back().key};
    const auto page = machine_.run(machine_.store->inventory(after, 7));
    ASSERT_TRUE(page);
    if (page->empty()) break;
    all.insert(all.end(), page->begin(), page->end());
  }
  ASSERT_EQ(all.size(), 25U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const auto& a, const auto& b) { return a.key < b.key; }));
}

Task<Result<void>> write_many(ShardStore& store, std::uint32_t count, Instant deadline,
                              Environment env) {
  TaskGroup tasks{env.executor, env.clock};
  for (std::uint32_t i = 0; i < count; ++i)
    tasks.spawn(
        write_shard(store.create(key_of(i), stamp_of(i + 1)), segments_of(i + 1, 3000), deadline));
  co_return co_await tasks.join();
}

TEST_F(ShardStoreTest, many_small_shards_share_a_sync) {
  ASSERT_TRUE(machine_.run(write_many(*machine_.store, 500, machine_.soon(), machine_.env())));
  EXPECT_LT(machine_.store->status().sync_count, 20U);
  for (std::uint32_t i = 0; i < 500; ++i) expect_holds(i, i + 1, 3000);
}

TEST_F(ShardStoreTest, memory_is_bounded_by_windows_and_budget) {
  machine_.options.write_budget_bytes = 600 * 1024;
  machine_.options.shard_window_bytes = 140 * 1024;
  reopen();
  ASSERT_TRUE(
      put(1, 5, 100 * 65536));  // far more than the window, with nothing that asks for a write
  expect_holds(1, 5, 100 * 65536);
  ASSERT_TRUE(machine_.run(write_many(*machine_.store, 500, machine_.soon(), machine_.env())));
  EXPECT_EQ(machine_.store->status().queued_bytes, 0U);
}

TEST_F(ShardStoreTest, refuses_segments_that_arrive_damaged_or_out_of_order) {
  auto writer = machine_.store->create(key_of(1), stamp_of(5));
  Segment damaged = segment_of(5, 0, 100);
  ++damaged.crc32;
  EXPECT_EQ(machine_.run((*writer)->append({damaged}, machine_.soon())).error().code,
            ErrorCode::Corruption);
  EXPECT_EQ(machine_.run((*writer)->commit(machine_.soon())).error().code,
            ErrorCode::Corruption);  // final
  auto second = machine_.store->create(key_of(1), stamp_of(6));
  EXPECT_EQ(machine_.run((*second)->append({segment_of(6, 1, 100)}, machine_.soon())).error().code,
            ErrorCode::InvalidArgument);
  EXPECT_EQ(get(1).error().code, ErrorCode::NotFound);
}

TEST_F(ShardStoreTest, a_flipped_bit_is_damage_and_never_wrong_bytes) {
  ASSERT_TRUE(put(1, 5, 3000));
  ASSERT_TRUE(put(2, 6, 5000));
  ASSERT_TRUE(machine_.close());
  const std::string good = content_of(0);
  for (std::size_t at = 0; at < good.size(); at += at < 8192 ? 97 : 13) {
    content_of(0)[at] = static_cast<char>(good[at] ^ (1 << at % 8));
    const bool lose_index = at % 2 == 0;
    const TestIndex index = machine_.index;
    if (lose_index) machine_.index = {};
    ASSERT_TRUE(machine_.open()) << at;
    for (std::uint32_t number = 1; number <= 2; ++number) {
      machine_.damage.clear();
      const auto got = get(number, number + 4);
      if (got) {
        EXPECT_TRUE(same(*got, segments_of(number + 4, number == 1 ? 3000 : 5000))) << at;
      } else if (got.error().code == ErrorCode::Corruption) {
        EXPECT_FALSE(machine_.damage.empty()) << at;
      } else {
        EXPECT_TRUE(lose_index) << at;
        EXPECT_EQ(got.error().code, ErrorCode::NotFound) << at;
        EXPECT_GT(machine_.store->status().damage_count, 0U) << at;
      }
    }
    ASSERT_TRUE(machine_.close());
    content_of(0) = good;
    machine_.index = index;
  }
}

TEST_F(ShardStoreTest, a_damaged_header_or_index_of_a_file_loses_nothing) {
  for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(put(i, 100 + i, 30000));
  ASSERT_TRUE(machine_.close());
  content_of(0)[20] ^= 1;
  content_of(0)[content_of(0).size() - 4096 + 50] ^= 1;  // the footer's list
  machine_.index = {};
  ASSERT_TRUE(machine_.open());
  EXPECT_FALSE(machine_.damage.empty());
  for (std::uint32_t i = 0; i < 10; ++i) expect_holds(i, 100 + i, 30000);
  ASSERT_TRUE(machine_.close());
  content_of(0)[content_of(0).size() - 20] ^= 1;  // the trailer
  machine_.index = {};
  ASSERT_TRUE(machine_.open());
  for (std::uint32_t i = 0; i < 10; ++i) expect_holds(i, 100 + i, 30000);
}

TEST_F(ShardStoreTest, a_damaged_index_value_is_noticed_and_rebuilt_at_the_next_open) {
  ASSERT_TRUE(put(1, 5, 3000));
  for (auto& [key, value] : machine_.index.live) {
    if (key.first == 0) value[10] ^= 1;
  }
  EXPECT_EQ(get(1).error().code, ErrorCode::Corruption);
  EXPECT_EQ(machine_.damage.size(), 1U);
  reopen();
  EXPECT_TRUE(machine_.store->status().was_rebuilt);
  expect_holds(1, 5, 3000);
}

TEST_F(ShardStoreTest, two_files_that_were_swapped_are_noticed) {
  machine_.options.shard_file_size_bytes = 256 * 1024;
  reopen();
  for (std::uint32_t i = 0; i < 6; ++i) ASSERT_TRUE(put(i, 100 + i, 130000));
  ASSERT_TRUE(machine_.close());
  std::swap(content_of(0), content_of(1));
  ASSERT_TRUE(machine_.open());
  std::size_t damaged = 0;
  for (std::uint32_t i = 0; i < 6; ++i) {
    const auto got = get(i);
    if (got) {
      EXPECT_TRUE(same(*got, segments_of(100 + i, 130000)));
    } else {
      ++damaged;
    }
  }
  EXPECT_GT(damaged, 0U);
}

TEST_F(ShardStoreTest, a_drive_of_another_node_is_refused) {
  ASSERT_TRUE(put(1, 5, 3000));
  ASSERT_TRUE(machine_.close());
  machine_.options.drive.bytes[0] = std::byte{77};
  EXPECT_EQ(machine_.open().error().code, ErrorCode::InvalidArgument);
  machine_.options.drive.bytes[0] = std::byte{2};
  ASSERT_TRUE(machine_.open());
  expect_holds(1, 5, 3000);
}

TEST_F(ShardStoreTest, a_full_drive_refuses_writes_and_still_deletes) {
  machine_.options.capacity_bytes = 4 * 1024 * 1024;
  reopen();
  Result<void> stored;
  std::uint32_t count = 0;
  while (stored) {
    ++count;
    stored = put(count, 100 + count, 65536);
  }
  EXPECT_EQ(stored.error().code, ErrorCode::NoSpace);
  EXPECT_GT(count, 30U);
  EXPECT_LE(machine_.disk.used_bytes(), 3U * 1024 * 1024);
  ASSERT_TRUE(remove(1, 1));
  EXPECT_EQ(get(1).error().code, ErrorCode::NotFound);
  for (std::uint32_t i = 2; i < count; ++i) expect_holds(i, 100 + i, 65536);
}

TEST_F(ShardStoreTest, the_file_system_running_full_fails_cleanly) {
  for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(put(i, 100 + i, 65536));
  machine_.disk.capacity_bytes = machine_.disk.used_bytes() + 100000;  // somebody else filled it
  EXPECT_TRUE(put(50, 150, 1000));
  EXPECT_EQ(put(51, 151, 300000).error().code, ErrorCode::NoSpace);
  EXPECT_EQ(put(52, 152, 1000).error().code, ErrorCode::NoSpace);  // noticed without trying
  machine_.disk.capacity_bytes = 1ULL << 40;
  for (std::uint32_t i = 0; i < 10; ++i) expect_holds(i, 100 + i, 65536);
  expect_holds(50, 150, 1000);
}

TEST_F(ShardStoreTest, a_failed_sync_is_never_acknowledged_and_its_file_is_left) {
  ASSERT_TRUE(put(1, 5, 3000));
  auto writer = machine_.store->create(key_of(3), stamp_of(8));
  ASSERT_TRUE(machine_.run((*writer)->append(segments_of(8, 10 * 65536), machine_.soon())));
  machine_.settle();  // part of it is written, unsynced, to the first file
  bool once = true;
  machine_.disk.fault = [&once](std::string_view operation, const std::string&) -> Result<void> {
    if (operation != "sync" || !std::exchange(once, false)) return {};
    return make_error(ErrorCode::Io, "EIO");
  };
  EXPECT_EQ(put(2, 6, 3000).error().code, ErrorCode::Io);
  EXPECT_EQ(machine_.run((*writer)->commit(machine_.soon())).error().code, ErrorCode::Io);
  EXPECT_EQ(get(2).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(put(4, 9, 3000));
  EXPECT_EQ(machine_.disk.live_names.size(), 2U);
  EXPECT_EQ(machine_.store->status().abandoned_file_count, 1U);
  expect_holds(1, 5, 3000);
  expect_holds(4, 9, 3000);
  writer->reset();
  machine_.lose_power();
  ASSERT_TRUE(machine_.open());
  expect_holds(1, 5, 3000);
  expect_holds(4, 9, 3000);
}

TEST_F(ShardStoreTest, a_failed_index_closes_the_drive_until_it_is_rebuilt) {
  ASSERT_TRUE(put(1, 5, 3000));
  machine_.index.write_fault = [] { return Result<void>{ErrorCode::Io}; };
  EXPECT_FALSE(put(2, 6, 3000));
  EXPECT_EQ(get(1).error().code, ErrorCode::Unavailable);  // never NotFound
  EXPECT_EQ(put(3, 7, 3000).error().code, ErrorCode::Unavailable);
  EXPECT_FALSE(machine_.store->status().is_available);
  machine_.index.write_fault = nullptr;
  reopen();
  EXPECT_TRUE(machine_.store->status().was_rebuilt);
  expect_holds(1, 5, 3000);
  expect_holds(2, 6, 3000);  // it was on stable storage
}

TEST_F(ShardStoreTest, an_unreadable_block_costs_only_its_shard) {
  ASSERT_TRUE(put(1, 5, 3000));
  machine_.disk.fault = [](std::string_view operation, const std::string&) -> Result<void> {
    return operation == "read" ? Result<void>{ErrorCode::Io} : Result<void>{};
  };
  EXPECT_EQ(get(1).error().code, ErrorCode::Corruption);
  EXPECT_EQ(machine_.store->status().read_error_count, 1U);
  EXPECT_EQ(machine_.damage.size(), 1U);
  machine_.disk.fault = nullptr;
  expect_holds(1, 5, 3000);
}

}  // namespace
}  // namespace predastore::shard
