#include <gmock/gmock.h>

#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

using ::testing::ElementsAre;

class MetaRename : public MetaTest {
 protected:
  static RenameObject of(const std::string& source, const std::string& key) {
    RenameObject command;
    command.bucket = "b";
    command.source = source;
    command.key = key;
    return command;
  }
  Result<void> rename(RenameObject command) {
    return run(service().rename_object(std::move(command), soon()));
  }
  std::string refusal_of(RenameObject command) {
    const Result<void> done = rename(std::move(command));
    return done ? "done" : done.error().detail;
  }
  std::vector<std::string> keys() {
    ListQuery query;
    query.bucket = "b";
    const auto page = run(service().list_objects(query, soon())).value();
    std::vector<std::string> found;
    for (const ListedObject& object : page.objects) found.push_back(object.key);
    return found;
  }
  std::size_t garbage_count() {
    run(meta_->advance(2));
    return run(service().garbage_queue(100, soon()))->size();
  }
};

TEST_F(MetaRename, the_object_is_the_same_under_its_new_name) {
  const ObjectRecord before = *put("old");
  const ObjectAndLayouts found_before = *get("old");
  ASSERT_TRUE(rename(of("old", "new")).has_value());
  const ObjectAndLayouts found = *get("new");
  EXPECT_EQ(found.record, before);
  EXPECT_EQ(found.layouts, found_before.layouts);
  EXPECT_EQ(code_of(get("old")), ErrorCode::NotFound);
  EXPECT_THAT(keys(), ElementsAre("new"));
  EXPECT_EQ(cluster().object_count, 1U);
  EXPECT_EQ(garbage_count(), 0U);
}

TEST_F(MetaRename, what_had_the_name_is_released_and_the_renamed_is_not) {
  const ObjectRecord moved = *put("old", 2500);
  ASSERT_TRUE(put("new", 700).has_value());
  ASSERT_TRUE(rename(of("old", "new")).has_value());
  EXPECT_EQ(get("new")->record, moved);
  EXPECT_EQ(cluster().object_count, 1U);
  EXPECT_EQ(garbage_count(), 1U);
  // Deleting it later releases what was put under the old name.
  ASSERT_TRUE(erase("new").has_value());
  EXPECT_EQ(garbage_count(), 2U);
}

TEST_F(MetaRename, onto_itself_changes_nothing) {
  const ObjectRecord before = *put("k");
  ASSERT_TRUE(rename(of("k", "k")).has_value());
  EXPECT_EQ(get("k")->record, before);
  EXPECT_EQ(cluster().object_count, 1U);
  EXPECT_EQ(garbage_count(), 0U);
}

TEST_F(MetaRename, what_is_not_there_cannot_be_renamed) {
  EXPECT_EQ(refusal_of(of("old", "new")), "key");
  RenameObject elsewhere = of("old", "new");
  elsewhere.bucket = "missing";
  EXPECT_EQ(refusal_of(std::move(elsewhere)), "bucket");
}

TEST_F(MetaRename, conditions_on_the_source_hold_or_nothing_happens) {
  const ObjectRecord source = *put("old");
  const std::int64_t second = source.last_modified_ms / 1000;
  const auto refuse = [&](const char* what, auto change) {
    RenameObject command = of("old", "new");
    change(command.source_condition);
    EXPECT_EQ(refusal_of(std::move(command)), what);
    EXPECT_THAT(keys(), ElementsAre("old"));
  };
  refuse("If-Match", [](RenameCondition& c) { c.if_match = {"other"}; });
  refuse("If-None-Match", [&](RenameCondition& c) { c.if_none_match = {"x", source.etag}; });
  refuse("If-None-Match", [](RenameCondition& c) { c.if_none_match = {"*"}; });
  refuse("If-Modified-Since", [&](RenameCondition& c) { c.modified_since_s = second; });
  refuse("If-Unmodified-Since", [&](RenameCondition& c) { c.unmodified_since_s = second - 1; });
  RenameObject command = of("old", "new");
  command.source_condition.if_match = {source.etag};
  command.source_condition.unmodified_since_s = second - 1;  // the entity tag decides
  command.source_condition.modified_since_s = second - 1;
  EXPECT_EQ(refusal_of(std::move(command)), "done");
}

TEST_F(MetaRename, conditions_on_the_new_name_hold_or_nothing_happens) {
  ASSERT_TRUE(put("old").has_value());
  RenameObject needs_target = of("old", "new");
  needs_target.condition.if_match = {"*"};
  EXPECT_EQ(refusal_of(std::move(needs_target)), "key");
  const ObjectRecord target = *put("new");
  RenameObject no_target = of("old", "new");
  no_target.condition.if_none_match = {"*"};
  EXPECT_EQ(refusal_of(no_target), "If-None-Match");
  RenameObject other_target = of("old", "new");
  other_target.condition.if_match = {"other"};
  EXPECT_EQ(refusal_of(std::move(other_target)), "If-Match");
  EXPECT_THAT(keys(), ElementsAre("new", "old"));
  RenameObject this_target = of("old", "new");
  this_target.condition.if_match = {target.etag};
  EXPECT_EQ(refusal_of(std::move(this_target)), "done");
  ASSERT_TRUE(erase("new").has_value());
  ASSERT_TRUE(put("old").has_value());
  EXPECT_EQ(refusal_of(std::move(no_target)), "done");
}

TEST_F(MetaRename, a_token_stands_for_one_rename) {
  TestMetaOptions options;
  options.limits.write_epochs = 3;
  start(options);
  ASSERT_TRUE(put("old").has_value());
  RenameObject command = of("old", "new");
  command.client_token = "token";
  EXPECT_EQ(refusal_of(command), "done");
  EXPECT_EQ(refusal_of(command), "done");
  const ObjectRecord later = *put("old");
  EXPECT_EQ(refusal_of(command), "done");  // and not done again
  EXPECT_EQ(get("old")->record, later);
  command.key = "newer";
  EXPECT_EQ(refusal_of(command), "client token");
  run(meta_->advance(5));  // forgotten, as completed uploads are
  EXPECT_EQ(refusal_of(command), "done");
}

}  // namespace
}  // namespace predastore::meta
