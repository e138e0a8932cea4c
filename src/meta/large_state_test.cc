// The state of many objects goes to a new replica while the cluster serves, and neither end ever
// holds it in memory. Replicas as nodes have them, on a real disk. PREDASTORE_LARGE_STATE=1000000
// (scripts/soak) takes so many objects instead of the sample.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "env/host.h"
#include "env/run_task.h"
#include "meta/testing/disk_replica.h"

namespace predastore::meta {
namespace {

constexpr std::size_t kInlineBytes = 1000;
constexpr std::uint64_t kObjectsPerEntry = 500;
constexpr std::uint64_t kServedAside = 20;  // objects that are put while the state moves
constexpr VoterId kNewId{0xABCDEF};
// What both ends together may take in addition: pieces under way, buffers of files and of the
// databases that are opened; however large the state is.
constexpr std::uint64_t kGrowthMaxBytes = std::uint64_t{48} << 20;

std::uint64_t object_count() {
  const char* wanted = std::getenv("PREDASTORE_LARGE_STATE");
  return wanted == nullptr ? 100'000 : std::strtoull(wanted, nullptr, 10);
}

std::string key_of(std::uint64_t number) { return "object-" + std::to_string(number); }

// No two are alike, and none gets smaller by compression.
std::string bytes_of(std::uint64_t number) {
  std::string bytes;
  std::uint64_t state = number * 0x9E3779B97F4A7C15 + 1;
  while (bytes.size() < kInlineBytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bytes.append(reinterpret_cast<const char*>(&state), sizeof state);
  }
  return bytes;
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t bytes_below(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory))
    if (file.is_regular_file()) bytes += file.file_size();
  return bytes;
}

class LargeState : public ::testing::Test {
 protected:
  LargeState() {
    std::string name = std::filesystem::temp_directory_path() / "predastore-large-XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~LargeState() override {
    for (auto* replica : {&fresh_, &first_}) {
      if (*replica != nullptr) run_until_done(host_.loop, (*replica)->stop());
      replica->reset();
    }
    std::filesystem::remove_all(directory_);
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  std::unique_ptr<DiskReplica> open(std::uint64_t node, bool is_first) {
    DiskReplica::Options options;
    options.directory = directory_ + "/" + std::to_string(node);
    options.replica.self = NodeId{node};
    if (is_first) {
      options.replica.voters = {NodeId{node}};
    } else {
      options.replica.id = kNewId;
    }
    auto opened = run(DiskReplica::open(env_, network_, std::move(options)));
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? *std::move(opened) : nullptr;
  }
  // Looks often meanwhile.
  template <class Condition>
  bool wait_for(Condition condition) {
    const Instant until = env_.clock.now() + 600s;
    while (!condition()) {
      if (env_.clock.now() > until) return false;
      run_until_done(host_.loop, sleep_for(env_.clock, 2ms));
    }
    return true;
  }
  // The log begins anew somewhere: who has nothing needs the state.
  bool is_log_trimmed() const {
    const std::filesystem::path log = directory_ + "/1/raft";
    return !std::filesystem::exists(log / "0000000000000001.log");
  }
  void fill(ObjectFiller& filler, std::uint64_t count) {
    for (std::uint64_t at = 0; at < count;) {
      std::vector<pb::Command> commands;
      for (std::uint64_t i = 0; i < kObjectsPerEntry && at < count; ++i, ++at)
        commands.push_back(filler.put_command(key_of(at), bytes_of(at)));
      const auto done = run(filler.propose_all(std::move(commands)));
      ASSERT_TRUE(done) << done.error().to_string();
    }
    ASSERT_TRUE(run(first_->state().flush()));
    ASSERT_TRUE(wait_for([&] { return is_log_trimmed(); }));
  }
  std::string bytes_at(DiskReplica& replica, std::uint64_t number) {
    pb::Query query;
    query.mutable_get_object()->set_bucket(ObjectFiller::kBucket);
    query.mutable_get_object()->set_key(key_of(number));
    query.mutable_get_object()->set_last_byte(~std::uint64_t{0});
    const auto answer = run(replica.query(std::move(query)));
    return answer ? answer->object().inline_bytes() : answer.error().to_string();
  }

  ProductionHost host_{4};
  Environment env_ = host_.environment();
  net::MemoryNetwork network_{env_};
  std::string directory_;
  std::unique_ptr<DiskReplica> first_;
  std::unique_ptr<DiskReplica> fresh_;
};

TEST_F(LargeState, moves_while_the_cluster_serves_and_is_never_in_memory) {
  const std::uint64_t count = object_count();
  first_ = open(1, true);
  ASSERT_NE(first_, nullptr);
  ASSERT_TRUE(run(first_->await_leading(60s)));
  ObjectFiller filler(env_, *first_);
  ASSERT_TRUE(run(filler.begin()));
  fill(filler, count);
  const std::uint64_t state_bytes = bytes_below(directory_ + "/1/state");
  ASSERT_GT(state_bytes, 2 * kGrowthMaxBytes) << "too few to show anything";

  (void)malloc_trim(0);
  const std::uint64_t before_bytes = resident_bytes();
  std::uint64_t peak_bytes = before_bytes;
  fresh_ = open(2, false);
  ASSERT_NE(fresh_, nullptr);
  ASSERT_TRUE(run(first_->replica().change_members(
      {raft::MemberChange::Kind::add_learner, kNewId, NodeId{2}}, env_.clock.now() + 60s)));
  std::uint64_t served = 0;
  bool needed_the_state = false;
  const auto has_all = [&] {
    peak_bytes = std::max(peak_bytes, resident_bytes());
    for (const raft::MemberStatus& each : first_->replica().group().members)
      needed_the_state = needed_the_state || each.needs_snapshot;
    return fresh_->replica().status().applied_index >= first_->replica().status().commit_index;
  };
  // Some objects while it is under way, so that the log has to follow the state.
  while (!has_all() && served < kServedAside) {
    std::vector<pb::Command> commands;
    commands.push_back(filler.put_command(key_of(count + served), bytes_of(count + served)));
    ASSERT_TRUE(run(filler.propose_all(std::move(commands))));
    ++served;
  }
  ASSERT_TRUE(wait_for(has_all)) << fresh_->replica().status().failure;
  EXPECT_TRUE(needed_the_state);
  EXPECT_GT(served, 0U);

  const std::uint64_t growth_bytes = peak_bytes - before_bytes;
  std::printf("%llu objects, %llu MiB of state: %llu MiB more memory at most\n",
              static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(state_bytes >> 20),
              static_cast<unsigned long long>(growth_bytes >> 20));
#if !defined(__SANITIZE_ADDRESS__)  // which keeps what was freed
  EXPECT_LT(growth_bytes, kGrowthMaxBytes);
#endif
  for (std::uint64_t number = 0; number < count + served; number += 1 + count / 1000)
    ASSERT_EQ(bytes_at(*fresh_, number), bytes_of(number)) << number;
  EXPECT_EQ(bytes_at(*fresh_, count + served - 1), bytes_of(count + served - 1));
  EXPECT_EQ(content_hash(fresh_->state().store()).value(),
            content_hash(first_->state().store()).value());
}

}  // namespace
}  // namespace predastore::meta
