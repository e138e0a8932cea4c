#pragma once

#include <cstddef>

#include "env/clock.h"
#include "model/ids.h"

namespace predastore::chunk {

// Times and windows of the chunk pipeline. A stripe of a scheme K+M is K+M segments of 64 KiB.
struct ChunkOptions {
  // Where this runs: a whole stripe is read with a parity segment from here instead of one of its
  // data segments from elsewhere. None: that is not done.
  NodeId self{};

  // Writing. A node is given up only after so long without progress, never because it is slow: a
  // stalled sync must not make data without redundancy.
  Duration open_timeout = 3s;
  Duration append_timeout = 10s;
  Duration commit_timeout = 15s;
  std::size_t write_window_stripes = 16;  // of one chunk, that not all of its stores have taken
  std::size_t held_stripes_max = 4;       // kept for a node that failed a moment ago

  // Reading. One fetch; after the hedge delay (learned, within these bounds) other roles are asked
  // as well, for at most one fetch in twenty.
  Duration fetch_timeout = 5s;
  Duration hedge_delay_min = 50ms;
  Duration hedge_delay_max = 1s;

  std::size_t rebuild_window_stripes = 8;  // a rebuild holds so many at a time

  // A node that failed is not asked for so long, twice as long after each further failure.
  Duration backoff_min = 500ms;
  Duration backoff_max = 2s;

  std::size_t pool_bytes = 16 * 1024 * 1024;  // free stripe memory that is kept for the next ones
};

}  // namespace predastore::chunk
