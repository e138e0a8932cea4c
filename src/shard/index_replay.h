#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "shard/shard_index.h"

namespace predastore::shard {

// Rebuilds an index from the records of all files, in any order of files, with bounded memory: the
// headers are put into a scratch family of the index, sorted there by shard, and decided shard by
// shard in the order of their sequences, by the rules of the running store: a commit of a lower
// generation than is held does not count, a tombstone takes what is held of its generation or
// older. A record that compaction copied and had not yet removed is met twice and counts once. All
// calls block.
class IndexReplay {
 public:
  IndexReplay(kv::KeyValueStore& index, DriveId drive) : index_(index), drive_(drive) {}
  Result<void> clear();
  Result<void> add(const std::vector<segment::RecordHeader>& records);
  // Decides, and writes the mark, without which the index counts as lost, last of all.
  Result<void> finish(Sequence last_decision);
  std::vector<Damage> take_damage() { return std::move(damage_); }

 private:
  using Records = std::vector<segment::RecordHeader>;
  Result<void> decide(const Records& records, kv::Batch& batch);
  std::optional<IndexEntry> entry_of(const segment::RecordHeader& commit,
                                     const Records& records) const;

  kv::KeyValueStore& index_;
  DriveId drive_;
  std::vector<Damage> damage_;
};

}  // namespace predastore::shard
