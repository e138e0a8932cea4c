#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "chunk/chunk_service.h"
#include "segment/codec.h"

namespace predastore::chunk {

// One read of some stripes of a chunk. For every stripe it ends with the wanted data segments, or
// with any K of its segments, from which the wanted ones are decoded. Fetches are tasks of their
// own that write into the cells of this run; the run decides again after each one of them.
class ReadRun : public std::enable_shared_from_this<ReadRun> {
 public:
  struct Request {
    ChunkLayout layout;
    std::uint64_t offset_bytes = 0;
    std::uint64_t size_bytes = 0;
    Instant deadline{};
    std::vector<ShardRole> last_resort{};  // roles to be asked only when there is no other way
  };
  ReadRun(ChunkService& service, Request request);

  static Task<Result<void>> execute(std::shared_ptr<ReadRun> self);
  // After execute(), once: the wanted bytes in order, as slices of segments, one for each segment.
  std::vector<Buffer> take_wanted();
  // How the segments that were read and did get smaller are compressed (the last of them).
  segment::Codec codec() const { return codec_; }

 private:
  enum class State { unknown, wanted, pending, good, bad };
  struct Cell {
    State state = State::unknown;
    ErrorCode error = ErrorCode::Internal;  // of a bad one
    Buffer bytes;
  };
  struct Source {
    ShardKey key;
    ShardPlace place;
    bool is_avoided = false;        // failed a moment ago, late, or wished to be left alone
    bool is_one_at_a_time = false;  // some segment of a batch was damaged: which one?
  };

  std::uint8_t k() const { return layout_.rs.data_shards; }
  StripeIndex stripe_at(std::size_t row) const {
    return StripeIndex{static_cast<std::uint32_t>(first_stripe_ + row)};
  }
  std::uint32_t segment_size(std::size_t row, std::size_t role) const;
  Cell& cell(std::size_t row, std::size_t role) { return cells_[row * sources_.size() + role]; }
  const Cell& cell(std::size_t row, std::size_t role) const {
    return cells_[row * sources_.size() + role];
  }
  bool is_needed(std::size_t row, std::size_t role) const;

  void set_up(const std::vector<ShardRole>& last_resort);
  bool is_satisfied(std::size_t row) const;
  bool is_satisfied() const;
  bool plan(std::size_t row);
  // The data segment of this stripe that is decoded from a parity segment at hand rather than
  // fetched; none if that saves nothing.
  bool is_at_hand(std::size_t role) const;
  std::optional<std::size_t> spared_role(std::size_t row) const;
  void launch();
  Error failure() const;
  void hedge();
  static Task<void> fetch(std::shared_ptr<ReadRun> self, std::size_t role, std::size_t row,
                          std::size_t count);
  void take(std::size_t role, std::size_t row, std::size_t count,
            std::vector<shard::Segment> segments);
  void take_error(std::size_t role, std::size_t row, std::size_t count, const Error& error);
  Result<Buffer> check(std::size_t role, std::size_t row, shard::Segment segment) const;
  Result<void> decode(std::size_t row);

  ChunkService& service_;
  ChunkLayout layout_;
  std::uint64_t begin_bytes_;
  std::uint64_t end_bytes_;
  Instant deadline_;
  std::size_t first_stripe_ = 0;
  std::size_t row_count_ = 0;  // stripes
  std::vector<Source> sources_;
  std::vector<Cell> cells_;
  std::size_t launched_count_ = 0;
  segment::Codec codec_ = segment::Codec::raw;
  Signal changed_;
};

}  // namespace predastore::chunk
