// What becomes of a node's shards when one of its drives fails while it is used, or takes long to
// open.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>

#include "base/text.h"
#include "shard/drive_set_support.h"

namespace predastore::shard {
namespace {

using testing::DriveMachine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::key_of;
using ::testing::Not;
using testing::stamp_of;

constexpr std::uint32_t kCount = 30;

class DriveFailure : public ::testing::Test {
 protected:
  void open() {
    const auto opened = machine_.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
  }
  void fill() {
    open();
    for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(machine_.put(i, 1 + i, 3000));
    for (std::uint32_t i = 0; i < kCount; ++i) {
      if (machine_.is_on(1, i)) on_one_.push_back(i);
    }
    ASSERT_GT(on_one_.size(), 3U);
    ASSERT_LT(on_one_.size(), kCount - 3);
  }
  DriveInfo info(std::size_t drive) { return machine_.set->drives().at(drive); }
  void break_drive_one() {
    machine_.faults["/d1/"] = "";
    std::size_t tries = 0;
    while (info(1).state != DriveState::failed && ++tries < 100) (void)machine_.get(on_one_[0]);
    ASSERT_EQ(info(1).state, DriveState::failed);
  }
  void wait_until_given_up() {
    ASSERT_TRUE(machine_.run_until([this] { return info(1).is_given_up; }, 60s));
  }
  std::string list() { return machine_.read_text("/data/drives.list"); }
  std::string entry_of(const DriveId& id) { return to_hex(id.span()); }
  Result<void> reconciled() { return machine_.run(machine_.set->mark_reconciled({info(1).id})); }

  DriveMachine machine_;
  std::vector<std::uint32_t> on_one_;  // keys that are on drive 1
};

TEST_F(DriveFailure,
       what_a_failed_drive_held_is_lost_when_it_is_given_up_and_made_again_on_others) {
  fill();
  int changes = 0;
  machine_.set->on_change = [&changes] { ++changes; };
  break_drive_one();
  EXPECT_FALSE(machine_.set->is_whole());
  for (const std::uint32_t i : on_one_)
    EXPECT_EQ(machine_.get(i).error().code, ErrorCode::Unavailable) << i;
  EXPECT_EQ(changes, 0);
  wait_until_given_up();
  EXPECT_EQ(changes, 1);
  EXPECT_TRUE(machine_.set->is_whole());
  EXPECT_THAT(machine_.set->unreconciled(), ElementsAre(info(1).id));
  EXPECT_THAT(list(), HasSubstr("new " + entry_of(info(1).id)));
  for (const std::uint32_t i : on_one_) {
    EXPECT_EQ(machine_.get(i).error().code, ErrorCode::NotFound) << i;
    EXPECT_EQ(machine_.stat(i).error().code, ErrorCode::NotFound) << i;
    ASSERT_TRUE(machine_.put(i, 100 + i, 3000, 2));  // as a repair does
    machine_.expect_holds(i, 100 + i, 3000);
  }
  EXPECT_FALSE(is_accounted_for(info(1)));
  ASSERT_TRUE(reconciled());
  EXPECT_THAT(machine_.set->unreconciled(), IsEmpty());
  EXPECT_TRUE(is_accounted_for(info(1)));
  EXPECT_EQ(info(1).state, DriveState::failed);
  // It is to be reconciled again when it comes back.
  EXPECT_THAT(list(), HasSubstr("new " + entry_of(info(1).id)));
}

TEST_F(DriveFailure, a_drive_that_comes_back_raises_nothing_that_was_removed_or_replaced) {
  fill();
  break_drive_one();
  EXPECT_EQ(machine_.remove(on_one_[0]).error().code, ErrorCode::Unavailable);
  wait_until_given_up();
  EXPECT_TRUE(machine_.remove(on_one_[0]));
  ASSERT_TRUE(machine_.put(on_one_[1], 501, 4000, 2));
  ASSERT_TRUE(machine_.put(on_one_[2], 502, 4000, 2));
  ASSERT_TRUE(machine_.remove(on_one_[2], 2));
  ASSERT_TRUE(reconciled());
  ASSERT_TRUE(machine_.close());
  machine_.faults.clear();
  open();
  EXPECT_EQ(info(1).state, DriveState::ok);
  EXPECT_FALSE(info(1).is_given_up);
  EXPECT_THAT(machine_.set->unreconciled(), ElementsAre(info(1).id));
  // The newer one counts, and the old one never replaces it.
  machine_.expect_holds(on_one_[1], 501, 4000);
  EXPECT_EQ(machine_.stat(on_one_[1])->stamp.generation, Generation{2});
  // What was removed is there as the try that it was: for the sweep, which names it. Whoever asks
  // for another does not get it.
  for (const std::size_t which : {0U, 2U}) {
    const std::uint32_t number = on_one_[which];
    EXPECT_EQ(machine_.get(number, 502).error().code, ErrorCode::NotFound);
    EXPECT_EQ(machine_.stat(number)->stamp.write_id, WriteId{1 + number});
    std::vector<ShardRemoval> sweep{{key_of(number), Generation{1}, WriteId{1 + number}}};
    EXPECT_TRUE(machine_.run(machine_.set->remove(std::move(sweep), machine_.soon())));
    EXPECT_EQ(machine_.get(number).error().code, ErrorCode::NotFound);
  }
  // What nobody has made again yet is as good as before.
  machine_.expect_holds(on_one_[3], 1 + on_one_[3], 3000);
  ASSERT_TRUE(reconciled());
  EXPECT_THAT(list(), Not(HasSubstr("new ")));
  // Nor does an index that is made anew.
  ASSERT_TRUE(machine_.close());
  machine_.indexes.clear();
  open();
  machine_.expect_holds(on_one_[1], 501, 4000);
  EXPECT_EQ(machine_.get(on_one_[0]).error().code, ErrorCode::NotFound);
  EXPECT_EQ(machine_.get(on_one_[2]).error().code, ErrorCode::NotFound);
}

TEST_F(DriveFailure, a_drive_is_not_given_up_before_that_is_written_down) {
  fill();
  break_drive_one();
  machine_.faults["/data/"] = "write";
  machine_.run_for(120s);
  EXPECT_FALSE(info(1).is_given_up);
  EXPECT_EQ(machine_.get(on_one_[0]).error().code, ErrorCode::Unavailable);
  machine_.faults.erase("/data/");
  wait_until_given_up();
  // A crash right after.
  machine_.kill();
  machine_.faults.clear();
  open();
  EXPECT_THAT(machine_.set->unreconciled(), ElementsAre(info(1).id));
}

TEST_F(DriveFailure, a_drive_that_could_not_be_opened_is_given_up_as_well) {
  fill();
  ASSERT_TRUE(machine_.close());
  machine_.index_fault = "/d1/";
  open();
  EXPECT_EQ(machine_.get(on_one_[0]).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.get(999'999).error().code, ErrorCode::Unavailable);
  wait_until_given_up();
  EXPECT_EQ(machine_.get(on_one_[0]).error().code, ErrorCode::NotFound);
  EXPECT_EQ(machine_.get(999'999).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(machine_.close());
  machine_.index_fault.reset();
  open();
  machine_.expect_holds(on_one_[0], 1 + on_one_[0], 3000);
}

TEST_F(DriveFailure, the_last_drive_is_never_given_up) {
  machine_.options.drives.resize(2);
  fill();
  break_drive_one();
  machine_.faults["/d0/"] = "";
  std::size_t tries = 0;
  const auto other = std::ranges::find_if(std::views::iota(0U, kCount),
                                          [this](std::uint32_t i) { return machine_.is_on(0, i); });
  while (info(0).state != DriveState::failed && ++tries < 100) (void)machine_.get(*other);
  ASSERT_EQ(info(0).state, DriveState::failed);
  machine_.run_for(300s);
  for (const std::size_t drive : {0U, 1U}) EXPECT_FALSE(info(drive).is_given_up) << drive;
  EXPECT_EQ(machine_.get(on_one_[0]).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.get(*other).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.put(5000, 1, 3000).error().code, ErrorCode::Unavailable);
}

// ---- the index

TEST_F(DriveFailure, a_drive_whose_index_fails_is_opened_again_with_one_made_anew) {
  fill();
  auto writer =
      machine_.run(machine_.set->begin(key_of(on_one_[0]), stamp_of(77, 9), machine_.soon()));
  ASSERT_TRUE(writer.has_value());
  auto& index = machine_.indexes["/d1/kv"];
  index.write_fault = [] { return make_error(ErrorCode::Corruption, "a block is damaged"); };
  std::size_t tries = 0;
  while (info(1).state != DriveState::failed && ++tries < 100)
    (void)machine_.put(on_one_[1], 600 + tries, 3000, 2);
  ASSERT_EQ(info(1).state, DriveState::failed);
  index.write_fault = {};
  index.live.clear();  // and nothing of it is to be trusted
  ASSERT_TRUE(
      machine_.run_until([this] { return info(1).state == DriveState::ok; }, 3 * kSpaceInterval));
  EXPECT_TRUE(info(1).status.was_rebuilt);
  for (std::size_t i = 2; i < on_one_.size(); ++i)
    machine_.expect_holds(on_one_[i], 1 + on_one_[i], 3000);
  // A writer of before fails, and does no harm.
  EXPECT_FALSE(machine_.run(
      testing::write_shard(std::move(writer), testing::segments_of(77, 3000), machine_.soon())));
  EXPECT_TRUE(machine_.put(on_one_[0], 78, 3000, 9));
  machine_.expect_holds(on_one_[0], 78, 3000);
  // It is not done again and again.
  index.write_fault = [] { return make_error(ErrorCode::Corruption, "a block is damaged"); };
  for (tries = 0; info(1).state != DriveState::failed && tries < 100; ++tries)
    (void)machine_.put(on_one_[1], 800 + tries, 3000, 20);
  wait_until_given_up();
}

// ---- a rebuild that takes long

class SlowRebuild : public DriveFailure {
 protected:
  // Every file of every drive takes a second.
  void open_slowly() {
    ASSERT_TRUE(machine_.close());
    machine_.indexes.erase("/d1/kv");
    machine_.disk.clock = &machine_.clock;
    machine_.disk.sync_time = 1s;
    machine_.waits_until_opened = false;
    open();
  }
};

TEST_F(SlowRebuild, the_node_works_while_the_index_of_a_drive_is_made_again) {
  machine_.options.store.shard_file_size_bytes = 256 * 1024;
  fill();
  for (std::uint32_t i = kCount; i < kCount + 60; ++i) ASSERT_TRUE(machine_.put(i, 1 + i, 60'000));
  int changes = 0;
  open_slowly();
  machine_.set->on_change = [&changes] { ++changes; };
  EXPECT_EQ(info(1).state, DriveState::rebuilding);
  EXPECT_GE(info(1).rebuild.files_total, 4U);
  EXPECT_EQ(info(0).state, DriveState::ok);
  EXPECT_FALSE(machine_.set->is_whole());
  EXPECT_TRUE(machine_.set->status().is_available);
  EXPECT_EQ(machine_.get(on_one_[0]).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.get(999'999).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(machine_.remove(on_one_[0]).error().code, ErrorCode::Unavailable);
  ASSERT_TRUE(machine_.put(5000, 1, 3000));
  EXPECT_FALSE(machine_.drive_of(5000) == 3);
  std::vector<std::uint64_t> seen;
  ASSERT_TRUE(machine_.run_until(
      [&] {
        const DriveInfo now = info(1);
        if (now.state != DriveState::rebuilding) return true;
        if (seen.empty() || seen.back() != per_cent(now.rebuild))
          seen.push_back(per_cent(now.rebuild));
        return false;
      },
      600s));
  EXPECT_GE(seen.size(), 4U);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(info(1).state, DriveState::ok);
  EXPECT_TRUE(info(1).status.was_rebuilt);
  EXPECT_EQ(info(1).opened_sequence, info(1).status.durable_sequence);
  EXPECT_TRUE(machine_.set->is_whole());
  for (const std::uint32_t i : on_one_) machine_.expect_holds(i, 1 + i, 3000);
  EXPECT_TRUE(machine_.failed.empty());
}

TEST_F(SlowRebuild, a_node_that_is_stopped_does_not_wait_for_it) {
  fill();
  for (std::uint32_t i = kCount; i < kCount + 60; ++i) ASSERT_TRUE(machine_.put(i, 1 + i, 60'000));
  open_slowly();
  ASSERT_EQ(info(1).state, DriveState::rebuilding);
  const Instant begun = machine_.clock.now();
  ASSERT_TRUE(machine_.close());
  EXPECT_LT(machine_.clock.now() - begun, 3s);
  machine_.disk.sync_time = Duration{};
  machine_.waits_until_opened = true;
  open();
  EXPECT_TRUE(info(1).status.was_rebuilt);
  for (const std::uint32_t i : on_one_) machine_.expect_holds(i, 1 + i, 3000);
}

TEST_F(SlowRebuild, a_drive_of_another_node_is_refused_before_its_index_is_made) {
  fill();
  ASSERT_TRUE(machine_.close());
  machine_.swap("/d0", "/d1");
  machine_.disk.live_names["/d0/drive.id"].swap(machine_.disk.live_names["/d1/drive.id"]);
  machine_.indexes.clear();
  machine_.waits_until_opened = false;
  EXPECT_EQ(machine_.open().error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace predastore::shard
