// The simulated seams keep the promises of the real ones.
#include "env/testing/clock_contract.h"
#include "env/testing/file_system_contract.h"
#include "kv/testing/kv_contract.h"
#include "sim/host.h"
#include "sim/key_value.h"

namespace predastore::sim {
namespace {

struct World {
  Scheduler scheduler{42};
  SimDisk disk{scheduler, 43};
  SimHost host{scheduler, disk, "n1", 44};
};

class SimFilesFixture final : public predastore::testing::FileSystemFixture {
 public:
  SimFilesFixture() { run(files().create_directories("/data")).value(); }
  FileSystem& files() override { return *world_.host.files; }
  Clock& clock() override { return world_.host.clock; }
  Executor executor() override { return world_.host.process.executor(); }
  std::string directory() override { return "/data"; }
  void run_task(Task<void> task) override {
    PREDA_ASSERT(try_run(world_.host.process, std::move(task)));
  }

 private:
  World world_;
};

class SimClockFixture final : public predastore::testing::ClockFixture {
 public:
  Clock& clock() override { return world_.host.clock; }
  void run_task(Task<void> task) override {
    PREDA_ASSERT(try_run(world_.host.process, std::move(task)));
  }

 private:
  World world_;
};

class SimKvFixture final : public kv::testing::Fixture {
 public:
  std::string path_of(const std::string& name) override { return "/data/" + name; }
  std::unique_ptr<kv::KeyValueStore> open() override { return open_copy("/data/kv"); }
  std::unique_ptr<kv::KeyValueStore> open_copy(const std::string& path) override {
    kv::RocksOptions options;
    options.path = path;
    options.families = {"first", "second"};
    return *open_sim_store(world_.disk, options);
  }

 private:
  World world_;
};

}  // namespace
}  // namespace predastore::sim

namespace predastore::testing {
INSTANTIATE_TEST_SUITE_P(Simulated, FileSystemContract,
                         ::testing::Values(FileSystemMaker{
                             "simulated", [] { return std::make_unique<sim::SimFilesFixture>(); }}),
                         name_of_maker);
INSTANTIATE_TEST_SUITE_P(Simulated, ClockContract,
                         ::testing::Values(ClockMaker{
                             "simulated", [] { return std::make_unique<sim::SimClockFixture>(); }}),
                         name_of_clock);
}  // namespace predastore::testing

namespace predastore::kv::testing {
INSTANTIATE_TEST_SUITE_P(Simulated, KvContract,
                         ::testing::Values(FixtureMaker{
                             "simulated", [] { return std::make_unique<sim::SimKvFixture>(); }}),
                         name_of_maker);
}  // namespace predastore::kv::testing
