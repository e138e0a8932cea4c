#pragma once

#include <memory>
#include <string>

#include "env/environment.h"
#include "sim/disk.h"
#include "sim/scheduler.h"

namespace predastore::sim {

// The Environment of one incarnation of a node, or of whatever else runs in a simulation. What is
// built on it ends before it.
struct SimHost {
  SimHost(Scheduler& scheduler, SimDisk& disk, const std::string& name, std::uint64_t seed)
      : process(scheduler, name),
        clock(process),
        random(SimRandom::derive(seed, "random")),
        blocking(process, SimRandom::derive(seed, "blocking")),
        files(disk.mount(clock)) {}

  Environment environment() {
    return Environment{process.executor(), clock, random, *files, blocking};
  }

  Process process;
  SimClock clock;
  SimRandom random;
  SimBlocking blocking;
  std::unique_ptr<FileSystem> files;
};

}  // namespace predastore::sim
