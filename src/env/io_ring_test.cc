// What a ring does when the kernel does not do as it is told.
#include "env/io_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"

namespace predastore {
namespace {

class IoRingTest : public ::testing::Test {
 protected:
  IoRingTest() {
    std::string name = std::filesystem::temp_directory_path() / "predastore-ring-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~IoRingTest() override { std::filesystem::remove_all(directory_); }

  void SetUp() override {
    Loop loop;
    const auto ring = IoRing::open(loop.io());
    if (!ring) GTEST_SKIP() << "no io_uring on this machine: " << ring.error().detail;
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
};

const FileMode kNew{.write = true, .create = true};

Task<Result<void>> write_and_read(std::shared_ptr<File> file, std::uint64_t offset_bytes,
                                  std::string text) {
  PREDA_CO_CHECK(co_await file->write(offset_bytes, BufferChain{Buffer::copy_of(text)}));
  PREDA_CO_CHECK(co_await file->sync());
  PREDA_CO_TRY(const Buffer back, co_await file->read(offset_bytes, text.size()));
  if (back.text() != text) co_return make_error(ErrorCode::Corruption, "other bytes");
  co_return Result<void>{};
}

Task<Result<void>> many_at_a_time(ProductionHost& host, std::shared_ptr<File> file, int count) {
  TaskGroup group(host.loop.executor(), host.loop.clock());
  for (int i = 0; i < count; ++i) {
    const auto offset = static_cast<std::uint64_t>(i) * 5000;
    group.spawn(write_and_read(file, offset, std::string(5000, static_cast<char>('a' + i % 26))));
  }
  co_return co_await group.join();
}

TEST_F(IoRingTest, more_operations_than_entries_wait_for_their_turn_and_all_are_done) {
  ProductionHost host{1};
  std::size_t most = 0;
  IoRingOptions options;
  options.entries = 4;
  options.tamper = [&](IoOperation, int result) {
    most = std::max(most, host.ring->in_flight());
    return result;
  };
  ASSERT_TRUE(host.choose_io(IoBackend::io_uring, options));
  const auto file = run_until_done(host.loop, host.files.open(path("a"), kNew)).value();
  const auto done = run_until_done(host.loop, many_at_a_time(host, file, 300));
  EXPECT_TRUE(done) << done.error().to_string();
  EXPECT_LE(most, 4U);
  EXPECT_GE(most, 2U);
  EXPECT_EQ(host.ring->in_flight(), 0U);
  EXPECT_EQ(host.ring->waiting(), 0U);
}

TEST_F(IoRingTest, short_and_interrupted_transfers_are_carried_on) {
  ProductionHost host{1};
  IoRingOptions options;
  options.tamper = [count = 0](IoOperation, int result) mutable {
    ++count;
    if (count % 5 == 1) return -EINTR;
    if (count % 7 == 2) return -EAGAIN;
    return result > 700 ? 700 : result;
  };
  ASSERT_TRUE(host.choose_io(IoBackend::io_uring, options));
  const auto file = run_until_done(host.loop, host.files.open(path("a"), kNew)).value();
  std::string text;
  for (int i = 0; i < 9000; ++i) text += static_cast<char>(i * 31 % 251);
  const auto done = run_until_done(host.loop, write_and_read(file, 3, text));
  EXPECT_TRUE(done) << done.error().to_string();
}

TEST_F(IoRingTest, an_error_of_the_drive_is_the_error_of_its_operation_alone) {
  ProductionHost host{1};
  int failing = 0;  // 0 none, 1 read, 2 write, 3 sync, as the order of IoOperation
  int number = EIO;
  IoRingOptions options;
  options.tamper = [&](IoOperation operation, int result) {
    return failing == static_cast<int>(operation) + 1 ? -number : result;
  };
  ASSERT_TRUE(host.choose_io(IoBackend::io_uring, options));
  const auto file = run_until_done(host.loop, host.files.open(path("a"), kNew)).value();
  const auto attempt = [&] {
    return run_until_done(host.loop, write_and_read(file, 0, "some bytes"));
  };
  ASSERT_TRUE(attempt());
  for (failing = 1; failing <= 3; ++failing) {
    const auto failed = attempt();
    ASSERT_FALSE(failed) << failing;
    EXPECT_EQ(failed.error().code, ErrorCode::Io) << failing;
  }
  failing = 2;
  number = ENOSPC;
  EXPECT_EQ(attempt().error().code, ErrorCode::NoSpace);
  failing = 1;
  number = EAGAIN;  // for ever: an answer in the end, not a loop
  EXPECT_EQ(attempt().error().code, ErrorCode::Io);
  failing = 0;
  EXPECT_TRUE(attempt());
}

// A pipe nobody writes to answers never; memory and descriptor are the kernel's until it has let
// them go.
Task<void> read_pipe(IoRing& ring, int fd, std::shared_ptr<std::string> memory,
                     std::vector<int>& answers) {
  IoRing::Request request;
  request.fd = fd;
  request.offset_bytes = static_cast<std::uint64_t>(-1);
  request.vectors.push_back({memory->data(), memory->size()});
  request.keep = memory;
  const int result = co_await ring.perform(std::move(request));
  answers.push_back(result);
}

TEST_F(IoRingTest, closing_cancels_what_would_never_end_and_answers_what_waits) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Loop loop;
  IoRingOptions options;
  options.entries = 4;
  auto ring = IoRing::open(loop.io(), options).value();
  std::vector<int> answers;
  const auto memory = std::make_shared<std::string>(100, '\0');
  for (int i = 0; i < 10; ++i)
    boost::asio::co_spawn(loop.executor(), read_pipe(*ring, ends[0], memory, answers),
                          [](std::exception_ptr) {});
  while (ring->in_flight() < 4) loop.run_one();
  while (loop.io().poll_one() > 0) continue;
  EXPECT_EQ(ring->in_flight(), 4U);
  EXPECT_EQ(ring->waiting(), 6U);
  EXPECT_TRUE(answers.empty());
  ring.reset();
  while (answers.size() < 10) loop.run_one();
  EXPECT_EQ(std::set<int>(answers.begin(), answers.end()), std::set<int>{-ECANCELED});
  EXPECT_EQ(memory.use_count(), 1);
  ::close(ends[0]);
  ::close(ends[1]);
}

Task<Result<void>> write_much(std::shared_ptr<File> file, Buffer bytes) {
  co_return co_await file->write(0, BufferChain{std::move(bytes)});
}

TEST_F(IoRingTest, a_host_may_end_in_the_middle_of_its_work) {
  for (int i = 0; i < 20; ++i) {
    ProductionHost host{1};
    ASSERT_TRUE(host.choose_io(IoBackend::io_uring));
    const auto file = run_until_done(host.loop, host.files.open(path("a"), kNew)).value();
    for (int j = 0; j < 8; ++j)
      boost::asio::co_spawn(host.loop.executor(),
                            write_much(file, Buffer::copy_of(std::string(1 << 20, 'x'))),
                            [](std::exception_ptr, const Result<void>&) {});
    for (int turn = 0; turn < 4 + i; ++turn) host.loop.io().poll_one();
  }
}

TEST(IoChoice, threads_are_taken_when_asked_for_or_when_there_is_nothing_else) {
  ProductionHost threads{1};
  const auto asked = threads.choose_io(IoBackend::threads);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->backend, IoBackend::threads);
  EXPECT_TRUE(asked->reason.empty());
  IoRingOptions impossible;
  impossible.entries = 1U << 30;  // what the kernel refuses, as it does where it is not allowed
  ProductionHost automatic{1};
  const auto fallen_back = automatic.choose_io(IoBackend::automatic, impossible);
  ASSERT_TRUE(fallen_back);
  EXPECT_EQ(fallen_back->backend, IoBackend::threads);
  EXPECT_NE(fallen_back->reason.find("io_uring_setup"), std::string::npos) << fallen_back->reason;
  EXPECT_EQ(automatic.ring, nullptr);
  ProductionHost strict{1};
  const auto refused = strict.choose_io(IoBackend::io_uring, impossible);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unsupported);
}

}  // namespace
}  // namespace predastore
