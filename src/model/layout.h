#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/ids.h"

namespace predastore {

struct RsConfig {
  std::uint8_t data_shards = 2;    // K
  std::uint8_t parity_shards = 1;  // M
  std::uint8_t width() const { return static_cast<std::uint8_t>(data_shards + parity_shards); }
  friend auto operator<=>(const RsConfig&, const RsConfig&) = default;
};

// Where one role of a chunk is.
struct ShardPlace {
  NodeId node;              // which node holds (or should hold) it
  WriteId write_id;         // the try that wrote it; zero when missing
  bool is_missing = false;  // was not durable when the layout was made: repaired first of all
  bool is_stored = true;    // false: the role has no bytes in this (short) chunk
  friend bool operator==(const ShardPlace&, const ShardPlace&) = default;
};

// How one chunk is coded and where its shards are: the seed's ChunkLayout and what DESIGN adds. In
// memory all K+M places are spelled out; the stored record names the ring epoch and lists only
// exceptions.
struct ChunkLayout {
  ObjectId object_id;
  ChunkIndex chunk_index;
  std::uint64_t size_bytes = 0;
  RsConfig rs;
  RingEpoch ring_epoch;
  std::uint64_t placement_hash = 0;
  Generation generation;
  WriteEpoch write_epoch;
  std::uint64_t crc64nvme = 0;     // of the chunk's logical bytes
  std::vector<ShardPlace> places;  // K+M of them, by role
  friend bool operator==(const ChunkLayout&, const ChunkLayout&) = default;
};

enum class ChecksumAlgorithm : std::uint8_t {
  none = 0,
  crc32 = 1,
  crc32c = 2,
  crc64nvme = 3,
  sha1 = 4,
  sha256 = 5
};
enum class ChecksumType : std::uint8_t { full_object = 0, composite = 1 };
struct ObjectChecksum {
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::none;
  ChecksumType type = ChecksumType::full_object;
  std::string value;  // raw bytes (big-endian for CRCs), not base64
  friend bool operator==(const ObjectChecksum&, const ObjectChecksum&) = default;
};

// One contiguous run of an object's bytes with an ObjectID of its own: the whole of a plain object,
// or one part of a multipart one.
struct ObjectPart {
  ObjectId object_id;
  PartNumber part_number;  // 0 for a plain object
  std::uint64_t size_bytes = 0;
  std::uint32_t chunk_size_bytes = 0;  // 0 of what is not empty: no chunks, the bytes lie inline
  std::string etag_md5;                // 16 raw bytes
  ObjectChecksum checksum;
  // The bytes are with the metadata, under the ObjectID, and not in chunks.
  bool is_inline() const { return chunk_size_bytes == 0 && size_bytes > 0; }
  friend bool operator==(const ObjectPart&, const ObjectPart&) = default;
};

// What a user sees of an object. ETag without quotes: 32 hex digits, or those of the md5 of md5s,
// "-N".
struct ObjectRecord {
  std::string etag;
  std::uint64_t size_bytes = 0;
  std::int64_t last_modified_ms = 0;  // since 1970; set by the leader, never goes back for a key
  Incarnation incarnation;            // of the bucket
  std::map<std::string, std::string> headers;        // content-type, cache-control, ... lower case
  std::map<std::string, std::string> user_metadata;  // without x-amz-meta-
  std::vector<ObjectPart> parts;
  ObjectChecksum checksum;
  friend bool operator==(const ObjectRecord&, const ObjectRecord&) = default;
};

// How the segments of new chunks are stored. The numbers are in stored records.
enum class Compression : std::uint8_t {
  by_default = 0,  // what the cluster says
  none = 1,
  lz4 = 2,
  snappy = 3,
  zstd = 4,
};

struct BucketRecord {
  std::string name;
  Incarnation incarnation;
  std::int64_t created_ms = 0;
  std::string owner;
  RsConfig rs;
  std::string region;
  Compression compression = Compression::by_default;
  friend bool operator==(const BucketRecord&, const BucketRecord&) = default;
};

struct RingSlot {
  SlotId slot;
  NodeId node;
  std::uint32_t weight = 100;  // per cent of the vnodes
  std::string zone;
  friend bool operator==(const RingSlot&, const RingSlot&) = default;
};
// One ring epoch as the state machine keeps it.
struct RingRecord {
  RingEpoch epoch;
  std::uint32_t algorithm_version = 1;
  std::uint32_t vnodes_per_slot = 256;
  std::vector<RingSlot> slots;
  friend bool operator==(const RingRecord&, const RingRecord&) = default;
};

struct NodeRecord {
  NodeId node;
  std::string name;             // n1, n2, ... for people
  std::string cluster_address;  // host:port (UDP)
  std::string s3_address;
  std::string admin_address;
  bool is_voter = true;
  bool is_departed = false;
  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

}  // namespace predastore
