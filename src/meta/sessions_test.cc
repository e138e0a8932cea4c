#include "meta/testing/meta_fixture.h"
#include "meta/testing/raw_machine.h"

namespace predastore::meta {
namespace {

constexpr std::uint32_t code(ErrorCode error) { return static_cast<std::uint32_t>(error) + 1; }

pb::Command create(const std::string& bucket) {
  pb::Command command;
  pb::Bucket* message = command.mutable_create_bucket()->mutable_bucket();
  message->set_name(bucket);
  message->set_incarnation(42);
  message->set_data_shards(2);
  message->set_parity_shards(1);
  return command;
}

TEST(MetaSessions, a_number_is_executed_once_and_its_answer_kept) {
  RawMachine machine;
  machine.initialise();
  const std::uint64_t session = machine.open_session();
  const pb::Answer first = machine.apply(create("b"), session, 1);
  EXPECT_EQ(first.code(), 0U);
  machine.time_ms += 5;
  const pb::Answer again = machine.apply(create("b"), session, 1);
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(machine.apply(create("b"), session, 2).code(), code(ErrorCode::AlreadyExists));
  EXPECT_EQ(machine.apply(create("b"), session, 2).code(), code(ErrorCode::AlreadyExists));
}

TEST(MetaSessions, numbers_may_come_in_any_order) {
  RawMachine machine;
  machine.initialise();
  const std::uint64_t session = machine.open_session();
  EXPECT_EQ(machine.apply(create("three"), session, 3).code(), 0U);
  EXPECT_EQ(machine.apply(create("one"), session, 1).code(), 0U);
  EXPECT_EQ(machine.apply(create("three"), session, 3).code(), 0U);
}

TEST(MetaSessions, an_acknowledged_number_is_refused_and_its_answer_gone) {
  RawMachine machine;
  machine.initialise();
  const std::uint64_t session = machine.open_session();
  EXPECT_EQ(machine.apply(create("a"), session, 1).code(), 0U);
  EXPECT_EQ(machine.apply(create("b"), session, 2, 1).code(), 0U);
  EXPECT_EQ(machine.apply(create("a"), session, 1).code(), code(ErrorCode::Internal));
  EXPECT_FALSE(machine.machine()
                   .store()
                   .get(kSessions, keys::session_answer(session, 1))
                   .value()
                   .has_value());
}

TEST(MetaSessions, an_unknown_or_expired_session_is_refused_and_never_comes_back) {
  RawMachine machine;
  Limits limits;
  limits.session_epochs = 2;
  machine.initialise(limits);
  EXPECT_TRUE(machine.apply(create("a"), 7, 1).session_lost());
  const std::uint64_t old = machine.open_session();
  const std::uint64_t used = machine.open_session();
  EXPECT_EQ(machine.apply(create("a"), old, 1).code(), 0U);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    pb::Command command;
    command.mutable_keep_alive();
    EXPECT_EQ(machine.apply(std::move(command), used, i).code(), 0U);
    EXPECT_EQ(machine.tick().code(), 0U);
  }
  const pb::Answer late = machine.apply(create("a"), old, 1);
  EXPECT_EQ(late.code(), code(ErrorCode::Internal));
  EXPECT_TRUE(late.session_lost());
  EXPECT_EQ(machine.apply(create("b"), used, 9).code(), 0U);
  EXPECT_GT(machine.open_session(), used);
  const auto left = machine.machine().store().get(kSessions, keys::session_answer(old, 1));
  EXPECT_FALSE(left.value().has_value());
}

TEST(MetaSessions, sessions_are_bounded) {
  RawMachine machine;
  Limits limits;
  limits.sessions_max = 2;
  machine.initialise(limits);
  EXPECT_NE(machine.open_session(), 0U);
  EXPECT_NE(machine.open_session(), 0U);
  EXPECT_EQ(machine.open_session(), 0U);
}

TEST(MetaSessions, nothing_is_done_before_the_cluster_is_initialised) {
  RawMachine machine;
  EXPECT_EQ(machine.apply(create("b"), 1, 1).code(), code(ErrorCode::Unavailable));
  EXPECT_EQ(machine.tick().code(), code(ErrorCode::Unavailable));
}

TEST(MetaApply, what_this_build_does_not_know_stops_the_replica) {
  RawMachine machine;
  machine.initialise();
  const std::string before = machine.hash();
  pb::Entry entry;
  entry.set_version(kEntryVersion + 1);
  EXPECT_EQ(machine.apply(entry).error().code, ErrorCode::Unsupported);
  entry.set_version(kEntryVersion);
  entry.add_proposals()->mutable_command()->set_version(kCommandVersion + 1);
  EXPECT_EQ(machine.apply(entry).error().code, ErrorCode::Unsupported);
  entry.mutable_proposals(0)->mutable_command()->set_version(kCommandVersion);  // without a body
  EXPECT_EQ(machine.apply(entry).error().code, ErrorCode::Unsupported);
  const std::uint64_t next = machine.machine().applied_index() + 1;
  EXPECT_EQ(machine.apply(raft::CommittedEntry{next, 1, "no entry"}).error().code,
            ErrorCode::Corruption);
  EXPECT_EQ(machine.hash(), before);
}

TEST(MetaApply, a_stored_record_of_a_newer_build_is_refused) {
  RawMachine machine;
  machine.initialise();
  auto bytes = machine.machine().store().get(kSystem, "system").value().value();
  pb::System system;
  ASSERT_TRUE(system.ParseFromString(bytes));
  system.set_version(kRecordVersion + 1);
  kv::Batch batch;
  batch.put(kSystem, "system", system.SerializeAsString());
  ASSERT_TRUE(machine.machine().store().write(batch).has_value());
  pb::Command command;
  command.mutable_open_session();
  pb::Entry entry;
  entry.set_version(kEntryVersion);
  EXPECT_EQ(machine.apply(entry).error().code, ErrorCode::Unsupported);
}

TEST(MetaApply, the_cluster_is_initialised_once) {
  RawMachine machine;
  machine.initialise();
  pb::Command again;
  again.mutable_initialise()->set_cluster_id(std::string(16, 'd'));
  EXPECT_EQ(machine.apply(std::move(again)).code(), code(ErrorCode::AlreadyExists));
}

TEST(MetaApply, a_tick_counts_once) {
  RawMachine machine;
  machine.initialise();
  pb::Command command;
  command.mutable_tick()->set_from(1);
  EXPECT_EQ(machine.apply(command).code(), 0U);
  EXPECT_EQ(machine.apply(command).code(), code(ErrorCode::Conflict));
  EXPECT_EQ(machine.machine().write_epoch(), 2U);
}

TEST(MetaApply, a_leader_with_a_slow_clock_does_not_turn_last_modified_back) {
  RawMachine machine;
  machine.initialise();
  const std::uint64_t session = machine.open_session();
  ASSERT_EQ(machine.apply(create("b"), session, 1).code(), 0U);
  const auto put = [&](const std::string& key, std::uint64_t number) {
    pb::Command command;
    pb::PutObject* message = command.mutable_put_object();
    message->set_bucket("b");
    message->set_key(key);
    message->set_write_epoch(1);
    message->mutable_object()->set_incarnation(42);
    return machine.apply(std::move(command), session, number).object().last_modified_ms();
  };
  machine.time_ms = 5000;
  EXPECT_EQ(put("k", 2), 5000);
  machine.time_ms = 4000;
  EXPECT_EQ(put("k", 3), 5000);
  EXPECT_EQ(put("other", 4), 4000);
  machine.time_ms = 6000;
  EXPECT_EQ(put("k", 5), 6000);
}

class MetaProposals : public MetaTest {};

TEST_F(MetaProposals, an_answer_that_was_lost_is_asked_for_again_not_executed_again) {
  BucketRecord bucket;
  bucket.name = "new";
  meta_->replica().lose_answers = 2;
  EXPECT_TRUE(run(service().create_bucket(bucket, soon())).has_value());
  Precondition absent;
  absent.if_none_match_any = true;
  meta_->replica().lose_answers = 1;
  EXPECT_TRUE(put("k", 10, absent).has_value());
  EXPECT_EQ(cluster().object_count, 1U);
}

TEST_F(MetaProposals, what_was_refused_is_tried_again) {
  meta_->replica().refuse_next = 3;
  EXPECT_TRUE(put("k").has_value());
}

TEST_F(MetaProposals, without_a_leader_nothing_happened) {
  meta_->replica().is_leader = false;
  const Instant until = host_.loop.clock().now() + 100ms;
  EXPECT_EQ(code_of(run(service().put_setting("s", "v", until))), ErrorCode::Unavailable);
  EXPECT_EQ(code_of(run(service().get_setting("s", until))), ErrorCode::Unavailable);
}

TEST_F(MetaProposals, an_unknown_outcome_is_said_to_be_unknown) {
  meta_->replica().lose_answers = 1'000'000;
  const Instant until = host_.loop.clock().now() + 100ms;
  EXPECT_EQ(code_of(run(service().put_setting("s", "v", until))), ErrorCode::TimedOut);
  EXPECT_EQ(run(service().get_setting("s", soon())).value(), "v");
}

TEST_F(MetaProposals, what_waits_together_goes_into_one_entry) {
  const std::size_t before = meta_->replica().log.size();
  int done = 0;
  const auto one = [this, &done](std::string name) -> Task<void> {
    auto put = co_await service().put_setting(std::move(name), "v", soon());
    EXPECT_TRUE(put.has_value());
    ++done;
  };
  TaskGroup tasks{host_.loop.executor(), host_.loop.clock()};
  for (int i = 0; i < 100; ++i) tasks.spawn(one("s" + std::to_string(i)));
  ASSERT_TRUE(run(tasks.join()).has_value());
  EXPECT_EQ(done, 100);
  EXPECT_LT(meta_->replica().log.size() - before, 20U);
}

}  // namespace
}  // namespace predastore::meta
