#include <csignal>

#include "cli/cli.h"

int main(int argc, char** argv) {
  // A peer or client that is gone is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  return predastore::cli::run(argc, argv);
}
