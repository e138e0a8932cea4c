#include "cli/answer_fields.h"

#include <gtest/gtest.h>

namespace predastore::cli {
namespace {

TEST(AnswerFields, of_another_type_or_not_there_are_nothing) {
  const boost::json::object object{
      {"text", "a"}, {"number", 1.5}, {"whole", 7}, {"flag", true}, {"list", {1, 2}}};
  EXPECT_EQ(text_of(object, "text"), "a");
  EXPECT_EQ(number_of(object, "number"), 1.5);
  EXPECT_EQ(number_of(object, "whole"), 7);
  EXPECT_EQ(integer_of(object, "whole"), 7);
  EXPECT_TRUE(flag_of(object, "flag"));
  ASSERT_NE(list_of(object, "list"), nullptr);
  EXPECT_EQ(list_of(object, "list")->size(), 2u);
  for (const char* key : {"number", "absent"}) {
    EXPECT_EQ(text_of(object, key), "");
    EXPECT_FALSE(flag_of(object, key));
    EXPECT_EQ(list_of(object, key), nullptr);
  }
  for (const char* key : {"text", "absent"}) {
    EXPECT_EQ(number_of(object, key), 0);
    EXPECT_EQ(integer_of(object, key), 0);
  }
}

TEST(AnswerFields, are_shown_as_people_read_them) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(3.0 * 1024 * 1024 * 1024), "3.0 GiB");
  EXPECT_EQ(time_text(0), "-");
  EXPECT_EQ(time_text(1'700'000'000'000), "2023-11-14 22:13:20");
}

}  // namespace
}  // namespace predastore::cli
