#pragma once

namespace predastore::cli {

// The whole command line: parses it, runs the command, returns the exit code. Blocks.
int run(int argc, const char* const* argv);

}  // namespace predastore::cli
