#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "chunk/testing/test_cluster.h"

namespace predastore::chunk {
namespace {

using testing::bytes_of;
using testing::joined;
using testing::target_of;
using testing::TestCluster;
using testing::write_chunk;

constexpr std::size_t kKiB = 1024;

class ChunkRead : public ::testing::Test {
 protected:
  void make(std::uint32_t node_count) {
    cluster_ = std::make_unique<TestCluster>(node_count);
    service_ = std::make_unique<ChunkService>(
        cluster_->env(), *cluster_, ChunkOptions{},
        [this](const ShardKey& key) { damaged_.insert(key.role.value()); });
  }
  void TearDown() override {
    if (service_) cluster_->run(service_->stop());
    service_.reset();
  }
  ChunkLayout write(RsConfig rs, std::uint32_t number, const std::string& bytes) {
    return cluster_->run(write_chunk(*service_, target_of(*cluster_, rs, number), bytes)).value();
  }
  Result<std::string> read(const ChunkLayout& layout, std::uint64_t offset, std::uint64_t size) {
    auto bytes = cluster_->run(service_->read(layout, offset, size, cluster_->in(1min)));
    if (!bytes) return bytes.error();
    return joined(*bytes);
  }
  std::string read(const ChunkLayout& layout) {
    auto bytes = read(layout, 0, layout.size_bytes);
    return bytes ? *bytes : bytes.error().to_string();
  }
  // Lets a service forget what it learnt.
  void forget() {
    cluster_->run(sleep_for(cluster_->clock(), 10s));
    for (std::uint64_t i = 1; i <= cluster_->node_count(); ++i) {
      service_->health().succeeded(NodeId{i}, NodeUse::read);
      service_->health().succeeded(NodeId{i}, NodeUse::write);
    }
    damaged_.clear();
  }
  testing::TestNode& node_of(const ChunkLayout& layout, std::size_t role) {
    return cluster_->node(layout.places[role].node);
  }

  std::unique_ptr<TestCluster> cluster_;
  std::unique_ptr<ChunkService> service_;
  std::set<std::uint8_t> damaged_;
};

TEST_F(ChunkRead, every_size_comes_back_with_any_m_nodes_down) {
  for (const RsConfig rs : {RsConfig{2, 1}, RsConfig{3, 2}, RsConfig{4, 1}, RsConfig{1, 2}}) {
    make(rs.width());
    const std::size_t stripe = stripe_size_bytes(rs);
    std::uint32_t number = 0;
    for (const std::size_t size :
         {std::size_t{1}, 8 * kKiB - 1, 8 * kKiB, 8 * kKiB + 1, 64 * kKiB - 1, 64 * kKiB,
          64 * kKiB + 1, stripe - 1, stripe, stripe + 1, 2 * stripe + 100 * kKiB, 17 * stripe}) {
      const std::string bytes = bytes_of(size, ++number);
      const ChunkLayout layout = write(rs, number, bytes);
      EXPECT_EQ(read(layout), bytes);
      for (std::size_t first = 0; first < rs.width(); ++first) {
        for (std::size_t second = 0; second < (rs.parity_shards > 1 ? first + 1 : 1); ++second) {
          node_of(layout, first).faults.is_down = true;
          if (rs.parity_shards > 1) node_of(layout, second).faults.is_down = true;
          ASSERT_EQ(read(layout), bytes) << size << " without " << first << " and " << second;
          cluster_->heal();
          forget();
        }
      }
    }
    TearDown();
  }
}

TEST_F(ChunkRead, any_range_comes_back_whole_and_degraded) {
  make(5);
  const std::string bytes = bytes_of(1'500'000, 1);
  const ChunkLayout layout = write({3, 2}, 1, bytes);
  for (int round = 0; round < 300; ++round) {
    cluster_->heal();
    if (round % 3 > 0) cluster_->node(1 + cluster_->random().below(5)).faults.is_down = true;
    if (round % 3 > 1) cluster_->node(1 + cluster_->random().below(5)).faults.flips_bits = true;
    const std::uint64_t offset = cluster_->random().below(bytes.size());
    const std::uint64_t limit =
        round % 2 == 0 ? bytes.size() - offset : std::min<std::uint64_t>(bytes.size() - offset, 99);
    const std::uint64_t size = 1 + cluster_->random().below(limit);
    const auto got = read(layout, offset, size);
    ASSERT_TRUE(got.has_value()) << got.error().to_string();
    ASSERT_TRUE(*got == bytes.substr(offset, size)) << offset << "+" << size;
  }
}

TEST_F(ChunkRead, a_small_range_asks_one_node_for_one_segment) {
  make(5);
  const ChunkLayout layout = write({3, 2}, 1, bytes_of(2'000'000, 1));
  ASSERT_TRUE(read(layout, 5 * 64 * kKiB + 10, 100));
  EXPECT_EQ(cluster_->fetch_count(), 1U);
  EXPECT_EQ(node_of(layout, 2).fetched_segment_count, 1U);
}

TEST_F(ChunkRead, one_bad_segment_in_each_shard_is_survived_if_they_are_of_different_stripes) {
  make(3);
  const std::string bytes = bytes_of(2'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  for (std::size_t role = 0; role < 3; ++role) {
    node_of(layout, role).faults.segment_fault =
        [role](const ShardKey&, SegmentIndex index) -> std::optional<ErrorCode> {
      if (index.value() == role * 3) return ErrorCode::Corruption;
      return std::nullopt;
    };
  }
  EXPECT_EQ(read(layout), bytes);
  EXPECT_EQ(damaged_, (std::set<std::uint8_t>{0, 1}));  // nobody read the parity of stripe 6
}

TEST_F(ChunkRead, bytes_that_changed_on_their_way_are_noticed_and_reported) {
  make(3);
  const std::string bytes = bytes_of(500'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  node_of(layout, 1).faults.flips_bits = true;
  EXPECT_EQ(read(layout), bytes);
  EXPECT_EQ(damaged_, (std::set<std::uint8_t>{1}));
  node_of(layout, 0).faults.flips_bits = true;
  const auto none = read(layout, 0, layout.size_bytes);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::Corruption);
}

TEST_F(ChunkRead, damage_on_the_disk_is_survived_and_reported) {
  make(3);
  const std::string bytes = bytes_of(1'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  auto& disk = node_of(layout, 0).disk;
  for (auto& [name, inode] : disk.live_names) {
    for (std::size_t at = 8192; at < inode->live.size(); at += 50'000) inode->live[at] ^= 1;
  }
  EXPECT_EQ(read(layout), bytes);
  EXPECT_EQ(damaged_, (std::set<std::uint8_t>{0}));
}

TEST_F(ChunkRead, a_lost_shard_is_reported_and_a_node_that_is_away_is_not) {
  make(3);
  const std::string bytes = bytes_of(1'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  node_of(layout, 0).faults.hangs = true;
  EXPECT_EQ(read(layout), bytes);
  forget();
  cluster_->heal();
  node_of(layout, 0).faults.is_down = true;
  EXPECT_EQ(read(layout), bytes);
  EXPECT_TRUE(damaged_.empty());
  forget();
  cluster_->heal();
  const ShardKey key{layout.object_id, layout.chunk_index, ShardRole{0}};
  std::vector<shard::ShardRemoval> removals{{key, Generation{9}}};
  ASSERT_TRUE(cluster_->run(cluster_->remove(layout.places[0].node, removals, cluster_->in(1s))));
  EXPECT_EQ(read(layout), bytes);
  EXPECT_EQ(damaged_, (std::set<std::uint8_t>{0}));
}

TEST_F(ChunkRead, the_code_tells_whether_shards_are_away_unknown_or_damaged) {
  make(3);
  const ChunkLayout layout = write({2, 1}, 1, bytes_of(1'000'000, 1));
  const auto code = [&] { return read(layout, 0, layout.size_bytes).error().code; };
  node_of(layout, 0).faults.is_down = true;
  node_of(layout, 2).faults.is_down = true;
  EXPECT_EQ(code(), ErrorCode::Unavailable);
  forget();
  cluster_->heal();
  const auto fail = [](ErrorCode error) {
    return [error](const ShardKey&, SegmentIndex) { return std::optional{error}; };
  };
  node_of(layout, 0).faults.segment_fault = fail(ErrorCode::NotFound);
  node_of(layout, 1).faults.segment_fault = fail(ErrorCode::NotFound);
  EXPECT_EQ(code(), ErrorCode::NotFound);
  node_of(layout, 0).faults.segment_fault = fail(ErrorCode::Io);
  node_of(layout, 1).faults.segment_fault = fail(ErrorCode::Corruption);
  EXPECT_EQ(code(), ErrorCode::Corruption);
}

TEST_F(ChunkRead, a_node_that_does_not_answer_costs_one_hedge_and_not_a_timeout_a_stripe) {
  make(3);
  const std::string bytes = bytes_of(8'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  node_of(layout, 1).faults.hangs = true;
  const Instant before = cluster_->clock().now();
  std::string all;
  for (std::uint64_t at = 0; at < bytes.size(); at += 256 * kKiB)
    all += *read(layout, at, std::min<std::uint64_t>(256 * kKiB, bytes.size() - at));
  EXPECT_EQ(all, bytes);
  EXPECT_LE(cluster_->clock().now() - before, 1s);
  // It does not answer, so it is still left alone, but for one attempt a back-off.
  EXPECT_FALSE(service_->health().is_good(layout.places[1].node, NodeUse::read));
  EXPECT_TRUE(service_->health().is_good(layout.places[1].node, NodeUse::write));
}

TEST_F(ChunkRead, a_node_half_a_second_late_shows_no_longer_than_the_hedge_delay) {
  make(3);
  const std::string bytes = bytes_of(256 * kKiB, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  for (std::uint64_t i = 1; i <= 3; ++i) cluster_->node(i).faults.delay = 4ms;
  const auto timed_read = [&] {
    cluster_->run(sleep_for(cluster_->clock(), 20ms));
    const Instant before = cluster_->clock().now();
    EXPECT_EQ(read(layout), bytes);
    return cluster_->clock().now() - before;
  };
  for (int i = 0; i < 100; ++i) EXPECT_LE(timed_read(), 10ms);
  node_of(layout, 1).faults.delay = 1s;  // half of it to all of it
  std::vector<Duration> took;
  for (int i = 0; i < 500; ++i) took.push_back(timed_read());
  std::sort(took.begin(), took.end());
  const Duration hedge_delay = service_->options().hedge_delay_min;
  EXPECT_LE(took[took.size() * 99 / 100], hedge_delay + 10ms);
  EXPECT_LE(took[took.size() * 9 / 10], 10ms);  // it is left alone for most of the time
  node_of(layout, 1).faults.delay = 4ms;
  cluster_->run(sleep_for(cluster_->clock(), 5s));
  for (int i = 0; i < 10; ++i) timed_read();
  EXPECT_TRUE(service_->health().is_good(layout.places[1].node, NodeUse::read));
}

TEST_F(ChunkRead, whole_stripes_are_read_with_the_parity_that_is_at_hand) {
  make(5);
  for (const RsConfig rs : {RsConfig{2, 1}, RsConfig{3, 2}}) {
    const std::string bytes = bytes_of(10 * stripe_size_bytes(rs), 1);
    const ChunkLayout layout = write(rs, 1, bytes);
    for (std::uint8_t role = 0; role < rs.width(); ++role) {
      ChunkOptions options;
      options.self = layout.places[role].node;
      ChunkService local{cluster_->env(), *cluster_, options};
      const auto segments_before = [&](std::size_t of) {
        return node_of(layout, of).fetched_segment_count;
      };
      std::vector<std::uint64_t> before;
      for (std::size_t of = 0; of < rs.width(); ++of) before.push_back(segments_before(of));
      const auto got = cluster_->run(local.read(layout, 0, bytes.size(), cluster_->in(1min)));
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(joined(*got), bytes);
      std::uint64_t travelled = 0;
      for (std::size_t of = 0; of < rs.width(); ++of) {
        const std::uint64_t fetched = segments_before(of) - before[of];
        if (of != role) travelled += fetched;
        const bool is_other_parity = of != role && of >= rs.data_shards;
        if (of == role || is_other_parity) {
          EXPECT_EQ(fetched, of == role ? 10U : 0U) << of;
        }
      }
      EXPECT_EQ(travelled, 10U * (rs.data_shards - 1U));
      cluster_->run(local.stop());
    }
  }
}

TEST_F(ChunkRead, parity_at_hand_is_left_alone_where_it_is_of_no_use) {
  make(3);
  const RsConfig rs{2, 1};
  const std::string bytes = bytes_of(10 * stripe_size_bytes(rs), 1);
  const ChunkLayout layout = write(rs, 1, bytes);
  ChunkOptions options;
  options.self = layout.places[2].node;
  ChunkService local{cluster_->env(), *cluster_, options};
  auto& parity = node_of(layout, 2);
  const auto read_here = [&](std::uint64_t offset, std::uint64_t size) {
    auto got = cluster_->run(local.read(layout, offset, size, cluster_->in(1min)));
    return got ? joined(*got) : got.error().to_string();
  };
  const std::uint64_t before = parity.fetched_segment_count;
  EXPECT_EQ(read_here(70 * kKiB, 100), bytes.substr(70 * kKiB, 100));  // one segment of a stripe
  EXPECT_EQ(parity.fetched_segment_count, before);
  parity.faults.segment_fault = [](const ShardKey&, SegmentIndex) { return ErrorCode::Corruption; };
  EXPECT_EQ(read_here(0, bytes.size()), bytes);  // damaged: the data segments are there
  parity.faults = {};
  node_of(layout, 0).faults.is_down = true;
  EXPECT_EQ(read_here(0, bytes.size()), bytes);
  cluster_->run(local.stop());
}

TEST_F(ChunkRead, a_late_node_is_waited_for_when_there_is_no_other) {
  make(3);
  const std::string bytes = bytes_of(1'000'000, 1);
  const ChunkLayout layout = write({2, 1}, 1, bytes);
  node_of(layout, 0).faults.delay = 3s;
  node_of(layout, 1).faults.delay = 4s;
  EXPECT_EQ(read(layout), bytes);
  node_of(layout, 2).faults.is_down = true;
  EXPECT_EQ(read(layout), bytes);
}

TEST_F(ChunkRead, a_read_ends_at_its_deadline) {
  make(3);
  const ChunkLayout layout = write({2, 1}, 1, bytes_of(1'000'000, 1));
  for (std::uint64_t i = 1; i <= 3; ++i) cluster_->node(i).faults.hangs = true;
  const Instant before = cluster_->clock().now();
  const auto late = cluster_->run(service_->read(layout, 0, 1000, cluster_->in(2s)));
  ASSERT_FALSE(late.has_value());
  EXPECT_LE(cluster_->clock().now() - before, 2s);
}

TEST_F(ChunkRead, another_try_at_the_same_shard_is_not_taken_for_it) {
  make(3);
  const std::string bytes = bytes_of(300'000, 1);
  ChunkLayout layout = write({2, 1}, 1, bytes);
  layout.places[0].write_id = WriteId{layout.places[0].write_id.value() ^ 1};
  EXPECT_EQ(read(layout), bytes);
  EXPECT_EQ(damaged_, (std::set<std::uint8_t>{0}));
}

TEST_F(ChunkRead, what_is_not_in_the_chunk_is_refused) {
  make(3);
  ChunkLayout layout = write({2, 1}, 1, bytes_of(1000, 1));
  EXPECT_EQ(read(layout, 0, 1001).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(read(layout, 1000, 1).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(read(layout, 0, 0).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(read(layout, 1, ~std::uint64_t{0}).error().code, ErrorCode::InvalidArgument);
  layout.places.pop_back();
  EXPECT_EQ(read(layout, 0, 1).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace predastore::chunk
