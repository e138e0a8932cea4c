#include <gtest/gtest.h>

#include "telemetry/log.h"

namespace predastore::telemetry {
namespace {

std::string last_line;

TEST(Log, an_event_is_one_line_of_json) {
  EXPECT_EQ(format_event(LogLevel::warn, "lost a peer",
                         {{"node", "n\"1\n"}, {"count", 3}, {"ok", false}, {"rate", 0.5}}),
            R"("level":"warn","event":"lost a peer","node":"n\"1\u000a",)"
            R"("count":3,"ok":false,"rate":0.5})");
}

TEST(Log, bytes_that_are_no_text_cannot_break_the_line) {
  EXPECT_EQ(json_string("a\xff\xc3\xa9\xc0\xaf\xed\xa0\x80z"),
            "\"a\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd\\ufffdz\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(Log, levels_below_the_lowest_are_silent) {
  set_log_sink([](std::string_view line) { last_line = line; });
  log_debug("nothing");
  EXPECT_EQ(last_line, "");
  set_log_level(LogLevel::debug);
  log_debug("something");
  EXPECT_NE(last_line.find("something"), std::string::npos);
  set_log_level(LogLevel::info);
  set_log_sink(nullptr);
}

}  // namespace
}  // namespace predastore::telemetry
