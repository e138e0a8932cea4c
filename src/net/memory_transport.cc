#include "net/memory_transport.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "env/sync.h"

namespace predastore::net {

// One direction of a stream.
struct MemoryPipe {
  explicit MemoryPipe(Clock& clock) : changed(clock) {}
  std::deque<Buffer> buffers;
  std::size_t size_bytes = 0;
  bool finished = false;
  std::optional<Error> broken;  // for both ends
  Signal changed;

  void fail(ErrorCode code, const char* detail) {
    if (broken) return;
    broken = make_error(code, detail);
    buffers.clear();
    size_bytes = 0;
    changed.notify_all();
  }
};

struct MemoryLink {
  MemoryLink(Clock& clock, NodeId from, NodeId to, Lane l)
      : nodes{from, to}, lane(l), pipes{MemoryPipe{clock}, MemoryPipe{clock}} {}
  NodeId nodes[2];  // 0 opened it
  Lane lane;
  MemoryPipe pipes[2];  // pipes[i] carries what nodes[i] writes
};

struct MemoryEndpoint {
  explicit MemoryEndpoint(Clock& clock) : changed(clock) {}
  std::deque<std::unique_ptr<Stream>> incoming;
  bool stopped = false;
  Signal changed;
};

struct MemoryNetwork::State {
  State(Environment e, std::size_t window) : env(e), window_bytes(window) {}
  Environment env;
  std::size_t window_bytes;
  std::map<NodeId, std::shared_ptr<MemoryEndpoint>> endpoints;
  std::set<NodeId> down;
  std::vector<std::weak_ptr<MemoryLink>> links;

  void break_links(NodeId node) {
    for (auto& weak : links) {
      auto link = weak.lock();
      if (!link || (link->nodes[0] != node && link->nodes[1] != node)) continue;
      for (MemoryPipe& pipe : link->pipes) {
        if (!pipe.finished || pipe.size_bytes > 0)
          pipe.fail(ErrorCode::Unavailable, "the peer is gone");
      }
    }
    std::erase_if(links, [](const auto& weak) { return weak.expired(); });
  }
};

namespace {

class MemoryStream final : public Stream {
 public:
  MemoryStream(std::shared_ptr<MemoryLink> link, std::size_t side, std::size_t window_bytes)
      : link_(std::move(link)), side_(side), window_bytes_(window_bytes) {}
  ~MemoryStream() override {
    if (!out().finished) out().fail(ErrorCode::Unavailable, "the peer reset the stream");
    if (!in().finished) in().fail(ErrorCode::Unavailable, "the peer reset the stream");
  }
  NodeId peer() const override { return link_->nodes[1 - side_]; }
  Lane lane() const override { return link_->lane; }

  Task<Result<void>> write(BufferChain chain, Instant deadline) override {
    auto link = link_;
    MemoryPipe& pipe = link->pipes[side_];
    const std::size_t window_bytes = window_bytes_;
    PREDA_ASSERT(!pipe.finished);
    for (const Buffer& whole : chain.buffers()) {
      Buffer rest = whole;
      while (!rest.empty()) {
        if (pipe.broken) co_return *pipe.broken;
        if (pipe.size_bytes >= window_bytes) {
          const bool notified = co_await pipe.changed.wait_until(deadline);
          if (!notified) co_return make_error(ErrorCode::TimedOut, "the peer does not read");
          continue;
        }
        const std::size_t taken = std::min(rest.size(), window_bytes - pipe.size_bytes);
        pipe.buffers.push_back(rest.slice(0, taken));
        pipe.size_bytes += taken;
        rest = rest.slice(taken);
        pipe.changed.notify_all();
      }
    }
    if (pipe.broken) co_return *pipe.broken;
    co_return Result<void>{};
  }

  Task<Result<void>> finish() override {
    if (out().broken) co_return *out().broken;
    out().finished = true;
    out().changed.notify_all();
    co_return Result<void>{};
  }

  Task<Result<Buffer>> read(std::size_t max_bytes, Instant deadline) override {
    auto link = link_;
    MemoryPipe& pipe = link->pipes[1 - side_];
    for (;;) {
      if (pipe.broken) co_return *pipe.broken;
      if (pipe.size_bytes > 0) break;
      if (pipe.finished) co_return Buffer{};
      const bool notified = co_await pipe.changed.wait_until(deadline);
      if (!notified) co_return make_error(ErrorCode::TimedOut, "waiting for the peer");
    }
    Buffer front = pipe.buffers.front();
    const std::size_t taken = std::min(max_bytes, front.size());
    if (taken == front.size()) {
      pipe.buffers.pop_front();
    } else {
      pipe.buffers.front() = front.slice(taken);
    }
    pipe.size_bytes -= taken;
    pipe.changed.notify_all();
    co_return front.slice(0, taken);
  }

  void reset() override {
    for (MemoryPipe& pipe : link_->pipes) pipe.fail(ErrorCode::Cancelled, "the stream was reset");
  }

 private:
  MemoryPipe& out() { return link_->pipes[side_]; }
  MemoryPipe& in() { return link_->pipes[1 - side_]; }
  std::shared_ptr<MemoryLink> link_;
  std::size_t side_;
  std::size_t window_bytes_;
};

class MemoryTransport final : public Transport {
 public:
  MemoryTransport(std::shared_ptr<MemoryNetwork::State> network, NodeId self,
                  std::shared_ptr<MemoryEndpoint> endpoint)
      : network_(std::move(network)), self_(self), endpoint_(std::move(endpoint)) {}
  ~MemoryTransport() override { close(); }

  void set_address(NodeId, std::string) override {}

  Task<Result<std::unique_ptr<Stream>>> open(NodeId peer, Lane lane, Instant) override {
    if (peer == self_) co_return make_error(ErrorCode::Unsupported, "a node does not call itself");
    if (endpoint_->stopped) co_return make_error(ErrorCode::Cancelled, "the transport was stopped");
    const auto target = network_->endpoints.find(peer);
    if (target == network_->endpoints.end() || network_->down.contains(peer) ||
        network_->down.contains(self_)) {
      co_return make_error(ErrorCode::Unavailable, "the peer is down");
    }
    auto link = std::make_shared<MemoryLink>(network_->env.clock, self_, peer, lane);
    network_->links.push_back(link);
    if (network_->links.size() % 256 == 0)
      std::erase_if(network_->links, [](const auto& weak) { return weak.expired(); });
    target->second->incoming.push_back(
        std::make_unique<MemoryStream>(link, 1, network_->window_bytes));
    target->second->changed.notify_all();
    std::unique_ptr<Stream> opened =
        std::make_unique<MemoryStream>(std::move(link), 0, network_->window_bytes);
    co_return std::move(opened);
  }

  Task<Result<std::unique_ptr<Stream>>> accept() override {
    auto endpoint = endpoint_;
    while (!endpoint->stopped && endpoint->incoming.empty()) co_await endpoint->changed.wait();
    if (endpoint->stopped) co_return make_error(ErrorCode::Cancelled, "the transport was stopped");
    auto stream = std::move(endpoint->incoming.front());
    endpoint->incoming.pop_front();
    co_return std::move(stream);
  }

  Task<void> stop() override {
    close();
    co_return;
  }

 private:
  void close() {
    if (endpoint_->stopped) return;
    endpoint_->stopped = true;
    endpoint_->changed.notify_all();
    const auto own = network_->endpoints.find(self_);
    if (own != network_->endpoints.end() && own->second == endpoint_)
      network_->endpoints.erase(own);
    network_->break_links(self_);
    endpoint_->incoming.clear();
  }
  std::shared_ptr<MemoryNetwork::State> network_;
  NodeId self_;
  std::shared_ptr<MemoryEndpoint> endpoint_;
};

}  // namespace

MemoryNetwork::MemoryNetwork(Environment env, std::size_t window_bytes)
    : state_(std::make_shared<State>(env, window_bytes)) {}
MemoryNetwork::~MemoryNetwork() = default;

std::unique_ptr<Transport> MemoryNetwork::endpoint(NodeId node) {
  PREDA_ASSERT(!state_->endpoints.contains(node));
  auto endpoint = std::make_shared<MemoryEndpoint>(state_->env.clock);
  state_->endpoints[node] = endpoint;
  return std::make_unique<MemoryTransport>(state_, node, std::move(endpoint));
}

void MemoryNetwork::down(NodeId node) {
  state_->down.insert(node);
  state_->break_links(node);
}

void MemoryNetwork::up(NodeId node) { state_->down.erase(node); }

}  // namespace predastore::net
