#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "env/clock.h"
#include "env/task.h"
#include "model/ids.h"

namespace predastore::shard {

// A fetch gives no more segments than this, however many are asked for.
inline constexpr std::uint16_t kFetchSegmentsMax = 16;

// What every record of one try at writing one shard carries.
struct ShardStamp {
  WriteId write_id;
  Generation generation;
  WriteEpoch write_epoch;
  Incarnation incarnation;
};

// One segment as it travels: `stored` is what lies on disk (raw, or compressed by `codec`); its CRC
// was checked against the header.
struct Segment {
  SegmentIndex index;
  std::uint32_t logical_size_bytes = 0;
  std::uint8_t codec = 0;   // 0 raw
  std::uint32_t crc32 = 0;  // crc32_gzip_refl of `stored`
  Buffer stored;
};

// Writes one shard, segments in order. Destroyed before commit: the shard does not exist (its
// records are garbage).
class ShardWriter {
 public:
  virtual ~ShardWriter() = default;
  // Returns when the store has taken the segments (bounded window); an error is final for this
  // shard.
  virtual Task<Result<void>> append(std::vector<Segment> segments, Instant deadline) = 0;
  // When this returns without error, every segment and the commit record are on stable storage. An
  // error or time-out: unknown.
  virtual Task<Result<void>> commit(Instant deadline) = 0;
};

struct ShardInfo {
  ShardKey key;
  ShardStamp stamp;
  std::uint32_t segment_count = 0;
  std::uint64_t logical_size_bytes = 0;
};

struct ShardRemoval {
  ShardKey key;
  Generation generation;  // affects only shards of it or older
  WriteId write_id{};     // not zero: only that very try (the sweep's way)
};

// The shards of one node, whichever it is: local by a direct call, remote over QUIC; the caller
// cannot tell which.
class ShardService {
 public:
  virtual ~ShardService() = default;
  virtual Task<Result<std::unique_ptr<ShardWriter>>> create(NodeId node, ShardKey key,
                                                            ShardStamp stamp, Instant deadline) = 0;
  // Whole segments first .. first+count-1 (fewer only at the shard's end), checked against their
  // headers. `write_id` non-zero asks for that very try. NotFound, Corruption (a record was
  // damaged), Unavailable, TimedOut. At most kFetchBodyMaxBytes an answer.
  virtual Task<Result<std::vector<Segment>>> fetch(NodeId node, ShardKey key, WriteId write_id,
                                                   SegmentIndex first, std::uint16_t count,
                                                   Instant deadline) = 0;
  virtual Task<Result<ShardInfo>> stat(NodeId node, ShardKey key, Instant deadline) = 0;
  // Durable when it returns. A shard that is not there is no error.
  virtual Task<Result<void>> remove(NodeId node, std::vector<ShardRemoval> removals,
                                    Instant deadline) = 0;
};

}  // namespace predastore::shard
