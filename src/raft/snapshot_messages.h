#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "raft/core/core.h"

namespace predastore::raft {

// Requests and answers of a snapshot's transfer, and its description on disk
// (docs/formats/raft_messages.md). Decoders give Corruption for what their encoder does not make.

inline constexpr std::size_t kSnapshotFilesMax = 100'000;
inline constexpr std::uint32_t kSnapshotPieceMaxBytes = 4u << 20;

struct SnapshotFile {
  std::string name;  // a plain one: no directories
  std::uint64_t size_bytes = 0;
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};
struct SnapshotManifest {
  std::uint64_t id = 0;  // random: these files and no others
  Snapshot snapshot;
  std::vector<SnapshotFile> files;
};
std::string encode_manifest(const SnapshotManifest& manifest);
Result<SnapshotManifest> decode_manifest(ByteSpan bytes);

struct SnapshotRequest {
  std::uint64_t group = 0;
  std::uint64_t id = 0;         // zero: the manifest is asked for
  std::uint64_t index_min = 0;  // manifest: of an entry not before this one
  std::uint32_t file = 0;       // piece: the rest
  std::uint64_t offset_bytes = 0;
  std::uint32_t size_bytes = 0;
};
std::string encode_snapshot_request(const SnapshotRequest& request);
Result<SnapshotRequest> decode_snapshot_request(ByteSpan bytes);

// A piece with its checksum.
Buffer encode_piece(const Buffer& bytes);
Result<Buffer> decode_piece(const Buffer& answer);

// What open_replica() must know after a crash while a snapshot was being installed.
std::string encode_snapshot(const Snapshot& snapshot);
Result<Snapshot> decode_snapshot(ByteSpan bytes);

}  // namespace predastore::raft
