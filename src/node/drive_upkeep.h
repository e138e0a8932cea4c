#pragma once

#include "node/config.h"
#include "shard/shard_store.h"

namespace predastore::node {

// What the configuration says of what a drive does by itself.
inline void set_upkeep(shard::ShardStoreOptions& options, const Upkeep& upkeep) {
  options.compaction_bytes_per_second = upkeep.compaction_bytes_per_second;
  options.run_scrub = upkeep.scrub_period_hours > 0;
  options.scrub_bytes_per_second = upkeep.scrub_bytes_per_second;
  options.scrub_period = std::chrono::hours{upkeep.scrub_period_hours};
}

}  // namespace predastore::node
