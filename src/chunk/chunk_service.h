#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "chunk/node_health.h"
#include "chunk/options.h"
#include "env/environment.h"
#include "env/sync.h"
#include "erasure/codec.h"
#include "model/layout.h"
#include "ring/ring.h"
#include "shard/shard_service.h"

namespace predastore {
class BufferPool;
}

namespace predastore::chunk {

class HedgePolicy;
struct WriterState;

// What a chunk is to become, decided before its first byte.
struct ChunkTarget {
  ObjectId object_id;
  ChunkIndex chunk_index;
  RsConfig rs;
  RingEpoch ring_epoch;
  std::uint64_t placement_hash = 0;
  std::vector<NodeId> candidates;  // of the ring: K+M by role, then substitutes
  WriteEpoch write_epoch;
  Incarnation incarnation;
  Compression compression = Compression::none;  // each segment is raw where it saves too little
};

// One role of a chunk that a rebuild writes, and to whom.
struct RebuildTarget {
  ShardRole role;
  NodeId node;
};
struct RebuildRequest {
  ChunkLayout layout;  // as it is now
  Incarnation incarnation;
  WriteEpoch write_epoch;  // taken before the rebuild, for its shards and the swap
  std::vector<RebuildTarget> targets;
};

// Keeps something (a share of a budget) until the last copy goes, on the loop.
using Hold = std::shared_ptr<void>;

// Bytes of a whole stripe: what ChunkWriter::write takes at a time.
std::size_t stripe_size_bytes(RsConfig rs);
// Shards of a chunk that must be durable before it may be acknowledged: K, and K+1 where M >= 2.
std::size_t write_quorum(RsConfig rs);

// Writes one chunk. One call at a time; finish() or abandon() before it is destroyed.
class ChunkWriter {
 public:
  explicit ChunkWriter(std::shared_ptr<WriterState> state) : state_(std::move(state)) {}
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  // The next stripe: every call but the last brings exactly stripe_size_bytes, the last 1 or more.
  // Returns when there is room in the window for another one. `hold` is let go when every store has
  // taken its part of the stripe. Unavailable: too many stores failed to ever reach the quorum.
  Task<Result<void>> write(Buffer stripe, Hold hold);
  // After at least one stripe: commits all shards, and returns when every role is durable or given
  // up. The layout (generation 1) names only roles whose commit answer arrived; the others are
  // missing. Unavailable when fewer than the write quorum are durable: then the shards that are
  // stored are orphans for the sweep.
  Task<Result<ChunkLayout>> finish();
  // Lets go of everything; shards that are not committed do not exist. Does not wait.
  void abandon();

 private:
  std::shared_ptr<WriterState> state_;
};

// Writes, reads and rebuilds chunks across K+M stores, one a gateway, on the loop of `env`. Knows
// nothing of metadata. stop() before destruction.
class ChunkService {
 public:
  // On the loop, for each shard that proved damaged (a wrong checksum, a read error, or not there
  // on a live node; never for a node that did not answer). May be called often for the same one.
  using OnDamage = std::function<void(const ShardKey&)>;

  // `shards` outlives this.
  ChunkService(Environment env, shard::ShardService& shards, ChunkOptions options,
               OnDamage on_damage = {});
  ~ChunkService();
  ChunkService(const ChunkService&) = delete;
  ChunkService& operator=(const ChunkService&) = delete;

  // Fills in where the ring wants the chunk of this name: epoch, hash and candidates.
  Result<ChunkTarget> placed(ChunkTarget target, const RingRecord& ring, std::string_view bucket,
                             std::string_view key);
  // Unsupported scheme or fewer candidates than K+M: an error (InvalidArgument, Unavailable).
  Result<std::unique_ptr<ChunkWriter>> create(ChunkTarget target);

  // Bytes [offset, offset + size) of a chunk, in order, as slices of segments; 0 < size, within the
  // chunk. Only the segments that hold them are fetched, from their own nodes; what does not come
  // or is damaged is decoded from the rest of its stripe, and that holds (K+M)/K of `size_bytes`
  // (rounded up to stripes) in memory, so the caller cuts what it asks for. Every segment was
  // checked against its checksum and against the layout.
  // Errors: NotFound (so many stores no longer know the shards that the layout may be an old one),
  // Corruption (more than M segments of a stripe are damaged), Unavailable or TimedOut (too few
  // stores answer).
  Task<Result<std::vector<Buffer>>> read(ChunkLayout layout, std::uint64_t offset_bytes,
                                         std::uint64_t size_bytes, Instant deadline);

  // Computes the shards of the target roles from the others (from the targets' old places only if
  // there is no other way), proves the whole chunk by the layout's checksum, and only then commits
  // them, with generation + 1, on the given nodes. Holds a few stripes at a time. The result is the
  // layout to swap in: generation + 1, with the roles that became durable at their new places.
  // Nothing changes until the swap.
  // Errors as read(); besides, Unavailable when no target became durable, Corruption when the bytes
  // are not those of the layout's checksum. InvalidArgument: a target that has no bytes.
  Task<Result<ChunkLayout>> rebuild(RebuildRequest request, Instant deadline);

  // Memory of a stripe (or `size_bytes`, if that is less), from a pool.
  MutableBuffer stripe_memory(std::size_t size_bytes);

  NodeHealth& health() { return health_; }
  const ChunkOptions& options() const { return options_; }

  // Waits for what is still under way (fetches that lost a race, writers that were abandoned).
  Task<void> stop();

 private:
  friend class ReadRun;
  friend class RebuildRun;
  friend struct WriterState;

  WriteId new_write_id();
  erasure::Codec& codec(RsConfig rs);
  void report(const ShardKey& key);

  Environment env_;
  shard::ShardService& shards_;
  ChunkOptions options_;
  OnDamage on_damage_;
  NodeHealth health_;
  std::shared_ptr<BufferPool> pool_;
  std::unique_ptr<HedgePolicy> hedge_;
  std::map<RsConfig, std::unique_ptr<erasure::Codec>> codecs_;
  ring::Ring ring_;  // the last one; an epoch never changes
  TaskGroup tasks_;
};

}  // namespace predastore::chunk
