#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <thread>

#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"

namespace predastore {
namespace {

class EnvTest : public ::testing::Test {
 protected:
  EnvTest() {
    std::string name = std::filesystem::temp_directory_path() / "predastore-env-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~EnvTest() override { std::filesystem::remove_all(directory_); }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
  ProductionHost host_{2};
  Clock& clock_ = host_.loop.clock();
};

Task<void> wait_for(Signal& signal, Instant deadline, std::string& log) {
  log += co_await signal.wait_until(deadline) ? "n" : "t";
}

TEST_F(EnvTest, a_signal_wakes_by_notice_or_deadline) {
  std::string log;
  Signal signal(clock_);
  TaskGroup group(host_.loop.executor(), clock_);
  group.spawn(wait_for(signal, kNever, log));
  group.spawn(wait_for(signal, clock_.now() + 1ms, log));
  run(sleep_for(clock_, 3ms));
  EXPECT_EQ(log, "t");
  EXPECT_TRUE(signal.has_waiters());
  signal.notify_all();
  EXPECT_TRUE(run(group.join()).has_value());
  EXPECT_EQ(log, "tn");
  EXPECT_FALSE(signal.has_waiters());
}

Task<Result<void>> take(Semaphore& semaphore, std::uint64_t count, Instant deadline,
                        std::string& log, char name) {
  PREDA_CO_CHECK(co_await semaphore.acquire(count, deadline));
  log += name;
  co_return Result<void>{};
}

TEST_F(EnvTest, a_semaphore_is_first_come_first_served) {
  std::string log;
  Semaphore semaphore(clock_, 10);
  ASSERT_TRUE(semaphore.try_acquire(8));
  TaskGroup group(host_.loop.executor(), clock_);
  group.spawn(take(semaphore, 9, kNever, log, 'a'));
  run(sleep_for(clock_, 1ms));
  group.spawn(take(semaphore, 1, kNever, log, 'b'));  // would fit, but must not overtake
  run(sleep_for(clock_, 1ms));
  EXPECT_EQ(log, "");
  EXPECT_FALSE(semaphore.try_acquire(1));
  semaphore.release(8);
  EXPECT_TRUE(run(group.join()).has_value());
  EXPECT_EQ(log, "ab");
  EXPECT_EQ(semaphore.available(), 0u);
}

TEST_F(EnvTest, a_semaphore_gives_up_at_the_deadline_and_lets_others_pass) {
  std::string log;
  Semaphore semaphore(clock_, 10);
  ASSERT_TRUE(semaphore.try_acquire(5));
  TaskGroup group(host_.loop.executor(), clock_);
  group.spawn(take(semaphore, 6, clock_.now() + 2ms, log, 'a'));
  run(sleep_for(clock_, 1ms));
  group.spawn(take(semaphore, 5, kNever, log, 'b'));
  const auto result = run(group.join());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::TimedOut);
  EXPECT_EQ(log, "b");
  EXPECT_EQ(run(semaphore.acquire(11, kNever)).error().code, ErrorCode::InvalidArgument);
}

TEST_F(EnvTest, blocking_work_runs_elsewhere_and_comes_back) {
  auto work = [] { return std::this_thread::get_id(); };
  EXPECT_NE(run(run_blocking(host_.blocking, work)), std::this_thread::get_id());
}

TEST(SystemRandom, fills_small_and_large) {
  SystemRandom random;
  std::array<std::byte, 10000> bytes{};
  random.fill(bytes);
  std::size_t zeros = 0;
  for (const std::byte b : bytes) zeros += b == std::byte{0} ? 1 : 0;
  EXPECT_LT(zeros, 200u);
  EXPECT_NE(random.next_u64(), random.next_u64());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(7), 7u);
}

// Every thread for blocking work hangs, as on a drive that does not answer.
TEST_F(EnvTest, what_the_metadata_waits_for_goes_on_when_all_other_threads_hang) {
  std::mutex hang;
  std::unique_lock held(hang);
  const auto wait_for_it = [&hang] { const std::lock_guard lock(hang); };
  TaskGroup group(host_.loop.executor(), clock_);
  for (int i = 0; i < 2; ++i) group.spawn(run_blocking_void(host_.blocking, wait_for_it));
  const Environment metadata = host_.metadata_environment();
  FileSystem& files = metadata.files;
  const Buffer bytes = Buffer::take("what is committed");
  ASSERT_TRUE(run(write_file_durably(files, path("log"), bytes)));
  EXPECT_EQ(run(run_blocking(metadata.blocking, [] { return 7; })), 7);
  EXPECT_EQ(group.running(), 2U);
  held.unlock();
  EXPECT_TRUE(run(group.join()).has_value());
}

}  // namespace
}  // namespace predastore
