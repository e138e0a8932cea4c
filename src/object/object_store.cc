#include "object/object_store.h"

namespace predastore::object {

Task<Result<void>> BodySink::write_all(std::vector<Buffer> pieces) {
  for (Buffer& piece : pieces) {
    PREDA_CO_CHECK(co_await write(std::move(piece)));
  }
  co_return Result<void>{};
}

}  // namespace predastore::object
