#pragma once

#include <functional>
#include <optional>
#include <string>

#include "env/environment.h"
#include "env/sync.h"
#include "raft/replica.h"
#include "raft/snapshot_messages.h"
#include "rpc/rpc.h"

namespace predastore::raft {

// Gives others the state of this replica, piece by piece, from a checkpoint of it on disk: in
// memory there is never more than the pieces that are asked for. One checkpoint at a time; it
// outlives a restart, so that who fetches it goes on where he was, and goes when nobody has asked
// for it for a while. On one loop.
class SnapshotSource {
 public:
  // Term and configuration at an entry that was applied; none when the log no longer knows.
  using Describe = std::function<std::optional<Snapshot>(StatePoint point)>;

  // `directory` is its own. All outlive this.
  SnapshotSource(Environment env, std::string directory, std::uint64_t group,
                 StateMachine& state_machine, Describe describe);

  // What a restart finds; a damaged one is as none.
  Task<void> load();
  Task<void> serve(rpc::Call call);
  // Removes what nobody wants any more.
  Task<void> tidy();
  // The log after this entry is of use to somebody who is fetching; none: nobody is.
  std::optional<std::uint64_t> index_in_use() const;

 private:
  Task<Result<BufferChain>> answer(SnapshotRequest request);
  Task<Result<BufferChain>> manifest(std::uint64_t index_min);
  Task<Result<void>> make();
  Task<Result<Buffer>> piece(SnapshotRequest request);

  Environment env_;
  std::string directory_;
  std::uint64_t group_;
  StateMachine& state_machine_;
  Describe describe_;
  std::optional<SnapshotManifest> current_;
  bool is_making_ = false;
  Instant used_at_{};
  Semaphore pieces_;
};

}  // namespace predastore::raft
