#include "shard/drive_set.h"

#include <gtest/gtest.h>

#include "shard/drive_set_support.h"

namespace predastore::shard {
namespace {

using testing::DriveMachine;
using testing::key_of;
using testing::same;
using testing::segments_of;
using testing::stamp_of;

class DriveSetTest : public ::testing::Test {
 protected:
  void open() {
    const auto opened = machine_.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
  }
  DriveState state(std::size_t drive) { return machine_.set->drives().at(drive).state; }
  // A key whose first drive is this one.
  std::uint32_t key_on(std::size_t drive, std::uint32_t from = 0) {
    for (std::uint32_t number = from;; ++number) {
      EXPECT_TRUE(machine_.put(number, 1000 + number, 3000));
      if (machine_.is_on(drive, number)) return number;
    }
  }
  DriveMachine machine_;
};

TEST_F(DriveSetTest, shards_are_spread_by_capacity) {
  machine_.options.drives[2].capacity_bytes *= 2;
  open();
  std::vector<std::size_t> counts(4);
  for (std::uint32_t i = 0; i < 400; ++i) {
    ASSERT_TRUE(machine_.put(i, 1 + i, 100));
    ++counts[machine_.drive_of(i)];
  }
  // Binomial with 400 tries: 100, 100 and 200 are expected; five deviations are 43 and 50.
  EXPECT_NEAR(static_cast<double>(counts[0]), 100, 43);
  EXPECT_NEAR(static_cast<double>(counts[1]), 100, 43);
  EXPECT_NEAR(static_cast<double>(counts[2]), 200, 50);
  EXPECT_EQ(counts[3], 0U);
  for (std::uint32_t i = 0; i < 400; ++i) machine_.expect_holds(i, 1 + i, 100);
  // A named try is found where it is, another one is nowhere.
  EXPECT_TRUE(machine_.get(7, 8));
  EXPECT_EQ(machine_.get(7, 4711).error().code, ErrorCode::NotFound);
}

TEST_F(DriveSetTest, everything_is_found_after_a_restart_and_after_a_kill) {
  open();
  for (std::uint32_t i = 0; i < 50; ++i) ASSERT_TRUE(machine_.put(i, 1 + i, 70'000));
  ASSERT_TRUE(machine_.close());
  open();
  for (std::uint32_t i = 0; i < 50; ++i) machine_.expect_holds(i, 1 + i, 70'000);
  ASSERT_TRUE(machine_.remove(3));
  machine_.kill();
  open();
  EXPECT_EQ(machine_.get(3).error().code, ErrorCode::NotFound);
  for (std::uint32_t i = 4; i < 50; ++i) machine_.expect_holds(i, 1 + i, 70'000);
  EXPECT_TRUE(machine_.set->unreconciled().empty());
}

TEST_F(DriveSetTest, the_inventory_is_of_all_drives_in_the_order_of_keys) {
  open();
  for (std::uint32_t i = 0; i < 40; ++i) ASSERT_TRUE(machine_.put(i, 1 + i, 100));
  std::optional<ShardKey> after;
  std::vector<ShardKey> keys;
  for (;;) {
    const auto page = machine_.run(machine_.set->inventory(after, 7));
    ASSERT_TRUE(page.has_value());
    if (page->empty()) break;
    for (const ShardInfo& info : *page) keys.push_back(info.key);
    after = keys.back();
  }
  EXPECT_EQ(keys.size(), 40U);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
}

TEST_F(DriveSetTest, a_near_full_drive_is_avoided_and_a_full_one_falls_to_the_next) {
  for (DrivePart& drive : machine_.options.drives) drive.capacity_bytes = 8 << 20;
  machine_.options.store.near_full_share = 0.5;
  machine_.options.store.full_share = 0.75;
  open();
  std::uint32_t next = 0;
  for (; state(0) == DriveState::ok; ++next) {
    auto writer = machine_.set->store(0)->create(key_of(next), stamp_of(1));
    ASSERT_TRUE(machine_.run(
        testing::write_shard(std::move(writer), segments_of(1, 60'000), machine_.soon())));
  }
  EXPECT_EQ(state(0), DriveState::near_full);
  const std::uint64_t used = machine_.set->drives()[0].status.used_bytes;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(machine_.put(next++, 1, 60'000));
  EXPECT_EQ(machine_.set->drives()[0].status.used_bytes, used);
  // When all are above the low watermark it is taken again, up to the high one; then there is no
  // room, and it is said so.
  Result<void> put;
  while ((put = machine_.put(next, 1, 60'000))) ++next;
  EXPECT_EQ(put.error().code, ErrorCode::NoSpace);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(state(i), DriveState::full) << i;
  EXPECT_GT(machine_.set->drives()[0].status.used_bytes, used);
  EXPECT_TRUE(machine_.set->status().is_full);
  for (std::uint32_t i = 0; i < next; ++i) machine_.expect_holds(i, 1, 60'000);
  // Deletes still work, and compaction makes room of them.
  for (std::uint32_t i = 0; i < next; i += 2) ASSERT_TRUE(machine_.remove(i));
  for (int round = 0; round < 60; ++round) {
    for (std::size_t i = 0; i < 3; ++i)
      ASSERT_TRUE(machine_.run(machine_.set->store(i)->compact_once()));
  }
  EXPECT_NE(state(2), DriveState::full);
  EXPECT_TRUE(machine_.put(next, 1, 60'000));
  for (std::uint32_t i = 1; i < next; i += 2) machine_.expect_holds(i, 1, 60'000);
}

TEST_F(DriveSetTest, space_that_others_take_and_give_back_is_noticed) {
  for (DrivePart& drive : machine_.options.drives) drive.capacity_bytes = 0;
  open();
  ASSERT_TRUE(machine_.put(1, 1, 3000));
  machine_.disk.capacity_bytes = machine_.disk.used_bytes() + 1000;
  machine_.run_for(2 * kSpaceInterval);
  EXPECT_EQ(machine_.put(2, 2, 3000).error().code, ErrorCode::NoSpace);
  EXPECT_EQ(state(0), DriveState::full);
  machine_.disk.capacity_bytes = 1ULL << 40;
  machine_.run_for(2 * kSpaceInterval);
  EXPECT_EQ(state(0), DriveState::ok);
  EXPECT_TRUE(machine_.put(2, 2, 3000));
  EXPECT_TRUE(machine_.failed.empty());
}

TEST_F(DriveSetTest, a_newer_generation_on_another_drive_wins_and_takes_the_place) {
  open();
  const std::uint32_t number = key_on(1);
  machine_.faults["/d1/"] = "write";
  while (state(1) != DriveState::failed) (void)machine_.put(number, 2, 3000, 2);
  EXPECT_EQ(machine_.failed, std::vector<std::string>{"d1"});
  // It is there, as its index says, and cannot be read.
  EXPECT_EQ(machine_.get(number).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.stat(number).error().code, ErrorCode::Unavailable);
  ASSERT_TRUE(machine_.put(number, 5, 4000, 5));  // a repair
  machine_.expect_holds(number, 5, 4000);
  machine_.faults.clear();
  ASSERT_TRUE(machine_.close());
  open();
  // Both are there now. The newer counts, whichever drive is asked first.
  EXPECT_TRUE(machine_.is_on(1, number));
  machine_.expect_holds(number, 5, 4000);
  EXPECT_EQ(machine_.stat(number)->stamp.generation, Generation{5});
  EXPECT_EQ(machine_.put(number, 6, 3000, 4).error().code, ErrorCode::Conflict);
  machine_.expect_holds(number, 5, 4000);
  // A removal of the old generation takes the old one only.
  ASSERT_TRUE(machine_.remove(number, 3));
  EXPECT_FALSE(machine_.is_on(1, number));
  machine_.expect_holds(number, 5, 4000);
  // What comes back to the first drive removes what it replaces from the other.
  ASSERT_TRUE(machine_.put(number, 7, 5000, 7));
  EXPECT_EQ(machine_.drive_of(number), 1U);
  EXPECT_FALSE(machine_.is_on(0, number) || machine_.is_on(2, number));
  machine_.expect_holds(number, 7, 5000);
}

TEST_F(DriveSetTest, a_removal_reaches_every_drive) {
  open();
  const std::uint32_t number = key_on(1);
  machine_.faults["/d1/"] = "write";
  while (state(1) != DriveState::failed) (void)machine_.put(number, 2, 3000, 2);
  ASSERT_TRUE(machine_.put(number, 5, 4000, 5));
  // Out of order, it may hold what is to go: that is said, and the rest is done.
  EXPECT_EQ(machine_.remove(number, 5).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.get(number).error().code, ErrorCode::Unavailable);
  EXPECT_TRUE(machine_.remove(987'654, 5));  // it knows that it has never seen this one
  machine_.faults.clear();
  ASSERT_TRUE(machine_.close());
  open();
  EXPECT_TRUE(machine_.get(number));  // of the old generation: for the sweep
  EXPECT_TRUE(machine_.remove(number, 5));
  EXPECT_EQ(machine_.get(number).error().code, ErrorCode::NotFound);
  EXPECT_EQ(machine_.drive_of(number), 3U);
}

TEST_F(DriveSetTest, a_drive_that_keeps_failing_is_taken_out_and_the_others_go_on) {
  open();
  const std::uint32_t bad = key_on(0);
  const std::uint32_t good = key_on(2, 1000);
  machine_.faults["/d0/"] = "";
  for (std::size_t i = 0; i < kDriveErrorsMax; ++i) {
    EXPECT_EQ(state(0), DriveState::ok);
    EXPECT_EQ(machine_.get(bad).error().code, ErrorCode::Corruption);  // read from parity instead
  }
  EXPECT_EQ(state(0), DriveState::failed);
  EXPECT_EQ(machine_.failed, std::vector<std::string>{"d0"});
  const DriveInfo info = machine_.set->drives()[0];
  EXPECT_EQ(info.status.read_error_count, kDriveErrorsMax);
  EXPECT_NE(info.problem.find("injected"), std::string::npos) << info.problem;
  EXPECT_TRUE(machine_.set->status().is_available);
  EXPECT_EQ(machine_.get(bad).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.get(999'999).error().code, ErrorCode::NotFound);  // its index says so
  machine_.expect_holds(good, 1000 + good, 3000);
  for (std::uint32_t i = 0; i < 30; ++i) {
    ASSERT_TRUE(machine_.put(5000 + i, 1, 3000));
    EXPECT_FALSE(machine_.is_on(0, 5000 + i));
  }
}

TEST_F(DriveSetTest, errors_that_are_far_apart_do_not_take_a_drive_out) {
  open();
  const std::uint32_t number = key_on(0);
  for (std::size_t i = 0; i < 3 * kDriveErrorsMax; ++i) {
    machine_.faults["/d0/"] = "read";
    EXPECT_EQ(machine_.get(number).error().code, ErrorCode::Corruption);
    machine_.faults.clear();
    machine_.run_for(kDriveErrorWindow / 4);
  }
  EXPECT_EQ(state(0), DriveState::ok);
  EXPECT_EQ(machine_.set->drives()[0].status.read_error_count, 3 * kDriveErrorsMax);
  machine_.expect_holds(number, 1000 + number, 3000);
}

TEST_F(DriveSetTest, a_full_disk_is_no_error_of_the_drive) {
  for (DrivePart& drive : machine_.options.drives) drive.capacity_bytes = 0;
  open();
  ASSERT_TRUE(machine_.put(1, 1, 3000));
  machine_.disk.capacity_bytes = machine_.disk.used_bytes() + 1000;  // not noticed yet
  for (std::uint32_t i = 0; i < 3 * kDriveErrorsMax; ++i)
    EXPECT_EQ(machine_.put(10 + i, 1, 3000).error().code, ErrorCode::NoSpace);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NE(state(i), DriveState::failed);
  EXPECT_TRUE(machine_.failed.empty());
  machine_.expect_holds(1, 1, 3000);
}

TEST_F(DriveSetTest, a_drive_that_cannot_be_opened_does_not_keep_the_others_from_starting) {
  open();
  const std::uint32_t number = key_on(1);
  const std::uint32_t other = key_on(2, 1000);
  ASSERT_TRUE(machine_.close());
  machine_.index_fault = "/d1/";
  open();
  EXPECT_EQ(state(1), DriveState::failed);
  EXPECT_EQ(machine_.failed, std::vector<std::string>{"d1"});
  machine_.expect_holds(other, 1000 + other, 3000);
  EXPECT_EQ(machine_.get(number).error().code, ErrorCode::Unavailable);
  // Nobody can tell what it has: whatever is not found may be there.
  EXPECT_EQ(machine_.get(999'999).error().code, ErrorCode::Unavailable);
  EXPECT_TRUE(machine_.put(5000, 1, 3000));
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  ASSERT_TRUE(machine_.close());
  machine_.index_fault.reset();
  open();
  machine_.expect_holds(number, 1000 + number, 3000);
  ASSERT_TRUE(machine_.close());
  machine_.index_fault = "/";
  EXPECT_EQ(machine_.open().error().code, ErrorCode::Io);
}

TEST_F(DriveSetTest, a_writer_that_outlives_the_set_fails) {
  open();
  auto writer = machine_.run(machine_.set->begin(key_of(1), stamp_of(1), machine_.soon()));
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(machine_.run((*writer)->append(segments_of(1, 3000), machine_.soon())));
  ASSERT_TRUE(machine_.close());
  EXPECT_EQ(machine_.run((*writer)->commit(machine_.soon())).error().code, ErrorCode::Unavailable);
}

TEST_F(DriveSetTest, of_two_commits_at_a_time_one_is_left) {
  open();
  const std::uint32_t number = key_on(0);
  machine_.faults["/d0/"] = "write";
  while (state(0) != DriveState::failed) (void)machine_.put(number, 2, 3000, 2);
  auto first = machine_.run(machine_.set->begin(key_of(number), stamp_of(11, 8), machine_.soon()));
  auto second = machine_.run(machine_.set->begin(key_of(number), stamp_of(12, 9), machine_.soon()));
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(machine_.run((*first)->append(segments_of(11, 3000), machine_.soon())));
  ASSERT_TRUE(machine_.run((*second)->append(segments_of(12, 3000), machine_.soon())));
  auto a = std::make_shared<std::optional<Result<void>>>();
  auto b = std::make_shared<std::optional<Result<void>>>();
  machine_.start((*first)->commit(machine_.soon()), a);
  machine_.start((*second)->commit(machine_.soon()), b);
  machine_.settle();
  ASSERT_TRUE(a->has_value() && b->has_value());
  EXPECT_TRUE((*b)->has_value());
  machine_.expect_holds(number, 12, 3000);
}

// ---- the model

struct Held {
  std::uint32_t generation = 0;
  std::uint64_t write_id = 0;
  std::uint64_t size_bytes = 0;
};

// What may be stored of a key. An operation that failed leaves both outcomes open.
struct Known {
  std::vector<Held> possible;  // tries, of which the newest that is there counts
  bool may_be_gone = true;
  std::vector<Held> ever;
};

class DriveModel {
 public:
  explicit DriveModel(std::uint64_t seed) : machine_(seed) { EXPECT_TRUE(machine_.open()); }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
    heal();
    for (std::uint32_t number = 0; number < kKeys; ++number) look(number);
  }

 private:
  static constexpr std::uint32_t kKeys = 12;

  void step() {
    const auto number = static_cast<std::uint32_t>(machine_.random.below(kKeys));
    switch (machine_.random.below(20)) {
      case 0: return restart();
      case 1: return lose_drive();
      case 2: return break_drive();
      case 3:
      case 4:
      case 5: return remove(number);
      case 6:
      case 7:
      case 8:
      case 9:
      case 10: return look(number);
      default: return put(number);
    }
  }

  void put(std::uint32_t number) {
    Known& known = keys_[number];
    Held held{++generation_, ++write_id_, 1 + machine_.random.below(150'000)};
    const auto stored = machine_.put(number, held.write_id, held.size_bytes, held.generation);
    known.ever.push_back(held);
    if (stored) {
      known.possible = {held};
      known.may_be_gone = false;
    } else {
      EXPECT_TRUE(is_broken_) << stored.error().to_string();
      known.possible.push_back(held);
    }
  }
  void remove(std::uint32_t number) {
    Known& known = keys_[number];
    if (known.possible.empty()) return;
    const auto removed = machine_.remove(number, known.possible.back().generation);
    if (removed) {
      known.possible.clear();
    } else {
      EXPECT_TRUE(is_broken_) << removed.error().to_string();
      // It is gone from the others; an older one that was replaced while its drive was out of
      // order may still be there.
      known.possible = known.ever;
    }
    known.may_be_gone = true;
  }
  void look(std::uint32_t number) {
    const Known& known = keys_[number];
    const auto info = machine_.stat(number);
    const auto got = machine_.get(number);
    if (!got && got.error().code == ErrorCode::NotFound) {
      EXPECT_TRUE(known.may_be_gone) << number;
      return;
    }
    if (!got) {
      EXPECT_TRUE(is_broken_) << got.error().to_string();
      return;
    }
    ASSERT_TRUE(info.has_value());
    for (const Held& held : known.possible) {
      if (held.write_id != info->stamp.write_id.value()) continue;
      EXPECT_TRUE(same(*got, segments_of(held.write_id, held.size_bytes))) << number;
      return;
    }
    ADD_FAILURE() << "key " << number << " holds try " << info->stamp.write_id.value();
  }

  // One drive at a time fails, as one at a time is lost.
  void break_drive() {
    if (is_broken_) return heal();
    is_broken_ = true;
    const std::string operations[] = {"write", "sync", "read", ""};
    machine_.faults["/d" + std::to_string(machine_.random.below(3)) + "/"] =
        operations[machine_.random.below(4)];
  }
  void heal() {
    machine_.faults.clear();
    is_broken_ = false;
    restart();
  }
  void restart() {
    if (machine_.random.below(2) == 0) {
      machine_.kill();
    } else {
      (void)machine_.close();
    }
    open();
  }
  void open() {
    const auto opened = machine_.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
  }
  void lose_drive() {
    if (is_broken_) heal();
    const std::size_t drive = machine_.random.below(3);
    for (auto& [number, known] : keys_) {
      if (!machine_.is_on(drive, number)) continue;
      known.may_be_gone = true;
      known.possible = known.ever;
    }
    const DriveId before = machine_.set->drives()[drive].id;
    (void)machine_.close();
    machine_.wipe("/d" + std::to_string(drive));
    open();
    const DriveInfo now = machine_.set->drives()[drive];
    EXPECT_NE(now.id, before);
    EXPECT_TRUE(now.is_unreconciled);
  }

  DriveMachine machine_;
  std::map<std::uint32_t, Known> keys_;
  std::uint32_t generation_ = 0;
  std::uint64_t write_id_ = 0;
  bool is_broken_ = false;
};

TEST(DriveSetModel, random_operations_with_failing_and_lost_drives_agree_with_a_map) {
  for (std::uint64_t seed = 1; seed <= 12 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    DriveModel model{seed};
    model.run(250);
  }
}

}  // namespace
}  // namespace predastore::shard
