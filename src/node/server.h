#pragma once

#include "base/result.h"
#include "node/config.h"

namespace predastore::node {

// Runs one node as this process: QUIC to the other nodes, S3 and administration over HTTP. Blocks
// until SIGTERM or SIGINT has ended it in good order; an error says why it could not start or go
// on. The log goes to standard error.
Result<void> run_server(Config config);

}  // namespace predastore::node
