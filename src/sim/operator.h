#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cluster.h"
#include "sim/faults.h"
#include "sim/node_program.h"

namespace predastore::sim {

// What an operator does to a cluster. Machines are counted from 0.
struct Step {
  enum class Kind : std::uint8_t { add, drain, remove, lose, replace, migrate };
  Kind kind = Kind::add;
  std::vector<std::size_t> machines;  // replace: the old one and the new one
  RsConfig rs;                        // migrate
};
// "add 4", "drain 2", "remove 2", "lose 3 5", "replace 3 6" (names of nodes are their numbers, from
// 1), "migrate 3+2". InvalidArgument.
Result<Step> parse_step(std::string_view text);

// Grows, shrinks and migrates a cluster through whichever of its nodes is up, step after step, as
// the administration does: every change is repeated until the metadata say that it is done. Runs on
// a process of its own; the nodes may die meanwhile.
class Operator {
 public:
  // All outlive this. Faults are ended before a machine is lost for good, which must not be one
  // failure more than the cluster promises to survive.
  Operator(Scheduler& scheduler, Cluster& cluster, FaultInjector* faults, Clock& clock,
           std::string bucket)
      : scheduler_(scheduler),
        cluster_(cluster),
        faults_(faults),
        clock_(clock),
        bucket_(std::move(bucket)) {}

  Task<Result<void>> perform(std::vector<Step> steps, Instant deadline);
  Task<Result<void>> perform(Step step, Instant deadline);
  // Every machine is up and no chunk waits for repair.
  Task<Result<void>> await_whole(Instant deadline);
  // Of the last job that ended.
  std::uint64_t items_done() const { return items_done_; }

  std::function<void(const std::string& line)> on_event;

 private:
  using Attempt = std::function<Task<Result<bool>>(std::shared_ptr<Life> life)>;

  // Until an attempt at some node says that it is done. Keeps the attempt, which may be a lambda
  // that is a coroutine, as long as it runs.
  Task<Result<void>> until(std::string what, Attempt attempt, Instant deadline);
  Task<Result<void>> change_ring(std::function<Result<RingRecord>(RingRecord)> change,
                                 Instant deadline);
  Task<Result<void>> set_state(std::size_t machine, meta::NodeState state, Instant deadline);
  Task<Result<void>> join(std::size_t machine, Instant deadline);
  Task<Result<void>> run_job(JobKind kind, std::string argument, Instant deadline);
  Task<Result<void>> check_empty(std::size_t machine, Instant deadline);
  Task<Result<void>> migrate(RsConfig rs, Instant deadline);
  Task<Result<void>> add(std::size_t machine, Instant deadline);
  Task<Result<void>> drain(std::size_t machine, Instant deadline);
  Task<Result<void>> lose(std::vector<std::size_t> machines, Instant deadline);
  Task<Result<void>> replace(std::size_t before, std::size_t after, Instant deadline);

  std::shared_ptr<Life> pick();
  bool all_know(std::size_t machine);
  Instant soon() const { return scheduler_.now() + 10s; }
  void say(const std::string& line) const {
    if (on_event) on_event(line);
  }

  Scheduler& scheduler_;
  Cluster& cluster_;
  FaultInjector* faults_;
  Clock& clock_;
  std::string bucket_;
  std::size_t next_ = 0;
  std::uint64_t items_done_ = 0;
};

}  // namespace predastore::sim
