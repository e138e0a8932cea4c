#pragma once

#include <optional>
#include <vector>

#include "kv/kv.h"
#include "segment/record.h"
#include "shard/shard_index.h"

namespace predastore::shard {

// Whether the index refers to a record where it lies.
bool refers_to(const IndexEntry& entry, const segment::RecordHeader& record);

// For each of a file's records, in their order, whether it is live: a segment or commit record that
// the index refers to. Blocks; one look-up for each run of records of one shard.
Result<std::vector<bool>> find_live(kv::KeyValueStore& index,
                                    const std::vector<segment::RecordHeader>& records);

// Records that lie close enough together to be read at once, in the order of the file.
std::vector<std::vector<segment::RecordHeader>> runs_of(
    const std::vector<segment::RecordHeader>& records, const std::vector<bool>& wanted);

// Bytes of a file from block to block, as direct reads need it, around some records.
struct RunPlace {
  std::uint64_t begin_bytes = 0;
  std::uint64_t size_bytes = 0;
};
RunPlace place_of(const std::vector<segment::RecordHeader>& run);

// Whether a record is what `expected` says, in the bytes that were read at place.begin_bytes; the
// payload of a good one.
std::optional<Buffer> read_record(const segment::RecordHeader& expected, const RunPlace& place,
                                  const Buffer& bytes);

}  // namespace predastore::shard
