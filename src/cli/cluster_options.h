#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "cli/growth_client.h"

namespace predastore::cli {

// --output, --config and --dir, as all commands that talk to the administration have them.
inline void add_cluster_options(CLI::App& app, ClusterChoice& cluster) {
  app.add_option("--output", cluster.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--config", cluster.config_file, "A node's TOML file (instead of --dir)");
  app.add_option("--dir", cluster.directory, "Where the local cluster is")
      ->envname("PREDASTORE_DEMO_DIR")
      ->capture_default_str();
}

// A command that asks the cluster. `Parsed` has the options of a family of commands: its `cluster`,
// and the `command` that is run when this one was chosen.
template <class Parsed>
CLI::App* add_asking_command(CLI::App& parent, const std::shared_ptr<Parsed>& parsed,
                             const std::string& name, const std::string& help,
                             std::type_identity_t<std::function<int(const Parsed&)>> run) {
  CLI::App* app = parent.add_subcommand(name, help);
  add_cluster_options(*app, parsed->cluster);
  app->callback([parsed, run = std::move(run)] {
    *parsed->command = [parsed, run] { return run(*parsed); };
  });
  return app;
}

}  // namespace predastore::cli
