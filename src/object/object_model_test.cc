#include <gtest/gtest.h>

#include <map>

#include "object/testing/test_store.h"

namespace predastore::object {
namespace {

using chunk::testing::bytes_of;
using testing::TestStore;
using testing::TextBody;

// Random uploads, downloads and overwrites while one node misbehaves in every way, against a map.
class Model {
 public:
  Model(std::uint64_t seed, std::uint32_t node_count, RsConfig rs)
      : test_(node_count, rs, TestStore::small(), seed), seed_(seed) {
    bad_node_ = 1 + below(node_count);
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      if (below(4) == 0) change_faults();
      if (below(3) == 0) {
        put();
      } else {
        get();
      }
    }
    if (::testing::Test::HasFatalFailure()) return;
    test_.cluster.heal();
    test_.forget();
    test_.repair();
    for (std::uint64_t down = 1; down <= test_.cluster.node_count(); ++down) {
      test_.cluster.node(down).faults.is_down = true;
      for (const auto& [key, bytes] : expected_)
        ASSERT_TRUE(test_.text(key) == bytes) << key << " without " << down << " seed " << seed_;
      test_.cluster.heal();
      test_.forget();
    }
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return test_.cluster.random().below(bound); }

  void change_faults() {
    auto& faults = test_.cluster.node(bad_node_).faults;
    faults = {};
    switch (below(8)) {
      case 0: faults.is_down = true; break;
      case 1: faults.hangs = true; break;
      case 2: faults.dies_after = below(20); break;
      case 3: faults.delay = 2s; break;
      case 4: faults.flips_bits = true; break;
      case 5: faults.loses_commit_answers = true; break;
      case 6: faults.is_full = true; break;
      default: break;
    }
    // Some time passes for the gateway to forget.
    if (below(2) == 0) test_.cluster.run(sleep_for(test_.cluster.clock(), 5s));
  }
  void put() {
    const std::string key = std::to_string(below(6));
    const std::size_t sizes[] = {0, 1, 8191, 65536, 65537, 131072, 327680, 655361};
    const std::size_t size = below(2) == 0 ? sizes[below(std::size(sizes))] : below(1'200'000);
    const std::string bytes = bytes_of(size, ++puts_ + seed_ * 1000);
    TextBody body{bytes};
    body.random = &test_.cluster.random();
    body.is_announced = below(2) == 0;
    const auto record = test_.put(key, body);
    ASSERT_TRUE(record.has_value()) << record.error().to_string() << " seed " << seed_;
    expected_[key] = bytes;
  }
  void get() {
    const std::string key = std::to_string(below(6));
    const auto found = expected_.find(key);
    auto reader = test_.open(key);
    ASSERT_EQ(reader.has_value(), found != expected_.end());
    if (!reader) return;
    const std::string& bytes = found->second;
    ASSERT_EQ((*reader)->record().size_bytes, bytes.size());
    if (bytes.empty()) return;
    const std::uint64_t first = below(2) == 0 ? 0 : below(bytes.size());
    const std::uint64_t last = first + below(bytes.size() - first);
    const auto got = test_.read(**reader, first, last);
    ASSERT_TRUE(got.has_value()) << got.error().to_string() << " seed " << seed_;
    ASSERT_TRUE(*got == bytes.substr(first, last - first + 1)) << "seed " << seed_;
  }

  TestStore test_;
  std::uint64_t seed_;
  std::uint64_t bad_node_;
  std::uint64_t puts_ = 0;
  std::map<std::string, std::string> expected_;
};

TEST(ObjectModel, three_nodes_serve_everything_while_one_of_them_misbehaves) {
  for (std::uint64_t seed = 1; seed <= 12 && !HasFatalFailure(); ++seed)
    Model{seed, 3, {2, 1}}.run(60);
}

TEST(ObjectModel, so_do_more_nodes_with_more_parity) {
  for (std::uint64_t seed = 1; seed <= 4 && !HasFatalFailure(); ++seed)
    Model{seed, 6, {3, 2}}.run(60);
}

}  // namespace
}  // namespace predastore::object
