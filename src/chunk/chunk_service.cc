#include "chunk/chunk_service.h"

#include "chunk/chunk_writer.h"
#include "chunk/hedge_policy.h"
#include "chunk/read_run.h"
#include "chunk/rebuild_run.h"
#include "env/buffer_pool.h"

namespace predastore::chunk {
namespace {

Result<void> check_layout(const ChunkLayout& layout) {
  if (!erasure::is_supported(layout.rs))
    return make_error(ErrorCode::Unsupported, "an erasure coding scheme");
  if (layout.places.size() != layout.rs.width() || layout.size_bytes == 0 ||
      layout.size_bytes > (std::uint64_t{1} << 40))
    return make_error(ErrorCode::InvalidArgument, "a layout that cannot be");
  return {};
}

}  // namespace

ChunkService::ChunkService(Environment env, shard::ShardService& shards, ChunkOptions options,
                           OnDamage on_damage)
    : env_(env),
      shards_(shards),
      options_(options),
      on_damage_(std::move(on_damage)),
      health_(env.clock, options.backoff_min, options.backoff_max),
      pool_(std::make_shared<BufferPool>(options.pool_bytes)),
      hedge_(std::make_unique<HedgePolicy>(env.clock, options.hedge_delay_min,
                                           options.hedge_delay_max)),
      tasks_(env.executor, env.clock) {
  PREDA_ASSERT(options.write_window_stripes > 0);
  PREDA_ASSERT(options.rebuild_window_stripes > 0);
}

ChunkService::~ChunkService() = default;

Task<void> ChunkService::stop() { (void)co_await tasks_.join(); }

WriteId ChunkService::new_write_id() {
  for (;;) {
    const WriteId id{env_.random.next_u64()};
    if (id.value() != 0) return id;
  }
}

erasure::Codec& ChunkService::codec(RsConfig rs) {
  auto& codec = codecs_[rs];
  if (codec == nullptr) codec = std::make_unique<erasure::Codec>(rs);
  return *codec;
}

void ChunkService::report(const ShardKey& key) {
  if (on_damage_) on_damage_(key);
}

MutableBuffer ChunkService::stripe_memory(std::size_t size_bytes) {
  return pool_->take(size_bytes);
}

Result<ChunkTarget> ChunkService::placed(ChunkTarget target, const RingRecord& ring,
                                         std::string_view bucket, std::string_view key) {
  if (ring_.epoch() != ring.epoch || ring_.node_count() == 0) {
    PREDA_TRY(ring_, ring::Ring::make(ring));
  }
  target.ring_epoch = ring.epoch;
  target.placement_hash = ring::placement_hash(bucket, key, target.chunk_index);
  target.candidates = ring_.candidates(target.placement_hash, ring_.node_count());
  return target;
}

Result<std::unique_ptr<ChunkWriter>> ChunkService::create(ChunkTarget target) {
  if (!erasure::is_supported(target.rs))
    return make_error(ErrorCode::InvalidArgument, "an erasure coding scheme");
  if (target.candidates.size() < target.rs.width())
    return make_error(ErrorCode::Unavailable, "the ring has fewer nodes than a chunk has shards");
  auto state = std::make_shared<WriterState>(*this, std::move(target));
  PREDA_CHECK(state->still_possible());
  return std::make_unique<ChunkWriter>(std::move(state));
}

Task<Result<std::vector<Buffer>>> ChunkService::read(ChunkLayout layout, std::uint64_t offset_bytes,
                                                     std::uint64_t size_bytes, Instant deadline) {
  PREDA_CO_CHECK(check_layout(layout));
  if (size_bytes == 0 || offset_bytes >= layout.size_bytes ||
      size_bytes > layout.size_bytes - offset_bytes)
    co_return make_error(ErrorCode::InvalidArgument, "bytes outside of a chunk");
  ReadRun::Request request{.layout = std::move(layout),
                           .offset_bytes = offset_bytes,
                           .size_bytes = size_bytes,
                           .deadline = deadline};
  auto run = std::make_shared<ReadRun>(*this, std::move(request));
  PREDA_CO_CHECK(co_await ReadRun::execute(run));
  co_return run->take_wanted();
}

Task<Result<ChunkLayout>> ChunkService::rebuild(RebuildRequest request, Instant deadline) {
  PREDA_CO_CHECK(check_layout(request.layout));
  RebuildRun run{*this, std::move(request), deadline};
  co_return co_await run.execute();
}

Task<Result<ChunkLayout>> rebuild_at(Pace pace, ChunkService& service, RebuildRequest request,
                                     Instant deadline) {
  PREDA_CO_CHECK(check_layout(request.layout));
  RebuildRun run{service, std::move(request), deadline, std::move(pace)};
  co_return co_await run.execute();
}

}  // namespace predastore::chunk
