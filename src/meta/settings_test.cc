#include <gmock/gmock.h>

#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class MetaSettings : public MetaTest {
 protected:
  Result<void> change(std::string name, std::optional<std::string> expected,
                      std::optional<std::string> value) {
    SettingChange command{std::move(name), std::move(expected), std::move(value)};
    return run(service().change_setting(std::move(command), soon()));
  }
  SettingPage list(std::string prefix, std::string after = {}, std::uint32_t count_max = 100) {
    return run(service().list_settings(std::move(prefix), std::move(after), count_max, soon()))
        .value();
  }
};

TEST_F(MetaSettings, a_change_is_made_only_to_what_was_expected) {
  EXPECT_EQ(code_of(change("s", "old", "new")), ErrorCode::Conflict);
  ASSERT_TRUE(change("s", std::nullopt, "one").has_value());
  EXPECT_EQ(code_of(change("s", std::nullopt, "two")), ErrorCode::Conflict);
  EXPECT_EQ(code_of(change("s", "two", "three")), ErrorCode::Conflict);
  EXPECT_EQ(run(service().get_setting("s", soon())).value(), "one");
  ASSERT_TRUE(change("s", "one", "").has_value());
  EXPECT_EQ(run(service().get_setting("s", soon())).value(), "");
  EXPECT_EQ(code_of(change("s", "one", std::nullopt)), ErrorCode::Conflict);
  ASSERT_TRUE(change("s", "", std::nullopt).has_value());
  EXPECT_EQ(run(service().get_setting("s", soon())).value(), std::nullopt);
  EXPECT_EQ(code_of(change("", std::nullopt, "x")), ErrorCode::InvalidArgument);
}

TEST_F(MetaSettings, those_of_a_prefix_are_listed_in_order_and_in_pages) {
  for (const char* name : {"b/2", "a/9", "b/1", "b/3", "c"})
    ASSERT_TRUE(change(name, std::nullopt, std::string{"of "} + name).has_value());
  const SettingPage all = list("b/");
  EXPECT_THAT(all.settings,
              ElementsAre(Pair("b/1", "of b/1"), Pair("b/2", "of b/2"), Pair("b/3", "of b/3")));
  EXPECT_FALSE(all.is_truncated);
  const SettingPage first = list("b/", {}, 2);
  EXPECT_THAT(first.settings, ElementsAre(Pair("b/1", "of b/1"), Pair("b/2", "of b/2")));
  EXPECT_TRUE(first.is_truncated);
  const SettingPage second = list("b/", "b/2", 2);
  EXPECT_THAT(second.settings, ElementsAre(Pair("b/3", "of b/3")));
  EXPECT_FALSE(second.is_truncated);
  EXPECT_TRUE(list("none").settings.empty());
}

}  // namespace
}  // namespace predastore::meta
