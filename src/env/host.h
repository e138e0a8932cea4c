#pragma once

#include <memory>
#include <string>

#include "env/environment.h"
#include "env/io_ring.h"
#include "env/loop.h"
#include "env/posix_files.h"
#include "env/system_random.h"
#include "env/thread_pool.h"

namespace predastore {

enum class IoBackend : std::uint8_t {
  automatic,  // io_uring where the kernel lets us, threads elsewhere
  io_uring,
  threads,
};

// This machine, as an Environment: one loop, which the caller runs, and threads for blocking work.
// The metadata has threads of its own, so that drives that hang hold up no commit.
struct ProductionHost {
  explicit ProductionHost(std::size_t blocking_threads = 8, std::size_t metadata_threads = 4)
      : blocking(blocking_threads),
        files(blocking),
        metadata_blocking(metadata_threads),
        metadata_files(metadata_blocking) {}

  Environment environment() {
    return Environment{loop.executor(), loop.clock(), random, files, blocking};
  }
  // The same loop, the other threads.
  Environment metadata_environment() {
    return Environment{loop.executor(), loop.clock(), random, metadata_files, metadata_blocking};
  }

  // How the bytes of files move: by threads, until this is called. Before the first file is opened.
  // What was chosen, and for `automatic` why not io_uring; Unsupported when only that was wanted.
  struct IoChoice {
    IoBackend backend = IoBackend::threads;
    std::string reason;  // threads, although io_uring was looked for
  };
  Result<IoChoice> choose_io(IoBackend wanted, IoRingOptions options = {});

  Loop loop;
  SystemRandom random;
  ThreadPool blocking;
  std::unique_ptr<IoRing> ring;  // may be none
  PosixFiles files;
  ThreadPool metadata_blocking;
  PosixFiles metadata_files;
};

}  // namespace predastore
