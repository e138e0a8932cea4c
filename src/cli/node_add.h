#pragma once

#include <string>

#include "cli/growth_client.h"
#include "cli/node_files.h"

namespace predastore::cli {

struct NodeAddOptions {
  std::string name;
  std::string ca_directory;  // with ca.pem and ca.key
  NodeAddress address;
  std::string out;  // the directory to make
};
// Makes the directory of a new node (configuration, certificate, key) from that of a node of the
// cluster, and registers it. It holds nothing before the ring names it.
int node_add(const ClusterChoice& cluster, const NodeAddOptions& options);

// A further node of a local cluster: made, registered, started, and put into the ring, unless it is
// a spare one.
int demo_add(const std::string& directory, bool is_spare);

// The nodes that the metadata name now (the answer to GET /v1/nodes), as a configuration lists
// them.
Result<std::vector<node::NodeEntry>> current_nodes(const GrowthAnswer& answer);
// `body` may have more to say of it. The exit code.
int register_node(const ClusterChoice& cluster, const node::NodeEntry& entry,
                  boost::json::object body);
// ca.pem and ca.key of a directory.
Result<crypto::CertificateAuthority> load_authority(const std::string& directory);

}  // namespace predastore::cli
