#pragma once

#include "env/clock.h"
#include "shard/shard_store.h"

namespace predastore::shard {

// Tells how far a rebuild of the index is: the options' callback after every file, the log at the
// start, at the end, and in between every five seconds.
class RebuildLog {
 public:
  RebuildLog(Clock& clock, const ShardStoreOptions& options, std::uint64_t files_total);
  void file_done(std::uint64_t record_count);
  const RebuildProgress& progress() const { return progress_; }

 private:
  void tell() const;
  void write_line(std::string_view event) const;

  Clock& clock_;
  const ShardStoreOptions& options_;
  RebuildProgress progress_;
  Instant begun_;
  Instant last_line_;
};

}  // namespace predastore::shard
