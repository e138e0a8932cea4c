#pragma once

#include <string>
#include <vector>

#include "env/host.h"
#include "node/config.h"

namespace predastore::cli {

// "127.0.0.1:7800", "[::1]:7800". InvalidArgument.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(const std::string& address);

// What the cluster's administration answered to GET /v1/status.
struct StatusAnswer {
  std::string json;                   // empty when no node answered
  std::string node_name;              // who answered
  std::string state;                  // of the answer; "unavailable" without one
  std::vector<std::string> problems;  // of the nodes that did not answer
};

// Asks all nodes at once and takes the best answer: one that can read the metadata, as soon as it
// is there; otherwise any. `config` is that of any node: its certificate is shown. Runs the loop of
// `host`. Errors: the certificate or its key cannot be read.
Result<StatusAnswer> ask_status(ProductionHost& host, const node::Config& config);

// What a node answered to a request to its administration.
struct AdminAnswer {
  unsigned status = 0;
  std::string body;
  std::string error() const;  // what an answer above 399 says
};

// One request to the administration of the cluster: of the node of `config` first, then of the
// others, until one takes it. Runs the loop of `host`. Errors: Unavailable (no node took it:
// nothing has happened), Internal (the answer was lost, and with it whether it was done), others
// when the certificate or its key cannot be read.
Result<AdminAnswer> call_admin(ProductionHost& host, const node::Config& config, std::string method,
                               std::string target, std::string body);

// The configuration of some node of the cluster that the user means: that of the file, or (without
// one) of the demo in `directory`. NotFound, InvalidArgument.
Result<node::Config> config_of_cluster(const std::string& config_file,
                                       const std::string& directory);

}  // namespace predastore::cli
