#pragma once

#include <string>

#include "env/environment.h"
#include "env/sync.h"
#include "raft/replica.h"
#include "raft/snapshot_messages.h"
#include "rpc/rpc.h"

namespace predastore::raft {

struct FetchedSnapshot {
  Snapshot snapshot;
  std::string directory;  // its files, all of them durable
};

// Fetches a snapshot from another replica onto the disk, one piece after the other. What is there
// of the same snapshot from before, perhaps of an earlier life, is not fetched again: whole files.
// On one loop, one fetch at a time.
class SnapshotFetch {
 public:
  // `directory` is its own.
  SnapshotFetch(Environment env, const ReplicaOptions& options, std::string directory,
                rpc::Client& client);

  // Of an entry not before `index_min`. NotFound: the other one has given this snapshot up; begin
  // anew. Cancelled after stop().
  Task<Result<FetchedSnapshot>> run(NodeId from, std::uint64_t index_min);
  // What was fetched is of no use any more.
  Task<Result<void>> discard();
  void stop();

 private:
  Task<Result<SnapshotManifest>> manifest(NodeId from, std::uint64_t index_min);
  Task<Result<void>> prepare(SnapshotManifest manifest);
  Task<Result<void>> fetch_file(NodeId from, const SnapshotManifest* manifest, std::uint32_t file);
  Task<Result<bool>> has_file(SnapshotFile file);
  Task<Result<Buffer>> fetch_piece(NodeId from, SnapshotRequest request);
  Task<Result<void>> keep_pace(std::size_t size_bytes);

  Environment env_;
  std::uint64_t group_;
  std::uint32_t piece_bytes_;
  std::uint64_t bytes_per_second_;
  std::string directory_;
  rpc::Client& client_;
  Instant next_at_{};
  bool is_stopping_ = false;
  Signal stopping_;
};

}  // namespace predastore::raft
