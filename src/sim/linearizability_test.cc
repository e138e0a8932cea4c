#include "sim/linearizability.h"

#include <gtest/gtest.h>

#include "sim/random.h"

namespace predastore::sim {
namespace {

using Kind = RegisterOperation::Kind;
constexpr std::int64_t kUnknown = RegisterOperation::kUnknown;

RegisterOperation write(std::uint64_t value, std::int64_t begin, std::int64_t end) {
  return {Kind::write, value, false, begin, end};
}
RegisterOperation create(std::uint64_t value, std::int64_t begin, std::int64_t end) {
  return {Kind::write, value, true, begin, end};
}
RegisterOperation read(std::uint64_t value, std::int64_t begin, std::int64_t end) {
  return {Kind::read, value, false, begin, end};
}
RegisterOperation erase(std::int64_t begin, std::int64_t end) {
  return {Kind::erase, 0, false, begin, end};
}
bool is_linearizable(std::vector<RegisterOperation> history) {
  return !find_contradiction(std::move(history)).has_value();
}

TEST(Linearizability, a_read_after_a_write_sees_it) {
  EXPECT_TRUE(is_linearizable({write(1, 0, 1), read(1, 2, 3)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 1), read(0, 2, 3)}));
  EXPECT_FALSE(is_linearizable({read(1, 0, 1)}));
  EXPECT_TRUE(is_linearizable({}));
}

TEST(Linearizability, overlapping_operations_may_go_either_way) {
  EXPECT_TRUE(is_linearizable({write(1, 0, 5), read(0, 1, 2), read(1, 3, 4)}));
  EXPECT_TRUE(is_linearizable({write(1, 0, 5), write(2, 0, 5), read(1, 6, 7)}));
  EXPECT_TRUE(is_linearizable({write(1, 0, 5), write(2, 0, 5), read(2, 6, 7)}));
}

TEST(Linearizability, a_read_never_goes_back_in_time) {
  EXPECT_FALSE(is_linearizable({write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 1), write(2, 2, 9), read(2, 3, 4), read(1, 5, 6)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 5), write(2, 0, 5), read(1, 6, 7), read(2, 8, 9)}));
}

TEST(Linearizability, an_unknown_outcome_may_come_late_or_never_but_once) {
  EXPECT_TRUE(is_linearizable({write(1, 0, 1), write(2, 2, kUnknown), read(1, 3, 4)}));
  EXPECT_TRUE(
      is_linearizable({write(1, 0, 1), write(2, 2, kUnknown), read(1, 3, 4), read(2, 90, 91)}));
  EXPECT_FALSE(is_linearizable(
      {write(1, 0, 1), write(2, 2, kUnknown), read(2, 3, 4), write(3, 5, 6), read(2, 7, 8)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 1), read(2, 2, 3), write(2, 4, kUnknown)}));
}

TEST(Linearizability, a_delete_stays_deleted) {
  EXPECT_TRUE(is_linearizable({write(1, 0, 1), erase(2, 3), read(0, 4, 5)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 1), erase(2, 3), read(1, 4, 5)}));
  EXPECT_TRUE(is_linearizable({write(1, 0, 1), erase(2, kUnknown), read(1, 4, 5), read(0, 6, 7)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 1), erase(2, kUnknown), read(0, 4, 5), read(1, 6, 7)}));
}

TEST(Linearizability, of_writers_that_want_nothing_to_be_there_one_wins) {
  EXPECT_TRUE(is_linearizable({create(1, 0, 5), read(1, 6, 7)}));
  EXPECT_FALSE(is_linearizable({create(1, 0, 5), create(2, 0, 5)}));
  EXPECT_TRUE(is_linearizable({create(1, 0, 5), erase(1, 4), create(2, 0, 5)}));
}

// Histories of a register that works are accepted; the same with one read falsified are not.
TEST(Linearizability, random_histories_of_a_true_register_pass_and_falsified_ones_fail) {
  SimRandom random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<RegisterOperation> history;
    std::uint64_t value = 0;
    std::uint64_t last = 0;
    for (std::int64_t moment = 10; moment < 10 + 60 * 10; moment += 10) {
      RegisterOperation operation;
      operation.begin = moment - static_cast<std::int64_t>(random.below(30));
      operation.end = moment + static_cast<std::int64_t>(random.below(30));
      switch (random.below(4)) {
        case 0:
          operation.kind = Kind::write;
          operation.value = value = ++last;
          break;
        case 1:
          operation.kind = Kind::erase;
          value = 0;
          break;
        default: operation.kind = Kind::read; operation.value = value;
      }
      if (operation.kind != Kind::read && random.below(8) == 0) operation.end = kUnknown;
      history.push_back(operation);
    }
    EXPECT_TRUE(is_linearizable(history)) << round;
    history.push_back(read(last + 1, 700, 701));
    EXPECT_FALSE(is_linearizable(history)) << round;
    history.back() = read(value, 800, 801);
    EXPECT_TRUE(is_linearizable(history)) << round;
  }
}

}  // namespace
}  // namespace predastore::sim
