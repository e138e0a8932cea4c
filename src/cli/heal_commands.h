#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace predastore::cli {

// Adds `heal` to the program; the chosen command is put into `command`, which outlives the parsing
// and its run.
void add_heal_commands(CLI::App& root, std::function<int()>* command);

}  // namespace predastore::cli
