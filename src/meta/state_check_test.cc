#include "meta/state_check.h"

#include <gtest/gtest.h>

#include <set>

#include "meta/bootstrap.h"
#include "meta/testing/raw_machine.h"

namespace predastore::meta {
namespace {

TEST(StateHashes, the_last_ones_are_kept) {
  StateHashes hashes;
  EXPECT_EQ(hashes.last(), std::nullopt);
  for (std::uint64_t index = 2; index < 20000; index += 2) hashes.note({index, 2, index * 7});
  EXPECT_EQ(hashes.last(), (StateHash{19998, 2, 19998 * 7}));
  EXPECT_EQ(hashes.at(19000), (StateHash{19000, 2, 19000 * 7}));
  EXPECT_EQ(hashes.at(19001), std::nullopt);
  EXPECT_EQ(hashes.at(2), std::nullopt);
  hashes.restart({5, 1, 9});
  EXPECT_EQ(hashes.last(), (StateHash{5, 1, 9}));
  hashes.restart({});
  EXPECT_EQ(hashes.last(), std::nullopt);
}

pb::Command setting(const std::string& name, const std::string& value) {
  pb::Command command;
  command.mutable_put_setting()->set_name(name);
  command.mutable_put_setting()->set_value(value);
  return command;
}

TEST(StateHash, is_the_same_for_the_same_commands_and_goes_on_after_a_crash) {
  RawMachine one;
  RawMachine other;
  for (RawMachine* machine : {&one, &other}) {
    machine->initialise();
    const std::uint64_t session = machine->open_session();
    (void)machine->apply(setting("a", "1"), session, 1);
    machine->flush();
    if (machine == &other) machine->crash(0);
    (void)machine->apply(setting("b", "2"), session, 2);
  }
  ASSERT_TRUE(one.machine().hashes().last().has_value());
  EXPECT_EQ(one.machine().hashes().last(), other.machine().hashes().last());
  EXPECT_NE(one.machine().hashes().last()->hash, 0U);
}

TEST(StateHash, another_value_or_another_answer_is_another_hash) {
  std::set<std::uint64_t> hashes;
  for (const char* value : {"1", "2"}) {
    RawMachine machine;
    machine.initialise();
    const std::uint64_t session = machine.open_session();
    (void)machine.apply(setting("a", value), session, 1);
    hashes.insert(machine.machine().hashes().last()->hash);
    (void)machine.apply(setting("a", "3"), session, 2);
    hashes.insert(machine.machine().hashes().last()->hash);
  }
  EXPECT_EQ(hashes.size(), 4U);  // also when the values have become the same again
}

}  // namespace
}  // namespace predastore::meta
