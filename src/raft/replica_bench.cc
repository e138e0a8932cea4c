// Commits of 256-byte commands through one voter and through three (on one loop, a network in
// memory, real files) and read barriers at leader and follower, at several numbers in flight,
// beside what the disk gives: synced appends of 4 KiB, one after the other, to a file that grows
// and over one that is written already; and appends to the log in the same two ways.
// `bench_raft_replica [DIRECTORY] [SECONDS]`; prints a table. Not a test: the numbers are the
// machine's.
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
#include "raft/log/entry_log.h"
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
  std::uint64_t durable_index() const override { return applied_; }  // the log may go

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
  std::printf("%-28s %6zu  %9.0f/s   p50 %8.0f us   p99 %8.0f us", what, in_flight,
              static_cast<double>(sample.latencies.size()) / seconds, at(50), at(99));
  if (sample.failed > 0) std::printf("   %zu failed", sample.failed);
  std::printf("\n");
}

// In a round of `blocks` when they are written already, else ever further.
Task<Result<void>> measure_disk(World& world, std::string directory, Duration duration,
                                bool is_written_already) {
  constexpr std::uint64_t kBlocks = 2048;
  PREDA_CO_CHECK(co_await world.files.create_directories(directory));
  const std::string path = directory + (is_written_already ? "/written" : "/grown");
  PREDA_CO_TRY(auto file, co_await world.files.open(path, FileMode{.write = true, .create = true}));
  const Buffer block = Buffer::take(std::string(4096, 'x'));
  for (std::uint64_t i = 0; i < kBlocks && is_written_already; ++i) {
    PREDA_CO_CHECK(co_await file->write(i * 4096, block));
  }
  PREDA_CO_CHECK(co_await file->sync());
  Sample sample;
  Clock& clock = world.loop.clock();
  const Instant begun = clock.now();
  while (clock.now() - begun < duration) {
    const Instant before = clock.now();
    const std::uint64_t at = sample.latencies.size();
    PREDA_CO_CHECK(co_await file->write((is_written_already ? at % kBlocks : at) * 4096, block));
    PREDA_CO_CHECK(co_await file->sync());
    sample.latencies.push_back(clock.now() - before);
  }
  print(is_written_already ? "4 KiB over and sync" : "4 KiB append and sync", 1, sample,
        clock.now() - begun);
  co_return Result<void>{};
}

// One entry at a time. In files that are recycled after a while, or in one that only grows.
Task<Result<void>> measure_log(World& world, std::string directory, Duration duration,
                               bool is_recycled) {
  EntryLogOptions options;
  options.directory = directory + (is_recycled ? "/recycled" : "/growing");
  options.file_size_bytes = is_recycled ? 1u << 20 : 1u << 30;
  PREDA_CO_TRY(auto log, co_await EntryLog::open(world.files, options));
  Clock& clock = world.loop.clock();
  const auto append = [](EntryLog* to) -> Task<Result<void>> {
    std::vector<Entry> entries;
    entries.push_back({to->terms().last_index() + 1, 1, std::string(kCommandBytes, 'c')});
    PREDA_CO_CHECK(co_await to->append(std::move(entries)));
    if (to->wants_spare()) co_await to->prepare_spare();
    co_return co_await to->trim_to(to->terms().last_index());
  };
  for (int i = 0; i < 600 && is_recycled; ++i) {
    PREDA_CO_CHECK(co_await append(log.get()));
  }
  Sample sample;
  const Instant begun = clock.now();
  while (clock.now() - begun < duration) {
    const Instant before = clock.now();
    PREDA_CO_CHECK(co_await append(log.get()));
    sample.latencies.push_back(clock.now() - before);
  }
  print(is_recycled ? "log, recycled files" : "log, a growing file", 1, sample,
        clock.now() - begun);
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

Task<void> read_until(Clock& clock, Replica& replica, Instant end, Sample& sample) {
  while (clock.now() < end) {
    const Instant before = clock.now();
    const auto index = co_await replica.read_barrier(before + 10s);
    if (index.has_value()) {
      sample.latencies.push_back(clock.now() - before);
    } else {
      ++sample.failed;
      co_await sleep_for(clock, 10ms);
    }
  }
}

Task<void> measure_reads(Environment env, std::string name, Replica& replica, Duration duration) {
  for (const std::size_t in_flight : {1u, 16u, 256u, 1024u}) {
    Sample sample;
    TaskGroup workers(env.executor, env.clock);
    const Instant begun = env.clock.now();
    for (std::size_t i = 0; i < in_flight; ++i)
      workers.spawn(read_until(env.clock, replica, begun + duration, sample));
    (void)co_await workers.join();
    print(name.c_str(), in_flight, sample, env.clock.now() - begun);
  }
}

// The first file of a log is new and grows. Those after it were written before they are needed, and
// their space is used again: so it is in a node that has run for a while, and so it is measured.
constexpr std::size_t kFillers = 16;
Task<void> fill_first_file(Clock& clock, Replica& leader, std::size_t file_bytes) {
  constexpr std::size_t kBytes = 64u << 10;
  for (std::size_t bytes = 0; bytes < 3 * file_bytes / 2 / kFillers; bytes += kBytes)
    (void)co_await leader.propose(std::string(kBytes, 'f'), clock.now() + 60s);
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
  TaskGroup fillers(env.executor, env.clock);
  for (std::size_t i = 0; i < kFillers; ++i)
    fillers.spawn(fill_first_file(env.clock, *leader, options.log_file_bytes));
  (void)co_await fillers.join();
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
  co_await measure_reads(env, name + ", reads", *leader, duration);
  for (auto& node : nodes) {
    if (node->replica.get() == leader) continue;
    co_await measure_reads(env, name + ", reads at another", *node->replica, duration);
    break;
  }
  for (auto& node : nodes) co_await node->replica->stop();
  for (auto& node : nodes) co_await node->transport->stop();
  (void)co_await tasks.join();
  co_return Result<void>{};
}

Task<Result<void>> measure(World& world, std::string directory, Duration duration) {
  PREDA_CO_CHECK(co_await world.files.remove_tree(directory));
  for (const bool is_written_already : {false, true}) {
    PREDA_CO_CHECK(co_await measure_disk(world, directory, duration, is_written_already));
  }
  for (const bool is_recycled : {false, true}) {
    PREDA_CO_CHECK(co_await measure_log(world, directory, duration, is_recycled));
  }
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
