#pragma once

#include "env/blocking.h"
#include "env/clock.h"
#include "env/file.h"
#include "env/random.h"
#include "env/task.h"

namespace predastore {

// The outside world of one node, handed to everything that needs it. All of it outlives whoever
// holds this. There is one loop a node for now: `executor` is it, and whatever takes an Environment
// runs on it.
struct Environment {
  Executor executor;
  Clock& clock;
  Random& random;
  FileSystem& files;
  Blocking& blocking;
};

}  // namespace predastore
