#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/transport.h"
#include "sim/scheduler.h"

namespace predastore::sim {

struct NetworkOptions {
  Duration latency_min = 50us;
  Duration latency_max = 2ms;
  std::size_t window_bytes = 256 * 1024;  // of a stream: sent and not yet read
  // A connection over which nothing comes through is given up after this, as QUIC does.
  Duration idle_timeout = 3s;
  Duration handshake_timeout = 1s;
  Duration gone_for = 200ms;  // a peer that could not be reached is not tried again for so long
};

// Probabilities; all off by default, may be changed at any time.
struct NetworkFaults {
  double stream_loss = 0;      // of each write: the stream breaks on both sides
  double connection_loss = 0;  // of each write: all streams between the two break
  double short_reads = 0.1;    // a read gives less than is there
  double slow = 0;             // a write arrives slow_delay late, and what follows on its stream
  Duration slow_delay = 300ms;
};

struct Connection;
struct Endpoint;
struct Pipe;

// The network between the nodes of a simulation, at the level of streams: bytes of one stream
// arrive in order or not at all, streams overtake each other. Connections are made by a round trip,
// and break when nothing came through for the idle time. A paused node accepts bytes (its kernel
// does) and does not answer.
class SimNetwork {
 public:
  SimNetwork(Scheduler& scheduler, std::uint64_t seed, NetworkOptions options = {});
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // The transport of the incarnation of `node` that is started now. It may outlive the node's being
  // up, and ends before `process` and `clock`.
  std::unique_ptr<net::Transport> attach(NodeId node, Process& process, Clock& clock);
  // The process of `node` is gone: everything of its transport fails. Its peers notice after the
  // idle time, or when the node is there again.
  void detach(NodeId node);

  // One direction of one link. What is sent is kept (it is sent again and again) until the link is
  // open or the connection breaks.
  void block(NodeId from, NodeId to);
  void unblock(NodeId from, NodeId to);
  void isolate(NodeId node);  // both directions, to and from everybody
  void heal();                // nothing is blocked or clogged any more
  // Adds to the latency of one direction.
  void clog(NodeId from, NodeId to, Duration delay) { clogged_[{from, to}] = delay; }
  void break_connections(NodeId a, NodeId b);
  // To be called when a node's process was paused: its connections may run into the idle time.
  void watch(NodeId node);

  NetworkOptions options;
  NetworkFaults faults;
  std::uint64_t delivered_count() const { return delivered_count_; }

 private:
  friend class SimStream;
  friend class SimTransport;

  using Pair = std::pair<NodeId, NodeId>;
  bool is_open(NodeId from, NodeId to) const { return !blocked_.contains({from, to}); }
  bool is_reachable(NodeId from, NodeId to) const;
  Duration draw_latency(NodeId from, NodeId to);
  Task<Result<std::shared_ptr<Connection>>> connect(std::shared_ptr<Endpoint> from, NodeId peer,
                                                    net::Lane lane, Instant deadline);
  void detach_endpoint(const std::shared_ptr<Endpoint>& endpoint, bool orderly);
  void break_connection(Connection& connection);
  void check_dead(Connection& connection);
  bool is_silent(const Connection& connection) const;
  void check_idle(std::shared_ptr<Connection> connection);
  void watch_all();
  void send(std::shared_ptr<Pipe> pipe);  // arranges that what is next in it arrives
  void deliver(std::shared_ptr<Pipe> pipe);
  void pump_all();

  Scheduler& scheduler_;
  SimRandom random_;
  std::map<NodeId, std::shared_ptr<Endpoint>> endpoints_;
  std::map<std::pair<Pair, net::Lane>, std::shared_ptr<Connection>> connections_;
  std::map<Pair, Instant> gone_until_;
  std::set<NodeId> known_;                      // every node that was ever attached
  std::vector<std::shared_ptr<Pipe>> waiting_;  // for their link
  std::set<Pair> blocked_;
  std::map<Pair, Duration> clogged_;
  std::uint64_t delivered_count_ = 0;
};

}  // namespace predastore::sim
