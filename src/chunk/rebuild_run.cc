#include "chunk/rebuild_run.h"

#include <algorithm>

#include "chunk/read_run.h"
#include "chunk/segment_coding.h"
#include "digest/crc.h"
#include "env/buffer_pool.h"
#include "segment/geometry.h"

namespace predastore::chunk {

Result<void> RebuildRun::check() const {
  if (request_.targets.empty())
    return make_error(ErrorCode::InvalidArgument, "a rebuild of nothing");
  for (std::size_t i = 0; i < request_.targets.size(); ++i) {
    const ShardRole role = request_.targets[i].role;
    if (role.value() >= layout().rs.width() ||
        segment::segment_count(layout().size_bytes, layout().rs, role) == 0)
      return make_error(ErrorCode::InvalidArgument, "a role without bytes");
    for (std::size_t other = 0; other < i; ++other) {
      if (request_.targets[other].role == role)
        return make_error(ErrorCode::InvalidArgument, "a role twice");
    }
  }
  return {};
}

Result<void> RebuildRun::some_left() const {
  for (const Output& output : outputs_) {
    if (output.writer != nullptr) return {};
  }
  const bool is_full = first_error_ && first_error_->code == ErrorCode::NoSpace;
  return make_error(is_full ? ErrorCode::NoSpace : ErrorCode::Unavailable,
                    "no store takes a rebuilt shard: " +
                        (first_error_ ? first_error_->to_string() : std::string{"none asked"}));
}

void RebuildRun::give_up(Output& output, Error error) {
  service_.health_.failed(output.node, NodeUse::write);
  output.writer.reset();
  if (!first_error_) first_error_ = std::move(error);
}

Task<Result<ChunkLayout>> RebuildRun::execute() {
  PREDA_CO_CHECK(check());
  PREDA_CO_CHECK(co_await open());
  const std::uint8_t k = layout().rs.data_shards;
  const std::uint32_t stripes = segment::stripe_count(layout().size_bytes, k);
  const auto window = static_cast<std::uint32_t>(service_.options_.rebuild_window_stripes);
  for (std::uint32_t first = 0; first < stripes; first += window) {
    const std::uint32_t count = std::min(window, stripes - first);
    PREDA_CO_TRY(std::vector<Buffer> data, co_await read_window(first, count));
    std::size_t at = 0;
    for (std::uint32_t i = first; i < first + count; ++i) {
      std::vector<Buffer> stripe;
      for (std::uint8_t role = 0; role < k; ++role) {
        if (segment::segment_size(layout().size_bytes, k, StripeIndex{i}, ShardRole{role}) == 0)
          break;
        crc64nvme_ = digest::crc64nvme(data[at], crc64nvme_);
        stripe.push_back(std::move(data[at++]));
      }
      PREDA_CO_CHECK(co_await write_stripe(StripeIndex{i}, std::move(stripe)));
    }
  }
  if (crc64nvme_ != layout().crc64nvme)
    co_return make_error(ErrorCode::Corruption, "a rebuilt chunk has another checksum");
  PREDA_CO_CHECK(co_await commit());
  ChunkLayout rebuilt = layout();
  rebuilt.generation = next(rebuilt.generation);
  rebuilt.write_epoch = request_.write_epoch;
  for (const Output& output : outputs_) {
    if (output.writer != nullptr)
      rebuilt.places[output.role.value()] = {.node = output.node, .write_id = output.write_id};
  }
  co_return rebuilt;
}

Task<Result<void>> RebuildRun::open() {
  for (const RebuildTarget& target : request_.targets) {
    Output& output = outputs_.emplace_back();
    output.role = target.role;
    output.node = target.node;
    output.write_id = service_.new_write_id();
    const ShardKey key{layout().object_id, layout().chunk_index, target.role};
    const shard::ShardStamp stamp{output.write_id, next(layout().generation), request_.write_epoch,
                                  request_.incarnation};
    const Instant deadline =
        std::min(deadline_, service_.env_.clock.now() + service_.options_.open_timeout);
    auto opened = co_await service_.shards_.create(target.node, key, stamp, deadline);
    if (opened) {
      outputs_.back().writer = std::move(*opened);
    } else {
      give_up(outputs_.back(), opened.error());
    }
  }
  co_return some_left();
}

Task<Result<std::vector<Buffer>>> RebuildRun::read_window(std::uint32_t first,
                                                          std::uint32_t count) {
  const std::uint8_t k = layout().rs.data_shards;
  ReadRun::Request request{.layout = layout(), .deadline = deadline_};
  request.offset_bytes = std::uint64_t{first} * stripe_size_bytes(layout().rs);
  for (std::uint32_t i = first; i < first + count; ++i)
    request.size_bytes += segment::stripe_size(layout().size_bytes, k, StripeIndex{i});
  if (pace_) co_await pace_(request.size_bytes);
  for (const Output& output : outputs_) request.last_resort.push_back(output.role);
  auto run = std::make_shared<ReadRun>(service_, std::move(request));
  PREDA_CO_CHECK(co_await ReadRun::execute(run));
  codec_ = run->codec();
  co_return run->take_wanted();
}

// All segments of a stripe by role, from those of its data roles that have bytes.
std::vector<Buffer> RebuildRun::segments_of(std::vector<Buffer> data) const {
  const RsConfig rs = layout().rs;
  const std::size_t longest = data.front().size();
  data.resize(rs.data_shards);
  const bool needs_parity =
      std::any_of(outputs_.begin(), outputs_.end(),
                  [rs](const Output& output) { return output.role.value() >= rs.data_shards; });
  if (!needs_parity) {
    data.resize(rs.width());
    return data;
  }
  MutableBuffer memory = service_.pool_->take(longest * rs.parity_shards);
  std::vector<ByteSpan> from(data.begin(), data.end());
  std::vector<MutableByteSpan> parity;
  for (std::size_t i = 0; i < rs.parity_shards; ++i)
    parity.push_back(memory.bytes().subspan(i * longest, longest));
  service_.codec(rs).encode(from, parity);
  const Buffer frozen = std::move(memory).freeze();
  for (std::size_t i = 0; i < rs.parity_shards; ++i)
    data.push_back(frozen.slice(i * longest, longest));
  return data;
}

Task<Result<void>> RebuildRun::write_stripe(StripeIndex stripe, std::vector<Buffer> data) {
  const std::vector<Buffer> all = segments_of(std::move(data));
  for (Output& output : outputs_) {
    const Buffer& bytes = all[output.role.value()];
    if (output.writer == nullptr || bytes.empty()) continue;
    shard::Segment segment;
    segment.index = SegmentIndex{stripe.value()};
    segment.logical_size_bytes = static_cast<std::uint32_t>(bytes.size());
    segment.stored = bytes;
    std::vector<shard::Segment> segments;
    segments.push_back(std::move(segment));
    segments = co_await encode_segments(service_.env_, codec_, std::move(segments));
    const Instant deadline =
        std::min(deadline_, service_.env_.clock.now() + service_.options_.append_timeout);
    auto appended = co_await output.writer->append(std::move(segments), deadline);
    if (!appended) give_up(output, appended.error());
  }
  co_return some_left();
}

Task<Result<void>> RebuildRun::commit() {
  for (Output& output : outputs_) {
    if (output.writer == nullptr) continue;
    const Instant deadline =
        std::min(deadline_, service_.env_.clock.now() + service_.options_.commit_timeout);
    auto committed = co_await output.writer->commit(deadline);
    if (!committed) give_up(output, committed.error());
  }
  co_return some_left();
}

}  // namespace predastore::chunk
