#include "shard/drive_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/text.h"
#include "shard/drive_set_support.h"
#include "shard/fsck.h"

namespace predastore::shard {
namespace {

using testing::DriveMachine;
using ::testing::HasSubstr;

DriveId id_of(unsigned number) {
  DriveId id;
  id.bytes[0] = static_cast<std::byte>(number);
  return id;
}

DriveIdentity sample_identity() {
  DriveIdentity identity;
  identity.cluster.bytes[3] = std::byte{5};
  identity.node = NodeId{0x0123456789abcdef};
  identity.drive = id_of(9);
  identity.place = "/mnt/a drive";
  return identity;
}

DriveList sample_list() {
  DriveList list;
  list.cluster.bytes[1] = std::byte{8};
  list.node = NodeId{77};
  list.drives = {{id_of(1), "drives/0", false}, {id_of(2), "/mnt/b", true}};
  list.lost = {{id_of(3), "drives/1", false}};
  return list;
}

TEST(DriveIdentity, what_is_encoded_comes_back) {
  const auto back = decode_drive_identity(encode_drive_identity(sample_identity()));
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->cluster, sample_identity().cluster);
  EXPECT_EQ(back->node, sample_identity().node);
  EXPECT_EQ(back->drive, sample_identity().drive);
  EXPECT_EQ(back->place, "/mnt/a drive");
}

// As files of version 1 are, and stay.
TEST(DriveIdentity, version_1_is_written_and_read_to_the_byte) {
  const auto golden = [](const std::string& name) {
    std::ifstream file(std::string{PREDASTORE_SOURCE_DIR} + "/tests/golden/" + name,
                       std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(encode_drive_identity(sample_identity()), golden("drive_v1.id"));
  EXPECT_EQ(decode_drive_identity(golden("drive_v1.id"))->drive, id_of(9));
  EXPECT_EQ(encode_drive_list(sample_list()), golden("drives_v1.list"));
  EXPECT_EQ(decode_drive_list(golden("drives_v1.list"))->lost[0].id, id_of(3));
  // The form before it.
  EXPECT_EQ(decode_drive_identity("09" + std::string(30, '0') + "\n")->drive, id_of(9));
}

TEST(DriveIdentity, every_change_of_a_byte_and_every_shorter_file_is_refused) {
  const std::string whole = encode_drive_identity(sample_identity());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_FALSE(decode_drive_identity(whole.substr(0, i))) << i;
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(decode_drive_identity(changed)) << i;
  }
}

TEST(DriveIdentity, another_version_is_refused_by_name) {
  std::string text = encode_drive_identity(sample_identity());
  text.replace(text.find(" 1\n"), 3, " 2\n");
  const auto back = decode_drive_identity(text);
  ASSERT_FALSE(back.has_value());
  EXPECT_EQ(back.error().code, ErrorCode::Unsupported);
  EXPECT_THAT(back.error().detail, HasSubstr("predastore drive 2"));
}

TEST(DriveIdentity, a_list_comes_back_and_no_change_of_it_does) {
  const std::string whole = encode_drive_list(sample_list());
  const auto back = decode_drive_list(whole);
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(encode_drive_list(*back), whole);
  EXPECT_EQ(back->drives[1].id, id_of(2));
  EXPECT_TRUE(back->drives[1].is_unreconciled);
  EXPECT_EQ(back->lost[0].place, "drives/1");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_FALSE(decode_drive_list(whole.substr(0, i))) << i;
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(decode_drive_list(changed)) << i;
  }
}

class DriveClaimTest : public ::testing::Test {
 protected:
  void open() {
    const auto opened = machine_.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
  }
  void expect_refused(const std::string& what) {
    const auto opened = machine_.open();
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::InvalidArgument);
    EXPECT_THAT(opened.error().detail, HasSubstr(what));
  }
  std::vector<DriveId> ids() {
    std::vector<DriveId> all;
    for (const DriveInfo& drive : machine_.set->drives()) all.push_back(drive.id);
    return all;
  }
  // Stored, so that the drives are not empty; then closed.
  void fill() {
    open();
    for (std::uint32_t i = 0; i < 30; ++i) ASSERT_TRUE(machine_.put(i, 1 + i, 3000));
    ids_ = ids();
    ASSERT_TRUE(machine_.close());
  }
  std::size_t missing_count() {
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < 30; ++i) {
      const auto got = machine_.get(i);
      if (got) continue;
      EXPECT_EQ(got.error().code, ErrorCode::NotFound);
      ++count;
    }
    return count;
  }
  DriveMachine machine_;
  std::vector<DriveId> ids_;
};

TEST_F(DriveClaimTest, drives_of_a_first_start_are_new_and_there_is_nothing_to_reconcile) {
  fill();
  open();
  EXPECT_EQ(ids(), ids_);
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  EXPECT_EQ(missing_count(), 0U);
}

TEST_F(DriveClaimTest, swapped_drives_are_refused_by_name) {
  fill();
  machine_.swap("/d0", "/d2");
  const auto names = machine_.disk.live_names;
  expect_refused("drive d0: drive " + to_hex(ids_[2].span()) + " belongs at d2");
  EXPECT_EQ(machine_.disk.live_names, names);  // nothing was touched
  machine_.swap("/d0", "/d2");
  open();
  EXPECT_EQ(missing_count(), 0U);
}

TEST_F(DriveClaimTest, a_drive_of_another_node_or_cluster_is_refused_by_name) {
  fill();
  machine_.options.store.node = NodeId{10};
  machine_.options.list_path = "/other/drives.list";
  expect_refused("belongs to node 0000000000000009, this is node 000000000000000a");
  machine_.options.store.node = NodeId{9};
  machine_.options.store.cluster.bytes[5] = std::byte{1};
  expect_refused("belongs to cluster 07");
  machine_.options.list_path = "/data/drives.list";
  expect_refused("/data/drives.list is of another cluster or node");
}

TEST_F(DriveClaimTest, a_copy_of_a_drive_is_refused) {
  fill();
  machine_.write_text("/d1/drive.id", machine_.read_text("/d0/drive.id"));
  expect_refused("is at d0 as well");
}

TEST_F(DriveClaimTest, a_wiped_drive_is_a_new_one_and_is_to_be_reconciled_until_it_is) {
  fill();
  machine_.wipe("/d1");
  open();
  const auto now = ids();
  EXPECT_EQ(now[0], ids_[0]);
  EXPECT_NE(now[1], ids_[1]);
  EXPECT_EQ(now[2], ids_[2]);
  EXPECT_EQ(machine_.set->unreconciled(), std::vector<DriveId>{now[1]});
  EXPECT_GT(missing_count(), 0U);
  EXPECT_LT(missing_count(), 30U);
  // The lost one is remembered, and that there is something to do, over restarts.
  ASSERT_TRUE(machine_.close());
  EXPECT_THAT(machine_.read_text("/data/drives.list"),
              HasSubstr("lost " + to_hex(ids_[1].span()) + " d1\n"));
  open();
  EXPECT_EQ(machine_.set->unreconciled(), std::vector<DriveId>{now[1]});
  ASSERT_TRUE(machine_.run(machine_.set->mark_reconciled({now[1], id_of(200)})));
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  machine_.kill();
  open();
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  EXPECT_EQ(ids(), now);
}

TEST_F(DriveClaimTest, a_drive_that_comes_back_is_taken_and_is_to_be_reconciled) {
  fill();
  machine_.move("/d1", "/away");
  open();
  const DriveId between = ids()[1];
  ASSERT_TRUE(machine_.put(100, 7, 3000));
  ASSERT_TRUE(machine_.run(machine_.set->mark_reconciled({between})));
  ASSERT_TRUE(machine_.close());
  machine_.wipe("/d1");
  machine_.move("/away", "/d1");
  open();
  EXPECT_EQ(ids(), ids_);
  EXPECT_EQ(machine_.set->unreconciled(), std::vector<DriveId>{ids_[1]});
  EXPECT_EQ(missing_count(), 0U);
  ASSERT_TRUE(machine_.close());
  const std::string list = machine_.read_text("/data/drives.list");
  EXPECT_THAT(list, HasSubstr("lost " + to_hex(between.span())));
  EXPECT_THAT(list, ::testing::Not(HasSubstr("lost " + to_hex(ids_[1].span()))));
}

TEST_F(DriveClaimTest, a_drive_may_move_to_a_path_of_a_new_name_and_one_may_be_left_out) {
  fill();
  machine_.move("/d0", "/e0");
  machine_.options.drives[0].at = {"/e0", "e0"};
  std::swap(machine_.options.drives[1], machine_.options.drives[2]);  // the order means nothing
  open();
  EXPECT_EQ(ids(), (std::vector{ids_[0], ids_[2], ids_[1]}));
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  EXPECT_EQ(missing_count(), 0U);
  ASSERT_TRUE(machine_.close());
  machine_.options.drives.pop_back();
  open();
  EXPECT_THAT(machine_.read_text("/data/drives.list"), HasSubstr("lost " + to_hex(ids_[1].span())));
}

TEST_F(DriveClaimTest, a_drive_whose_identity_cannot_be_read_is_out_of_order_and_not_given_up) {
  fill();
  machine_.faults["/d1/drive.id"] = "read";
  open();
  EXPECT_EQ(machine_.set->drives()[1].state, DriveState::failed);
  EXPECT_EQ(ids(), ids_);
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  ASSERT_TRUE(machine_.close());
  machine_.faults.clear();
  open();
  EXPECT_EQ(ids(), ids_);
  EXPECT_EQ(missing_count(), 0U);
}

TEST_F(DriveClaimTest,
       an_identity_that_is_lost_or_damaged_is_made_again_for_the_files_of_the_drive) {
  fill();
  machine_.write_text("/d1/drive.id", "nonsense");
  open();
  EXPECT_EQ(ids(), ids_);
  EXPECT_EQ(missing_count(), 0U);
  ASSERT_TRUE(machine_.close());
  // But not when the files are of another drive.
  machine_.swap("/d0", "/d1");
  machine_.wipe("/d1");
  machine_.disk.live_names.erase("/d0/drive.id");
  expect_refused("belongs to another cluster, node or drive");
}

TEST_F(DriveClaimTest, files_of_nobody_are_refused) {
  fill();
  machine_.disk.live_names.erase("/d1/drive.id");
  machine_.disk.live_names.erase("/data/drives.list");
  expect_refused("shard files, but no drive.id");
}

TEST_F(DriveClaimTest, a_damaged_list_is_made_again_and_everything_is_to_be_reconciled) {
  fill();
  machine_.write_text("/data/drives.list", "predastore drives 1\nnonsense\n");
  open();
  EXPECT_EQ(ids(), ids_);
  EXPECT_EQ(machine_.set->unreconciled(), ids_);
  EXPECT_EQ(missing_count(), 0U);
}

TEST_F(DriveClaimTest, a_drive_of_the_first_version_is_taken_as_it_is) {
  fill();
  for (std::size_t i = 0; i < 3; ++i)
    machine_.write_text("/d" + std::to_string(i) + "/drive.id", to_hex(ids_[i].span()) + "\n");
  machine_.disk.live_names.erase("/data/drives.list");
  open();
  EXPECT_EQ(ids(), ids_);
  EXPECT_TRUE(machine_.set->unreconciled().empty());
  EXPECT_EQ(missing_count(), 0U);
  EXPECT_THAT(machine_.read_text("/d0/drive.id"), HasSubstr("node 0000000000000009\n"));
}

TEST_F(DriveClaimTest, fsck_says_what_is_wrong_with_who_the_drives_are) {
  fill();
  const auto check = [this] {
    std::vector<PlacedReport> reports;
    for (std::size_t i = 0; i < 3; ++i) reports.push_back({machine_.options.drives[i].at, ids_[i]});
    return machine_
        .run(check_identities(machine_.env(), machine_.options.list_path, std::move(reports)))
        .value();
  };
  EXPECT_THAT(check(), ::testing::IsEmpty());
  machine_.swap("/d0", "/d2");
  EXPECT_THAT(check(), ::testing::ElementsAre(
                           HasSubstr("d0: drive.id says"),
                           HasSubstr("d0: drive " + to_hex(ids_[2].span()) + " belongs at d2"),
                           HasSubstr("d2: drive.id says"), HasSubstr("belongs at d0")));
  machine_.swap("/d0", "/d2");
  machine_.disk.live_names.erase("/d1/drive.id");
  EXPECT_THAT(check(), ::testing::ElementsAre(HasSubstr("d1: drive.id: ")));
  machine_.write_text("/data/drives.list", "nonsense");
  EXPECT_THAT(check(), ::testing::ElementsAre(HasSubstr("/data/drives.list: not a whole file"),
                                              HasSubstr("d1: drive.id: ")));
}

// A crash anywhere while drives are claimed leaves a node that starts, with every drive once.
TEST_F(DriveClaimTest, a_start_can_be_cut_off_anywhere) {
  fill();
  for (std::uint64_t point = 0; point < 40; ++point) {
    DriveMachine crashed{point + 1};
    ASSERT_TRUE(crashed.open());
    ASSERT_TRUE(crashed.put(1, 1, 3000));
    ASSERT_TRUE(crashed.close());
    crashed.wipe("/d1");
    crashed.disk.crash_at = crashed.disk.operation_count + point;
    if (crashed.open()) (void)crashed.close();
    crashed.disk.lose_power(crashed.random);
    for (auto& [path, index] : crashed.indexes) index.lose_power(crashed.random);
    const auto opened = crashed.open();
    ASSERT_TRUE(opened.has_value()) << point << ": " << opened.error().to_string();
    std::set<DriveId> all;
    for (const DriveInfo& drive : crashed.set->drives()) {
      EXPECT_NE(drive.state, DriveState::failed) << point;
      all.insert(drive.id);
    }
    EXPECT_EQ(all.size(), 3U) << point;
    const auto unreconciled = crashed.set->unreconciled();
    EXPECT_EQ(std::ranges::count(unreconciled, crashed.set->drives()[1].id), 1) << point;
  }
}

}  // namespace
}  // namespace predastore::shard
