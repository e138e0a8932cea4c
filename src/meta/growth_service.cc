#include "meta/growth_service.h"

#include <algorithm>

#include "base/codec.h"

namespace predastore::meta {
namespace {

std::string text_of(const ObjectId& id) { return std::string{as_text(id.span())}; }

}  // namespace

Task<Result<JobRecord>> GrowthService::job_of(pb::Command command, Instant deadline) {
  PREDA_CO_TRY(const pb::Answer answer, co_await proposer_.propose(std::move(command), deadline));
  co_return from_message(answer.job());
}

Task<Result<JobRecord>> GrowthService::start_job(JobKind kind, std::string argument,
                                                 Instant deadline) {
  pb::Command command;
  command.mutable_start_job()->set_kind(static_cast<std::uint32_t>(kind));
  command.mutable_start_job()->set_argument(std::move(argument));
  co_return co_await job_of(std::move(command), deadline);
}

Task<Result<std::vector<JobRecord>>> GrowthService::jobs(Instant deadline) {
  pb::Query query;
  query.mutable_list_jobs();
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  std::vector<JobRecord> found;
  for (const pb::Job& message : answer.jobs().jobs()) {
    PREDA_CO_TRY(JobRecord job, from_message(message));
    found.push_back(std::move(job));
  }
  co_return found;
}

Task<Result<JobRecord>> GrowthService::claim_job(JobId id, std::uint64_t claim_before,
                                                 NodeId worker, Instant deadline) {
  pb::Command command;
  command.mutable_claim_job()->set_id(id.value());
  command.mutable_claim_job()->set_claim_before(claim_before);
  command.mutable_claim_job()->set_worker(worker.value());
  co_return co_await job_of(std::move(command), deadline);
}

Task<Result<JobRecord>> GrowthService::report_job(JobId id, std::uint64_t claim, JobState state,
                                                  JobProgress progress, Instant deadline) {
  pb::Command command;
  pb::ReportJob* report = command.mutable_report_job();
  report->set_id(id.value());
  report->set_claim(claim);
  report->set_state(static_cast<std::uint32_t>(state));
  *report->mutable_progress() = to_message(progress);
  co_return co_await job_of(std::move(command), deadline);
}

Task<Result<JobRecord>> GrowthService::set_job_state(JobId id, JobState state, Instant deadline) {
  pb::Command command;
  command.mutable_set_job_state()->set_id(id.value());
  command.mutable_set_job_state()->set_state(static_cast<std::uint32_t>(state));
  co_return co_await job_of(std::move(command), deadline);
}

Task<Result<void>> GrowthService::move_parts(MoveParts move, Instant deadline) {
  pb::Command command;
  pb::MoveParts* message = command.mutable_move_parts();
  message->set_bucket(move.bucket);
  message->set_key(move.key);
  message->set_upload_id(move.upload_id);
  message->set_incarnation(move.incarnation.value());
  for (const MoveParts::Move& part : move.moves) {
    pb::PartMove* added = message->add_moves();
    added->set_from(text_of(part.from));
    added->set_to(text_of(part.to));
    added->set_chunk_size_bytes(part.chunk_size_bytes);
  }
  for (const ChunkLayout& layout : move.layouts) *message->add_layouts() = to_message(layout);
  message->set_write_epoch(move.write_epoch.value());
  co_return co_await execute(std::move(command), deadline);
}

Task<Result<void>> GrowthService::execute(pb::Command command, Instant deadline) {
  auto answer = co_await proposer_.propose(std::move(command), deadline);
  if (!answer) co_return std::move(answer).error();
  co_return Result<void>{};
}

// ---- nodes and rings

Task<Result<Topology>> GrowthService::topology(Instant deadline) {
  pb::Query query;
  query.mutable_topology();
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  const pb::TopologyAnswer& found = answer.topology();
  Topology topology;
  for (const pb::Node& message : found.nodes()) {
    PREDA_CO_TRY(NodeRecord node, from_message(message));
    topology.nodes.push_back(std::move(node));
  }
  for (const std::uint64_t id : found.draining()) topology.draining.insert(NodeId{id});
  PREDA_CO_TRY(topology.ring, from_message(found.ring()));
  topology.write_epoch = WriteEpoch{found.write_epoch()};
  for (const pb::EpochCount& epoch : found.epochs()) {
    topology.layouts_by_epoch[RingEpoch{epoch.epoch()}] = epoch.count();
    topology.layout_count += epoch.count();
    if (epoch.is_droppable()) topology.droppable.insert(RingEpoch{epoch.epoch()});
  }
  for (const pb::SchemeCount& scheme : found.schemes()) {
    const auto parity = static_cast<std::uint8_t>(scheme.parity_shards());
    topology.parity_min = std::min(topology.parity_min.value_or(parity), parity);
  }
  co_return topology;
}

Task<Result<void>> GrowthService::put_node(NodeRecord node, Instant deadline) {
  pb::Command command;
  *command.mutable_put_node()->mutable_node() = to_message(node);
  co_return co_await execute(std::move(command), deadline);
}

Task<Result<void>> GrowthService::set_node_state(NodeId node, NodeState state, Instant deadline) {
  pb::Command command;
  command.mutable_set_node_state()->set_node(node.value());
  command.mutable_set_node_state()->set_state(static_cast<std::uint32_t>(state));
  co_return co_await execute(std::move(command), deadline);
}

Task<Result<void>> GrowthService::new_ring(RingEpoch from, RingRecord ring, Instant deadline) {
  pb::Command command;
  command.mutable_new_ring()->set_from(from.value());
  *command.mutable_new_ring()->mutable_ring() = to_message(ring);
  co_return co_await execute(std::move(command), deadline);
}

Task<Result<void>> GrowthService::drop_ring(RingEpoch epoch, Instant deadline) {
  pb::Command command;
  command.mutable_drop_ring()->set_epoch(epoch.value());
  co_return co_await execute(std::move(command), deadline);
}

}  // namespace predastore::meta
