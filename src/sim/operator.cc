#include "sim/operator.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "node/registry.h"
#include "repair/ring_change.h"

namespace predastore::sim {
namespace {

constexpr Duration kPause = 300ms;  // between two attempts
constexpr Duration kCalm = 3s;      // without a chunk that waits, so that what was under way is in

node::Node& node_at(const std::shared_ptr<Life>& life) {
  return static_cast<NodeProgram*>(life->program.get())->node();
}

NodeRecord record_of(NodeId node) {
  NodeRecord record;
  record.node = node;
  record.name = "n" + std::to_string(node.value());
  record.cluster_address = record.name + ":7700";
  record.is_voter = false;
  return record;
}

bool is_current(const meta::Topology& topology, NodeId node) {
  return std::ranges::any_of(topology.nodes, [node](const NodeRecord& record) {
    return record.node == node && !record.is_departed;
  });
}

Result<std::size_t> number_of(const std::string& word) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || end != word.data() + word.size() || number == 0)
    return make_error(ErrorCode::InvalidArgument, "\"" + word + "\" is no number");
  return number;
}

}  // namespace

Result<Step> parse_step(std::string_view text) {
  std::istringstream words{std::string{text}};
  std::string verb;
  words >> verb;
  const std::pair<const char*, Step::Kind> verbs[] = {
      {"add", Step::Kind::add},         {"drain", Step::Kind::drain},
      {"remove", Step::Kind::remove},   {"lose", Step::Kind::lose},
      {"replace", Step::Kind::replace}, {"migrate", Step::Kind::migrate}};
  const auto* const found =
      std::ranges::find(verbs, verb, [](const auto& entry) { return std::string{entry.first}; });
  if (found == std::end(verbs))
    return make_error(ErrorCode::InvalidArgument, "no step \"" + std::string{text} + "\"");
  Step step;
  step.kind = found->second;
  if (step.kind == Step::Kind::migrate) {
    unsigned data = 0;
    unsigned parity = 0;
    char plus = 0;
    if (!(words >> data >> plus >> parity) || plus != '+' || data == 0 || data > 16 || parity > 8)
      return make_error(ErrorCode::InvalidArgument, "no scheme in \"" + std::string{text} + "\"");
    step.rs = {static_cast<std::uint8_t>(data), static_cast<std::uint8_t>(parity)};
    return step;
  }
  for (std::string word; words >> word;) {
    PREDA_TRY(const std::size_t number, number_of(word));
    step.machines.push_back(number - 1);
  }
  const std::size_t wanted = step.kind == Step::Kind::replace ? 2 : 1;
  const bool is_list = step.kind == Step::Kind::lose && !step.machines.empty();
  if (step.machines.size() != wanted && !is_list)
    return make_error(ErrorCode::InvalidArgument, "nodes of \"" + std::string{text} + "\"");
  return step;
}

// ---- steps

Task<Result<void>> Operator::perform(std::vector<Step> steps, Instant deadline) {
  for (const Step& step : steps) {
    PREDA_CO_CHECK(co_await perform(step, deadline));
  }
  co_return Result<void>{};
}

Task<Result<void>> Operator::perform(Step step, Instant deadline) {
  switch (step.kind) {
    case Step::Kind::add: co_return co_await add(step.machines[0], deadline);
    case Step::Kind::drain: co_return co_await drain(step.machines[0], deadline);
    case Step::Kind::lose: co_return co_await lose(step.machines, deadline);
    case Step::Kind::replace:
      co_return co_await replace(step.machines[0], step.machines[1], deadline);
    case Step::Kind::migrate: co_return co_await migrate(step.rs, deadline);
    case Step::Kind::remove: break;
  }
  PREDA_CO_CHECK(co_await set_state(step.machines[0], meta::NodeState::departed, deadline));
  cluster_.retire(step.machines[0]);
  co_return Result<void>{};
}

Task<Result<void>> Operator::add(std::size_t machine, Instant deadline) {
  PREDA_CO_CHECK(co_await join(machine, deadline));
  const NodeId node = cluster_.node_of(machine);
  auto change = [node](RingRecord ring) {
    return repair::with_node(std::move(ring), node, 100, "");
  };
  PREDA_CO_CHECK(co_await change_ring(std::move(change), deadline));
  co_return co_await run_job(JobKind::rebalance, {}, deadline);
}

Task<Result<void>> Operator::drain(std::size_t machine, Instant deadline) {
  const NodeId node = cluster_.node_of(machine);
  auto change = [node](RingRecord ring) -> Result<RingRecord> {
    if (!repair::names(ring, node)) return ring;
    return repair::without_node(std::move(ring), node);
  };
  PREDA_CO_CHECK(co_await change_ring(std::move(change), deadline));
  PREDA_CO_CHECK(co_await set_state(machine, meta::NodeState::draining, deadline));
  PREDA_CO_CHECK(co_await run_job(JobKind::rebalance, {}, deadline));
  co_return co_await check_empty(machine, deadline);
}

Task<Result<void>> Operator::lose(std::vector<std::size_t> machines, Instant deadline) {
  if (faults_ != nullptr) faults_->stop();
  PREDA_CO_CHECK(co_await await_whole(deadline));
  for (const std::size_t machine : machines) cluster_.retire(machine);
  for (const std::size_t machine : machines) {
    say("n" + std::to_string(machine + 1) + " is lost for good");
    const NodeId node = cluster_.node_of(machine);
    auto change = [node](RingRecord ring) -> Result<RingRecord> {
      if (!repair::names(ring, node)) return ring;
      return repair::without_node(std::move(ring), node);
    };
    PREDA_CO_CHECK(co_await change_ring(std::move(change), deadline));
    PREDA_CO_CHECK(co_await set_state(machine, meta::NodeState::departed, deadline));
  }
  if (faults_ != nullptr) faults_->start();
  PREDA_CO_CHECK(co_await run_job(JobKind::rebalance, {}, deadline));
  for (const std::size_t machine : machines) {
    PREDA_CO_CHECK(co_await check_empty(machine, deadline));
  }
  co_return Result<void>{};
}

Task<Result<void>> Operator::replace(std::size_t before, std::size_t after, Instant deadline) {
  if (faults_ != nullptr) faults_->stop();
  PREDA_CO_CHECK(co_await await_whole(deadline));
  cluster_.retire(before);
  say("n" + std::to_string(before + 1) + " is lost for good");
  PREDA_CO_CHECK(co_await join(after, deadline));
  const NodeId old_node = cluster_.node_of(before);
  const NodeId new_node = cluster_.node_of(after);
  auto change = [old_node, new_node](RingRecord ring) -> Result<RingRecord> {
    if (!repair::names(ring, old_node)) return ring;
    return repair::with_replaced(std::move(ring), old_node, new_node);
  };
  PREDA_CO_CHECK(co_await change_ring(std::move(change), deadline));
  PREDA_CO_CHECK(co_await set_state(before, meta::NodeState::departed, deadline));
  if (faults_ != nullptr) faults_->start();
  PREDA_CO_CHECK(co_await run_job(JobKind::rebalance, {}, deadline));
  co_return co_await check_empty(before, deadline);
}

// What was under way with the old scheme when the job made its last pass is found by another one.
Task<Result<void>> Operator::migrate(RsConfig rs, Instant deadline) {
  Attempt set = [this, rs](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    meta::BucketOptions options;
    options.bucket = bucket_;
    options.rs = rs;
    PREDA_CO_TRY([[maybe_unused]] const BucketRecord bucket,
                 co_await node_at(life).meta().set_bucket_options(options, soon()));
    co_return true;
  };
  PREDA_CO_CHECK(co_await until("the scheme", std::move(set), deadline));
  for (;;) {
    PREDA_CO_CHECK(co_await run_job(JobKind::rs_migrate, bucket_, deadline));
    bool is_done = false;
    Attempt look = [this, rs, &is_done](std::shared_ptr<Life> life) -> Task<Result<bool>> {
      std::string after;
      is_done = true;
      for (;;) {
        PREDA_CO_TRY(const auto page,
                     co_await node_at(life).meta().layouts_after(after, 500, soon()));
        if (page.empty()) co_return true;
        for (const ChunkLayout& layout : page) is_done = is_done && layout.rs == rs;
        after = chunk_key(page.back().object_id, page.back().chunk_index);
      }
    };
    PREDA_CO_CHECK(co_await until("the layouts", std::move(look), deadline));
    if (is_done) co_return Result<void>{};
  }
}

// ---- what they are made of

std::shared_ptr<Life> Operator::pick() {
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    const std::size_t machine = next_++ % cluster_.size();
    if (cluster_.is_up(machine)) return cluster_.life(machine);
  }
  return nullptr;
}

Task<Result<void>> Operator::until(std::string what, Attempt attempt, Instant deadline) {
  Error last = make_error(ErrorCode::TimedOut, "nobody was asked");
  while (scheduler_.now() < deadline) {
    const std::shared_ptr<Life> life = pick();
    if (life != nullptr) {
      const auto done = co_await attempt(life);
      if (done && *done && !life->is_dead) co_return Result<void>{};
      if (!done) last = done.error();
    }
    co_await sleep_for(clock_, kPause);
  }
  co_return make_error(ErrorCode::TimedOut, what + ": " + last.to_string());
}

// The change is one that changes nothing when it is made again.
Task<Result<void>> Operator::change_ring(std::function<Result<RingRecord>(RingRecord)> change,
                                         Instant deadline) {
  Attempt attempt = [this, change](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    meta::Growth& growth = node_at(life).growth();
    PREDA_CO_TRY(const meta::Topology topology, co_await growth.topology(soon()));
    PREDA_CO_TRY(RingRecord ring, change(topology.ring));
    if (ring == topology.ring) co_return true;
    PREDA_CO_CHECK(co_await growth.new_ring(topology.ring.epoch, std::move(ring), soon()));
    co_return false;  // seen by the next look
  };
  co_return co_await until("the ring", std::move(attempt), deadline);
}

Task<Result<void>> Operator::set_state(std::size_t machine, meta::NodeState state,
                                       Instant deadline) {
  const NodeId node = cluster_.node_of(machine);
  Attempt attempt = [this, node, state](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    meta::Growth& growth = node_at(life).growth();
    PREDA_CO_TRY(const meta::Topology topology, co_await growth.topology(soon()));
    const bool is_departed = !is_current(topology, node);
    if (state == meta::NodeState::departed ? is_departed : topology.draining.contains(node))
      co_return true;
    PREDA_CO_CHECK(co_await growth.set_node_state(node, state, soon()));
    co_return false;
  };
  co_return co_await until("the state of a node", std::move(attempt), deadline);
}

bool Operator::all_know(std::size_t machine) {
  const NodeId node = cluster_.node_of(machine);
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (!cluster_.is_up(i)) continue;
    const auto& nodes = node_at(cluster_.life(i)).registry().nodes();
    if (std::ranges::find(nodes, node, &NodeRecord::node) == nodes.end()) return false;
  }
  return cluster_.is_up(machine);
}

Task<Result<void>> Operator::join(std::size_t machine, Instant deadline) {
  cluster_.start(machine);
  const NodeRecord record = record_of(cluster_.node_of(machine));
  Attempt attempt = [this, machine, record](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    meta::Growth& growth = node_at(life).growth();
    PREDA_CO_TRY(const meta::Topology topology, co_await growth.topology(soon()));
    if (is_current(topology, record.node)) co_return all_know(machine);
    PREDA_CO_CHECK(co_await growth.put_node(record, soon()));
    co_return false;
  };
  co_return co_await until("a new node", std::move(attempt), deadline);
}

Task<Result<void>> Operator::run_job(JobKind kind, std::string argument, Instant deadline) {
  std::optional<JobId> id;
  Attempt start = [this, kind, argument, &id](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    meta::Growth& growth = node_at(life).growth();
    const auto started = co_await growth.start_job(kind, argument, soon());
    if (started) id = started->id;
    if (!started && started.error().code != ErrorCode::AlreadyExists) co_return started.error();
    if (!started) {
      PREDA_CO_TRY(const std::vector<JobRecord> jobs, co_await growth.jobs(soon()));
      for (const JobRecord& job : jobs) {
        if (job.kind == kind && job.argument == argument && is_active(job.state)) id = job.id;
      }
    }
    co_return id.has_value();
  };
  PREDA_CO_CHECK(co_await until("the start of a job", std::move(start), deadline));
  say("job " + std::to_string(id->value()) + " runs");
  Attempt watch = [this, &id](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    PREDA_CO_TRY(const std::vector<JobRecord> jobs, co_await node_at(life).growth().jobs(soon()));
    for (const JobRecord& job : jobs) {
      if (job.id != *id) continue;
      items_done_ = job.progress.items_done;
      if (job.state == JobState::done) co_return true;
      co_return make_error(ErrorCode::Unavailable, "job " + std::to_string(job.id.value()) +
                                                       " has state " +
                                                       std::to_string(static_cast<int>(job.state)) +
                                                       ", " + job.progress.detail);
    }
    co_return make_error(ErrorCode::NotFound, "the job is gone");
  };
  PREDA_CO_CHECK(co_await until("a job", std::move(watch), deadline));
  say("job " + std::to_string(id->value()) + " is done: " + std::to_string(items_done_) + " items");
  co_return Result<void>{};
}

Task<Result<void>> Operator::check_empty(std::size_t machine, Instant deadline) {
  const NodeId node = cluster_.node_of(machine);
  Attempt look = [this, node](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    std::string after;
    for (;;) {
      PREDA_CO_TRY(const auto page,
                   co_await node_at(life).meta().layouts_after(after, 500, soon()));
      if (page.empty()) co_return true;
      for (const ChunkLayout& layout : page) {
        for (const ShardPlace& place : layout.places) {
          if (place.is_stored && place.node == node)
            co_return make_error(ErrorCode::Conflict, "a chunk still names the node");
        }
      }
      after = chunk_key(page.back().object_id, page.back().chunk_index);
    }
  };
  co_return co_await until("an empty node", std::move(look), deadline);
}

Task<Result<void>> Operator::await_whole(Instant deadline) {
  Instant calm_since = scheduler_.now();
  Attempt look = [this, &calm_since](std::shared_ptr<Life> life) -> Task<Result<bool>> {
    PREDA_CO_TRY(const meta::ClusterState state,
                 co_await node_at(life).meta().cluster_state(soon()));
    bool is_calm = state.repair_pending == 0;
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      is_calm = is_calm && (!cluster_.is_in_play(i) || cluster_.is_up(i));
    if (!is_calm) calm_since = scheduler_.now();
    co_return is_calm&& scheduler_.now() - calm_since >= kCalm;
  };
  co_return co_await until("a whole cluster", std::move(look), deadline);
}

}  // namespace predastore::sim
