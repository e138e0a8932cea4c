#include <csignal>

#include "cli/cli.h"

// Of jemalloc: memory that is free goes back to the system soon, and few threads share few arenas,
// so that what a node holds is what it uses. This cost nothing that could be measured.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "dirty_decay_ms:500,muzzy_decay_ms:0,narenas:4,background_thread:true";
}

int main(int argc, char** argv) {
  // A peer or client that is gone is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  return predastore::cli::run(argc, argv);
}
