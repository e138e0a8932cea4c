#include "sim/simulation.h"

#include <cstdio>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "meta/keys.h"
#include "meta/state_machine.h"
#include "sim/key_value.h"

namespace predastore::sim {
namespace {

constexpr Duration kStep = 25ms;  // between two looks of the observer

// One run, from the first start to the last check.
class Simulation {
 public:
  Simulation(std::uint64_t seed, const Scenario& scenario)
      : seed_(seed),
        scenario_(scenario),
        scheduler_(seed),
        random_(SimRandom::derive(seed, "simulation")),
        tunables_(scenario.tunables ? *scenario.tunables : Tunables::draw(random_)),
        mix_(scenario.faults ? *scenario.faults : FaultMix::draw(random_)),
        cluster_(scheduler_, seed, scenario.node_count + scenario.spare_count, NetworkOptions{},
                 DiskOptions{},
                 [this](std::size_t machine, Life& life) { return make_program(machine, life); }),
        clients_(scheduler_, cluster_, history_, seed, scenario.clients),
        faults_(scheduler_, cluster_, seed, mix_, (scenario.node_count - 1) / 2),
        operator_(scheduler_, cluster_, &faults_, clients_.clock(), Clients::kBucket) {}

  RunResult run();

 private:
  std::unique_ptr<Program> make_program(std::size_t machine, Life& life);
  void work();
  void heal();
  void operate(Instant until);
  Task<void> work_until_done(Instant until);
  Task<bool> wait_for_clients();
  void observe();
  void compare_states();
  void fail(const std::string& what) {
    if (!failure_) failure_ = what;
  }
  bool is_wrong();
  // Runs the world until `task` is done or `limit`; looks for what must never be all the while.
  template <class T>
  std::optional<T> run_observed(Process& process, Task<T> task, Instant limit);
  Task<Result<void>> check_chunks(Instant deadline);
  Task<Result<void>> check_chunk(ChunkLayout layout, Instant deadline);
  Task<Result<void>> await_healed(Instant deadline);
  std::optional<std::size_t> leader() const;
  bool is_whole(std::size_t machine);
  node::Node& node(std::size_t machine) {
    return static_cast<NodeProgram*>(cluster_.life(machine)->program.get())->node();
  }
  void say(const std::string& line) const {
    if (!scenario_.verbose) return;
    const double seconds =
        std::chrono::duration<double>(scheduler_.now().time_since_epoch()).count() - 1000;
    std::fprintf(stderr, "%9.3f s  %s\n", seconds, line.c_str());
  }

  std::uint64_t seed_;
  const Scenario& scenario_;
  Scheduler scheduler_;
  SimRandom random_;
  Tunables tunables_;
  FaultMix mix_;
  History history_;
  Cluster cluster_;
  Clients clients_;
  FaultInjector faults_;
  Operator operator_;
  std::map<std::uint64_t, NodeId> leaders_;      // by term
  std::map<std::uint64_t, std::string> states_;  // content hash by applied index
  Instant next_comparison_{};
  bool are_steps_done_ = false;
  bool have_clients_ended_ = false;
  std::optional<std::string> failure_;
};

std::unique_ptr<Program> Simulation::make_program(std::size_t machine, Life& life) {
  if (mix_.wrong_clock) {
    life.host.clock.wall_offset =
        std::chrono::milliseconds(static_cast<std::int64_t>(random_.below(2'400'000)) - 1'200'000);
    life.host.clock.wall_drift = static_cast<double>(random_.below(200)) / 1000 - 0.1;
  }
  return std::make_unique<NodeProgram>(cluster_.disk(machine), life, machine, scenario_.node_count,
                                       tunables_);
}

// Two equal indexes have equal states, whoever applied them, and a term has one leader.
void Simulation::observe() {
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (!cluster_.is_up(i)) continue;
    const raft::ReplicaStatus status = node(i).replica().status();
    if (!status.failure.empty())
      fail("the voter of n" + std::to_string(i + 1) + " stopped: " + status.failure);
    if (status.role != raft::ReplicaRole::leader) continue;
    const auto [found, is_new] = leaders_.emplace(status.term, cluster_.node_of(i));
    if (is_new) say("n" + std::to_string(i + 1) + " leads term " + std::to_string(status.term));
    if (found->second != cluster_.node_of(i))
      fail("term " + std::to_string(status.term) + " has two leaders");
  }
  if (scheduler_.now() >= next_comparison_) {
    compare_states();
    next_comparison_ = scheduler_.now() + 20 * kStep;
  }
  cluster_.bury();
}

void Simulation::compare_states() {
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (!cluster_.is_up(i)) continue;
    const auto hash_here = node(i).state().hash_here();
    if (!hash_here) continue;  // it is being replaced
    const auto& [index, hash] = *hash_here;
    const auto [found, is_new] = states_.emplace(index, hash);
    if (found->second != hash)
      fail("n" + std::to_string(i + 1) + " has another state at index " + std::to_string(index));
  }
  while (states_.size() > 1000) states_.erase(states_.begin());
}

bool Simulation::is_wrong() {
  if (cluster_.problem()) fail(*cluster_.problem());
  if (clients_.violation()) fail(*clients_.violation());
  return failure_.has_value();
}

template <class T>
std::optional<T> Simulation::run_observed(Process& process, Task<T> task, Instant limit) {
  auto result = std::make_shared<std::optional<T>>();
  boost::asio::co_spawn(process.executor(), scheduler_detail::keep(std::move(task), result),
                        scheduler_detail::rethrow);
  while (!result->has_value() && scheduler_.now() < limit) {
    observe();
    if (is_wrong()) return std::nullopt;
    scheduler_.run([&] { return result->has_value(); }, std::min(limit, scheduler_.now() + kStep));
  }
  return std::move(*result);
}

// Its replica votes, by what the leader says of the one that it is now; or it has been taken out.
bool Simulation::is_whole(std::size_t machine) {
  const auto at = leader();
  if (!at) return false;
  const raft::GroupStatus group = node(*at).replica().group();
  std::size_t replicas = 0;
  bool votes = false;
  for (const raft::MemberStatus& each : group.members) {
    if (each.member.node != cluster_.node_of(machine)) continue;
    ++replicas;
    votes = each.member.is_voter && each.is_heard;
  }
  if (replicas == 0) return true;
  return replicas == 1 && votes && cluster_.is_up(machine) &&
         node(machine).replica().status().is_voter;
}

std::optional<std::size_t> Simulation::leader() const {
  std::optional<std::size_t> found;
  std::uint64_t term = 0;
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (!cluster_.is_up(i)) continue;
    const auto status =
        static_cast<NodeProgram*>(cluster_.life(i)->program.get())->node().replica().status();
    if (status.role != raft::ReplicaRole::leader || status.term < term) continue;
    found = i;
    term = status.term;
  }
  return found;
}

namespace {

Task<bool> finish(Task<void> task) {
  co_await std::move(task);
  co_return true;
}

}  // namespace

void Simulation::work() {
  for (std::size_t i = 0; i < scenario_.node_count; ++i) cluster_.start(i);
  const auto made = run_observed(clients_.process(), clients_.make_bucket(scheduler_.now() + 60s),
                                 scheduler_.now() + 120s);
  if (!made || !*made) return fail("a new cluster did not become ready");
  say("the bucket is made");
  for (std::size_t i = 0; i < cluster_.size(); ++i)
    cluster_.disk(i).faults.lying_sync = scenario_.lying_sync;
  if (scenario_.verbose) clients_.on_event = [this](const std::string& line) { say(line); };
  faults_.on_event = [this](const std::string& line) { say(line); };
  faults_.is_whole = [this](std::size_t machine) { return is_whole(machine); };
  faults_.start();
  const Instant until = scheduler_.now() + scenario_.busy;
  if (scenario_.steps.empty()) {
    (void)run_observed(clients_.process(), finish(clients_.work(until)), until + 300s);
  } else {
    operate(until);
  }
  faults_.stop();
}

// The clients work until the last step is done, and for the busy time at least.
void Simulation::operate(Instant until) {
  operator_.on_event = [this](const std::string& line) { say(line); };
  const Instant limit = scheduler_.now() + scenario_.steps_within;
  boost::asio::co_spawn(clients_.process().executor(), work_until_done(until),
                        scheduler_detail::rethrow);
  const auto done =
      run_observed(clients_.process(), operator_.perform(scenario_.steps, limit), limit + 60s);
  are_steps_done_ = true;
  if (failure_) return;
  if (!done) return fail("the steps never ended");
  if (!*done) return fail("a step was not done: " + done->error().to_string());
  say("all steps are done");
  (void)run_observed(clients_.process(), wait_for_clients(), scheduler_.now() + 300s);
}

Task<void> Simulation::work_until_done(Instant until) {
  while (scheduler_.now() < until || !are_steps_done_)
    co_await clients_.work(scheduler_.now() + 1s);
  have_clients_ended_ = true;
}

Task<bool> Simulation::wait_for_clients() {
  while (!have_clients_ended_) co_await sleep_for(clients_.clock(), 100ms);
  co_return true;
}

// With the faults over, all is as it should be within bounded time, without anybody's help.
void Simulation::heal() {
  say("the faults are over");
  const Instant deadline = scheduler_.now() + scenario_.heals_within;
  for (std::size_t i = 0; i < cluster_.size() && !failure_; ++i) {
    auto is_up = [this, i] { return !cluster_.is_in_play(i) || cluster_.is_up(i); };
    if (!scheduler_.run(is_up, deadline))
      return fail("n" + std::to_string(i + 1) + " is not up after the faults");
  }
  if (is_wrong()) return;
  while (!faults_.wiped().empty() && scheduler_.now() < deadline && !is_wrong()) {
    observe();
    scheduler_.run([] { return false; }, scheduler_.now() + kStep);
  }
  if (is_wrong()) return;
  if (!faults_.wiped().empty())
    return fail("the replica of n" + std::to_string(*faults_.wiped().begin() + 1) +
                " does not vote after the faults");
  const auto healed = run_observed(clients_.process(), await_healed(deadline), deadline + 60s);
  if (failure_) return;
  if (!healed) return fail("healing never ended");
  if (!*healed) return fail("not healed in time: " + healed->error().to_string());
  say("all chunks are whole");
  for (std::size_t i = 0; i < cluster_.size() && !failure_; ++i) {
    if (!cluster_.is_in_play(i)) continue;
    const Instant limit = scheduler_.now() + 60s;
    const auto proof =
        run_observed(clients_.process(), clients_.prove_health(i, limit), limit + 60s);
    if (failure_) return;
    if (!proof || !*proof)
      return fail("n" + std::to_string(i + 1) + " does not serve after the faults: " +
                  (proof ? proof->error().to_string() : "no answer"));
  }
}

Task<Result<void>> Simulation::await_healed(Instant deadline) {
  Result<void> last = make_error(ErrorCode::TimedOut);
  while (scheduler_.now() < deadline) {
    const auto at = leader();
    if (at) {
      const Instant limit = std::min(deadline, scheduler_.now() + 20s);
      last = co_await check_chunks(limit);
      if (last) co_return last;
    }
    co_await sleep_for(clients_.clock(), 500ms);
  }
  co_return last;
}

// Runs on the clients' process and calls into the nodes' parts directly: everything waits on the
// node's own clock, and resumes here.
Task<Result<void>> Simulation::check_chunks(Instant deadline) {
  std::string after;
  const auto at = leader();
  if (!at) co_return make_error(ErrorCode::Unavailable, "no leader");
  const auto life = cluster_.life(*at);
  meta::MetaService& meta = static_cast<NodeProgram*>(life->program.get())->node().meta();
  PREDA_CO_TRY(const auto state, co_await meta.cluster_state(deadline));
  if (state.repair_pending > 0)
    co_return make_error(ErrorCode::Unavailable,
                         std::to_string(state.repair_pending) + " chunks wait for repair");
  for (;;) {
    PREDA_CO_TRY(const auto layouts, co_await meta.layouts_after(after, 100, deadline));
    if (layouts.empty()) break;
    for (const ChunkLayout& layout : layouts) {
      PREDA_CO_CHECK(co_await check_chunk(layout, deadline));
      after = chunk_key(layout.object_id, layout.chunk_index);
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> Simulation::check_chunk(ChunkLayout layout, Instant deadline) {
  for (std::size_t role = 0; role < layout.places.size(); ++role) {
    const ShardPlace& place = layout.places[role];
    if (!place.is_stored) continue;
    const std::string name = "role " + std::to_string(role) + " of chunk " +
                             std::to_string(layout.chunk_index.value()) + " of " +
                             to_hex(layout.object_id.span().first(4));
    if (place.is_missing) co_return make_error(ErrorCode::NotFound, name + " is missing");
    const auto life = cluster_.life(place.node.value() - 1);
    if (life == nullptr || !life->is_ready) co_return make_error(ErrorCode::Unavailable, "down");
    shard::DriveSet& drive = static_cast<NodeProgram*>(life->program.get())->node().drives();
    const ShardKey key{layout.object_id, layout.chunk_index,
                       ShardRole{static_cast<std::uint8_t>(role)}};
    const auto info = co_await drive.stat(key, deadline);
    if (!info) co_return make_error(info.error().code, name + ": " + info.error().detail);
    if (info->stamp.write_id != place.write_id)
      co_return make_error(ErrorCode::Conflict, name + " is of another try than its layout says");
    const auto verified = co_await drive.verify(key, deadline);
    if (!verified)
      co_return make_error(verified.error().code, name + ": " + verified.error().detail);
  }
  co_return Result<void>{};
}

RunResult Simulation::run() {
  say("seed " + std::to_string(seed_) + ": " + tunables_.to_string() +
      "; faults: " + mix_.to_string());
  work();
  if (!is_wrong()) heal();
  RunResult result;
  std::uint64_t inconclusive = 0;
  if (!failure_) {
    if (const auto wrong = history_.find_wrong(&inconclusive)) fail(*wrong);
  }
  if (failure_) {
    // A broken world is not taken apart: the process ends soon, and its objects could be anything.
    result.failure = "seed " + std::to_string(seed_) + " (" + tunables_.to_string() +
                     "; faults: " + mix_.to_string() + "): " + *failure_;
    return result;
  }
  if (!cluster_.shut_down()) {
    result.failure = "seed " + std::to_string(seed_) + ": a node did not end";
    return result;
  }
  scheduler_.settle();
  result.counts = clients_.counts();
  result.fault_count = faults_.fault_count();
  result.operation_count = history_.operation_count();
  std::uint64_t hash = scheduler_.history_hash();
  history_.fold_into(&hash);
  result.history_hash = hash ^ scheduler_.final_draw();
  result.summary =
      std::to_string(result.counts.puts) + " puts, " + std::to_string(result.counts.uploads) +
      " uploads, " + std::to_string(result.counts.reads) + " reads, " +
      std::to_string(result.counts.not_found) + " not found, " +
      std::to_string(result.counts.deletes) + " deletes, " + std::to_string(result.counts.lists) +
      " lists, " + std::to_string(result.counts.refused) + " refused, " +
      std::to_string(result.counts.unknown) + " unknown, " +
      std::to_string(result.counts.failed_reads) + " failed reads, " +
      std::to_string(result.fault_count) + " faults, " + std::to_string(inconclusive) +
      " inconclusive";
  return result;
}

}  // namespace

RunResult simulate(std::uint64_t seed, const Scenario& scenario) {
  auto simulation = std::make_unique<Simulation>(seed, scenario);
  RunResult result = simulation->run();
  if (result.failure) {  // see run(); kept where the leak check finds it
    static auto& kept = *new std::vector<std::unique_ptr<Simulation>>;
    kept.push_back(std::move(simulation));
  }
  return result;
}

}  // namespace predastore::sim
