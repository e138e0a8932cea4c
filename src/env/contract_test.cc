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
  PosixFixture() {
    std::string name = std::filesystem::temp_directory_path() / "predastore-files-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~PosixFixture() override { std::filesystem::remove_all(directory_); }
  FileSystem& files() override { return host_.files; }
  Clock& clock() override { return host_.loop.clock(); }
  Executor executor() override { return host_.loop.executor(); }
  std::string directory() override { return directory_; }
  void run_task(Task<void> task) override { run_until_done(host_.loop, std::move(task)); }

 private:
  std::string directory_;
  ProductionHost host_{4};
};

class LoopFixture final : public ClockFixture {
 public:
  Clock& clock() override { return loop_.clock(); }
  void run_task(Task<void> task) override { run_until_done(loop_, std::move(task)); }

 private:
  Loop loop_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Posix, FileSystemContract,
                         ::testing::Values(FileSystemMaker{
                             "posix", [] { return std::make_unique<PosixFixture>(); }}),
                         name_of_maker);
INSTANTIATE_TEST_SUITE_P(Production, ClockContract,
                         ::testing::Values(ClockMaker{
                             "loop", [] { return std::make_unique<LoopFixture>(); }}),
                         name_of_clock);

}  // namespace predastore::testing
