#include "ring/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace predastore::ring {
namespace {

RingRecord record_of(std::uint32_t node_count, std::uint32_t vnodes = 256) {
  RingRecord record{.epoch = RingEpoch{1}, .vnodes_per_slot = vnodes, .slots = {}};
  for (std::uint32_t i = 0; i < node_count; ++i)
    record.slots.push_back({.slot = SlotId{i}, .node = NodeId{101 + i}, .zone = {}});
  return record;
}

Ring ring_of(const RingRecord& record) {
  auto ring = Ring::make(record);
  EXPECT_TRUE(ring.has_value());
  return std::move(ring).value();
}

std::vector<std::uint64_t> values(const std::vector<NodeId>& nodes) {
  std::vector<std::uint64_t> numbers;
  for (const NodeId node : nodes) numbers.push_back(node.value());
  return numbers;
}

std::vector<NodeId> nodes_of(std::initializer_list<std::uint64_t> numbers) {
  std::vector<NodeId> nodes;
  for (const std::uint64_t number : numbers) nodes.emplace_back(number);
  return nodes;
}

using Numbers = std::vector<std::uint64_t>;

TEST(Ring, hashes_are_those_of_the_golden_vectors) {
  EXPECT_EQ(token(SlotId{0}, 0), 0xac72368a586a18c1U);
  EXPECT_EQ(token(SlotId{0}, 1), 0xef134f2a180ba05dU);
  EXPECT_EQ(token(SlotId{31}, 255), 0x6a6c10208798b4efU);
  EXPECT_EQ(placement_hash("photos", "2026/cat.jpg", ChunkIndex{0}), 0x840718a608b2ee5aU);
  EXPECT_EQ(placement_hash("b", "k", ChunkIndex{196609}), 0xe8b85d41006763d3U);
}

TEST(Ring, candidates_are_those_of_the_golden_vectors) {
  const Ring seven = ring_of(record_of(7));
  const auto in_seven = [&](std::string_view bucket, std::string_view key, std::uint32_t index) {
    return values(seven.candidates(placement_hash(bucket, key, ChunkIndex{index}), 7));
  };
  EXPECT_EQ(in_seven("b", "k", 0), (Numbers{105, 101, 103, 106, 107, 102, 104}));
  EXPECT_EQ(in_seven("photos", "2026/cat.jpg", 0), (Numbers{107, 104, 101, 105, 102, 103, 106}));
  EXPECT_EQ(in_seven("photos", "2026/cat.jpg", 1), (Numbers{103, 104, 102, 107, 105, 101, 106}));
  EXPECT_EQ(in_seven("b", "k", 196609), (Numbers{102, 107, 106, 104, 101, 105, 103}));

  RingRecord weighted = record_of(0, 64);
  weighted.slots = {{SlotId{0}, NodeId{11}, 100, ""},
                    {SlotId{1}, NodeId{12}, 50, ""},
                    {SlotId{2}, NodeId{13}, 200, ""}};
  const Ring three = ring_of(weighted);
  const auto in_three = [&](std::uint32_t index) {
    return values(three.candidates(placement_hash("b", "k", ChunkIndex{index}), 3));
  };
  EXPECT_EQ(in_three(0), (Numbers{11, 13, 12}));
  EXPECT_EQ(in_three(1), (Numbers{13, 11, 12}));
  EXPECT_EQ(in_three(3), (Numbers{13, 12, 11}));
  EXPECT_EQ(values(three.candidates(~std::uint64_t{0}, 3)), (Numbers{11, 13, 12}));
  EXPECT_EQ(values(three.candidates(0, 3)), (Numbers{11, 13, 12}));
}

TEST(Ring, fewer_candidates_are_the_first_of_more) {
  const Ring ring = ring_of(record_of(9));
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::uint64_t hash = placement_hash("b", "k", ChunkIndex{i});
    const auto all = ring.candidates(hash, 100);
    ASSERT_EQ(std::set(all.begin(), all.end()).size(), 9U);
    for (std::size_t count = 0; count <= 9; ++count) {
      const auto some = ring.candidates(hash, count);
      ASSERT_EQ(some, std::vector(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)));
    }
  }
}

void expect_balance(std::uint32_t node_count, std::size_t width) {
  const Ring ring = ring_of(record_of(node_count));
  std::map<NodeId, double> shards;
  constexpr std::uint32_t kChunks = 200'000;
  for (std::uint32_t i = 0; i < kChunks; ++i) {
    // Even steps over the whole circle: the ring's own balance, not that of a sample.
    const std::uint64_t hash = ~std::uint64_t{0} / kChunks * i;
    for (const NodeId node : ring.candidates(hash, width)) ++shards[node];
  }
  const double fair = double{kChunks} * static_cast<double>(width) / node_count;
  ASSERT_EQ(shards.size(), node_count);
  for (const auto& [node, count] : shards)
    EXPECT_NEAR(count / fair, 1.0, 0.10) << "node " << node.value();
}

TEST(Ring, seven_nodes_are_within_ten_per_cent) { expect_balance(7, 3); }
TEST(Ring, thirty_two_nodes_are_within_ten_per_cent) { expect_balance(32, 5); }

TEST(Ring, a_node_that_takes_over_a_slot_takes_over_its_places) {
  RingRecord replaced = record_of(5);
  replaced.slots[3].node = NodeId{999};
  const Ring before = ring_of(record_of(5));
  const Ring after = ring_of(replaced);
  for (std::uint32_t i = 0; i < 500; ++i) {
    const std::uint64_t hash = placement_hash("b", "k", ChunkIndex{i});
    auto expected = before.candidates(hash, 3);
    std::replace(expected.begin(), expected.end(), NodeId{104}, NodeId{999});
    ASSERT_EQ(after.candidates(hash, 3), expected);
  }
}

TEST(Ring, zones_share_the_shards_of_a_chunk_as_evenly_as_they_can) {
  RingRecord record = record_of(9);
  for (std::size_t i = 0; i < 9; ++i) record.slots[i].zone = std::string(1, "abc"[i / 3]);
  const Ring ring = ring_of(record);
  for (std::uint32_t i = 0; i < 500; ++i) {
    const auto nodes = ring.candidates(placement_hash("b", "k", ChunkIndex{i}), 9);
    ASSERT_EQ(std::set(nodes.begin(), nodes.end()).size(), 9U);
    for (std::size_t first = 0; first < 9; first += 3) {
      std::set<std::uint64_t> zones;
      for (std::size_t at = first; at < first + 3; ++at)
        zones.insert((nodes[at].value() - 101) / 3);
      ASSERT_EQ(zones.size(), 3U);
    }
  }
}

// The fewest shards that the fullest zone must hold: m, so that all zones together, each with at
// most m of its nodes, have room for the chunk.
std::size_t zone_must_hold(const std::vector<std::size_t>& zone_sizes, std::size_t width) {
  for (std::size_t most = 1;; ++most) {
    std::size_t room = 0;
    for (const std::size_t size : zone_sizes) room += std::min(size, most);
    if (room >= width) return most;
  }
}

TEST(Ring, no_zone_holds_more_shards_of_a_chunk_than_it_must) {
  const std::vector<std::vector<std::size_t>> shapes{{3, 3, 3}, {5, 2, 1},    {7, 1},
                                                     {4, 4},    {1, 1, 1, 6}, {2, 3, 4, 5}};
  for (const std::vector<std::size_t>& sizes : shapes) {
    RingRecord record = record_of(0);
    std::map<NodeId, std::size_t> zone_of;
    for (std::size_t zone = 0; zone < sizes.size(); ++zone) {
      for (std::size_t i = 0; i < sizes[zone]; ++i) {
        const auto number = static_cast<std::uint32_t>(record.slots.size());
        // Weights differ, so that big nodes come first in their zones, and must not fill it.
        record.slots.push_back({.slot = SlotId{number},
                                .node = NodeId{101 + number},
                                .weight = number % 3 == 0 ? 300U : 100U,
                                .zone = "z" + std::to_string(zone)});
        zone_of[NodeId{101 + number}] = zone;
      }
    }
    const Ring ring = ring_of(record);
    for (std::size_t width = 2; width <= record.slots.size(); ++width) {
      const std::size_t most = zone_must_hold(sizes, width);
      for (std::uint32_t i = 0; i < 200; ++i) {
        std::map<std::size_t, std::size_t> held;
        for (const NodeId node : ring.candidates(placement_hash("b", "k", ChunkIndex{i}), width))
          ++held[zone_of.at(node)];
        for (const auto& [zone, count] : held) ASSERT_LE(count, most) << "width " << width;
      }
    }
  }
}

TEST(Ring, a_node_without_a_zone_is_a_zone_of_its_own) {
  RingRecord record = record_of(4);
  record.slots[0].zone = record.slots[1].zone = "a";
  const Ring ring = ring_of(record);
  for (std::uint32_t i = 0; i < 200; ++i) {
    const auto nodes = ring.candidates(placement_hash("b", "k", ChunkIndex{i}), 4);
    EXPECT_TRUE(nodes.back().value() == 101 || nodes.back().value() == 102);
  }
}

TEST(Ring, a_slot_of_no_weight_gets_nothing) {
  RingRecord record = record_of(3);
  record.slots[1].weight = 0;
  const Ring ring = ring_of(record);
  EXPECT_EQ(ring.node_count(), 2U);
  EXPECT_EQ(ring.candidates(7, 3).size(), 2U);
  EXPECT_TRUE(Ring{}.candidates(7, 3).empty());
}

TEST(Ring, what_cannot_be_a_ring_is_refused) {
  const auto code_of = [](const RingRecord& record) { return Ring::make(record).error().code; };
  RingRecord record = record_of(3);
  record.algorithm_version = 2;
  EXPECT_EQ(code_of(record), ErrorCode::Unsupported);
  record = record_of(3);
  record.slots[2].slot = SlotId{0};
  EXPECT_EQ(code_of(record), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of(record_of(3, 0)), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of(record_of(3, kVnodesPerSlotMax + 1)), ErrorCode::InvalidArgument);
  record = record_of(3);
  record.slots[2].weight = kWeightMax + 1;
  EXPECT_EQ(code_of(record), ErrorCode::InvalidArgument);
}

TEST(Roles, whoever_stays_keeps_its_role) {
  EXPECT_EQ(assign_roles(nodes_of({1, 2, 3}), nodes_of({3, 4, 1})), nodes_of({1, 4, 3}));
  EXPECT_EQ(assign_roles(nodes_of({1, 2, 3}), nodes_of({3, 1, 2})), nodes_of({1, 2, 3}));
  EXPECT_EQ(assign_roles(nodes_of({1, 2, 3}), nodes_of({6, 5, 4})), nodes_of({6, 5, 4}));
  EXPECT_EQ(assign_roles(nodes_of({1, 2, 3}), nodes_of({5, 4, 2})), nodes_of({5, 2, 4}));
  EXPECT_EQ(assign_roles(nodes_of({1, 1, 3}), nodes_of({3, 2, 1})), nodes_of({1, 2, 3}));
}

TEST(Roles, a_new_node_moves_no_more_than_its_share) {
  const Ring before = ring_of(record_of(5));
  const Ring after = ring_of(record_of(6));
  double moved = 0;
  constexpr std::uint32_t kChunks = 5000;
  for (std::uint32_t i = 0; i < kChunks; ++i) {
    const std::uint64_t hash = placement_hash("b", "k", ChunkIndex{i});
    const auto from = before.candidates(hash, 5);
    const auto to = assign_roles(from, after.candidates(hash, 5));
    for (std::size_t role = 0; role < 5; ++role) moved += from[role] == to[role] ? 0 : 1;
  }
  EXPECT_NEAR(moved / (5.0 * kChunks), 1.0 / 6.0, 0.02);
}

}  // namespace
}  // namespace predastore::ring
