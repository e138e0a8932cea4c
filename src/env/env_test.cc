#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"

namespace predastore {
namespace {

class EnvTest : public testing::Test {
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

TEST_F(EnvTest, timers_run_in_order_of_time_and_cancelled_ones_do_not) {
  std::string order;
  const Instant now = clock_.now();
  clock_.call_at(now + 3ms, [&] { order += "c"; });
  clock_.call_at(now + 1ms, [&] { order += "a"; });
  const auto cancelled = clock_.call_at(now + 2ms, [&] { order += "x"; });
  clock_.call_at(now + 2ms, [&] { order += "b"; });
  clock_.cancel(cancelled);
  clock_.cancel(12345);
  run(sleep_until(clock_, now + 4ms));
  EXPECT_EQ(order, "abc");
  EXPECT_GE(clock_.now(), now + 4ms);
}

TEST_F(EnvTest, a_timer_may_cancel_and_make_timers) {
  int count = 0;
  const Instant now = clock_.now();
  Clock::TimerId second = 0;
  clock_.call_at(now, [&] {
    clock_.cancel(second);
    clock_.call_at(now, [&] { ++count; });
  });
  second = clock_.call_at(now, [&] { count += 100; });
  run(sleep_until(clock_, now + 1ms));
  EXPECT_EQ(count, 1);
}

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

TEST_F(EnvTest, files_are_written_read_and_cut) {
  auto use = [](FileSystem& files, std::string name) -> Task<Result<std::string>> {
    PREDA_CO_TRY(auto file, co_await files.open(
                                name, FileMode{.write = true, .create = true, .exclusive = true}));
    BufferChain chain;
    for (int i = 0; i < 1500; ++i)
      chain.append(Buffer::copy_of(std::to_string(i % 10)));  // more than one pwritev takes
    PREDA_CO_CHECK(co_await file->preallocate(1 << 20));
    PREDA_CO_CHECK(co_await file->write(5, chain));
    PREDA_CO_CHECK(co_await file->sync());
    PREDA_CO_CHECK(co_await file->truncate(1000));
    PREDA_CO_TRY(const std::uint64_t size_bytes, co_await file->size_bytes());
    PREDA_CO_TRY(const Buffer middle, co_await file->read(5, 12));
    PREDA_CO_TRY(const Buffer end, co_await file->read(998, 1u << 30));
    PREDA_CO_TRY(const Buffer past, co_await file->read(5000, 10));
    co_return std::to_string(size_bytes) + " " + std::string(middle.text()) + " " +
        std::string(end.text()) + " " + std::to_string(past.size());
  };
  EXPECT_EQ(run(use(host_.files, path("a"))).value(), "1000 012345678901 34 0");
  EXPECT_EQ(
      run(host_.files.open(path("a"), FileMode{.write = true, .create = true, .exclusive = true}))
          .error()
          .code,
      ErrorCode::AlreadyExists);
  EXPECT_EQ(run(host_.files.open(path("b"), FileMode{})).error().code, ErrorCode::NotFound);
}

TEST_F(EnvTest, direct_files_take_aligned_writes_and_any_read) {
  auto use = [](FileSystem& files, std::string name) -> Task<Result<Buffer>> {
    PREDA_CO_TRY(auto file, co_await files.open(
                                name, FileMode{.write = true, .create = true, .direct = true}));
    MutableBuffer block = MutableBuffer::aligned(8192);
    for (std::size_t i = 0; i < block.size(); ++i) block.data()[i] = static_cast<std::byte>(i);
    PREDA_CO_CHECK(co_await file->write(4096, BufferChain{std::move(block).freeze()}));
    PREDA_CO_CHECK(co_await file->sync());
    co_return co_await file->read(4097, 3);
  };
  EXPECT_EQ(run(use(host_.files, path("d"))).value().text(), "\x01\x02\x03");
}

TEST_F(EnvTest, directories_are_made_listed_and_removed) {
  FileSystem& files = host_.files;
  ASSERT_TRUE(run(files.create_directories(path("x/y/z"))).has_value());
  ASSERT_TRUE(run(files.create_directories(path("x/y/z"))).has_value());
  ASSERT_TRUE(run(write_file_durably(files, path("x/b"), Buffer::copy_of("1"))).has_value());
  ASSERT_TRUE(
      run(write_file_durably(files, path("x/a"), Buffer::copy_of("old and long"))).has_value());
  ASSERT_TRUE(run(write_file_durably(files, path("x/a"), Buffer::copy_of("new"))).has_value());
  EXPECT_EQ(run(files.list(path("x"))).value(), (std::vector<std::string>{"a", "b", "y"}));
  EXPECT_EQ(run(read_file(files, path("x/a"), 100)).value().text(), "new");
  EXPECT_EQ(run(read_file(files, path("x/a"), 2)).error().code, ErrorCode::InvalidArgument);
  EXPECT_FALSE(run(files.remove(path("x"))).has_value());  // not empty
  ASSERT_TRUE(run(files.rename(path("x/a"), path("x/b"))).has_value());
  EXPECT_EQ(run(files.list(path("x"))).value(), (std::vector<std::string>{"b", "y"}));
  ASSERT_TRUE(run(files.remove_tree(path("x"))).has_value());
  ASSERT_TRUE(run(files.remove_tree(path("x"))).has_value());
  EXPECT_EQ(run(files.list(path("x"))).error().code, ErrorCode::NotFound);
  const SpaceInfo space = run(files.space(directory_)).value();
  EXPECT_GE(space.capacity_bytes, space.free_bytes);
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

}  // namespace
}  // namespace predastore
