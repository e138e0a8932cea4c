#include "chunk/chunk_writer.h"

#include <algorithm>
#include <utility>

#include "chunk/segment_coding.h"
#include "digest/crc.h"
#include "env/buffer_pool.h"
#include "segment/geometry.h"

namespace predastore::chunk {
namespace {

// Segments of one append.
constexpr std::size_t kBatchSegmentsMax = 16;

}  // namespace

std::size_t stripe_size_bytes(RsConfig rs) { return rs.data_shards * kSegmentSizeBytes; }

std::size_t write_quorum(RsConfig rs) {
  return std::size_t{rs.data_shards} + (rs.parity_shards >= 2 ? 1 : 0);
}

WriterState::WriterState(ChunkService& chunk_service, ChunkTarget chunk_target)
    : service(chunk_service),
      target(std::move(chunk_target)),
      write_id(chunk_service.new_write_id()),
      next_candidate(target.rs.width()),
      progress(chunk_service.env_.clock) {
  // Of the substitutes those with room come first.
  const auto spares = target.candidates.begin() + static_cast<std::ptrdiff_t>(next_candidate);
  std::stable_partition(spares, target.candidates.end(),
                        [this](NodeId node) { return !service.health_.is_near_full(node); });
  choose_nodes();
}

// Nodes that failed a moment ago are left out, if others can take their roles, or if the quorum can
// be had without them; what is missing then is repaired first of all.
void WriterState::choose_nodes() {
  std::vector<std::size_t> left_out;
  for (std::size_t role = 0; role < target.rs.width(); ++role) {
    roles.push_back(std::make_unique<Role>(service.env_.clock));
    roles[role]->node = target.candidates[role];
    roles[role]->write_id = write_id;
    if (!service.health_.may_try(roles[role]->node, NodeUse::write)) left_out.push_back(role);
  }
  std::erase_if(left_out, [this](std::size_t role) { return substitute(role); });
  spare_near_full();
  if (target.rs.width() - left_out.size() < write_quorum(target.rs)) return;
  for (const std::size_t role : left_out) roles[role]->phase = Phase::held;
}

// Nodes whose drives are near full are spared while there are others with room, one for one.
void WriterState::spare_near_full() {
  for (std::size_t role = 0; role < target.rs.width(); ++role) {
    if (!service.health_.is_near_full(roles[role]->node)) continue;
    const bool is_any_left = next_candidate < target.candidates.size() &&
                             !service.health_.is_near_full(target.candidates[next_candidate]);
    if (!is_any_left || !substitute(role)) return;
    roles[role]->is_spared = true;
  }
}

bool WriterState::substitute(std::size_t role) {
  while (next_candidate < target.candidates.size()) {
    const NodeId node = target.candidates[next_candidate++];
    if (!service.health_.may_try(node, NodeUse::write)) continue;
    roles[role]->node = node;
    roles[role]->write_id = service.new_write_id();
    return true;
  }
  return false;
}

std::size_t WriterState::count(Phase phase) const {
  return static_cast<std::size_t>(std::count_if(
      roles.begin(), roles.end(), [phase](const auto& role) { return role->phase == phase; }));
}

// Roles that will not be durable; one that has no bytes is no loss.
std::size_t WriterState::lost_count(bool with_held) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const Phase phase = roles[i]->phase;
    if (phase != Phase::failed && (phase != Phase::held || !with_held)) continue;
    if (segment::segment_count(size_bytes, target.rs, key_of(i).role) > 0) ++count;
  }
  return count;
}

Result<void> WriterState::still_possible() const {
  if (roles.size() - lost_count(false) >= write_quorum(target.rs)) return {};
  // Full drives are told apart: coming again does not help. Unless without the full ones, too, the
  // others would have been too few.
  const Error* first = nullptr;
  const Error* full = nullptr;
  std::size_t others_lost = 0;
  for (const auto& role : roles) {
    if (!role->error) continue;
    if (first == nullptr) first = &*role->error;
    if (role->error->code == ErrorCode::NoSpace) {
      full = &*role->error;
    } else {
      ++others_lost;
    }
  }
  const bool is_full = full != nullptr && roles.size() - others_lost >= write_quorum(target.rs);
  const Error* reason = is_full ? full : first;
  return make_error(is_full ? ErrorCode::NoSpace : ErrorCode::Unavailable,
                    "too few stores take the chunk" +
                        (reason == nullptr ? std::string{} : ": " + reason->to_string()));
}

void WriterState::enqueue(const Buffer& stripe, const Hold& hold) {
  const std::uint8_t k = target.rs.data_shards;
  const StripeIndex index{stripe_count++};
  size_bytes += stripe.size();
  crc64nvme = digest::crc64nvme(stripe, crc64nvme);
  std::vector<Buffer> segments;
  std::vector<ByteSpan> data;
  std::size_t at = 0;
  for (std::uint8_t role = 0; role < k; ++role) {
    const std::size_t size = segment::segment_size(size_bytes, k, index, ShardRole{role});
    segments.push_back(stripe.slice(at, size));
    data.push_back(segments.back());
    at += size;
  }
  PREDA_ASSERT(at == stripe.size());
  const std::size_t longest = data.front().size();
  if (target.rs.parity_shards > 0) {
    MutableBuffer memory = service.pool_->take(longest * target.rs.parity_shards);
    std::vector<MutableByteSpan> parity;
    for (std::size_t i = 0; i < target.rs.parity_shards; ++i)
      parity.push_back(memory.bytes().subspan(i * longest, longest));
    service.codec(target.rs).encode(data, parity);
    const Buffer frozen = std::move(memory).freeze();
    for (std::size_t i = 0; i < target.rs.parity_shards; ++i)
      segments.push_back(frozen.slice(i * longest, longest));
  }
  for (std::size_t i = 0; i < roles.size(); ++i) {
    Role& role = *roles[i];
    if (segments[i].empty() || role.phase == Phase::failed) continue;
    shard::Segment segment;
    segment.index = SegmentIndex{index.value()};
    segment.logical_size_bytes = static_cast<std::uint32_t>(segments[i].size());
    segment.stored = std::move(segments[i]);
    role.queue.push_back({std::move(segment), hold});
    role.wake.notify_all();
    if (role.phase == Phase::idle) start(i);
    if (role.phase == Phase::held && role.queue.size() > service.options_.held_stripes_max)
      fail(i, make_error(ErrorCode::Unavailable, "the node failed a moment ago"));
  }
}

void WriterState::start(std::size_t index) {
  roles[index]->phase = Phase::writing;
  service.tasks_.spawn(run(shared_from_this(), index));
}

// The quorum cannot be had without them any more.
void WriterState::use_held() {
  if (roles.size() - lost_count(true) >= write_quorum(target.rs)) return;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    if (roles[i]->phase == Phase::held) start(i);
  }
}

bool WriterState::has_room() const {
  return std::all_of(roles.begin(), roles.end(), [this](const auto& role) {
    return role->queue.size() + role->in_append < service.options_.write_window_stripes;
  });
}

bool WriterState::is_settled() const { return count(Phase::writing) == 0; }

void WriterState::fail(std::size_t index, Error error) {
  Role& role = *roles[index];
  role.phase = Phase::failed;
  role.error = std::move(error);
  role.queue.clear();
  if (!is_abandoned) use_held();
  progress.notify_all();
}

void WriterState::abandon() {
  is_abandoned = true;
  for (const auto& role : roles) {
    role->queue.clear();
    role->wake.notify_all();
  }
  progress.notify_all();
}

ShardKey WriterState::key_of(std::size_t role) const {
  return {target.object_id, target.chunk_index, ShardRole{static_cast<std::uint8_t>(role)}};
}

Task<Result<std::unique_ptr<shard::ShardWriter>>> WriterState::open(std::size_t index) {
  Role& role = *roles[index];
  for (;;) {
    const NodeId node = role.node;
    const shard::ShardStamp stamp{role.write_id, Generation{1}, target.write_epoch,
                                  target.incarnation};
    const Instant deadline = service.env_.clock.now() + service.options_.open_timeout;
    auto opened = co_await service.shards_.create(node, key_of(index), stamp, deadline);
    if (opened || is_abandoned) co_return opened;
    service.health_.failed(node, NodeUse::write);
    // Nothing was sent yet, so that all of the shard can go elsewhere; at last to the node that was
    // to be spared.
    if (substitute(index)) continue;
    if (!std::exchange(role.is_spared, false)) co_return opened;
    role.node = target.candidates[index];
    role.write_id = write_id;
  }
}

Task<Result<void>> WriterState::feed(std::size_t index, shard::ShardWriter& writer) {
  Role& role = *roles[index];
  for (;;) {
    // Bounded by whoever fills the queue: it ends in finish() or abandon().
    while (role.queue.empty() && !is_closed && !is_abandoned) co_await role.wake.wait();
    if (is_abandoned) co_return make_error(ErrorCode::Cancelled, "the chunk was given up");
    if (role.queue.empty()) break;
    std::vector<shard::Segment> batch;
    std::vector<Hold> holds;
    while (!role.queue.empty() && batch.size() < kBatchSegmentsMax) {
      batch.push_back(std::move(role.queue.front().segment));
      holds.push_back(std::move(role.queue.front().hold));
      role.queue.pop_front();
    }
    role.in_append = batch.size();
    batch = co_await encode_segments(service.env_, codec_of(target.compression), std::move(batch));
    const Instant deadline = service.env_.clock.now() + service.options_.append_timeout;
    auto appended = co_await writer.append(std::move(batch), deadline);
    role.in_append = 0;
    holds.clear();
    progress.notify_all();
    PREDA_CO_CHECK(std::move(appended));
  }
  co_return co_await writer.commit(service.env_.clock.now() + service.options_.commit_timeout);
}

Task<void> WriterState::run(std::shared_ptr<WriterState> self, std::size_t index) {
  auto writer = co_await self->open(index);
  if (!writer) {
    self->fail(index, writer.error());
    co_return;
  }
  const NodeId node = self->roles[index]->node;
  auto stored = co_await self->feed(index, **writer);
  if (stored) {
    self->service.health_.succeeded(node, NodeUse::write);
    self->roles[index]->phase = Phase::durable;
    self->progress.notify_all();
    co_return;
  }
  if (!self->is_abandoned) self->service.health_.failed(node, NodeUse::write);
  self->fail(index, stored.error());
}

ChunkLayout WriterState::layout() const {
  ChunkLayout layout;
  layout.object_id = target.object_id;
  layout.chunk_index = target.chunk_index;
  layout.size_bytes = size_bytes;
  layout.rs = target.rs;
  layout.ring_epoch = target.ring_epoch;
  layout.placement_hash = target.placement_hash;
  layout.generation = Generation{1};
  layout.write_epoch = target.write_epoch;
  layout.crc64nvme = crc64nvme;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const Role& role = *roles[i];
    ShardPlace place{.node = target.candidates[i], .write_id = write_id};
    if (segment::segment_count(size_bytes, target.rs, key_of(i).role) == 0) {
      place.is_stored = false;
    } else if (role.phase == Phase::durable) {
      place.node = role.node;
      place.write_id = role.write_id;
    } else {
      place.is_missing = true;
      place.write_id = WriteId{};
    }
    layout.places.push_back(place);
  }
  return layout;
}

// ---- ChunkWriter

ChunkWriter::~ChunkWriter() {
  if (!state_->is_settled()) state_->abandon();
}

Task<Result<void>> ChunkWriter::write(Buffer stripe, Hold hold) {
  auto state = state_;
  PREDA_ASSERT(!state->is_closed);
  PREDA_ASSERT(!stripe.empty() && stripe.size() <= stripe_size_bytes(state->target.rs));
  PREDA_ASSERT(state->size_bytes % stripe_size_bytes(state->target.rs) == 0);
  PREDA_CO_CHECK(state->still_possible());
  state->enqueue(stripe, hold);
  stripe = {};
  hold.reset();
  while (!state->has_room() && !state->is_abandoned) co_await state->progress.wait();
  if (state->is_abandoned) co_return make_error(ErrorCode::Cancelled, "the chunk was given up");
  co_return state->still_possible();
}

Task<Result<ChunkLayout>> ChunkWriter::finish() {
  auto state = state_;
  PREDA_ASSERT(state->size_bytes > 0);
  PREDA_ASSERT(!state->is_closed);
  state->is_closed = true;
  for (const auto& role : state->roles) role->wake.notify_all();
  while (!state->is_settled()) {
    const auto possible = state->still_possible();
    if (!possible || state->is_abandoned) {
      state->abandon();
      co_return possible ? make_error(ErrorCode::Cancelled, "the chunk was given up")
                         : possible.error();
    }
    co_await state->progress.wait();
  }
  PREDA_CO_CHECK(state->still_possible());
  co_return state->layout();
}

void ChunkWriter::abandon() { state_->abandon(); }

}  // namespace predastore::chunk
