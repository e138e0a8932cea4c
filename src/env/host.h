#pragma once

#include "env/environment.h"
#include "env/loop.h"
#include "env/posix_files.h"
#include "env/system_random.h"
#include "env/thread_pool.h"

namespace predastore {

// This machine, as an Environment: one loop, which the caller runs, and threads for blocking work.
struct ProductionHost {
  explicit ProductionHost(std::size_t blocking_threads = 8)
      : blocking(blocking_threads), files(blocking) {}

  Environment environment() {
    return Environment{loop.executor(), loop.clock(), random, files, blocking};
  }

  Loop loop;
  SystemRandom random;
  ThreadPool blocking;
  PosixFiles files;
};

}  // namespace predastore
