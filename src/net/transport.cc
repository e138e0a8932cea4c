#include "net/transport.h"

#include <cstring>

namespace predastore::net {

Task<Result<void>> Stream::read_exactly(MutableByteSpan into, Instant deadline) {
  while (!into.empty()) {
    PREDA_CO_TRY(const Buffer piece, co_await read(into.size(), deadline));
    if (piece.empty()) co_return make_error(ErrorCode::Unavailable, "the stream ended early");
    std::memcpy(into.data(), piece.data(), piece.size());
    into = into.subspan(piece.size());
  }
  co_return Result<void>{};
}

}  // namespace predastore::net
