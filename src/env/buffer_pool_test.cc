#include "env/buffer_pool.h"

#include <gtest/gtest.h>

namespace predastore {
namespace {

constexpr std::size_t kKibi = 1024;

TEST(BufferPool, memory_is_used_again_and_only_so_much_is_kept) {
  auto pool = std::make_shared<BufferPool>(256 * kKibi);
  MutableBuffer first = pool->take(100'000);
  const std::byte* where = first.data();
  Buffer frozen = std::move(first).freeze();
  frozen = {};
  EXPECT_EQ(pool->free_bytes(), 128U * kKibi);
  MutableBuffer second = pool->take(128 * kKibi);
  EXPECT_EQ(second.data(), where);
  EXPECT_EQ(pool->free_bytes(), 0U);
  {
    std::vector<MutableBuffer> many;
    for (int i = 0; i < 10; ++i) many.push_back(pool->take(64 * kKibi));
    many.clear();
    EXPECT_EQ(pool->free_bytes(), 256U * kKibi);
    many.push_back(pool->take(64 * kKibi));
    pool = nullptr;  // goes with the last of them
  }
}

TEST(BufferPool, blocks_are_ready_before_they_are_wanted_within_the_bound) {
  auto pool = std::make_shared<BufferPool>(1024 * kKibi, 16 * kKibi);
  pool->prefault(70 * kKibi, 4);
  EXPECT_EQ(pool->free_bytes(), 4U * 80 * kKibi);
  const MutableBuffer one = pool->take(66 * kKibi);
  EXPECT_EQ(pool->free_bytes(), 3U * 80 * kKibi);
  pool->prefault(512 * kKibi, 10);
  EXPECT_LE(pool->free_bytes(), 1024U * kKibi);
  EXPECT_EQ(MutableBuffer{pool->take(1000)}.size(), 1000U);  // small ones are the heap's
}

TEST(BufferPool, sizes_that_are_not_asked_for_any_more_make_room) {
  auto pool = std::make_shared<BufferPool>(512 * kKibi);
  for (const std::size_t size : {512 * kKibi, 64 * kKibi, 128 * kKibi, 512 * kKibi}) {
    std::vector<MutableBuffer> many;
    for (std::size_t i = 0; i < 512 * kKibi / size; ++i) many.push_back(pool->take(size));
    many.clear();
    EXPECT_EQ(pool->free_bytes(), 512 * kKibi) << size;
    const MutableBuffer again = pool->take(size);
    EXPECT_EQ(pool->free_bytes(), 512 * kKibi - size) << size;
  }
}

}  // namespace
}  // namespace predastore
