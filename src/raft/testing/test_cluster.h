#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/codec.h"
#include "env/sync.h"
#include "env/testing/fakes.h"
#include "net/memory_transport.h"
#include "raft/replica.h"

namespace predastore::raft::testing {

// Remembers what it was given; a crash takes it back to the last flush, or to the last state that
// was installed.
class TestStateMachine final : public StateMachine {
 public:
  static constexpr std::size_t kEntriesPerFile = 10;

  // Some entries a file, so that there is something to go on with.
  Task<Result<StatePoint>> checkpoint(std::string directory) override {
    if (live.empty()) co_return make_error(ErrorCode::Unavailable, "there is nothing yet");
    const std::vector<CommittedEntry> entries = live;
    for (std::size_t from = 0; from < entries.size(); from += kEntriesPerFile) {
      const std::size_t to = std::min(from + kEntriesPerFile, entries.size());
      Encoder text;
      for (std::size_t i = from; i < to; ++i)
        text.le(entries[i].index).le(entries[i].term).string(entries[i].command);
      const std::string name = directory + "/" + std::to_string(1000000 + from);
      PREDA_CO_TRY(const auto file,
                   co_await files->open(name, FileMode{.write = true, .create = true}));
      PREDA_CO_CHECK(co_await file->write(0, Buffer::take(std::move(text).take())));
      PREDA_CO_CHECK(co_await file->sync());
    }
    PREDA_CO_CHECK(co_await files->sync_directory(directory));
    ++checkpoints;
    co_return StatePoint{entries.back().index, entries.back().term};
  }
  Task<Result<void>> install(std::string directory) override {
    // This file system has no directories whose names change at once: a file says which one it is.
    const std::string target = "/state" + std::to_string(disk->operation_count);
    PREDA_CO_CHECK(co_await files->rename(directory, target));
    PREDA_CO_CHECK(co_await files->sync_directory("/"));
    Buffer name = Buffer::copy_of(target);
    PREDA_CO_CHECK(co_await write_file_durably(*files, "/current", std::move(name)));
    live = installed();
    flush();
    ++installs;
    co_return Result<void>{};
  }
  std::vector<CommittedEntry> installed() const {
    std::vector<CommittedEntry> entries;
    const auto current = disk->live_names.find("/current");
    if (current == disk->live_names.end()) return entries;
    const std::string directory = current->second->live + "/";
    for (const auto& [name, inode] : disk->live_names) {
      if (!name.starts_with(directory)) continue;
      Decoder in(as_bytes(inode->live));
      while (in.remaining() > 0 && in.ok()) {
        CommittedEntry entry;
        entry.index = in.le<std::uint64_t>();
        entry.term = in.le<std::uint64_t>();
        entry.command = in.string();
        entries.push_back(std::move(entry));
      }
    }
    return entries;
  }

  Task<Result<std::vector<std::string>>> apply(std::vector<CommittedEntry> entries) override {
    if (clock != nullptr && apply_time > Duration::zero()) co_await sleep_for(*clock, apply_time);
    if (fault.has_value()) co_return *fault;
    std::vector<std::string> answers;
    for (CommittedEntry& entry : entries) {
      EXPECT_GT(entry.index, live.empty() ? 0 : live.back().index);
      EXPECT_FALSE(entry.command.empty());
      answers.push_back("done " + entry.command);
      live.push_back(std::move(entry));
    }
    ++batches;
    co_return answers;
  }
  std::uint64_t applied_index() const override { return live.empty() ? 0 : live.back().index; }
  std::uint64_t durable_index() const override {
    return flushed == 0 ? 0 : live[flushed - 1].index;
  }
  void flush() { flushed = live.size(); }
  void lose_power() {
    live.resize(flushed);
    auto there = installed();
    if (!there.empty() && (live.empty() || there.back().index > live.back().index)) {
      live = std::move(there);
      flush();
    }
  }
  bool has(const std::string& command) const {
    return std::ranges::find(live, command, &CommittedEntry::command) != live.end();
  }

  std::vector<CommittedEntry> live;
  std::size_t flushed = 0;
  std::size_t batches = 0;
  std::size_t checkpoints = 0;
  std::size_t installs = 0;
  std::optional<Error> fault;
  Clock* clock = nullptr;  // of apply_time
  Duration apply_time{};
  fakes::TestDisk* disk = nullptr;
  FileSystem* files = nullptr;
};

// Counts the streams that are opened through another one.
class CountingTransport final : public net::Transport {
 public:
  explicit CountingTransport(std::unique_ptr<net::Transport> inner) : inner_(std::move(inner)) {}
  void set_address(NodeId node, std::string address) override {
    inner_->set_address(node, std::move(address));
  }
  Task<Result<std::unique_ptr<net::Stream>>> open(NodeId peer, net::Lane lane,
                                                  Instant deadline) override {
    ++opened;
    co_return co_await inner_->open(peer, lane, deadline);
  }
  Task<Result<std::unique_ptr<net::Stream>>> accept() override {
    co_return co_await inner_->accept();
  }
  Task<void> stop() override { co_await inner_->stop(); }

  std::size_t opened = 0;

 private:
  std::unique_ptr<net::Transport> inner_;
};

// Voters on one loop in virtual time, on a network and disks in memory.
class TestCluster {
 public:
  struct Node {
    fakes::TestDisk disk;
    std::unique_ptr<fakes::TestFiles> files;
    TestStateMachine machine;
    std::unique_ptr<CountingTransport> transport;
    std::unique_ptr<rpc::Server> server;
    std::unique_ptr<rpc::Client> client;
    std::unique_ptr<Replica> replica;
    std::unique_ptr<TaskGroup> tasks;
    VoterId replica_id{};  // zero: its first one, which is in the first configuration
  };
  template <class T>
  using Answer = std::shared_ptr<std::optional<Result<T>>>;

  explicit TestCluster(std::size_t voter_count, std::uint64_t seed = 1) : world(seed) {
    network = std::make_unique<net::MemoryNetwork>(world.env(no_files));
    for (std::size_t i = 0; i < voter_count; ++i) voters.push_back(NodeId{i + 1});
    first_voters = voters;
    for (const NodeId id : voters) make_node(id);
  }
  void make_node(NodeId id) {
    Node& node = nodes[id];
    node.files = std::make_unique<fakes::TestFiles>(node.disk);
    node.disk.clock = &world.clock;
    node.machine.clock = &world.clock;
    node.machine.disk = &node.disk;
    node.machine.files = node.files.get();
  }
  // One more, which no configuration names yet.
  void add_node(NodeId id, VoterId replica_id) {
    voters.push_back(id);
    make_node(id);
    at(id).replica_id = replica_id;
  }
  // It loses everything and comes back as another one, if it comes back.
  void wipe(NodeId id, VoterId replica_id) {
    crash(id);
    Node& node = at(id);
    node.disk.live_names.clear();
    node.disk.durable_names.clear();
    node.machine = TestStateMachine{};
    node.machine.clock = &world.clock;
    node.machine.disk = &node.disk;
    node.machine.files = node.files.get();
    node.replica_id = replica_id;
  }
  ~TestCluster() {
    for (const NodeId id : voters) stop(id);
    world.settle();
  }

  Node& at(NodeId id) { return nodes.at(id); }
  void start_all() {
    for (const NodeId id : voters) ASSERT_TRUE(start(id));
  }
  Result<void> start(NodeId id) {
    Node& node = at(id);
    const Environment env = world.env(*node.files);
    node.transport = std::make_unique<CountingTransport>(network->endpoint(id));
    node.server = std::make_unique<rpc::Server>(env, *node.transport);
    node.client = std::make_unique<rpc::Client>(env, *node.transport);
    ReplicaOptions opened = options;
    opened.directory = "/raft";
    opened.self = id;
    opened.id = node.replica_id;
    if (opened.id == VoterId{}) opened.voters = first_voters;
    auto replica = world.run(open_replica(env, opened, *node.server, *node.client, node.machine));
    if (!replica.has_value()) {
      node.transport.reset();
      return replica.error();
    }
    node.replica = std::move(*replica);
    node.tasks = std::make_unique<TaskGroup>(world.loop.get_executor(), world.clock);
    node.tasks->spawn(node.server->run());
    node.tasks->spawn(node.replica->run());
    return {};
  }
  void stop(NodeId id) {
    Node& node = at(id);
    if (node.replica == nullptr) return;
    ASSERT_TRUE(world.run(end(node)));
    world.settle();
    node.replica.reset();
    node.tasks.reset();
    node.server.reset();
    node.client.reset();
    node.transport.reset();
  }
  // The machine loses its power at once: nothing more reaches the disk, and of what was not synced
  // a random part is lost.
  void crash(NodeId id) {
    Node& node = at(id);
    if (node.replica == nullptr) return;
    node.disk.crash_at = node.disk.operation_count;
    network->down(id);
    stop(id);
    network->up(id);
    node.disk.lose_power(world.random);
    node.machine.lose_power();
  }

  bool runs(NodeId id) { return at(id).replica != nullptr; }
  std::optional<NodeId> leader() {
    std::optional<NodeId> found;
    std::uint64_t term = 0;
    for (const NodeId id : voters) {
      if (!runs(id)) continue;
      const ReplicaStatus status = at(id).replica->status();
      if (status.role != ReplicaRole::leader || status.term <= term) continue;
      found = id;
      term = status.term;
    }
    return found;
  }
  // A leader that a majority follows; fails the test when there is none in time.
  NodeId await_leader(std::optional<NodeId> other_than = {}) {
    std::optional<NodeId> found;
    const auto is_there = [&] {
      found = leader();
      if (!found.has_value() || found == other_than) return false;
      std::size_t followers = 0;
      for (const NodeId id : voters) {
        followers += runs(id) && at(id).replica->status().leader == found &&
                     at(id).replica->status().term == at(*found).replica->status().term;
      }
      return followers > voters.size() / 2;
    };
    EXPECT_TRUE(world.run_until(is_there, 60s)) << "no leader";
    return found.value_or(NodeId{});
  }
  Answer<std::string> begin_propose(NodeId id, std::string command, Duration timeout = 10s) {
    auto answer = std::make_shared<std::optional<Result<std::string>>>();
    world.start(at(id).replica->propose(std::move(command), world.clock.now() + timeout), answer);
    return answer;
  }
  Result<std::string> propose(NodeId id, std::string command, Duration timeout = 10s) {
    return world.run(at(id).replica->propose(std::move(command), world.clock.now() + timeout));
  }
  Result<std::uint64_t> read(NodeId id, Duration timeout = 10s) {
    return world.run(at(id).replica->read_barrier(world.clock.now() + timeout));
  }
  // Until all that run have applied what the leader has committed.
  bool await_equal(Duration limit = 60s) {
    return world.run_until(
        [&] {
          std::uint64_t commit = 0;
          for (const NodeId id : voters)
            if (runs(id)) commit = std::max(commit, at(id).replica->status().commit_index);
          return std::ranges::all_of(voters, [&](NodeId id) {
            return !runs(id) || at(id).replica->status().applied_index == commit;
          });
        },
        limit);
  }
  // State machine safety: at one index everybody applied the same.
  void check_equal_prefixes() {
    std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> seen;
    for (const NodeId id : voters) {
      for (const CommittedEntry& entry : at(id).machine.live) {
        const auto [found, is_new] =
            seen.emplace(entry.index, std::pair{entry.term, entry.command});
        ASSERT_EQ(found->second, (std::pair{entry.term, entry.command}))
            << "index " << entry.index << " of node " << id.value();
      }
    }
  }

  fakes::TestWorld world;
  fakes::TestDisk no_disk;
  fakes::TestFiles no_files{no_disk};
  std::unique_ptr<net::MemoryNetwork> network;
  ReplicaOptions options;
  std::vector<NodeId> voters;  // all there are, whether or not they vote
  std::vector<NodeId> first_voters;
  std::map<NodeId, Node> nodes;

 private:
  static Task<Result<void>> end(Node& node) {
    co_await node.replica->stop();
    co_await node.transport->stop();
    co_return co_await node.tasks->join();
  }
};

}  // namespace predastore::raft::testing
