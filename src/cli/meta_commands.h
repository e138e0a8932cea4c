#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace predastore::cli {

// `meta`: which nodes have replicas of the metadata.
void add_meta_commands(CLI::App& root, std::function<int()>* command);

}  // namespace predastore::cli
