#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/clock.h"
#include "env/task.h"
#include "model/job.h"
#include "model/layout.h"

namespace predastore::meta {

// Parts of one object (or of one upload in progress) whose bytes were written anew under other
// ObjectIDs. The record changes in nothing else. Conflict when one of the parts is no longer
// `from`.
struct MoveParts {
  struct Move {
    ObjectId from;
    ObjectId to;
    std::uint32_t chunk_size_bytes = 0;  // of what was inline and is in chunks now
  };
  std::string bucket;
  std::string key;
  std::string upload_id;  // empty: of the object
  Incarnation incarnation;
  std::vector<Move> moves;
  std::vector<ChunkLayout> layouts;  // of every `to`, in order
  WriteEpoch write_epoch;            // taken before the first of their shards was written
};

enum class NodeState : std::uint8_t { active = 1, draining = 2, departed = 3 };

// The nodes of the cluster and where its chunks belong.
struct Topology {
  std::vector<NodeRecord> nodes;                        // those that have departed included
  std::set<NodeId> draining;                            // closed: nothing is placed there any more
  RingRecord ring;                                      // the current one
  std::map<RingEpoch, std::uint64_t> layouts_by_epoch;  // of every epoch that is kept
  std::set<RingEpoch> droppable;                        // old enough, and nothing names them
  WriteEpoch write_epoch;
  std::uint64_t layout_count = 0;
  // The fewest parity shards of any chunk that is stored; none without chunks.
  std::optional<std::uint8_t> parity_min;

  // Draining or departed.
  std::set<NodeId> closed() const {
    std::set<NodeId> all = draining;
    for (const NodeRecord& node : nodes) {
      if (node.is_departed) all.insert(node.node);
    }
    return all;
  }
};

// What a cluster that grows, shrinks or changes its coding keeps in the metadata. Errors as of
// MetaService. Used on one loop.
class Growth {
 public:
  virtual ~Growth() = default;

  // AlreadyExists: a job of that kind with that argument is running or paused.
  virtual Task<Result<JobRecord>> start_job(JobKind kind, std::string argument,
                                            Instant deadline) = 0;
  // In order of ids; those that ended are kept for a while.
  virtual Task<Result<std::vector<JobRecord>>> jobs(Instant deadline) = 0;
  // The next claim is this worker's. Conflict: another one was faster, or the job does not run.
  virtual Task<Result<JobRecord>> claim_job(JobId id, std::uint64_t claim_before, NodeId worker,
                                            Instant deadline) = 0;
  // `state` running, done or failed. The answer may be paused: then the worker is to stop.
  // Conflict: it was claimed by another worker, or was cancelled.
  virtual Task<Result<JobRecord>> report_job(JobId id, std::uint64_t claim, JobState state,
                                             JobProgress progress, Instant deadline) = 0;
  // An operator's word: running, paused or cancelled. NotFound; Conflict: it has ended.
  virtual Task<Result<JobRecord>> set_job_state(JobId id, JobState state, Instant deadline) = 0;

  virtual Task<Result<void>> move_parts(MoveParts command, Instant deadline) = 0;

  virtual Task<Result<Topology>> topology(Instant deadline) = 0;
  // A new node, or one whose name or addresses have changed. Conflict: it has departed.
  // AlreadyExists: another one has its name.
  virtual Task<Result<void>> put_node(NodeRecord node, Instant deadline) = 0;
  // Conflict: it has departed, or is to depart while the ring names it. NotFound "node".
  virtual Task<Result<void>> set_node_state(NodeId node, NodeState state, Instant deadline) = 0;
  // The epoch after `from`, whatever `ring` says. Conflict: `from` is not the current one; a node
  // is unknown or closed; there are chunks, or a bucket, of a wider scheme.
  virtual Task<Result<void>> new_ring(RingEpoch from, RingRecord ring, Instant deadline) = 0;
  // Conflict: something names it, or still may.
  virtual Task<Result<void>> drop_ring(RingEpoch epoch, Instant deadline) = 0;
};

}  // namespace predastore::meta
