#pragma once

#include <cstdint>
#include <string>

#include "base/buffer.h"
#include "base/result.h"
#include "model/ids.h"

namespace predastore::repair {

// One chunk that a node is to repair, as the node that leads the healing asks for it.
struct RepairOrder {
  ObjectId object_id;
  ChunkIndex chunk_index;
  // Of the roles that are missing those whose nodes answer, a bit each: these can be built now.
  std::uint32_t buildable_roles = 0;
  std::uint64_t bytes_per_second = 0;  // of the chunk; 0: without a limit
  bool is_damaged = false;             // all of it is to be looked at, whoever is away
  friend bool operator==(const RepairOrder&, const RepairOrder&) = default;
};

enum class RepairOutcome : std::uint8_t {
  repaired = 1,
  waiting = 2,       // a node of it is away, or it is being changed by another
  unrepairable = 3,  // damaged beyond what parity gives
  gone = 4,          // nothing names it any more
};
struct RepairAnswer {
  RepairOutcome outcome = RepairOutcome::waiting;
  std::uint8_t shards_good = 0;  // of an unrepairable one, as all its shards were read
  std::uint8_t shards_needed = 0;
  friend bool operator==(const RepairAnswer&, const RepairAnswer&) = default;
};

// Little-endian. Order: {object id 32 bytes, chunk index u32, roles u32, bytes a second u64,
// damaged u8}.
// Answer: {outcome u8, good u8, needed u8}. A later version appends; a reader ignores the rest.
std::string encode(const RepairOrder& order);
Result<RepairOrder> decode_repair_order(ByteSpan bytes);  // Corruption
std::string encode(const RepairAnswer& answer);
Result<RepairAnswer> decode_repair_answer(ByteSpan bytes);  // Corruption

}  // namespace predastore::repair
