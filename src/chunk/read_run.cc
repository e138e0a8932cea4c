#include "chunk/read_run.h"

#include <algorithm>

#include "chunk/hedge_policy.h"
#include "env/buffer_pool.h"
#include "segment/checksum.h"
#include "segment/codec.h"
#include "segment/geometry.h"

namespace predastore::chunk {

ReadRun::ReadRun(ChunkService& service, Request request)
    : service_(service),
      layout_(std::move(request.layout)),
      begin_bytes_(request.offset_bytes),
      end_bytes_(request.offset_bytes + request.size_bytes),
      deadline_(request.deadline),
      changed_(service.env_.clock) {
  set_up(request.last_resort);
}

std::uint32_t ReadRun::segment_size(std::size_t row, std::size_t role) const {
  return segment::segment_size(layout_.size_bytes, k(), stripe_at(row),
                               ShardRole{static_cast<std::uint8_t>(role)});
}

bool ReadRun::is_needed(std::size_t row, std::size_t role) const {
  const std::uint32_t size = segment_size(row, role);
  if (role >= k() || size == 0) return false;
  const std::uint64_t begin = segment::segment_offset(layout_.size_bytes, k(), stripe_at(row),
                                                      ShardRole{static_cast<std::uint8_t>(role)});
  return begin < end_bytes_ && begin + size > begin_bytes_;
}

void ReadRun::set_up(const std::vector<ShardRole>& last_resort) {
  first_stripe_ = segment::locate(layout_.size_bytes, k(), begin_bytes_).stripe.value();
  row_count_ =
      segment::locate(layout_.size_bytes, k(), end_bytes_ - 1).stripe.value() - first_stripe_ + 1;
  const std::size_t width = layout_.rs.width();
  sources_.resize(width);
  cells_.resize(row_count_ * width);
  for (std::size_t role = 0; role < width; ++role) {
    Source& source = sources_[role];
    source.key = {layout_.object_id, layout_.chunk_index,
                  ShardRole{static_cast<std::uint8_t>(role)}};
    source.place = layout_.places[role];
    const bool is_left =
        std::find(last_resort.begin(), last_resort.end(), source.key.role) != last_resort.end();
    bool is_used = false;
    for (std::size_t row = 0; row < row_count_; ++row) {
      is_used = is_used || is_needed(row, role);
      if (segment_size(row, role) == 0) {
        cell(row, role).state = State::good;  // nothing, followed by zeroes
      } else if (source.place.is_missing || !source.place.is_stored) {
        cell(row, role).state = State::bad;
        cell(row, role).error = ErrorCode::Unavailable;
      }
    }
    // Only who will be asked anyway uses up the right to try a node again.
    source.is_avoided =
        is_left || (!source.place.is_missing &&
                    !(is_used ? service_.health_.may_try(source.place.node, NodeUse::read)
                              : service_.health_.is_good(source.place.node, NodeUse::read)));
  }
}

bool ReadRun::is_satisfied(std::size_t row) const {
  std::size_t good_count = 0;
  bool has_needed = true;
  for (std::size_t role = 0; role < sources_.size(); ++role) {
    const bool is_good = cell(row, role).state == State::good;
    good_count += is_good ? 1 : 0;
    has_needed = has_needed && (is_good || !is_needed(row, role));
  }
  return has_needed || good_count >= k();
}

bool ReadRun::is_satisfied() const {
  for (std::size_t row = 0; row < row_count_; ++row) {
    if (!is_satisfied(row)) return false;
  }
  return true;
}

// Marks what is to be fetched for this stripe: the segments that are asked for, or, when one of
// them cannot be had soon, as many more as make K. False: K cannot be had.
bool ReadRun::plan(std::size_t row) {
  bool is_direct = true;
  for (std::size_t role = 0; role < k(); ++role) {
    const State state = cell(row, role).state;
    if (is_needed(row, role) && state != State::good)
      is_direct = is_direct && state != State::bad && !sources_[role].is_avoided;
  }
  if (is_direct) {
    const std::optional<std::size_t> spared = spared_role(row);
    for (std::size_t role = 0; role < sources_.size(); ++role) {
      Cell& wanted = cell(row, role);
      if (wanted.state != State::unknown || role == spared) continue;
      const bool is_parity_at_hand = spared && role >= k() && is_at_hand(role);
      if (is_needed(row, role) || is_parity_at_hand) wanted.state = State::wanted;
    }
    return true;
  }
  std::size_t count = 0;
  for (const bool is_avoided : {false, true}) {
    for (std::size_t role = 0; role < sources_.size(); ++role) {
      const State state = cell(row, role).state;
      const bool is_counted = state == State::good ? !is_avoided
                                                   : (state == State::pending &&
                                                      sources_[role].is_avoided == is_avoided);
      if (is_counted) ++count;
    }
    for (std::size_t role = 0; role < sources_.size() && count < k(); ++role) {
      Cell& other = cell(row, role);
      if (other.state != State::unknown || sources_[role].is_avoided != is_avoided) continue;
      other.state = State::wanted;
      ++count;
    }
  }
  return count >= k();
}

bool ReadRun::is_at_hand(std::size_t role) const {
  const Source& source = sources_[role];
  return service_.options_.self != NodeId{} && source.place.node == service_.options_.self &&
         !source.is_avoided;
}

// A whole stripe needs any K of its segments. Where a parity segment lies on this node, one data
// segment less has to travel; decoding it costs a small part of that (docs/design/read_path.md).
std::optional<std::size_t> ReadRun::spared_role(std::size_t row) const {
  bool has_parity = false;
  std::optional<std::size_t> spared;
  for (std::size_t role = 0; role < sources_.size(); ++role) {
    const Cell& one = cell(row, role);
    if (role >= k()) {
      has_parity = has_parity || (is_at_hand(role) && one.state != State::bad);
      continue;
    }
    if (!is_needed(row, role)) return std::nullopt;
    if (one.state != State::unknown || sources_[role].place.node == service_.options_.self)
      continue;
    // Another one for each stripe, so that no node is left out.
    if (!spared || role <= stripe_at(row).value() % k()) spared = role;
  }
  return has_parity ? spared : std::nullopt;
}

void ReadRun::launch() {
  for (std::size_t role = 0; role < sources_.size(); ++role) {
    const std::size_t batch_max = sources_[role].is_one_at_a_time ? 1 : shard::kFetchSegmentsMax;
    for (std::size_t row = 0; row < row_count_;) {
      std::size_t count = 0;
      while (row + count < row_count_ && count < batch_max &&
             cell(row + count, role).state == State::wanted) {
        cell(row + count, role).state = State::pending;
        ++count;
      }
      if (count > 0) {
        ++launched_count_;
        service_.tasks_.spawn(fetch(shared_from_this(), role, row, count));
      }
      row += std::max<std::size_t>(count, 1);
    }
  }
}

Task<Result<void>> ReadRun::execute(std::shared_ptr<ReadRun> self) {
  Clock& clock = self->service_.env_.clock;
  Instant hedge_at = kNever;
  while (!self->is_satisfied()) {
    for (std::size_t row = 0; row < self->row_count_; ++row) {
      if (!self->is_satisfied(row) && !self->plan(row)) co_return self->failure();
    }
    const std::size_t launched_before = self->launched_count_;
    self->launch();
    if (self->launched_count_ != launched_before)
      hedge_at = clock.now() + self->service_.hedge_->delay();
    const bool was_notified =
        co_await self->changed_.wait_until(std::min(hedge_at, self->deadline_));
    if (clock.now() >= self->deadline_ && !self->is_satisfied())
      co_return make_error(ErrorCode::TimedOut, "reading a chunk");
    if (was_notified || clock.now() < hedge_at) continue;
    hedge_at = kNever;
    if (self->service_.hedge_->try_take()) self->hedge();
  }
  for (std::size_t row = 0; row < self->row_count_; ++row) {
    PREDA_CO_CHECK(self->decode(row));
  }
  co_return Result<void>{};
}

// Whoever has not answered by now is left alone for a moment; plan() asks others.
void ReadRun::hedge() {
  for (std::size_t role = 0; role < sources_.size(); ++role) {
    for (std::size_t row = 0; row < row_count_; ++row) {
      if (cell(row, role).state != State::pending || sources_[role].is_avoided) continue;
      sources_[role].is_avoided = true;
      service_.health_.failed(sources_[role].place.node, NodeUse::read);
    }
  }
}

Error ReadRun::failure() const {
  for (std::size_t row = 0; row < row_count_; ++row) {
    std::size_t good_count = 0;
    std::size_t away_count = 0;
    bool is_unknown = false;
    for (std::size_t role = 0; role < sources_.size(); ++role) {
      const Cell& one = cell(row, role);
      if (one.state != State::bad) ++good_count;
      if (one.state != State::bad) continue;
      if (one.error == ErrorCode::Unavailable || one.error == ErrorCode::TimedOut) ++away_count;
      is_unknown = is_unknown || one.error == ErrorCode::NotFound;
    }
    if (good_count >= k()) continue;
    if (good_count + away_count >= k())
      return make_error(ErrorCode::Unavailable, "too few stores of a chunk answer");
    if (is_unknown) return make_error(ErrorCode::NotFound, "too few shards of a chunk are there");
    return make_error(ErrorCode::Corruption, "too many shards of a chunk are damaged");
  }
  return make_error(ErrorCode::Unavailable, "too few stores of a chunk answer");
}

// ---- fetching

Task<void> ReadRun::fetch(std::shared_ptr<ReadRun> self, std::size_t role, std::size_t row,
                          std::size_t count) {
  ChunkService& service = self->service_;
  const Instant started = service.env_.clock.now();
  const Instant deadline = std::min(self->deadline_, started + service.options_.fetch_timeout);
  const Source source = self->sources_[role];
  const SegmentIndex first{self->stripe_at(row).value()};
  auto segments =
      co_await service.shards_.fetch(source.place.node, source.key, source.place.write_id, first,
                                     static_cast<std::uint16_t>(count), deadline);
  const Duration took = service.env_.clock.now() - started;
  const bool is_late = took > service.hedge_->delay();
  service.hedge_->observed(source.place.node, took);
  if (segments) {
    // A node that answers too late to be of use is not well again.
    if (!is_late) service.health_.succeeded(source.place.node, NodeUse::read);
    self->take(role, row, count, std::move(*segments));
  } else {
    self->take_error(role, row, count, segments.error());
  }
  self->changed_.notify_all();
}

Result<Buffer> ReadRun::check(std::size_t role, std::size_t row, shard::Segment segment) const {
  if (segment.index.value() != stripe_at(row).value() ||
      segment.logical_size_bytes != segment_size(row, role))
    return make_error(ErrorCode::Corruption, "another segment than was asked for");
  return segment::decode_payload(segment.codec, std::move(segment.stored),
                                 segment.logical_size_bytes);
}

void ReadRun::take(std::size_t role, std::size_t row, std::size_t count,
                   std::vector<shard::Segment> segments) {
  bool is_damaged = false;
  for (std::size_t i = 0; i < count; ++i) {
    Cell& filled = cell(row + i, role);
    if (filled.state != State::pending) continue;  // it was late, and is decoded by now
    Result<Buffer> bytes = make_error(ErrorCode::Corruption, "a shard is too short");
    const std::uint8_t codec = i < segments.size() ? segments[i].codec : std::uint8_t{0};
    if (i < segments.size()) bytes = check(role, row + i, std::move(segments[i]));
    if (bytes) {
      if (codec != 0) codec_ = static_cast<segment::Codec>(codec);
      filled.state = State::good;
      filled.bytes = std::move(*bytes);
      continue;
    }
    filled.state = State::bad;
    filled.error = bytes.error().code;
    is_damaged = true;
  }
  if (is_damaged) service_.report(sources_[role].key);
}

void ReadRun::take_error(std::size_t role, std::size_t row, std::size_t count, const Error& error) {
  Source& source = sources_[role];
  const bool is_damage = error.code == ErrorCode::Corruption || error.code == ErrorCode::Io;
  const bool is_lost = error.code == ErrorCode::NotFound;
  if (is_damage || is_lost) {
    service_.health_.succeeded(source.place.node, NodeUse::read);
    service_.report(source.key);
  } else {
    service_.health_.failed(source.place.node, NodeUse::read);
    source.is_avoided = true;
  }
  // One bad segment of sixteen: the others may be needed.
  const bool is_to_be_narrowed = is_damage && count > 1;
  if (is_to_be_narrowed) source.is_one_at_a_time = true;
  for (std::size_t i = 0; i < row_count_; ++i) {
    Cell& failed = cell(i, role);
    const bool was_asked = i >= row && i < row + count && failed.state == State::pending;
    const bool is_hopeless = is_lost && failed.state == State::unknown;
    if (!was_asked && !is_hopeless) continue;
    failed.state = is_to_be_narrowed ? State::unknown : State::bad;
    failed.error = error.code;
  }
}

// ---- the result

Result<void> ReadRun::decode(std::size_t row) {
  std::vector<std::size_t> lost;
  std::vector<erasure::Present> present;
  for (std::size_t role = 0; role < sources_.size(); ++role) {
    const Cell& one = cell(row, role);
    if (one.state == State::good) {
      present.push_back({sources_[role].key.role, one.bytes});
    } else if (is_needed(row, role)) {
      lost.push_back(role);
    }
  }
  if (lost.empty()) return {};
  const std::size_t longest = segment_size(row, 0);
  MutableBuffer memory = service_.pool_->take(longest * lost.size());
  std::vector<erasure::Wanted> wanted;
  for (std::size_t i = 0; i < lost.size(); ++i)
    wanted.push_back({sources_[lost[i]].key.role, memory.bytes().subspan(i * longest, longest)});
  PREDA_CHECK(service_.codec(layout_.rs).decode(present, wanted));
  const Buffer frozen = std::move(memory).freeze();
  for (std::size_t i = 0; i < lost.size(); ++i) {
    Cell& decoded = cell(row, lost[i]);
    decoded.state = State::good;
    decoded.bytes = frozen.slice(i * longest, segment_size(row, lost[i]));
  }
  return {};
}

std::vector<Buffer> ReadRun::take_wanted() {
  std::vector<Buffer> out;
  for (std::size_t row = 0; row < row_count_; ++row) {
    for (std::size_t role = 0; role < k(); ++role) {
      if (!is_needed(row, role)) continue;
      const std::uint64_t begin =
          segment::segment_offset(layout_.size_bytes, k(), stripe_at(row), sources_[role].key.role);
      const Buffer& bytes = cell(row, role).bytes;
      const std::uint64_t from = std::max(begin, begin_bytes_) - begin;
      const std::uint64_t to = std::min(begin + bytes.size(), end_bytes_) - begin;
      out.push_back(
          bytes.slice(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
    }
  }
  // Fetches that are late keep this run, not what it read.
  for (Cell& one : cells_) one = Cell{State::good, {}, {}};
  return out;
}

}  // namespace predastore::chunk
