#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "env/file.h"
#include "raft/core/configuration.h"

namespace predastore::raft {

// Which replica a directory holds (docs/formats/raft_log.md). Made with the directory and lost with
// it, so that whoever comes back without it is another one and never votes as the one before.
struct ReplicaIdentity {
  ClusterId cluster;
  std::uint64_t group = 0;    // another one after an operator's recovery
  VoterId id;                 // in the group
  std::vector<NodeId> first;  // the nodes of the first configuration, if this is one of theirs
  friend bool operator==(const ReplicaIdentity&, const ReplicaIdentity&) = default;
};

// What the replicas with which a group begins are called, so that they know each other without
// having spoken. A node has such a one at most once: docs/raft.md "Who a replica is".
inline VoterId first_id_of(NodeId node) { return VoterId{node.value()}; }
std::uint64_t first_group_of(const ClusterId& cluster);

std::string encode_identity(const ReplicaIdentity& identity);
// Corruption for what encode_identity() does not make.
Result<ReplicaIdentity> decode_identity(ByteSpan bytes);

// None: there is no such file.
Task<Result<std::optional<ReplicaIdentity>>> load_identity(FileSystem& files, std::string path);
// Durable when it returns; the old one or the new one after a crash.
Task<Result<void>> store_identity(FileSystem& files, std::string path, ReplicaIdentity identity);

}  // namespace predastore::raft
