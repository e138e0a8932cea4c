#include "repair/job_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "chunk/testing/test_cluster.h"
#include "meta/testing/test_meta.h"

namespace predastore::repair {
namespace {

// Two workers over the same metadata; which of them leads is told by the test.
class JobRunnerTest : public ::testing::Test {
 protected:
  JobRunnerTest() {
    cluster_.run(meta_.open());
    for (Worker* worker : {&first_, &second_}) {
      worker->runner.handle(JobKind::rebalance,
                            [this, worker](JobControl* control) { return work(worker, control); });
      tasks_.spawn(worker->runner.run());
    }
  }
  ~JobRunnerTest() override {
    first_.runner.stop();
    second_.runner.stop();
    (void)cluster_.run(tasks_.join());
  }

  struct Worker {
    Worker(JobRunnerTest& test, std::uint64_t id)
        : runner(test.cluster_.env(), options(id), test.meta_.service(), test.growth(),
                 [this] { return is_leading; }) {}
    static JobRunnerOptions options(std::uint64_t id) {
      JobRunnerOptions options;
      options.self = NodeId{id};
      options.again_min = 10s;
      return options;
    }
    bool is_leading = false;
    JobRunner runner;
    std::vector<std::string> begun_at;  // the cursors
  };

  // Items 0 to 9, one a second.
  Task<Result<void>> work(Worker* worker, JobControl* control) {
    worker->begun_at.push_back(control->progress().cursor);
    ++working_;
    most_working_ = std::max(most_working_, working_);
    auto done = co_await walk(control);
    --working_;
    co_return done;
  }
  Task<Result<void>> walk(JobControl* control) {
    while (control->progress().cursor.size() < 10) {
      PREDA_CO_CHECK(co_await control->wait(1s));
      if (fails_at_ == control->progress().cursor.size())
        co_return make_error(ErrorCode::Internal, "as the test wants it");
      control->progress().cursor += "x";
      ++control->progress().items_done;
    }
    co_return Result<void>{};
  }

  meta::Growth& growth() { return meta_.service().growth(); }
  Instant soon() { return cluster_.in(600s); }
  JobRecord job() { return cluster_.run(growth().jobs(soon())).value().back(); }
  void start() { ASSERT_TRUE(cluster_.run(growth().start_job(JobKind::rebalance, "", soon()))); }
  void pass(int seconds) {
    for (int i = 0; i < 10 * seconds; ++i) cluster_.advance(100ms);
  }

  chunk::testing::TestCluster cluster_{1};
  meta::TestMeta meta_{cluster_.env()};
  Worker first_{*this, 1};
  Worker second_{*this, 2};
  TaskGroup tasks_{cluster_.env().executor, cluster_.clock()};
  int working_ = 0;
  int most_working_ = 0;
  std::optional<std::size_t> fails_at_;
};

TEST_F(JobRunnerTest, the_next_leader_takes_a_job_over_and_goes_on_from_its_cursor) {
  first_.is_leading = true;
  start();
  pass(6);
  first_.is_leading = false;  // dead, or cut off
  second_.is_leading = true;
  pass(20);
  EXPECT_EQ(job().state, JobState::done);
  EXPECT_EQ(job().worker, NodeId{2});
  EXPECT_EQ(job().progress.items_done, 10U);
  ASSERT_EQ(second_.begun_at.size(), 1U);
  EXPECT_GE(second_.begun_at[0].size(), 3U);
  EXPECT_EQ(first_.begun_at, (std::vector<std::string>{""}));
}

TEST_F(JobRunnerTest, of_two_that_both_think_they_lead_one_goes_on) {
  first_.is_leading = true;
  start();
  pass(3);
  second_.is_leading = true;
  pass(3);
  first_.is_leading = false;
  pass(2);
  EXPECT_LE(working_, 1);
  pass(20);
  EXPECT_EQ(job().state, JobState::done);
  EXPECT_EQ(job().progress.items_done, 10U);
}

TEST_F(JobRunnerTest, a_paused_job_stops_and_goes_on_where_it_was) {
  first_.is_leading = true;
  start();
  pass(4);
  ASSERT_TRUE(cluster_.run(growth().set_job_state(job().id, JobState::paused, soon())));
  pass(3);
  EXPECT_EQ(working_, 0);
  const std::uint64_t before = job().progress.items_done;
  pass(10);
  EXPECT_EQ(job().progress.items_done, before);
  ASSERT_TRUE(cluster_.run(growth().set_job_state(job().id, JobState::running, soon())));
  pass(20);
  EXPECT_EQ(job().state, JobState::done);
  EXPECT_EQ(most_working_, 1);
}

TEST_F(JobRunnerTest, a_job_that_failed_is_tried_again_less_and_less_often_until_it_succeeds) {
  first_.is_leading = true;
  fails_at_ = 2;
  start();
  pass(5);
  EXPECT_EQ(job().state, JobState::failed);
  EXPECT_NE(job().progress.detail.find("as the test wants it"), std::string::npos);
  pass(60);
  EXPECT_GE(first_.begun_at.size(), 3U);
  EXPECT_LE(first_.begun_at.size(), 4U);  // after 10, 20 and 40 seconds
  fails_at_.reset();
  pass(60);
  EXPECT_EQ(job().state, JobState::done);
  EXPECT_EQ(first_.begun_at.back(), "xx");
}

TEST_F(JobRunnerTest, a_job_that_failed_and_was_cancelled_stays_so) {
  first_.is_leading = true;
  fails_at_ = 0;
  start();
  pass(4);
  ASSERT_TRUE(cluster_.run(growth().set_job_state(job().id, JobState::cancelled, soon())));
  pass(60);
  EXPECT_EQ(job().state, JobState::cancelled);
  EXPECT_EQ(first_.begun_at.size(), 1U);
}

}  // namespace
}  // namespace predastore::repair
