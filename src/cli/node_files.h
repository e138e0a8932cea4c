#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/certificates.h"
#include "model/layout.h"
#include "node/config.h"

namespace predastore::cli {

// What is in the directory of a node that is added to a cluster.
struct NodeFiles {
  ClusterId cluster;
  node::NodeEntry node;
  std::vector<node::NodeEntry> others;
  RsConfig rs;
  std::string region;
  std::uint64_t drive_capacity_bytes = 0;
  crypto::CertificatePair certificate;
  // Without these two the node uses those in the directory above, as in a local cluster.
  std::optional<std::string> ca_pem;
  std::optional<std::string> root_key;  // the text of the file
  std::optional<crypto::CertificatePair> s3_certificate;
};

NodeId random_node_id();
// The usual ports on this host, unless they are named.
struct NodeAddress {
  std::string host;
  std::uint16_t s3_port = 9000;
  std::uint16_t cluster_port = 7700;
  std::uint16_t admin_port = 7800;
};
node::NodeEntry entry_at(const NodeAddress& address, const std::string& name);

// Writes all of them into a directory that is there and has none of them; the configuration comes
// last, and is checked. Keys are for their owner alone.
Result<void> write_node_files(const std::string& directory, const NodeFiles& files);
// The same into a directory that is not there: whole or not at all. AlreadyExists.
Result<void> make_node_directory(const std::string& directory, const NodeFiles& files);

}  // namespace predastore::cli
