#include "sim/network.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "env/sync.h"

namespace predastore::sim {

// One node's side of the network, for one incarnation.
struct Endpoint {
  Endpoint(NodeId id, Process& p, Clock& c) : node(id), process(p), clock(c), changed(c) {}
  NodeId node;
  Process& process;  // used only while !is_closed
  Clock& clock;
  std::deque<std::unique_ptr<net::Stream>> incoming;
  Signal changed;
  bool is_closed = false;  // stopped, or its process is gone
};

// All streams between two nodes on one lane break together.
struct Connection {
  std::shared_ptr<Endpoint> ends[2];
  net::Lane lane;
  bool is_broken = false;
  std::optional<Instant> silent_since;  // one direction at least lets nothing through
  bool is_watched = false;              // a look at it is arranged
  std::vector<std::weak_ptr<Pipe>> pipes;
};

// One direction of one stream: what was sent, and what has arrived.
struct Pipe : std::enable_shared_from_this<Pipe> {
  Pipe(std::shared_ptr<Connection> c, int side)
      : connection(std::move(c)),
        from(connection->ends[side]),
        to(connection->ends[1 - side]),
        readable(to->clock),
        writable(from->clock) {}

  struct Item {
    Instant when;
    Buffer bytes;
    bool is_end = false;
    bool is_reset = false;
  };
  std::shared_ptr<Connection> connection;
  std::shared_ptr<Endpoint> from;
  std::shared_ptr<Endpoint> to;
  std::deque<Item> underway;
  std::deque<Buffer> arrived;
  std::size_t held_bytes = 0;  // under way and arrived
  bool is_finished = false;    // by the writer
  bool is_ended = false;       // the reader has it all
  std::optional<Error> read_error;
  std::optional<Error> write_error;
  std::function<void()> announce;
  bool is_scheduled = false;
  bool is_waiting = false;  // for its link
  Instant last_when{};
  Signal readable;
  Signal writable;

  void fail_reader(ErrorCode code, const char* detail) {
    if (read_error || (is_ended && arrived.empty())) return;
    read_error = make_error(code, detail);
    arrived.clear();
    if (!to->is_closed) readable.notify_all();
  }
  void fail_writer(ErrorCode code, const char* detail) {
    if (write_error) return;
    write_error = make_error(code, detail);
    if (!from->is_closed) writable.notify_all();
  }
  void fail(ErrorCode code, const char* detail) {
    underway.clear();
    held_bytes = 0;
    fail_reader(code, detail);
    fail_writer(code, detail);
  }
};

class SimStream final : public net::Stream {
 public:
  SimStream(SimNetwork& network, std::shared_ptr<Pipe> out, std::shared_ptr<Pipe> in)
      : network_(network), out_(std::move(out)), in_(std::move(in)) {}
  ~SimStream() override {
    if (!out_->is_finished) send_reset(*out_);
    if (!in_->is_ended || !in_->arrived.empty()) stop_sending(*in_);
  }
  NodeId peer() const override { return out_->to->node; }
  net::Lane lane() const override { return out_->connection->lane; }

  Task<Result<void>> write(BufferChain chain, Instant deadline) override {
    return write(&network_, out_, std::move(chain), deadline);
  }
  Task<Result<void>> finish() override {
    if (out_->write_error) co_return *out_->write_error;
    out_->is_finished = true;
    enqueue(network_, *out_, Buffer{}, true);
    co_return Result<void>{};
  }
  Task<Result<Buffer>> read(std::size_t max_bytes, Instant deadline) override {
    return read(&network_, in_, max_bytes, deadline);
  }
  void reset() override {
    send_reset(*out_);
    out_->fail_writer(ErrorCode::Cancelled, "the stream was reset");
    in_->fail_reader(ErrorCode::Cancelled, "the stream was reset");
    stop_sending(*in_);
  }

 private:
  static Task<Result<void>> write(SimNetwork* network, std::shared_ptr<Pipe> pipe,
                                  BufferChain chain, Instant deadline);
  static Task<Result<Buffer>> read(SimNetwork* network, std::shared_ptr<Pipe> pipe,
                                   std::size_t max_bytes, Instant deadline);
  static void enqueue(SimNetwork& network, Pipe& pipe, Buffer bytes, bool is_end);

  // RESET_STREAM: what is under way never arrives, and the reader is told.
  void send_reset(Pipe& pipe) {
    if (pipe.write_error || pipe.is_ended) return;
    pipe.underway.clear();
    pipe.is_finished = true;
    if (pipe.announce) {  // the peer never heard of it
      pipe.announce = nullptr;
      return;
    }
    Pipe::Item item;
    item.when = network_.scheduler_.now() + network_.draw_latency(pipe.from->node, pipe.to->node);
    item.is_reset = true;
    pipe.underway.push_back(std::move(item));
    network_.send(pipe.shared_from_this());
  }
  // STOP_SENDING: the writer is told, after a latency, that nobody reads.
  void stop_sending(Pipe& pipe) {
    pipe.arrived.clear();
    pipe.is_ended = true;
    auto told = [shared = pipe.shared_from_this()] {
      shared->fail_writer(ErrorCode::Unavailable, "the peer reset the stream");
    };
    network_.scheduler_.call_after(network_.draw_latency(pipe.to->node, pipe.from->node),
                                   std::move(told));
  }

  SimNetwork& network_;
  std::shared_ptr<Pipe> out_;
  std::shared_ptr<Pipe> in_;
};

void SimStream::enqueue(SimNetwork& network, Pipe& pipe, Buffer bytes, bool is_end) {
  Pipe::Item item;
  Duration latency = network.draw_latency(pipe.from->node, pipe.to->node);
  if (network.random_.chance(network.faults.slow)) latency += network.faults.slow_delay;
  pipe.last_when = std::max(pipe.last_when, network.scheduler_.now() + latency);
  item.when = pipe.last_when;
  item.is_end = is_end;
  pipe.held_bytes += bytes.size();
  item.bytes = std::move(bytes);
  pipe.underway.push_back(std::move(item));
  network.send(pipe.shared_from_this());
}

Task<Result<void>> SimStream::write(SimNetwork* network, std::shared_ptr<Pipe> pipe,
                                    BufferChain chain, Instant deadline) {
  PREDA_ASSERT(!pipe->is_finished || pipe->write_error);
  if (network->random_.chance(network->faults.connection_loss))
    network->break_connection(*pipe->connection);
  if (network->random_.chance(network->faults.stream_loss))
    pipe->fail(ErrorCode::Unavailable, "the stream was lost");
  for (const Buffer& whole : chain.buffers()) {
    Buffer rest = whole;
    while (!rest.empty()) {
      if (pipe->write_error) co_return *pipe->write_error;
      const std::size_t window = network->options.window_bytes;
      if (pipe->held_bytes >= window) {
        const bool notified = co_await pipe->writable.wait_until(deadline);
        if (!notified) co_return make_error(ErrorCode::TimedOut, "the peer does not read");
        continue;
      }
      const std::size_t taken = std::min(rest.size(), window - pipe->held_bytes);
      Buffer piece = rest.slice(0, taken);
      rest = rest.slice(taken);
      enqueue(*network, *pipe, std::move(piece), false);
    }
  }
  if (pipe->write_error) co_return *pipe->write_error;
  co_return Result<void>{};
}

Task<Result<Buffer>> SimStream::read(SimNetwork* network, std::shared_ptr<Pipe> pipe,
                                     std::size_t max_bytes, Instant deadline) {
  PREDA_ASSERT(max_bytes > 0);
  for (;;) {
    if (pipe->read_error) co_return *pipe->read_error;
    if (!pipe->arrived.empty()) break;
    if (pipe->is_ended) co_return Buffer{};
    const bool notified = co_await pipe->readable.wait_until(deadline);
    if (!notified) co_return make_error(ErrorCode::TimedOut, "waiting for the peer");
  }
  const Buffer front = pipe->arrived.front();
  std::size_t taken = std::min(max_bytes, front.size());
  if (taken > 1 && network->random_.chance(network->faults.short_reads))
    taken = network->random_.between(1, taken);
  if (taken == front.size()) {
    pipe->arrived.pop_front();
  } else {
    pipe->arrived.front() = front.slice(taken);
  }
  pipe->held_bytes -= taken;
  // The window opens again a latency later; nobody can tell that from at once.
  if (!pipe->from->is_closed) pipe->writable.notify_all();
  co_return front.slice(0, taken);
}

class SimTransport final : public net::Transport {
 public:
  SimTransport(SimNetwork& network, std::shared_ptr<Endpoint> endpoint)
      : network_(network), endpoint_(std::move(endpoint)) {}
  ~SimTransport() override { network_.detach_endpoint(endpoint_, false); }

  void set_address(NodeId, std::string) override {}
  Task<Result<std::unique_ptr<net::Stream>>> open(NodeId peer, net::Lane lane,
                                                  Instant deadline) override {
    return open(&network_, endpoint_, peer, lane, deadline);
  }
  Task<Result<std::unique_ptr<net::Stream>>> accept() override { return accept(endpoint_); }
  Task<void> stop() override {
    network_.detach_endpoint(endpoint_, true);
    co_return;
  }

 private:
  static Task<Result<std::unique_ptr<net::Stream>>> open(SimNetwork* network,
                                                         std::shared_ptr<Endpoint> endpoint,
                                                         NodeId peer, net::Lane lane,
                                                         Instant deadline);
  static Task<Result<std::unique_ptr<net::Stream>>> accept(std::shared_ptr<Endpoint> endpoint);

  SimNetwork& network_;
  std::shared_ptr<Endpoint> endpoint_;
};

Task<Result<std::unique_ptr<net::Stream>>> SimTransport::open(SimNetwork* network,
                                                              std::shared_ptr<Endpoint> endpoint,
                                                              NodeId peer, net::Lane lane,
                                                              Instant deadline) {
  if (peer == endpoint->node)
    co_return make_error(ErrorCode::Unsupported, "a node does not call itself");
  PREDA_CO_TRY(auto connection, co_await network->connect(endpoint, peer, lane, deadline));
  const int side = connection->ends[0] == endpoint ? 0 : 1;
  auto out = std::make_shared<Pipe>(connection, side);
  auto in = std::make_shared<Pipe>(connection, 1 - side);
  connection->pipes.push_back(out);
  connection->pipes.push_back(in);
  if (connection->pipes.size() % 64 == 0)
    std::erase_if(connection->pipes, [](const auto& pipe) { return pipe.expired(); });
  // Kept by the pipe until the first bytes arrive; then the peer owns its side.
  out->announce = [network, weak = std::weak_ptr(out), in] {
    const auto pipe = weak.lock();
    if (!pipe || pipe->to->is_closed) return;
    pipe->to->incoming.push_back(std::make_unique<SimStream>(*network, in, pipe));
    pipe->to->changed.notify_all();
  };
  std::unique_ptr<net::Stream> stream = std::make_unique<SimStream>(*network, out, in);
  co_return stream;
}

Task<Result<std::unique_ptr<net::Stream>>> SimTransport::accept(
    std::shared_ptr<Endpoint> endpoint) {
  while (!endpoint->is_closed && endpoint->incoming.empty()) co_await endpoint->changed.wait();
  if (endpoint->is_closed) co_return make_error(ErrorCode::Cancelled, "the transport was stopped");
  auto stream = std::move(endpoint->incoming.front());
  endpoint->incoming.pop_front();
  co_return stream;
}

SimNetwork::SimNetwork(Scheduler& scheduler, std::uint64_t seed, NetworkOptions network_options)
    : options(network_options), scheduler_(scheduler), random_(seed) {}

SimNetwork::~SimNetwork() = default;

std::unique_ptr<net::Transport> SimNetwork::attach(NodeId node, Process& process, Clock& clock) {
  PREDA_ASSERT(!endpoints_.contains(node));
  auto endpoint = std::make_shared<Endpoint>(node, process, clock);
  endpoints_[node] = endpoint;
  known_.insert(node);
  // What its peers still have to the one before is answered with a reset.
  for (const auto& [key, connection] : connections_) {
    if (key.first.first != node && key.first.second != node) continue;
    const Duration latency = draw_latency(key.first.first, key.first.second) * 2;
    scheduler_.call_after(latency, [this, weak = std::weak_ptr(connection)] {
      if (const auto old = weak.lock()) check_dead(*old);
    });
  }
  return std::make_unique<SimTransport>(*this, std::move(endpoint));
}

void SimNetwork::detach(NodeId node) {
  const auto found = endpoints_.find(node);
  if (found == endpoints_.end()) return;
  const auto endpoint = found->second;
  detach_endpoint(endpoint, false);
}

// Orderly: the peers are told (a closed connection); else they find out.
void SimNetwork::detach_endpoint(const std::shared_ptr<Endpoint>& endpoint, bool orderly) {
  if (endpoint->is_closed) return;
  const auto found = endpoints_.find(endpoint->node);
  if (found != endpoints_.end() && found->second == endpoint) endpoints_.erase(found);
  for (const auto& [key, connection] : connections_) {
    if (connection->ends[0] != endpoint && connection->ends[1] != endpoint) continue;
    for (const auto& weak : connection->pipes) {
      const auto pipe = weak.lock();
      if (!pipe) continue;
      if (pipe->to == endpoint)
        pipe->fail_reader(ErrorCode::Cancelled, "the transport was stopped");
      if (pipe->from == endpoint)
        pipe->fail_writer(ErrorCode::Cancelled, "the transport was stopped");
    }
    Duration told = draw_latency(key.first.first, key.first.second);
    if (!orderly) told += random_.between(Duration{0}, options.idle_timeout);
    scheduler_.call_after(told, [this, weak = std::weak_ptr(connection)] {
      if (const auto old = weak.lock()) check_dead(*old);
    });
  }
  endpoint->changed.notify_all();
  endpoint->is_closed = true;
  endpoint->incoming.clear();
}

// Breaks a connection one of whose ends is gone.
void SimNetwork::check_dead(Connection& connection) {
  if (connection.ends[0]->is_closed || connection.ends[1]->is_closed) break_connection(connection);
}

void SimNetwork::break_connection(Connection& connection) {
  if (connection.is_broken) return;
  connection.is_broken = true;
  for (const auto& weak : connection.pipes) {
    if (const auto pipe = weak.lock()) pipe->fail(ErrorCode::Unavailable, "the peer is gone");
  }
  connection.pipes.clear();
  std::erase_if(connections_, [&](const auto& entry) { return entry.second.get() == &connection; });
}

void SimNetwork::break_connections(NodeId a, NodeId b) {
  for (const net::Lane lane : {net::Lane::data, net::Lane::raft}) {
    const auto found = connections_.find({{std::min(a, b), std::max(a, b)}, lane});
    if (found == connections_.end()) continue;
    const auto connection = found->second;  // lives until its pipes were told
    break_connection(*connection);
  }
}

bool SimNetwork::is_reachable(NodeId from, NodeId to) const {
  const auto found = endpoints_.find(to);
  return found != endpoints_.end() && !found->second->process.is_paused() && is_open(from, to) &&
         is_open(to, from);
}

Duration SimNetwork::draw_latency(NodeId from, NodeId to) {
  const auto found = clogged_.find({from, to});
  const Duration extra = found == clogged_.end() ? Duration{0} : found->second;
  return random_.between(options.latency_min, options.latency_max) + extra;
}

Task<Result<std::shared_ptr<Connection>>> SimNetwork::connect(std::shared_ptr<Endpoint> from,
                                                              NodeId peer, net::Lane lane,
                                                              Instant deadline) {
  const std::pair key{Pair{std::min(from->node, peer), std::max(from->node, peer)}, lane};
  const Instant give_up = std::min(deadline, scheduler_.now() + options.handshake_timeout);
  for (;;) {
    if (from->is_closed) co_return make_error(ErrorCode::Cancelled, "the transport was stopped");
    auto found = connections_.find(key);
    if (found != connections_.end()) co_return found->second;
    const auto gone = gone_until_.find({from->node, peer});
    if (gone != gone_until_.end() && scheduler_.now() < gone->second)
      co_return make_error(ErrorCode::Unavailable, "the peer is gone");
    if (scheduler_.now() >= give_up) {
      gone_until_[{from->node, peer}] = scheduler_.now() + options.gone_for;
      co_return make_error(ErrorCode::Unavailable, "the peer does not answer");
    }
    const Duration round_trip = draw_latency(from->node, peer) + draw_latency(peer, from->node);
    const Instant when = std::min(give_up, scheduler_.now() + round_trip);
    const bool is_whole = when == scheduler_.now() + round_trip;
    co_await sleep_until(from->clock, when);
    if (from->is_closed || !is_whole || !is_reachable(from->node, peer)) {
      const Instant again = std::min(give_up, scheduler_.now() + 20ms);
      co_await sleep_until(from->clock, again);
      continue;
    }
    if (connections_.contains(key)) continue;
    auto connection = std::make_shared<Connection>();
    connection->ends[0] = from;
    connection->ends[1] = endpoints_.at(peer);
    connection->lane = lane;
    connections_[key] = connection;
    co_return connection;
  }
}

void SimNetwork::send(std::shared_ptr<Pipe> pipe) {
  if (pipe->is_scheduled || pipe->is_waiting || pipe->underway.empty()) return;
  pipe->is_scheduled = true;
  const Instant when = pipe->underway.front().when;
  scheduler_.call_at(when, [this, pipe] {
    pipe->is_scheduled = false;
    deliver(pipe);
  });
}

void SimNetwork::deliver(std::shared_ptr<Pipe> pipe) {
  if (pipe->connection->is_broken || pipe->to->is_closed) return;
  if (!is_open(pipe->from->node, pipe->to->node)) {
    pipe->is_waiting = true;  // goes on when the link is open again
    waiting_.push_back(pipe);
    return;
  }
  while (!pipe->underway.empty() && pipe->underway.front().when <= scheduler_.now()) {
    Pipe::Item item = std::move(pipe->underway.front());
    pipe->underway.pop_front();
    ++delivered_count_;
    if (item.is_reset) {
      pipe->held_bytes = 0;
      pipe->fail_reader(ErrorCode::Unavailable, "the peer reset the stream");
      break;
    }
    if (pipe->announce) std::exchange(pipe->announce, nullptr)();
    if (pipe->is_ended) continue;  // nobody reads any more
    if (!item.bytes.empty()) pipe->arrived.push_back(std::move(item.bytes));
    pipe->is_ended = item.is_end;
    pipe->readable.notify_all();
  }
  send(pipe);
}

void SimNetwork::block(NodeId from, NodeId to) {
  blocked_.insert({from, to});
  watch_all();
}

void SimNetwork::unblock(NodeId from, NodeId to) {
  blocked_.erase({from, to});
  pump_all();
}

void SimNetwork::isolate(NodeId node) {
  for (const NodeId other : known_) {
    if (other == node) continue;
    blocked_.insert({node, other});
    blocked_.insert({other, node});
  }
  watch_all();
}

void SimNetwork::heal() {
  blocked_.clear();
  clogged_.clear();
  pump_all();
}

void SimNetwork::pump_all() {
  for (const auto& [key, connection] : connections_) {
    if (!is_silent(*connection)) connection->silent_since.reset();
  }
  for (auto& pipe : std::exchange(waiting_, {})) {
    // Sent again: it arrives a latency later, still in order.
    const Instant when = scheduler_.now() + draw_latency(pipe->from->node, pipe->to->node);
    for (Pipe::Item& item : pipe->underway) item.when = std::max(item.when, when);
    pipe->last_when = std::max(pipe->last_when, when);
    pipe->is_waiting = false;
    send(pipe);
  }
}

void SimNetwork::watch_all() {
  std::vector<std::shared_ptr<Connection>> all;  // the check may break one
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) check_idle(connection);
}

void SimNetwork::watch(NodeId) { watch_all(); }

// Nothing comes through in one direction at least.
bool SimNetwork::is_silent(const Connection& connection) const {
  const Endpoint& a = *connection.ends[0];
  const Endpoint& b = *connection.ends[1];
  if (a.is_closed || b.is_closed) return true;
  return a.process.is_paused() || b.process.is_paused() || !is_open(a.node, b.node) ||
         !is_open(b.node, a.node);
}

void SimNetwork::check_idle(std::shared_ptr<Connection> connection) {
  if (connection->is_broken || connection->is_watched) return;
  if (!is_silent(*connection)) {
    connection->silent_since.reset();
    return;
  }
  if (!connection->silent_since) connection->silent_since = scheduler_.now();
  const Instant end = *connection->silent_since + options.idle_timeout;
  if (scheduler_.now() >= end) return break_connection(*connection);
  // Looked at again and again, so that a link that was open in between counts as one.
  const Instant when = std::min(end, scheduler_.now() + options.idle_timeout / 8);
  connection->is_watched = true;
  scheduler_.call_at(when, [this, connection] {
    connection->is_watched = false;
    check_idle(connection);
  });
}

}  // namespace predastore::sim
