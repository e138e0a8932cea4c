#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kv/checkpoint.h"
#include "kv/kv.h"

// What every KeyValueStore promises. Included by the test of each implementation, which
// instantiates KvContract with a maker of fixtures.
namespace predastore::kv::testing {

// One store with two families that can be closed and opened again.
class Fixture {
 public:
  virtual ~Fixture() = default;
  virtual std::unique_ptr<KeyValueStore> open() = 0;
  // Where `name`, a copy beside the store, is to be made; none when it has no files.
  virtual std::string path_of(const std::string& /*name*/) { return {}; }
  virtual std::unique_ptr<KeyValueStore> open_copy(const std::string& /*path*/) { return nullptr; }
  virtual bool keeps_in_memory() const { return false; }
};
struct FixtureMaker {
  std::string name;
  std::function<std::unique_ptr<Fixture>()> make;
};
inline std::string name_of_maker(const ::testing::TestParamInfo<FixtureMaker>& info) {
  return info.param.name;
}

inline std::map<std::string, std::string> contents(KeyValueStore& store, Family family,
                                                   std::string_view from = "") {
  std::map<std::string, std::string> all;
  auto iterator = store.iterate(family);
  for (iterator->seek(from); iterator->valid(); iterator->next())
    all.emplace(iterator->key(), iterator->value());
  EXPECT_TRUE(iterator->status().has_value());
  return all;
}

class KvContract : public ::testing::TestWithParam<FixtureMaker> {
 protected:
  std::unique_ptr<Fixture> fixture_ = GetParam().make();
};

TEST_P(KvContract, a_batch_is_seen_as_a_whole_in_all_families) {
  auto store = fixture_->open();
  Batch batch;
  batch.put(0, "a", "1");
  batch.put(1, "a", "2");
  batch.put(0, "a", "3");
  batch.erase(1, "a");
  ASSERT_TRUE(store->write(batch));
  EXPECT_EQ(store->get(0, "a").value(), "3");
  EXPECT_EQ(store->get(1, "a").value(), std::nullopt);
}

TEST_P(KvContract, keys_are_ordered_by_bytes_and_may_hold_any) {
  auto store = fixture_->open();
  Batch batch;
  const std::vector<std::string> keys = {
      std::string("\0", 1), "a", std::string("a\0b", 3), "b", "\x7f", "\x80", "\xff", "\xff\xff"};
  for (const auto& key : keys) batch.put(0, key, key);
  ASSERT_TRUE(store->write(batch));
  std::vector<std::string> seen;
  auto iterator = store->iterate(0);
  for (iterator->seek(""); iterator->valid(); iterator->next()) seen.emplace_back(iterator->key());
  EXPECT_EQ(seen, keys);
  iterator->seek("b\x01");
  ASSERT_TRUE(iterator->valid());
  EXPECT_EQ(iterator->key(), "\x7f");
}

TEST_P(KvContract, an_iterator_sees_the_store_as_it_was) {
  auto store = fixture_->open();
  Batch before;
  before.put(0, "a", "1");
  before.put(0, "b", "1");
  ASSERT_TRUE(store->write(before));
  auto iterator = store->iterate(0);
  Batch after;
  after.put(0, "a", "2");
  after.erase(0, "b");
  after.put(0, "c", "2");
  ASSERT_TRUE(store->write(after));
  iterator->seek("");
  ASSERT_TRUE(iterator->valid());
  EXPECT_EQ(iterator->value(), "1");
  iterator->next();
  ASSERT_TRUE(iterator->valid());
  EXPECT_EQ(iterator->key(), "b");
  iterator->next();
  EXPECT_FALSE(iterator->valid());
}

TEST_P(KvContract, a_range_is_erased_without_its_end) {
  auto store = fixture_->open();
  Batch batch;
  for (const char* key : {"a", "b", "c", "d"}) batch.put(0, key, "");
  batch.erase_range(0, "b", "d");
  batch.erase_range(0, "d", "a");  // backwards: nothing
  ASSERT_TRUE(store->write(batch));
  EXPECT_EQ(contents(*store, 0), (std::map<std::string, std::string>{{"a", ""}, {"d", ""}}));
}

TEST_P(KvContract, what_was_flushed_is_there_after_opening_again) {
  auto store = fixture_->open();
  Batch batch;
  batch.put(0, "a", "1");
  batch.put(1, "b", std::string(100000, 'x'));
  ASSERT_TRUE(store->write(batch));
  ASSERT_TRUE(store->flush());
  store.reset();
  store = fixture_->open();
  EXPECT_EQ(store->get(0, "a").value(), "1");
  EXPECT_EQ(store->get(1, "b").value().value().size(), 100000u);
}

TEST_P(KvContract, random_operations_equal_a_map) {
  auto store = fixture_->open();
  std::map<std::string, std::string> model;
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Batch batch;
    for (int i = 0; i < 5; ++i) {
      const std::string key = std::to_string(random() % 50);
      const std::string other = std::to_string(random() % 50);
      switch (random() % 5) {
        case 0:
          batch.erase(0, key);
          model.erase(key);
          break;
        case 1:
          if (random() % 4 == 0) {
            batch.erase_range(0, key, other);
            if (key < other) model.erase(model.lower_bound(key), model.lower_bound(other));
          }
          break;
        default: batch.put(0, key, std::to_string(round)); model[key] = std::to_string(round);
      }
    }
    ASSERT_TRUE(store->write(batch));
    if (round % 50 == 49) {
      ASSERT_TRUE(store->flush());
      store.reset();
      store = fixture_->open();
    }
    ASSERT_EQ(contents(*store, 0), model) << round;
  }
}

TEST_P(KvContract, what_memory_tells_is_what_the_store_tells) {
  auto store = fixture_->open();
  Batch batch;
  batch.put(0, "a", "1");
  batch.put(1, "a", "2");
  batch.put(1, "b", std::string(1000, 'x'));
  ASSERT_TRUE(store->write(batch));
  std::size_t told = 0;
  const auto compare = [&] {
    for (const Family family : {0u, 1u}) {
      for (const std::string key : {"a", "b", "c"}) {
        const auto cached = store->get_cached(family, key);
        if (!cached) {
          EXPECT_EQ(cached.error().code, ErrorCode::Unavailable);
          continue;
        }
        ++told;
        EXPECT_EQ(*cached, store->get(family, key).value());
      }
      const auto whole = store->iterate(family);
      const auto cached = store->iterate_cached(family);
      whole->seek("");
      for (cached->seek(""); cached->valid(); cached->next(), whole->next()) {
        ASSERT_TRUE(whole->valid());
        EXPECT_EQ(cached->key(), whole->key());
        EXPECT_EQ(cached->value(), whole->value());
      }
      if (cached->status()) {
        EXPECT_FALSE(whole->valid());
      } else {
        EXPECT_EQ(cached->status().error().code, ErrorCode::Unavailable);
      }
    }
  };
  compare();
  ASSERT_TRUE(store->flush());
  compare();
  store.reset();
  store = fixture_->open();
  const std::size_t before = told;
  compare();
  compare();  // after reads that went to the drive
  if (fixture_->keeps_in_memory()) {
    EXPECT_GT(told, before);
  } else {
    EXPECT_EQ(told, 0u);
  }
}

TEST_P(KvContract, a_copy_has_everything_and_nothing_that_came_later) {
  const std::string path = fixture_->path_of("copy");
  if (path.empty()) {
    EXPECT_EQ(make_checkpoint(*fixture_->open(), "/copy").error().code, ErrorCode::Unsupported);
    return;
  }
  auto store = fixture_->open();
  for (int i = 0; i < 100; ++i) {
    Batch batch;
    batch.put(0, "key" + std::to_string(i), std::string(1000, 'x'));
    batch.put(1, "key" + std::to_string(i), std::to_string(i));
    ASSERT_TRUE(store->write(batch));
    if (i == 50) {
      ASSERT_TRUE(store->flush());
    }
  }
  const auto first = contents(*store, 0);
  const auto second = contents(*store, 1);
  ASSERT_TRUE(make_checkpoint(*store, path));
  Batch later;
  later.put(0, "later", "1");
  later.erase(1, "key7");
  ASSERT_TRUE(store->write(later));
  ASSERT_TRUE(store->flush());
  EXPECT_FALSE(make_checkpoint(*store, path).has_value()) << "a directory that is there";
  auto copy = fixture_->open_copy(path);
  EXPECT_EQ(contents(*copy, 0), first);
  EXPECT_EQ(contents(*copy, 1), second);
  Batch own;
  own.put(0, "own", "1");
  ASSERT_TRUE(copy->write(own));
  ASSERT_TRUE(copy->flush());
  copy.reset();
  EXPECT_EQ(contents(*fixture_->open_copy(path), 0).size(), first.size() + 1);
  EXPECT_EQ(contents(*store, 0).count("own"), 0u);
}

}  // namespace predastore::kv::testing
