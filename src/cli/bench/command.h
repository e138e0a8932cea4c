#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace predastore::cli::bench {

// Adds `predastore bench` to `root`; when it is chosen, `*command` is what runs it.
void add_command(CLI::App& root, std::function<int()>* command);

}  // namespace predastore::cli::bench
