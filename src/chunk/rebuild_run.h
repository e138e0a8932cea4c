#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "chunk/chunk_service.h"
#include "chunk/paced_rebuild.h"
#include "segment/codec.h"

namespace predastore::chunk {

// One rebuild: the chunk is read in windows of some stripes, the segments of the target roles are
// cut or computed from each and handed to the new stores. Order of writes: all segments, then the
// proof of the chunk's checksum, then the commits, then (by the caller) the swap of the layout. A
// crash before the swap leaves shards that no layout names.
class RebuildRun {
 public:
  // `service` outlives this.
  RebuildRun(ChunkService& service, RebuildRequest request, Instant deadline, Pace pace = {})
      : service_(service),
        request_(std::move(request)),
        deadline_(deadline),
        pace_(std::move(pace)) {}
  Task<Result<ChunkLayout>> execute();

 private:
  struct Output {
    ShardRole role;
    NodeId node;
    WriteId write_id;
    std::unique_ptr<shard::ShardWriter> writer;  // null: given up
  };

  const ChunkLayout& layout() const { return request_.layout; }
  Result<void> check() const;
  Task<Result<void>> open();
  Task<Result<std::vector<Buffer>>> read_window(std::uint32_t first, std::uint32_t count);
  Task<Result<void>> write_stripe(StripeIndex stripe, std::vector<Buffer> data);
  std::vector<Buffer> segments_of(std::vector<Buffer> data) const;
  Task<Result<void>> commit();
  Result<void> some_left() const;
  void give_up(Output& output, Error error);

  ChunkService& service_;
  RebuildRequest request_;
  Instant deadline_;
  Pace pace_;
  std::vector<Output> outputs_;
  segment::Codec codec_ = segment::Codec::raw;  // as the segments of this window were found
  std::uint64_t crc64nvme_ = 0;
  std::optional<Error> first_error_;
};

}  // namespace predastore::chunk
