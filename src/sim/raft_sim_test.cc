// Voters with the real log and messages and a small state machine, under every fault: what was
// acknowledged stays, reads are linearizable, a term has one leader, and equal indexes hold equal
// entries.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "raft/replica.h"
#include "sim/cluster.h"
#include "sim/faults.h"
#include "sim/key_value.h"
#include "sim/linearizability.h"
#include "telemetry/log.h"

namespace predastore::sim {
namespace {

constexpr std::size_t kKeyCount = 4;

// What all voters together did, for the invariants.
struct Ledger {
  std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> entries;  // by index
  std::map<std::uint64_t, NodeId> leaders;                                 // by term
  std::optional<std::string> violation;

  void applied(const raft::CommittedEntry& entry) {
    const auto [found, is_new] = entries.emplace(entry.index, std::pair{entry.term, entry.command});
    if (!is_new && found->second != std::pair{entry.term, entry.command})
      violation = "two voters applied different entries at index " + std::to_string(entry.index);
  }
  void saw(NodeId node, const raft::ReplicaStatus& status) {
    if (status.role != raft::ReplicaRole::leader) return;
    const auto [found, is_new] = leaders.emplace(status.term, node);
    if (found->second != node)
      violation = "term " + std::to_string(status.term) + " has two leaders";
  }
};

// Registers: "key=value". The applied index is in the batch of what it applied.
class Registers final : public raft::StateMachine {
 public:
  Registers(std::unique_ptr<kv::KeyValueStore> store, Ledger& ledger, SimRandom& random)
      : store_(std::move(store)), ledger_(ledger), random_(random) {
    const auto index = store_->get(0, "index");
    if (index && *index) applied_ = std::stoull(**index);
  }
  Task<Result<std::vector<std::string>>> apply(std::vector<raft::CommittedEntry> entries) override {
    kv::Batch batch;
    std::vector<std::string> answers;
    for (const raft::CommittedEntry& entry : entries) {
      if (entry.index <= applied_) ledger_.violation = "an entry was applied twice";
      ledger_.applied(entry);
      const std::size_t equals = entry.command.find('=');
      batch.put(0, "key" + entry.command.substr(0, equals), entry.command.substr(equals + 1));
      applied_ = entry.index;
      answers.push_back("done");
    }
    batch.put(0, "index", std::to_string(applied_));
    PREDA_CO_CHECK(store_->write(batch));
    if (random_.below(10) == 0) {
      PREDA_CO_CHECK(store_->flush());
    }
    co_return answers;
  }
  std::uint64_t applied_index() const override { return applied_; }
  std::uint64_t value(std::size_t key) const {
    const auto found = store_->get(0, "key" + std::to_string(key));
    return found && *found ? std::stoull(**found) : 0;
  }

 private:
  std::unique_ptr<kv::KeyValueStore> store_;
  Ledger& ledger_;
  SimRandom& random_;
  std::uint64_t applied_ = 0;
};

class VoterProgram final : public Program {
 public:
  VoterProgram(SimDisk& disk, Life& life, NodeId self, std::size_t voter_count, Ledger& ledger)
      : env_(life.host.environment()),
        tasks_(env_.executor, env_.clock),
        transport_(*life.transport),
        server_(env_, transport_),
        client_(env_, transport_) {
    kv::RocksOptions store;
    store.path = "/meta";
    store.families = {"registers"};
    registers = std::make_unique<Registers>(*open_sim_store(disk, store), ledger, life.host.random);
    options_.directory = "/raft";
    options_.self = self;
    for (std::size_t i = 0; i < voter_count; ++i) options_.voters.push_back(NodeId{i + 1});
    options_.election_timeout = 300ms;
    options_.heartbeat_interval = 50ms;
  }
  Task<Result<void>> open() override {
    PREDA_CO_TRY(replica,
                 co_await raft::open_replica(env_, options_, server_, client_, *registers));
    co_return Result<void>{};
  }
  Task<void> run() override {
    tasks_.spawn(server_.run());
    tasks_.spawn(replica->run());
    (void)co_await tasks_.join();
  }
  Task<void> stop() override {
    co_await replica->stop();
    co_await transport_.stop();
    (void)co_await tasks_.join();
  }

  std::unique_ptr<Registers> registers;
  std::unique_ptr<raft::Replica> replica;

 private:
  Environment env_;
  TaskGroup tasks_;
  net::Transport& transport_;
  rpc::Server server_;
  rpc::Client client_;
  raft::ReplicaOptions options_;
};

struct Voters {
  explicit Voters(std::uint64_t seed, std::size_t count = 3)
      : scheduler(seed),
        random(SimRandom::derive(seed, "load")),
        no_disk(scheduler, 1),
        world(scheduler, no_disk, "clients", seed),
        cluster(scheduler, seed, count, NetworkOptions{}, DiskOptions{},
                [this](std::size_t machine, Life& life) {
                  return std::make_unique<VoterProgram>(cluster.disk(machine), life,
                                                        cluster.node_of(machine), cluster.size(),
                                                        ledger);
                }) {
    for (std::size_t i = 0; i < count; ++i) cluster.start(i);
  }

  VoterProgram* program(const std::shared_ptr<Life>& life) {
    return static_cast<VoterProgram*>(life->program.get());
  }
  void observe() {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      if (cluster.is_up(i))
        ledger.saw(cluster.node_of(i), program(cluster.life(i))->replica->status());
    }
    cluster.bury();
  }

  Scheduler scheduler;
  SimRandom random;
  SimDisk no_disk;
  SimHost world;
  Ledger ledger;
  Cluster cluster;
  std::map<std::size_t, std::vector<RegisterOperation>> history;
  std::uint64_t last_value = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t read_count = 0;
  std::uint64_t follower_read_count = 0;
};

std::int64_t moment(const Voters& voters) {
  return voters.scheduler.now().time_since_epoch().count();
}

// One operation on the machine it runs on; the answer counts only if that life still lives.
Task<void> work(Voters* voters, std::shared_ptr<Life> life, std::size_t key) {
  VoterProgram* program = voters->program(life);
  RegisterOperation operation;
  operation.begin = moment(*voters);
  const Instant deadline = voters->scheduler.now() + 3s;
  if (voters->random.below(2) == 0) {
    operation.kind = RegisterOperation::Kind::write;
    operation.value = ++voters->last_value;
    std::string command = std::to_string(key) + "=" + std::to_string(operation.value);
    const auto answer = co_await program->replica->propose(std::move(command), deadline);
    const bool is_known = answer.has_value() && !life->is_dead;
    if (!answer && !life->is_dead &&
        (answer.error().code == ErrorCode::NotLeader ||
         answer.error().code == ErrorCode::Unavailable)) {
      co_return;  // nothing was or will be done
    }
    operation.end = is_known ? moment(*voters) : RegisterOperation::kUnknown;
    voters->acknowledged += is_known ? 1 : 0;
  } else {
    const bool is_leader = program->replica->status().role == raft::ReplicaRole::leader;
    const auto barrier = co_await program->replica->read_barrier(deadline);
    if (!barrier || life->is_dead) co_return;
    operation.kind = RegisterOperation::Kind::read;
    operation.value = program->registers->value(key);
    operation.end = moment(*voters);
    ++voters->read_count;
    voters->follower_read_count += is_leader ? 0 : 1;
  }
  voters->history[key].push_back(operation);
}

Task<void> one_client(Voters* voters, Instant until) {
  while (voters->scheduler.now() < until) {
    const std::size_t machine = voters->random.below(voters->cluster.size());
    const std::size_t key = voters->random.below(kKeyCount);
    const auto life = voters->cluster.life(machine);
    if (life != nullptr && life->is_ready) life->calls.spawn(work(voters, life, key));
    const Duration pause = voters->random.between(Duration{1ms}, Duration{80ms});
    co_await sleep_for(voters->world.clock, pause);
  }
}

bool is_settled(Voters& voters) {
  std::set<std::uint64_t> applied;
  for (std::size_t i = 0; i < voters.cluster.size(); ++i) {
    if (!voters.cluster.is_up(i)) return false;
    applied.insert(voters.program(voters.cluster.life(i))->replica->status().applied_index);
  }
  return applied.size() == 1;
}

std::optional<std::string> problem_of(const Voters& voters) {
  return voters.cluster.problem() ? voters.cluster.problem() : voters.ledger.violation;
}

std::optional<std::string> check(const Voters& voters) {
  if (const auto problem = problem_of(voters)) return problem;
  for (const auto& [key, operations] : voters.history) {
    const auto wrong = find_contradiction(operations);
    if (wrong) return "key " + std::to_string(key) + ": " + *wrong;
  }
  return std::nullopt;
}

struct Outcome {
  std::optional<std::string> failure;
  std::uint64_t hash = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t read_count = 0;
  std::uint64_t follower_read_count = 0;
};

Outcome run_voters(std::uint64_t seed, bool syncs_lie = false) {
  telemetry::set_log_level(telemetry::LogLevel::error);
  Voters voters(seed, seed % 5 == 0 ? 5 : 3);
  FaultMix mix = FaultMix::draw(voters.random);
  if (syncs_lie) {
    mix = FaultMix{};
    mix.all_down = true;
    for (std::size_t i = 0; i < voters.cluster.size(); ++i)
      voters.cluster.disk(i).faults.lying_sync = 1;
  }
  FaultInjector faults(voters.scheduler, voters.cluster, seed, mix,
                       (voters.cluster.size() - 1) / 2);
  const Instant until = voters.scheduler.now() + 40s;
  TaskGroup clients(voters.world.process.executor(), voters.world.clock);
  for (int i = 0; i < 3; ++i) clients.spawn(one_client(&voters, until));
  faults.start();
  Outcome outcome;
  auto step = [&](Instant end) {
    voters.observe();
    return voters.scheduler.now() >= end || problem_of(voters).has_value();
  };
  while (!step(until)) voters.scheduler.run([] { return false; }, voters.scheduler.now() + 25ms);
  faults.stop();
  // With the faults over, one more write is possible and everybody gets to know it.
  const Instant limit = voters.scheduler.now() + 60s;
  TaskGroup last(voters.world.process.executor(), voters.world.clock);
  const std::uint64_t before = voters.acknowledged;
  last.spawn(one_client(&voters, voters.scheduler.now() + 10s));
  const Instant healed = voters.scheduler.now() + 12s;
  while (!step(healed)) voters.scheduler.run([] { return false; }, voters.scheduler.now() + 25ms);
  voters.scheduler.run([&] { return is_settled(voters); }, limit);
  outcome.failure = check(voters);
  if (!outcome.failure && !is_settled(voters)) outcome.failure = "the voters did not catch up";
  if (!outcome.failure && voters.acknowledged == before)
    outcome.failure = "nothing was acknowledged after the faults ended";
  if (!voters.cluster.shut_down() && !outcome.failure) outcome.failure = "a voter did not end";
  voters.scheduler.settle();
  outcome.acknowledged = voters.acknowledged;
  outcome.read_count = voters.read_count;
  outcome.follower_read_count = voters.follower_read_count;
  voters.scheduler.note(voters.acknowledged);
  outcome.hash = voters.scheduler.history_hash() ^ voters.scheduler.final_draw();
  if (outcome.failure) {
    outcome.failure =
        "seed " + std::to_string(seed) + " (" + mix.to_string() + "): " + *outcome.failure;
  }
  return outcome;
}

std::uint64_t seeds_to_run(std::uint64_t sample) {
  const char* wanted = std::getenv("PREDASTORE_SEEDS");
  return wanted == nullptr ? sample : std::strtoull(wanted, nullptr, 10);
}

TEST(SimulatedVoters, acknowledged_entries_stay_and_reads_are_linearizable) {
  std::uint64_t acknowledged = 0;
  std::uint64_t read_count = 0;
  std::uint64_t follower_read_count = 0;
  for (std::uint64_t seed = 1; seed <= seeds_to_run(40); ++seed) {
    const Outcome outcome = run_voters(seed);
    ASSERT_FALSE(outcome.failure.has_value()) << *outcome.failure;
    acknowledged += outcome.acknowledged;
    read_count += outcome.read_count;
    follower_read_count += outcome.follower_read_count;
  }
  EXPECT_GT(acknowledged, 1000u);
  EXPECT_GT(read_count, 1000u);
  EXPECT_GT(follower_read_count, 500u);
}

// Five voters with a leader and without faults but those that a test makes.
struct Calm {
  explicit Calm(std::uint64_t seed) : voters(seed, 5) {
    telemetry::set_log_level(telemetry::LogLevel::error);
    run_until([this] { return leader().has_value(); });
    EXPECT_TRUE(write(*leader(), 1));
  }
  ~Calm() {
    EXPECT_TRUE(voters.cluster.shut_down());
    voters.scheduler.settle();
  }
  template <class Condition>
  void run_until(Condition condition) {
    voters.scheduler.run(condition, voters.scheduler.now() + 60s);
    ASSERT_TRUE(condition());
  }
  std::optional<std::size_t> leader(std::uint64_t term_min = 0) {
    for (std::size_t i = 0; i < voters.cluster.size(); ++i) {
      const VoterProgram* each = voters.program(voters.cluster.life(i));
      if (each == nullptr || each->replica == nullptr) continue;  // it is being opened
      const raft::ReplicaStatus status = each->replica->status();
      if (status.role == raft::ReplicaRole::leader && status.term >= term_min) return i;
    }
    return std::nullopt;
  }
  VoterProgram& program(std::size_t machine) {
    return *voters.program(voters.cluster.life(machine));
  }
  std::size_t after(std::size_t machine, std::size_t steps) {
    return (machine + steps) % voters.cluster.size();
  }
  static Task<void> propose(raft::Replica* replica, std::string command, Instant deadline,
                            std::optional<bool>* is_done) {
    *is_done = (co_await replica->propose(std::move(command), deadline)).has_value();
  }
  bool write(std::size_t machine, std::uint64_t value) {
    std::optional<bool> is_done;
    voters.cluster.life(machine)->calls.spawn(propose(program(machine).replica.get(),
                                                      "0=" + std::to_string(value),
                                                      voters.scheduler.now() + 10s, &is_done));
    run_until([&] { return is_done.has_value(); });
    return is_done.value_or(false);
  }
  // What a read that begins now at `machine` finds, when it has ended.
  struct Read {
    bool has_ended = false;
    std::optional<std::uint64_t> value;
  };
  static Task<void> read(VoterProgram* program, Instant deadline, std::shared_ptr<Read> read) {
    const auto index = co_await program->replica->read_barrier(deadline);
    if (index.has_value()) read->value = program->registers->value(0);
    read->has_ended = true;
  }
  std::shared_ptr<Read> begin_read(std::size_t machine, Duration timeout) {
    auto begun = std::make_shared<Read>();
    voters.cluster.life(machine)->calls.spawn(
        read(&program(machine), voters.scheduler.now() + timeout, begun));
    return begun;
  }

  Voters voters;
};

TEST(SimulatedVoters, a_follower_that_hears_only_a_deposed_leader_reads_nothing_old) {
  Calm calm(11);
  const std::size_t old = *calm.leader();
  const std::size_t follower = calm.after(old, 1);
  calm.run_until([&] { return calm.program(follower).registers->value(0) == 1; });
  for (const std::size_t near : {old, follower}) {
    for (std::size_t far = 2; far < 5; ++far) {
      const NodeId one = calm.voters.cluster.node_of(near);
      const NodeId other = calm.voters.cluster.node_of(calm.after(old, far));
      calm.voters.cluster.network().block(one, other);
      calm.voters.cluster.network().block(other, one);
    }
  }
  // While the old one still believes that it leads, and when the others have long gone on.
  const auto early = calm.begin_read(follower, 2s);
  const std::uint64_t term = calm.program(old).replica->status().term;
  calm.run_until([&] { return calm.leader(term + 1).has_value(); });
  ASSERT_TRUE(calm.write(*calm.leader(term + 1), 2));
  const auto late = calm.begin_read(follower, 2s);
  calm.run_until([&] { return early->has_ended && late->has_ended; });
  EXPECT_EQ(early->value, std::nullopt);
  EXPECT_EQ(late->value, std::nullopt);
  calm.voters.cluster.network().heal();
  const auto healed = calm.begin_read(follower, 30s);
  calm.run_until([&] { return healed->has_ended; });
  EXPECT_EQ(healed->value, 2u);
}

TEST(SimulatedVoters, a_read_at_a_follower_outlasts_a_leader_that_is_paused) {
  Calm calm(12);
  const std::size_t old = *calm.leader();
  const std::size_t follower = calm.after(old, 1);
  calm.voters.cluster.pause(old);
  const auto read = calm.begin_read(follower, 30s);
  const std::uint64_t term = calm.program(old).replica->status().term;
  calm.run_until([&] { return calm.leader(term + 1).has_value(); });
  ASSERT_TRUE(calm.write(*calm.leader(term + 1), 2));
  const auto late = calm.begin_read(follower, 30s);
  calm.run_until([&] { return read->has_ended && late->has_ended; });
  EXPECT_TRUE(read->value.has_value());
  EXPECT_EQ(late->value, 2u);
  // It comes back as a follower, and what it reads is not what it knew.
  const auto at_old = calm.begin_read(old, 30s);
  calm.voters.cluster.resume(old);
  calm.run_until([&] { return at_old->has_ended; });
  if (at_old->value.has_value()) {
    EXPECT_EQ(at_old->value, 2u);
  }
}

// The checks can fail: on disks that say they synced and did not, something acknowledged is lost.
TEST(SimulatedVoters, disks_that_lie_about_a_sync_are_found_out) {
  std::uint64_t failures = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed)
    failures += run_voters(seed, true).failure.has_value() ? 1 : 0;
  EXPECT_GT(failures, 0u);
}

TEST(SimulatedVoters, a_seed_run_twice_gives_the_same_history) {
  for (const std::uint64_t seed : {3, 7}) {
    EXPECT_EQ(run_voters(seed).hash, run_voters(seed).hash);
  }
}

}  // namespace
}  // namespace predastore::sim
