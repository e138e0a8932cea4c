#pragma once

#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "model/ids.h"
#include "raft/replica.h"
#include "repair/heal_status.h"
#include "repair/upkeep_status.h"
#include "shard/drive_set.h"

namespace predastore::node {

// What a node says of itself when it is asked by ping, and what the administration shows of it.
struct NodeStatus {
  NodeId node;
  raft::ReplicaStatus replica;
  shard::DriveStatus drive;              // of all of them together
  std::vector<shard::DriveInfo> drives;  // each; of its status what is shown of other nodes
  std::string version;
  repair::UpkeepStatus upkeep;  // what is shown of other nodes
  repair::HealStatus heal;
  std::uint64_t node_digest = 0;  // of the nodes it knows; 0: of a version that did not tell
};

// The answer to ping, little-endian: {node u64, role u8, leader u64 (0: none known), term u64,
// commit u64, applied u64, available u8, rebuilt u8, capacity u64, used u64, queued u64, files u64,
// sequence u64, damage u64, groups u64, syncs u64, written u64, read u64, abandoned u64, version
// string, raft failure string, drive count u32, drives}; a drive is {id 16 bytes, place string,
// state u8, unreconciled u8, problem string, capacity u64, used u64, live u64, sequence u64, damage
// u64, abandoned u64, read errors u64, write errors u64}; then of the upkeep {swept u64, swept
// bytes u64, sweeps u64, sweep off u8, reconciles u64, reconciling u8, compared u64, expected u64,
// missing u64, rolled back drives u64}; then for each drive {given up u8, rebuilding u8, files done
// u64, files u64} (one that is rebuilding has the state of one that failed before); then of the
// healing {repaired chunks u64, repaired bytes u64, client requests u32, late ones u32, node digest
// u64, leading u8}, and if it leads {paused u8, elapsed ms u64, chunks and bytes done u64 each,
// chunks and bytes left u64 each, waiting u64, unrepairable u64, bytes a second u64, limit u64, 10
// counts by redundancy u64 each, damaged count u32, damaged}; a damaged chunk is {object id 32
// bytes, chunk index u32, good u8, needed u8}. A later version appends; a reader ignores what it
// does not know.
std::string encode_node_status(const NodeStatus& status);
Result<NodeStatus> decode_node_status(ByteSpan bytes);  // Corruption

}  // namespace predastore::node
