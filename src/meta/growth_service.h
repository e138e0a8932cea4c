#pragma once

#include "meta/growth.h"
#include "meta/proposer.h"
#include "meta/query_client.h"

namespace predastore::meta {

// Growth by commands and queries to whichever replica leads. Both outlive this.
class GrowthService final : public Growth {
 public:
  GrowthService(Proposer& proposer, QueryClient& queries)
      : proposer_(proposer), queries_(queries) {}

  Task<Result<JobRecord>> start_job(JobKind kind, std::string argument, Instant deadline) override;
  Task<Result<std::vector<JobRecord>>> jobs(Instant deadline) override;
  Task<Result<JobRecord>> claim_job(JobId id, std::uint64_t claim_before, NodeId worker,
                                    Instant deadline) override;
  Task<Result<JobRecord>> report_job(JobId id, std::uint64_t claim, JobState state,
                                     JobProgress progress, Instant deadline) override;
  Task<Result<JobRecord>> set_job_state(JobId id, JobState state, Instant deadline) override;
  Task<Result<void>> move_parts(MoveParts move, Instant deadline) override;
  Task<Result<Topology>> topology(Instant deadline) override;
  Task<Result<void>> put_node(NodeRecord node, Instant deadline) override;
  Task<Result<void>> set_node_state(NodeId node, NodeState state, Instant deadline) override;
  Task<Result<void>> new_ring(RingEpoch from, RingRecord ring, Instant deadline) override;
  Task<Result<void>> drop_ring(RingEpoch epoch, Instant deadline) override;

 private:
  Task<Result<void>> execute(pb::Command command, Instant deadline);
  Task<Result<JobRecord>> job_of(pb::Command command, Instant deadline);

  Proposer& proposer_;
  QueryClient& queries_;
};

}  // namespace predastore::meta
