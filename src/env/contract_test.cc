#include <unistd.h>

#include <filesystem>

#include "env/host.h"
#include "env/run_task.h"
#include "env/testing/clock_contract.h"
#include "env/testing/file_system_contract.h"

namespace predastore::testing {
namespace {

class PosixFixture final : public FileSystemFixture {
 public:
  explicit PosixFixture(IoBackend backend, IoRingOptions options = {}) {
    const auto chosen = host_.choose_io(backend, std::move(options));
    if (!chosen) unavailable_ = "no io_uring on this machine: " + chosen.error().detail;
    std::string name = std::filesystem::temp_directory_path() / "predastore-files-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~PosixFixture() override { std::filesystem::remove_all(directory_); }
  FileSystem& files() override { return host_.files; }
  Clock& clock() override { return host_.loop.clock(); }
  Executor executor() override { return host_.loop.executor(); }
  std::string directory() override { return directory_; }
  std::string unavailable() override { return unavailable_; }
  void run_task(Task<void> task) override { run_until_done(host_.loop, std::move(task)); }

 private:
  std::string directory_;
  std::string unavailable_;
  ProductionHost host_{4};
};

// Two operations at a time, and none moves more than some bytes, or a whole block where it may have
// been past the cache.
IoRingOptions small_and_short() {
  IoRingOptions options;
  options.entries = 2;
  options.tamper = [count = 0](IoOperation, int result) mutable {
    if (++count % 3 == 0) return -EINTR;
    if (result > 4096) return 4096;
    return result;
  };
  return options;
}

class LoopFixture final : public ClockFixture {
 public:
  Clock& clock() override { return loop_.clock(); }
  void run_task(Task<void> task) override { run_until_done(loop_, std::move(task)); }

 private:
  Loop loop_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(
    Posix, FileSystemContract,
    ::testing::Values(
        FileSystemMaker{"threads",
                        [] { return std::make_unique<PosixFixture>(IoBackend::threads); }},
        FileSystemMaker{"io_uring",
                        [] { return std::make_unique<PosixFixture>(IoBackend::io_uring); }},
        FileSystemMaker{
            "io_uring_of_two_entries_with_short_answers",
            [] { return std::make_unique<PosixFixture>(IoBackend::io_uring, small_and_short()); }}),
    name_of_maker);
INSTANTIATE_TEST_SUITE_P(Production, ClockContract,
                         ::testing::Values(ClockMaker{
                             "loop", [] { return std::make_unique<LoopFixture>(); }}),
                         name_of_clock);

}  // namespace predastore::testing
