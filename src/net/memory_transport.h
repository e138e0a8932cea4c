#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "env/environment.h"
#include "net/transport.h"

namespace predastore::net {

struct MemoryEndpoint;

// A network in memory for tests, on one loop: endpoints that open streams to each other by node id.
// Bytes arrive at once and in order; a stream holds at most `window_bytes` that were not read, so
// that backpressure is real.
class MemoryNetwork {
 public:
  explicit MemoryNetwork(Environment env, std::size_t window_bytes = 1024 * 1024);
  ~MemoryNetwork();
  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  // The endpoint of `node`; one at a time. It may outlive the network.
  std::unique_ptr<Transport> endpoint(NodeId node);
  // Breaks every stream of `node` and lets it neither open nor be reached until up(node). Its
  // endpoint object stays valid.
  void down(NodeId node);
  void up(NodeId node);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace predastore::net
