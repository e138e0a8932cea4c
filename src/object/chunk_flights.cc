#include "object/chunk_flights.h"

#include <utility>

namespace predastore::object {

Task<Result<std::vector<Buffer>>> ChunkFlights::read(ChunkLayout layout, std::uint64_t offset_bytes,
                                                     std::uint64_t size_bytes, Instant deadline) {
  const Key key{layout.object_id, layout.chunk_index, layout.generation, offset_bytes, size_bytes};
  if (const auto found = flights_.find(key); found != flights_.end()) {
    const std::shared_ptr<Flight> flight = found->second;
    ++shared_count_;
    while (!flight->has_landed) {
      if (!co_await flight->landed.wait_until(deadline) && !flight->has_landed)
        co_return make_error(ErrorCode::TimedOut, "reading a chunk");
    }
    co_return flight->bytes;
  }
  auto flight = std::make_shared<Flight>(env_.clock);
  flights_.emplace(key, flight);
  flight->bytes = co_await chunks_.read(std::move(layout), offset_bytes, size_bytes, deadline);
  flight->has_landed = true;
  flights_.erase(key);
  flight->landed.notify_all();
  co_return flight->bytes;
}

}  // namespace predastore::object
