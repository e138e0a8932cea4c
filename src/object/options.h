#pragma once

#include <cstddef>

#include "env/clock.h"
#include "model/limits.h"

namespace predastore::object {

struct ObjectOptions {
  std::size_t chunk_size_bytes = kChunkSizeBytes;  // of what is written; recorded with each object

  // Memory of all uploads (stripes with their parity, from the first byte until every store has
  // taken its part) and of all downloads. Who is under way and has to wait longer than
  // budget_timeout is refused; who has not begun after admission_timeout, and at once when
  // admission_waiting_max others wait to begin.
  std::uint64_t put_budget_bytes = 256 * 1024 * 1024;
  std::uint64_t get_reserve_bytes = 128 * 1024 * 1024;  // one window for each download
  std::uint64_t get_ahead_bytes = 128 * 1024 * 1024;    // what downloads read ahead of that
  Duration budget_timeout = 20s;
  Duration admission_timeout = 2s;
  std::size_t admission_waiting_max = 64;

  std::size_t finishing_chunks_max = 2;  // of one upload: made durable while the next is read
  std::size_t hash_backlog_max = 8;      // stripes of one upload that are not hashed yet
  std::size_t hash_batches_max = 1;      // of several uploads each, hashed at the same time
  // Bodies below this are hashed on the loop; others beside it.
  std::size_t inline_hash_bytes = 64 * 1024;

  std::size_t read_window_bytes = 1024 * 1024;  // what one step of a download fetches
  std::size_t read_windows_max = 8;             // of one download at a time
  std::size_t layout_page_chunks = 64;          // layouts asked for at a time

  Duration meta_timeout = 15s;
  Duration read_timeout = 30s;  // of one window
};

}  // namespace predastore::object
