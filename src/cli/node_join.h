#pragma once

#include <cstdint>
#include <string>

#include "cli/growth_client.h"
#include "cli/node_files.h"

namespace predastore::cli {

struct NodeTokenOptions {
  std::string name;
  std::string ca_directory;  // with ca.pem and ca.key
  NodeAddress address;
  std::uint32_t valid_hours = 24;
  std::string out;  // the file to make; empty: standard output
};
// Registers a new node and makes the token with which a machine becomes it. Here, where the
// authority is: its key goes nowhere.
int node_token(const ClusterChoice& cluster, const NodeTokenOptions& options);

struct NodeJoinOptions {
  std::string token_file;  // "-": standard input
  std::string directory;   // to make; of this machine's node
};
// Makes the node's directory from the token, once the cluster has written down that this machine
// (and no other one) has joined with it. Can be repeated when an answer was lost.
int node_join(const NodeJoinOptions& options);

}  // namespace predastore::cli
