#include "cli/demo_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "crypto/certificates.h"

namespace predastore::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DemoLayoutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (fs::temp_directory_path() / "predastore-demo-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    base_ = path;
  }
  void TearDown() override { fs::remove_all(base_); }
  DemoPlan plan(const std::string& name) const {
    DemoPlan plan;
    plan.directory = base_ + "/" + name;
    return plan;
  }
  std::string base_;
};

TEST_F(DemoLayoutTest, what_is_made_is_a_valid_configuration_of_every_node) {
  ASSERT_TRUE(make_demo(plan("demo")));
  const auto layout = load_demo(base_ + "/demo");
  ASSERT_TRUE(layout.has_value()) << layout.error().detail;
  ASSERT_EQ(layout->nodes.size(), 3U);
  EXPECT_EQ(layout->nodes[0].s3_address, "127.0.0.1:9000");
  EXPECT_EQ(layout->nodes[1].s3_address, "127.0.0.1:9001");
  EXPECT_EQ(layout->nodes[1].cluster_address, "127.0.0.1:7701");
  EXPECT_EQ(layout->nodes[2].admin_address, "127.0.0.1:7802");
  EXPECT_EQ(layout->nodes[2].data_dir, base_ + "/demo/n3/data");
  std::set<NodeId> ids;
  for (const node::Config& config : layout->nodes) ids.insert(config.node_id);
  EXPECT_EQ(ids.size(), 3U);
}

TEST_F(DemoLayoutTest, secrets_are_for_their_owner_only_and_differ_between_clusters) {
  ASSERT_TRUE(make_demo(plan("a")));
  ASSERT_TRUE(make_demo(plan("b")));
  for (const char* name : {"ca.key", "root_key.toml", "n1/node.key"}) {
    struct stat info{};
    ASSERT_EQ(::stat((base_ + "/a/" + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << name;
  }
  const auto a = node::load_root_key(base_ + "/a/root_key.toml");
  const auto b = node::load_root_key(base_ + "/b/root_key.toml");
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->access_key_id, b->access_key_id);
  EXPECT_NE(a->secret_access_key, b->secret_access_key);
}

TEST_F(DemoLayoutTest, a_certificate_names_its_node) {
  ASSERT_TRUE(make_demo(plan("demo")));
  const auto layout = load_demo(base_ + "/demo");
  ASSERT_TRUE(layout.has_value());
  const auto pem = node::load_text(base_ + "/demo/n2/node.pem");
  ASSERT_TRUE(pem.has_value());
  const auto named = crypto::node_of_certificate(*pem);
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(*named, layout->nodes[1].node_id);
}

TEST_F(DemoLayoutTest, a_directory_with_something_else_in_it_is_left_alone) {
  fs::create_directories(base_ + "/taken");
  std::ofstream(base_ + "/taken/mine") << "x";
  const auto made = make_demo(plan("taken"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::AlreadyExists);
  EXPECT_TRUE(fs::exists(base_ + "/taken/mine"));
  EXPECT_EQ(std::distance(fs::directory_iterator(base_), fs::directory_iterator()), 1);
}

TEST_F(DemoLayoutTest, an_empty_directory_is_used_and_a_missing_one_is_made) {
  fs::create_directories(base_ + "/empty");
  EXPECT_TRUE(make_demo(plan("empty")));
  EXPECT_TRUE(make_demo(plan("deep/down/below")));
  EXPECT_TRUE(demo_exists(base_ + "/deep/down/below"));
}

TEST_F(DemoLayoutTest, where_there_is_none_says_how_to_make_one) {
  const auto layout = load_demo(base_ + "/nothing");
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().code, ErrorCode::NotFound);
  EXPECT_THAT(layout.error().detail, HasSubstr("predastore demo --dir"));
}

TEST(DemoPlan, fewer_nodes_than_shards_are_refused) {
  DemoPlan plan;
  plan.rs = RsConfig{3, 2};
  ASSERT_FALSE(check_plan(plan));
  EXPECT_THAT(check_plan(plan).error().detail, HasSubstr("needs 5 nodes"));
}

TEST(DemoPlan, a_number_of_drives_that_cannot_be_is_refused) {
  DemoPlan plan;
  for (const std::uint32_t count : {0, 33}) {
    plan.drive_count = count;
    ASSERT_FALSE(check_plan(plan));
    EXPECT_THAT(check_plan(plan).error().detail, HasSubstr("--drives"));
  }
  plan.drive_count = 32;
  EXPECT_TRUE(check_plan(plan));
}

TEST(DemoPlan, ports_that_cannot_be_are_refused) {
  DemoPlan plan;
  plan.s3_port = 1300;
  EXPECT_FALSE(check_plan(plan));
  plan.s3_port = 65534;
  EXPECT_FALSE(check_plan(plan));
  plan.s3_port = 65533;
  EXPECT_TRUE(check_plan(plan));
}

TEST(DemoPlan, a_scheme_is_two_numbers_with_a_plus) {
  ASSERT_TRUE(parse_rs("3+2"));
  EXPECT_EQ(parse_rs("3+2")->width(), 5);
  for (const char* text : {"", "+", "2", "2+", "+1", "0+1", "2+0", "2+1 ", "x+1", "17+1", "2+9"}) {
    EXPECT_FALSE(parse_rs(text)) << text;
  }
}

}  // namespace
}  // namespace predastore::cli
