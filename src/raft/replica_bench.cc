// Commits of 256-byte commands through one voter and through three (on one loop, a network in
// memory, real files), at several numbers in flight, beside what the disk gives: synced appends of
// 4 KiB, one after the other. `bench_raft_replica [DIRECTORY] [SECONDS]`; prints a table. Not a
// test: the numbers are the machine's.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "env/loop.h"
#include "env/posix_files.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "env/system_random.h"
#include "env/thread_pool.h"
#include "net/memory_transport.h"
#include "raft/replica.h"
#include "telemetry/log.h"

namespace predastore::raft {
namespace {

constexpr std::size_t kCommandBytes = 256;

class NothingMachine final : public StateMachine {
 public:
  Task<Result<std::vector<std::string>>> apply(std::vector<CommittedEntry> entries) override {
    applied_ = entries.back().index;
    co_return std::vector<std::string>(entries.size());
  }
  std::uint64_t applied_index() const override { return applied_; }

 private:
  std::uint64_t applied_ = 0;
};

struct World {
  Loop loop;
  SystemRandom random;
  ThreadPool pool{8};
  PosixFiles files{pool};
  Environment env() { return {loop.executor(), loop.clock(), random, files, pool}; }
};

struct Node {
  NothingMachine machine;
  std::unique_ptr<net::Transport> transport;
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<rpc::Client> client;
  std::unique_ptr<Replica> replica;
};

struct Sample {
  std::vector<Duration> latencies;
  std::size_t failed = 0;
};

void print(const char* what, std::size_t in_flight, Sample& sample, Duration elapsed) {
  std::ranges::sort(sample.latencies);
  const auto at = [&](std::size_t percent) {
    if (sample.latencies.empty()) return 0.0;
    const std::size_t position = sample.latencies.size() * percent / 100;
    return static_cast<double>(sample.latencies[position].count()) / 1000.0;
  };
  const double seconds = static_cast<double>(elapsed.count()) / 1e9;
  std::printf("%-24s %6zu  %9.0f/s   p50 %8.0f us   p99 %8.0f us", what, in_flight,
              static_cast<double>(sample.latencies.size()) / seconds, at(50), at(99));
  if (sample.failed > 0) std::printf("   %zu failed", sample.failed);
  std::printf("\n");
}

Task<Result<void>> measure_disk(World& world, std::string directory, Duration duration) {
  PREDA_CO_CHECK(co_await world.files.create_directories(directory));
  const std::string path = directory + "/raw";
  PREDA_CO_TRY(auto file, co_await world.files.open(path, FileMode{.write = true, .create = true}));
  Sample sample;
  Clock& clock = world.loop.clock();
  const Instant begun = clock.now();
  const Buffer block = Buffer::take(std::string(4096, 'x'));
  while (clock.now() - begun < duration) {
    const Instant before = clock.now();
    PREDA_CO_CHECK(co_await file->write(sample.latencies.size() * 4096, block));
    PREDA_CO_CHECK(co_await file->sync());
    sample.latencies.push_back(clock.now() - before);
  }
  print("4 KiB append and sync", 1, sample, clock.now() - begun);
  co_return Result<void>{};
}

Task<void> propose_until(Clock& clock, Replica& replica, Instant end, Sample& sample) {
  while (clock.now() < end) {
    const Instant before = clock.now();
    auto answer = co_await replica.propose(std::string(kCommandBytes, 'c'), before + 10s);
    if (answer.has_value()) {
      sample.latencies.push_back(clock.now() - before);
    } else {
      ++sample.failed;
      co_await sleep_for(clock, 10ms);
    }
  }
}

Replica* leader_of(std::vector<std::unique_ptr<Node>>& nodes) {
  for (auto& node : nodes) {
    if (node->replica->status().role == ReplicaRole::leader) return node->replica.get();
  }
  return nullptr;
}

Task<Result<void>> measure_commits(World& world, std::string directory, std::size_t voter_count,
                                   Duration duration) {
  const Environment env = world.env();
  net::MemoryNetwork network(env);
  TaskGroup tasks(env.executor, env.clock);
  std::vector<std::unique_ptr<Node>> nodes;
  ReplicaOptions options;
  for (std::size_t i = 0; i < voter_count; ++i) options.voters.push_back(NodeId{i + 1});
  for (const NodeId id : options.voters) {
    auto node = std::make_unique<Node>();
    node->transport = network.endpoint(id);
    node->server = std::make_unique<rpc::Server>(env, *node->transport);
    node->client = std::make_unique<rpc::Client>(env, *node->transport);
    options.self = id;
    options.directory =
        directory + "/" + std::to_string(voter_count) + "." + std::to_string(id.value());
    PREDA_CO_TRY(node->replica,
                 co_await open_replica(env, options, *node->server, *node->client, node->machine));
    tasks.spawn(node->server->run());
    tasks.spawn(node->replica->run());
    nodes.push_back(std::move(node));
  }
  Replica* leader = nullptr;
  while (leader == nullptr) {
    co_await sleep_for(env.clock, 10ms);
    leader = leader_of(nodes);
  }
  const std::string name = std::to_string(voter_count) + (voter_count == 1 ? " voter" : " voters");
  for (const std::size_t in_flight : {1u, 16u, 256u, 1024u}) {
    Sample sample;
    TaskGroup workers(env.executor, env.clock);
    const Instant begun = env.clock.now();
    for (std::size_t i = 0; i < in_flight; ++i)
      workers.spawn(propose_until(env.clock, *leader, begun + duration, sample));
    (void)co_await workers.join();
    print(name.c_str(), in_flight, sample, env.clock.now() - begun);
  }
  for (auto& node : nodes) co_await node->replica->stop();
  for (auto& node : nodes) co_await node->transport->stop();
  (void)co_await tasks.join();
  co_return Result<void>{};
}

Task<Result<void>> measure(World& world, std::string directory, Duration duration) {
  PREDA_CO_CHECK(co_await world.files.remove_tree(directory));
  PREDA_CO_CHECK(co_await measure_disk(world, directory, duration));
  PREDA_CO_CHECK(co_await measure_commits(world, directory, 1, duration));
  PREDA_CO_CHECK(co_await measure_commits(world, directory, 3, duration));
  co_return co_await world.files.remove_tree(directory);
}

}  // namespace
}  // namespace predastore::raft

int main(int argc, char** argv) {
  using namespace predastore;  // NOLINT: a main
  telemetry::set_log_level(telemetry::LogLevel::warn);
  const std::string directory = argc > 1 ? argv[1] : "raft_bench";
  const long seconds = argc > 2 ? std::atol(argv[2]) : 3;
  raft::World world;
  const Result<void> done = run_until_done(
      world.loop, raft::measure(world, directory + "/bench_raft", std::chrono::seconds{seconds}));
  if (!done.has_value()) std::printf("%s\n", done.error().to_string().c_str());
  return done.has_value() ? 0 : 1;
}
