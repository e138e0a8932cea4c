#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace predastore::cli {

// Adds `node` and `ring` to the program; the chosen one is put into `command`, which outlives the
// parsing and its run.
void add_topology_commands(CLI::App& root, std::function<int()>* command);

}  // namespace predastore::cli
