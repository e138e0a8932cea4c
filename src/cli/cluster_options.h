#pragma once

#include <CLI/CLI.hpp>

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

}  // namespace predastore::cli
