#include "node/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace predastore::node {
namespace {

using ::testing::HasSubstr;

std::string good_text() {
  std::string text = R"([cluster]
id = "000102030405060708090a0b0c0d0e0f"
ca = "../ca.pem"
certificate = "node.pem"
key = "node.key"
[node]
id = "0000000000000001"
name = "n1"
[listen]
s3 = "127.0.0.1:9000"
cluster = "127.0.0.1:7700"
admin = "127.0.0.1:7800"
[storage]
data_dir = "data"
drive_capacity_bytes = "64MiB"
[rs]
data = 2
parity = 1
[s3]
region = "eu-central-1"
root_key_file = "../root_key.toml"
)";
  for (int i = 1; i <= 3; ++i) {
    const std::string digit = std::to_string(i);
    text += "[[nodes]]\nid = \"000000000000000" + digit + "\"\nname = \"n" + digit +
            "\"\ncluster = \"127.0.0.1:770" + digit + "\"\ns3 = \"127.0.0.1:900" + digit +
            "\"\nadmin = \"127.0.0.1:780" + digit + "\"\n";
  }
  return text;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Config, backend_and_upkeep_have_defaults_and_are_checked) {
  const ConfigCheck defaults = check_config(good_text(), "f");
  ASSERT_TRUE(defaults.config.has_value());
  EXPECT_EQ(defaults.config->io_backend, "auto");
  EXPECT_EQ(defaults.config->upkeep.scrub_period_hours, 14U * 24);
  const ConfigCheck set = check_config(
      replaced(good_text(), "[rs]",
               "[io]\nbackend = \"threads\"\n[upkeep]\ncompaction_bytes_per_second = 0\n"
               "scrub_bytes_per_second = \"1MiB\"\nscrub_period_hours = 0\n[rs]"),
      "f");
  ASSERT_TRUE(set.config.has_value()) << set.report("f");
  EXPECT_EQ(set.config->io_backend, "threads");
  EXPECT_EQ(set.config->upkeep.compaction_bytes_per_second, 0U);
  EXPECT_EQ(set.config->upkeep.scrub_bytes_per_second, 1U << 20);
  EXPECT_EQ(set.config->upkeep.scrub_period_hours, 0U);
  const ConfigCheck wrong = check_config(
      replaced(good_text(), "[rs]",
               "[io]\nbackend = \"uring\"\n[upkeep]\nscrub_bytes_per_second = 1\n[rs]"),
      "f");
  EXPECT_THAT(wrong.report("f"), HasSubstr("io.backend = \"uring\" is not known"));
  EXPECT_THAT(wrong.report("f"), HasSubstr("upkeep.scrub_bytes_per_second = 1 is out of range"));
}

TEST(Config, times_of_epochs_and_repair_have_defaults_and_bounds) {
  const ConfigCheck plain = check_config(good_text(), "f");
  ASSERT_TRUE(plain.config.has_value());
  EXPECT_EQ(plain.config->repair.write_epoch_seconds, 60U);
  EXPECT_EQ(plain.config->repair.commit_epochs, 1440U);
  const ConfigCheck set =
      check_config(good_text() +
                       "[epochs]\nwrite_epoch_seconds = 1\ncommit = 12\ngarbage = 1\n"
                       "[repair]\nsweep_seconds = 2\nreconcile_seconds = 5\n",
                   "f");
  ASSERT_TRUE(set.config.has_value()) << set.report("f");
  EXPECT_EQ(set.config->repair.write_epoch_seconds, 1U);
  EXPECT_EQ(set.config->repair.commit_epochs, 12U);
  EXPECT_EQ(set.config->repair.garbage_epochs, 1U);
  EXPECT_EQ(set.config->repair.sweep_seconds, 2U);
  EXPECT_EQ(set.config->repair.reconcile_seconds, 5U);
  const ConfigCheck wrong = check_config(good_text() + "[epochs]\ncommit = 1\n", "f");
  EXPECT_THAT(wrong.report("f"), HasSubstr("epochs.commit = 1 is out of range"));
}

TEST(Config, how_much_of_the_log_of_the_metadata_is_kept_has_a_default_and_bounds) {
  const ConfigCheck plain = check_config(good_text(), "f");
  ASSERT_TRUE(plain.config.has_value());
  EXPECT_EQ(plain.config->metadata.log_bytes, 256U << 20);
  const ConfigCheck set = check_config(good_text() + "[metadata]\nlog_bytes = 1073741824\n", "f");
  ASSERT_TRUE(set.config.has_value()) << set.report("f");
  EXPECT_EQ(set.config->metadata.log_bytes, 1U << 30);
  const ConfigCheck wrong = check_config(good_text() + "[metadata]\nlog_bytes = 1048576\n", "f");
  EXPECT_THAT(wrong.report("f"), HasSubstr("metadata.log_bytes = 1048576 is out of range"));
}

TEST(Config, a_good_file_is_understood_with_paths_relative_to_it) {
  const ConfigCheck check = check_config(good_text(), "/etc/predastore/n1/predastore.toml");
  ASSERT_TRUE(check.config.has_value()) << check.report("f");
  EXPECT_EQ(check.config->node_id, NodeId{1});
  EXPECT_EQ(check.config->ca_file, "/etc/predastore/ca.pem");
  EXPECT_EQ(check.config->data_dir, "/etc/predastore/n1/data");
  EXPECT_EQ(check.config->drive_capacity_bytes, 64U << 20);
  EXPECT_EQ(check.config->region, "eu-central-1");
  ASSERT_EQ(check.config->nodes.size(), 3U);
  EXPECT_EQ(check.config->nodes[2].cluster_address, "127.0.0.1:7703");
  EXPECT_EQ(check.config->s3_tls_certificate_file, "");
  EXPECT_THAT(check.config->s3_domains, ::testing::ElementsAre("localhost"));
}

TEST(Config, tls_and_domains_of_s3) {
  const auto with = [](const std::string& lines) {
    return check_config(replaced(good_text(), "[s3]\n", "[s3]\n" + lines), "/etc/n1/c.toml");
  };
  const ConfigCheck good = with(
      "tls_certificate = \"s3.pem\"\ntls_key = \"/secret/s3.key\"\n"
      "domains = [\"s3.example.org\", \"s3-2.example.org\"]\n");
  ASSERT_TRUE(good.config.has_value()) << good.report("f");
  EXPECT_EQ(good.config->s3_tls_certificate_file, "/etc/n1/s3.pem");
  EXPECT_EQ(good.config->s3_tls_key_file, "/secret/s3.key");
  EXPECT_THAT(good.config->s3_domains,
              ::testing::ElementsAre("s3.example.org", "s3-2.example.org"));
  EXPECT_TRUE(with("domains = []\n").config->s3_domains.empty());
  EXPECT_THAT(with("tls_key = \"k\"\n").report("f"), HasSubstr("go together"));
  for (const char* domains : {"\"a\"", "[1]", "[\"\"]", "[\".a\"]", "[\"a.\"]", "[\"A\"]",
                              "[\"a..b\"]", "[\"10.0.0.1\"]", "[\"a b\"]"}) {
    EXPECT_THAT(with(std::string{"domains = "} + domains + "\n").report("f"),
                HasSubstr("list of host names"))
        << domains;
  }
}

TEST(Config, all_problems_are_told_at_once_with_their_place) {
  std::string text = replaced(good_text(), "parity = 1", "party = 1");
  text = replaced(text, "\"127.0.0.1:9000\"", "\"nowhere\"");
  text = replaced(text, "id = \"0000000000000001\"", "id = \"xyz\"");
  const ConfigCheck check = check_config(text, "p.toml");
  EXPECT_FALSE(check.config.has_value());
  const std::string report = check.report("p.toml");
  EXPECT_THAT(
      report,
      HasSubstr("p.toml:18:1: error: unknown key \"party\" in [rs]; did you mean \"parity\"?"));
  EXPECT_THAT(report, HasSubstr("p.toml:10:6: error: listen.s3 = \"nowhere\" is no address"));
  EXPECT_THAT(report, HasSubstr("p.toml:7:6: error: node.id is to be 16 hexadecimal digits"));
  EXPECT_EQ(check.problems.size(), 3U) << report;
}

TEST(Config, more_shards_than_nodes_is_refused_with_the_lines) {
  const ConfigCheck check = check_config(replaced(good_text(), "data = 2", "data = 4"), "p.toml");
  EXPECT_FALSE(check.config.has_value());
  EXPECT_THAT(check.report("p.toml"), HasSubstr("need 5 nodes, the file has 3 (lines 22, 28, 34)"));
}

TEST(Config, a_syntax_error_has_its_place) {
  const ConfigCheck check = check_config("[cluster]\nid = \n", "p.toml");
  ASSERT_EQ(check.problems.size(), 1U);
  EXPECT_EQ(check.problems[0].line, 2U);
}

TEST(Config, an_empty_file_names_every_missing_section) {
  const std::string report = check_config("", "p.toml").report("p.toml");
  for (const char* name : {"[cluster]", "[node]", "[listen]", "[storage]", "[[nodes]]"})
    EXPECT_THAT(report, HasSubstr(name));
}

TEST(Config, a_node_that_is_not_in_the_list_is_refused) {
  const ConfigCheck check = check_config(
      replaced(good_text(), "id = \"0000000000000001\"", "id = \"00000000000000ff\""), "p.toml");
  EXPECT_THAT(check.report("p.toml"), HasSubstr("no [[nodes]] section has the id of this node"));
}

TEST(Config, far_words_are_not_meant) {
  EXPECT_EQ(did_you_mean("party", {"data", "parity"}), "parity");
  EXPECT_EQ(did_you_mean("zzzzzzzz", {"data", "parity"}), std::nullopt);
}

std::string with_drives(const std::string& sections) {
  return replaced(good_text(), "drive_capacity_bytes = \"64MiB\"\n", sections);
}

TEST(Config, drives_are_counted_in_the_data_directory_or_named) {
  const ConfigCheck counted =
      check_config(replaced(good_text(), "data_dir", "drives = 2\ndata_dir"), "/etc/n1/f.toml");
  ASSERT_TRUE(counted.config.has_value()) << counted.report("f");
  const auto two = drives_of(*counted.config);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[1].directory, "/etc/n1/data/drives/1");
  EXPECT_EQ(two[1].place, "drives/1");
  EXPECT_EQ(two[1].capacity_bytes, 64U << 20);
  EXPECT_EQ(counted.config->near_full_percent, 85U);
  EXPECT_EQ(counted.config->full_percent, 95U);

  const ConfigCheck named = check_config(
      with_drives("near_full_percent = 70\n[[drive]]\npath = \"/mnt/a/\"\ncapacity = \"2TiB\"\n"
                  "[[drive]]\npath = \"b\"\n"),
      "/etc/n1/f.toml");
  ASSERT_TRUE(named.config.has_value()) << named.report("f");
  const auto drives = drives_of(*named.config);
  ASSERT_EQ(drives.size(), 2U);
  EXPECT_EQ(drives[0].directory, "/mnt/a");
  EXPECT_EQ(drives[0].place, "/mnt/a/");
  EXPECT_EQ(drives[0].capacity_bytes, 2ULL << 40);
  EXPECT_EQ(drives[1].directory, "/etc/n1/b");
  EXPECT_EQ(drives[1].place, "b");
  EXPECT_EQ(drives[1].capacity_bytes, 0U);
  EXPECT_EQ(named.config->near_full_percent, 70U);
}

TEST(Config, what_is_wrong_with_drives_is_said_where_it_is) {
  const auto problem = [](const std::string& sections) {
    const ConfigCheck check = check_config(with_drives(sections), "/etc/n1/f.toml");
    EXPECT_FALSE(check.config.has_value()) << sections;
    return check.report("f");
  };
  EXPECT_THAT(problem("[[drive]]\npath = \"/mnt/a\"\n[[drive]]\npath = \"/mnt/x/../a/\"\n"),
              HasSubstr("f:18:8: error: drive.path = \"/mnt/x/../a/\" is named twice, in line 16"));
  EXPECT_THAT(problem("[[drive]]\n"), HasSubstr("f:15:1: error: \"path\" is missing in [drive]"));
  EXPECT_THAT(problem("[[drive]]\npath = 5\n"),
              HasSubstr("f:16:8: error: drive.path is to be text"));
  EXPECT_THAT(problem("[[drive]]\npath = \"/a\"\nsize = 5\n"),
              HasSubstr("f:17:1: error: unknown key \"size\" in [drive]"));
  EXPECT_THAT(problem("[[drive]]\npath = \"/a\"\ncapacity = \"much\"\n"),
              HasSubstr("f:17:12: error: drive.capacity is to be a whole number"));
  EXPECT_THAT(problem("[[drive]]\npath = \"data\"\n"),
              HasSubstr("f:16:8: error: drive.path is storage.data_dir"));
  EXPECT_THAT(problem("drives = 2\n[[drive]]\npath = \"/a\"\n"),
              HasSubstr("f:15:10: error: storage.drives is for drives without [[drive]] sections"));
  EXPECT_THAT(problem("drives = 33\n"), HasSubstr("f:15:10: error: storage.drives = 33 is out of"));
  EXPECT_THAT(problem("drive = 3\n"), HasSubstr("unknown key \"drive\" in [storage]"));
  EXPECT_THAT(problem("[drive]\npath = \"/a\"\n"), HasSubstr("in [[drive]] sections, one each"));
  EXPECT_THAT(problem("near_full_percent = 96\n"),
              HasSubstr("f:15:21: error: storage.near_full_percent = 96 is to be below "
                        "storage.full_percent = 95"));
  EXPECT_THAT(problem("full_percent = 100\n"), HasSubstr("f:15:16: error: storage.full_percent"));
}

}  // namespace
}  // namespace predastore::node
