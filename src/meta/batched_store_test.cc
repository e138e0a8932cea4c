#include "meta/state/batched_store.h"

#include <gtest/gtest.h>

#include <random>

#include "kv/memory_store.h"

namespace predastore::meta {
namespace {

std::vector<std::string> all_of(kv::KeyValueStore& store, kv::Family family) {
  std::vector<std::string> records;
  const auto iterator = store.iterate(family);
  for (iterator->seek(""); iterator->valid(); iterator->next())
    records.push_back(std::string{iterator->key()} + "=" + std::string{iterator->value()});
  EXPECT_TRUE(iterator->status());
  return records;
}

TEST(BatchedStore, what_is_read_is_what_was_written_and_the_store_has_it_after_the_commit) {
  const auto disk = std::make_shared<kv::MemoryDisk>(2);
  const auto below = kv::open_memory(disk);
  BatchedStore batched{*below};
  kv::Batch first;
  first.put(0, "a", "1");
  first.put(1, "a", "of the other family");
  first.put(0, "b", "2");
  ASSERT_TRUE(batched.write(first));
  kv::Batch second;
  second.put(0, "a", "3");
  second.erase(0, "b");
  ASSERT_TRUE(batched.write(second));
  EXPECT_EQ(batched.get(0, "a").value(), "3");
  EXPECT_EQ(batched.get(0, "b").value(), std::nullopt);
  EXPECT_EQ(batched.get(1, "a").value(), "of the other family");
  EXPECT_EQ(below->get(0, "a").value(), std::nullopt);
  ASSERT_TRUE(batched.commit());
  EXPECT_EQ(below->get(0, "a").value(), "3");
  EXPECT_EQ(disk->unflushed_count(), 1U) << "one batch";
  ASSERT_TRUE(batched.commit());
  EXPECT_EQ(disk->unflushed_count(), 1U) << "nothing is written twice";
  kv::Batch range;
  range.erase_range(0, "a", "b");
  EXPECT_FALSE(batched.write(range));
}

TEST(BatchedStore, any_order_of_calls_ends_as_without_it) {
  std::mt19937_64 random{5};
  const auto plain = kv::open_memory(std::make_shared<kv::MemoryDisk>(2));
  const auto below = kv::open_memory(std::make_shared<kv::MemoryDisk>(2));
  for (int round = 0; round < 200; ++round) {
    BatchedStore batched{*below};
    for (int call = 0; call < 40; ++call) {
      const auto family = static_cast<kv::Family>(random() % 2);
      const std::string key = std::to_string(random() % 30);
      const auto kind = random() % 20;
      if (kind < 8) {
        EXPECT_EQ(batched.get(family, key).value(), plain->get(family, key).value());
      } else if (kind < 19) {
        kv::Batch batch;
        if (kind % 3 == 0)
          batch.erase(family, key);
        else
          batch.put(family, key, std::to_string(random()));
        ASSERT_TRUE(batched.write(batch));
        ASSERT_TRUE(plain->write(batch));
      } else {
        EXPECT_EQ(all_of(batched, family), all_of(*plain, family));
      }
    }
    ASSERT_TRUE(batched.commit());
    for (const kv::Family family : {0U, 1U})
      ASSERT_EQ(all_of(*below, family), all_of(*plain, family));
  }
}

}  // namespace
}  // namespace predastore::meta
