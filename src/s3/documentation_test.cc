#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "s3/operation.h"

namespace predastore::s3 {
namespace {

TEST(Documentation, has_a_row_for_every_operation_and_says_which_are_built) {
  std::filesystem::path root = std::filesystem::current_path();
  while (!exists(root / "docs" / "s3.md") && root.has_relative_path()) root = root.parent_path();
  std::ifstream file{root / "docs" / "s3.md"};
  ASSERT_TRUE(file.is_open());
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  for (const OperationInfo& info : operation_table()) {
    const std::size_t row = page.find("| " + std::string(info.name) + " |");
    ASSERT_NE(row, std::string::npos) << info.name;
    const std::string line = page.substr(row, page.find('\n', row) - row);
    const bool says_no = line.find("| no |") != std::string::npos;
    EXPECT_EQ(says_no, !info.is_built()) << line;
  }
}

}  // namespace
}  // namespace predastore::s3
