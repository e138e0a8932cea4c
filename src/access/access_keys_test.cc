#include "access/access_keys.h"

#include <gtest/gtest.h>

#include <set>

#include "base/codec.h"
#include "env/host.h"
#include "env/run_task.h"
#include "meta/testing/test_meta.h"

namespace predastore::access {
namespace {

class AccessKeysTest : public ::testing::Test {
 protected:
  AccessKeysTest() { run(meta_.open()); }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  Instant soon() { return host_.loop.clock().now() + 10s; }
  AccessKey made(const std::string& description = {}) {
    AccessKey key = *make_access_key();
    key.description = description;
    EXPECT_TRUE(run(here_.create(key, soon())).has_value());
    return key;
  }
  // The secret as a gateway sees it; empty when the key is good for nothing.
  std::string seen(AccessKeys& keys, const AccessKey& key) {
    const auto secret = run(keys.secret_of(key.id, soon())).value();
    return secret ? std::string{secret->reveal()} : std::string{};
  }
  static std::string secret_of(const AccessKey& key) { return std::string{key.secret.reveal()}; }
  template <class T>
  static ErrorCode code_of(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? ErrorCode::Internal : result.error().code;
  }

  ProductionHost host_{1};
  meta::TestMeta meta_{host_.environment()};
  AccessKeys here_{host_.environment(), meta_.service(), 1h};
  AccessKeys elsewhere_{host_.environment(), meta_.service(), 0s};  // sees everything at once
};

TEST_F(AccessKeysTest, made_keys_differ_and_have_the_form_of_aws) {
  std::set<std::string> ids;
  std::set<std::string> secrets;
  for (int i = 0; i < 100; ++i) {
    const AccessKey key = *make_access_key();
    EXPECT_TRUE(is_access_key_id(key.id));
    EXPECT_EQ(key.id.size(), 20U);
    EXPECT_EQ(key.secret.reveal().size(), 40U);
    ids.insert(key.id);
    secrets.insert(secret_of(key));
  }
  EXPECT_EQ(ids.size(), 100U);
  EXPECT_EQ(secrets.size(), 100U);
}

TEST_F(AccessKeysTest, a_change_holds_at_once_where_it_was_made) {
  AccessKey key = made();
  EXPECT_EQ(seen(here_, key), secret_of(key));
  ASSERT_TRUE(run(here_.set_enabled(key.id, false, soon())).has_value());
  EXPECT_EQ(seen(here_, key), "");
  ASSERT_TRUE(run(here_.set_enabled(key.id, true, soon())).has_value());
  EXPECT_EQ(seen(here_, key), secret_of(key));
  const AccessKey rotated = run(here_.rotate(key.id, soon())).value();
  EXPECT_NE(secret_of(rotated), secret_of(key));
  EXPECT_EQ(seen(here_, key), secret_of(rotated));
  ASSERT_TRUE(run(here_.remove(key.id, soon())).has_value());
  EXPECT_EQ(seen(here_, key), "");
}

TEST_F(AccessKeysTest, a_change_holds_elsewhere_when_what_was_cached_is_old) {
  const AccessKey key = made();
  AccessKeys cached{host_.environment(), meta_.service(), 200ms};
  EXPECT_EQ(seen(cached, key), secret_of(key));
  ASSERT_TRUE(run(here_.set_enabled(key.id, false, soon())).has_value());
  const Instant bound = host_.loop.clock().now() + 200ms;
  const auto wait = [&]() -> Task<void> { co_await sleep_until(host_.loop.clock(), bound); };
  run(wait());
  EXPECT_EQ(seen(cached, key), "");
}

TEST_F(AccessKeysTest, a_list_has_no_secrets) {
  const AccessKey first = made("of the first");
  const AccessKey second = made("of the second, with \xc3\xa4");
  ASSERT_TRUE(run(here_.set_enabled(second.id, false, soon())).has_value());
  const auto keys = run(here_.list(soon())).value();
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_LT(keys[0].id, keys[1].id);
  for (const AccessKey& key : keys) {
    EXPECT_TRUE(key.secret.empty());
    EXPECT_GT(key.created_ms, 0);
    EXPECT_EQ(key.description, key.id == first.id ? first.description : second.description);
    EXPECT_EQ(key.is_enabled, key.id == first.id);
  }
}

TEST_F(AccessKeysTest, what_is_not_there_cannot_be_changed) {
  const AccessKey key = *make_access_key();
  EXPECT_EQ(code_of(run(here_.set_enabled(key.id, true, soon()))), ErrorCode::NotFound);
  EXPECT_EQ(code_of(run(here_.rotate(key.id, soon()))), ErrorCode::NotFound);
  EXPECT_EQ(code_of(run(here_.remove(key.id, soon()))), ErrorCode::NotFound);
  EXPECT_EQ(code_of(run(here_.remove("../x", soon()))), ErrorCode::NotFound);
  EXPECT_TRUE(run(here_.list(soon())).value().empty());
}

TEST_F(AccessKeysTest, a_key_is_made_once) {
  AccessKey key = made();
  const std::string secret = secret_of(key);
  key.secret = crypto::Secret{"another secret of it"};
  EXPECT_EQ(code_of(run(elsewhere_.create(key, soon()))), ErrorCode::AlreadyExists);
  EXPECT_EQ(seen(elsewhere_, key), secret);
}

TEST_F(AccessKeysTest, bad_ones_are_refused) {
  const auto refuse = [&](auto change) {
    AccessKey key = *make_access_key();
    change(key);
    EXPECT_EQ(code_of(run(here_.create(key, soon()))), ErrorCode::InvalidArgument);
  };
  refuse([](AccessKey& key) { key.id = "short"; });
  refuse([](AccessKey& key) { key.id = "WITH/A/SLASH/IN/THE/ID"; });
  refuse([](AccessKey& key) { key.secret = crypto::Secret{"short"}; });
  refuse([](AccessKey& key) { key.description = "two\nlines"; });
  refuse([](AccessKey& key) { key.description = std::string(257, 'x'); });
}

// A node that starts has the first key in a file. It must not bring back what was taken away.
TEST_F(AccessKeysTest, the_first_key_stays_as_it_was_made) {
  AccessKey key = *make_access_key();
  ASSERT_TRUE(run(here_.create_first(key, soon())).has_value());
  EXPECT_EQ(seen(elsewhere_, key), secret_of(key));
  ASSERT_TRUE(run(here_.set_enabled(key.id, false, soon())).has_value());
  ASSERT_TRUE(run(elsewhere_.create_first(key, soon())).has_value());
  EXPECT_EQ(seen(elsewhere_, key), "");
  ASSERT_TRUE(run(here_.remove(key.id, soon())).has_value());
  ASSERT_TRUE(run(elsewhere_.create_first(key, soon())).has_value());
  EXPECT_EQ(seen(elsewhere_, key), "");
  const AccessKey other = *make_access_key();  // another file: another first key
  ASSERT_TRUE(run(elsewhere_.create_first(other, soon())).has_value());
  EXPECT_EQ(seen(elsewhere_, other), secret_of(other));
}

TEST_F(AccessKeysTest, keys_of_the_first_format_are_read) {
  Encoder encoder;
  encoder.le(std::uint8_t{1}).le(std::uint8_t{1}).string("a secret of old");
  AccessKey key;
  key.id = "AKIDOFTHEOLDFORMAT";
  ASSERT_TRUE(
      run(meta_.service().put_setting("access_key/" + key.id, std::move(encoder).take(), soon()))
          .has_value());
  EXPECT_EQ(seen(here_, key), "a secret of old");
  ASSERT_TRUE(run(here_.set_enabled(key.id, false, soon())).has_value());
  EXPECT_EQ(run(here_.list(soon()))->front().created_ms, 0);
  ASSERT_TRUE(
      run(meta_.service().put_setting("access_key/" + key.id, "\x09garbage", soon())).has_value());
  EXPECT_EQ(code_of(run(elsewhere_.secret_of(key.id, soon()))), ErrorCode::Corruption);
}

}  // namespace
}  // namespace predastore::access
