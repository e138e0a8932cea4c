#pragma once

#include <cstdint>

namespace predastore::repair {

struct SweepStatus {
  bool is_running = false;
  bool is_off = false;              // by the operator, when it was last looked at
  std::uint64_t passes = 0;         // that came to the end
  std::uint64_t looked_at = 0;      // shards, since the start of the process
  std::uint64_t removed = 0;        // of them
  std::uint64_t removed_bytes = 0;  // logical
  std::uint64_t unnamed_young = 0;  // in the last pass: unnamed, and not old enough
};

struct ReconcileStatus {
  bool is_running = false;
  std::uint64_t passes = 0;           // that came to the end
  std::uint64_t chunks_compared = 0;  // in this pass, or in the last one
  std::uint64_t chunks_expected = 0;  // of the pass before, to tell how far this one is; 0: unknown
  std::uint64_t shards_missing = 0;   // found in this pass, or in the last one; queued for repair
  std::uint64_t shards_missing_total = 0;  // since the start of the process
};

// What a node does on its own drives.
struct UpkeepStatus {
  SweepStatus sweep;
  ReconcileStatus reconcile;
  std::uint64_t drives_rolled_back = 0;  // that are kept from readers until they are reconciled
};

}  // namespace predastore::repair
