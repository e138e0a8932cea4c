#pragma once

#include <string>

#include "cli/growth_client.h"

namespace predastore::cli {

struct NodeAddOptions {
  std::string name;
  std::string ca_directory;  // with ca.pem and ca.key
  std::string host;          // the address of its host; ports are the usual ones
  std::string out;           // the directory to make
};
// Makes the directory of a new node (configuration, certificate, key) from that of a node of the
// cluster, and registers it. It holds nothing before the ring names it.
int node_add(const ClusterChoice& cluster, const NodeAddOptions& options);

// A further node of a local cluster: made, registered, started, and put into the ring, unless it is
// a spare one.
int demo_add(const std::string& directory, bool is_spare);

}  // namespace predastore::cli
