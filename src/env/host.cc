#include "env/host.h"

#include <utility>

namespace predastore {

Result<ProductionHost::IoChoice> ProductionHost::choose_io(IoBackend wanted,
                                                           IoRingOptions options) {
  PREDA_ASSERT(ring == nullptr);
  IoChoice choice;
  if (wanted == IoBackend::threads) return choice;
  auto opened = IoRing::open(loop.io(), std::move(options));
  if (!opened) {
    if (wanted == IoBackend::io_uring) return opened.error();
    choice.reason = opened.error().detail;
    return choice;
  }
  ring = std::move(*opened);
  files.use_ring(*ring);
  metadata_files.use_ring(*ring);
  choice.backend = IoBackend::io_uring;
  return choice;
}

}  // namespace predastore
