// The server on one thread, its clients on another, over loopback: requests of 1 KiB on 32
// connections, and 64 MiB down and up on one.
#include <benchmark/benchmark.h>

#include <boost/asio/ip/tcp.hpp>
#include <thread>

#include "base/assert.h"
#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "http/client.h"
#include "http/server.h"
#include "http/stream.h"

namespace predastore::http {
namespace {

constexpr std::uint64_t kLargeBytes = 64 * 1024 * 1024;
constexpr std::size_t kConnections = 32;

// /small answers 1 KiB, /large 64 MiB in pieces of 64 KiB, /upload reads what it is sent.
Task<void> serve_bench(Exchange& exchange) {
  static const Buffer small = Buffer::take(std::string(1024, 's'));
  static const Buffer piece = Buffer::take(std::string(64 * 1024, 'l'));
  ResponseHead head;
  if (exchange.request().target == "/small") {
    (void)co_await exchange.respond(std::move(head), small);
    co_return;
  }
  if (exchange.request().target == "/large") {
    exchange.begin(std::move(head), kLargeBytes);
    for (std::uint64_t sent = 0; sent < kLargeBytes; sent += piece.size()) {
      BufferChain chain(piece);
      if (!co_await exchange.write(std::move(chain))) co_return;
    }
    (void)co_await exchange.finish();
    co_return;
  }
  while (true) {
    const Result<Buffer> read = co_await exchange.body().read(256 * 1024);
    if (!read || read->empty()) break;
  }
  (void)co_await exchange.respond(std::move(head), Buffer{});
}

class BenchServer {
 public:
  BenchServer() {
    auto listening = Server::listen(host_.environment(), ServerOptions{},
                                    [](Exchange& exchange) { return serve_bench(exchange); });
    PREDA_ASSERT(listening.has_value());
    server_ = *std::move(listening);
    group_.spawn(server_->run());
    thread_ = std::thread([this] { host_.loop.run(); });
  }
  ~BenchServer() {
    group_.spawn(stop());
    thread_.join();
  }
  std::uint16_t port() const { return server_->port(); }

 private:
  Task<void> stop() {
    co_await server_->stop(host_.loop.clock().now() + 1s);
    host_.loop.stop();
  }
  ProductionHost host_{1};
  TaskGroup group_{host_.loop.executor(), host_.loop.clock()};
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::unique_ptr<ByteStream> connect(ProductionHost& host, std::uint16_t port) {
  boost::asio::ip::tcp::socket socket(host.loop.executor());
  socket.connect({boost::asio::ip::make_address("127.0.0.1"), port});
  return make_plain_stream(host.loop.clock(), std::move(socket));
}

Task<void> request_small(ByteStream& stream, Clock& clock, int count) {
  const Buffer request = Buffer::copy_of("GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
  MutableBuffer into(4096);
  std::size_t response_size = 0;
  for (int i = 0; i < count; ++i) {
    BufferChain chain(request);
    PREDA_ASSERT(co_await stream.write(std::move(chain), 60s));
    std::size_t received = 0;
    while (response_size == 0 || received < response_size) {
      const auto read =
          co_await stream.read_some(into.bytes().subspan(received), clock.now() + 60s);
      PREDA_ASSERT(read.has_value() && *read > 0);
      received += *read;
      const auto text = as_text(into.bytes().first(received));
      const auto end = text.find("\r\n\r\n");
      if (response_size == 0 && end != std::string_view::npos) response_size = end + 4 + 1024;
    }
  }
}

void small_requests(benchmark::State& state) {
  BenchServer server;
  ProductionHost host{1};
  std::vector<std::unique_ptr<ByteStream>> streams;
  for (std::size_t i = 0; i < kConnections; ++i) streams.push_back(connect(host, server.port()));
  constexpr int kEach = 100;
  for (auto _ : state) {
    TaskGroup group(host.loop.executor(), host.loop.clock());
    for (auto& stream : streams) group.spawn(request_small(*stream, host.loop.clock(), kEach));
    (void)run_until_done(host.loop, group.join());
  }
  state.SetItemsProcessed(state.iterations() * kEach * static_cast<std::int64_t>(kConnections));
}

Task<void> download(ByteStream& stream, Clock& clock) {
  BufferChain request(Buffer::copy_of("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
  PREDA_ASSERT(co_await stream.write(std::move(request), 60s));
  MutableBuffer into(256 * 1024);
  std::uint64_t received = 0;
  std::uint64_t response_size = kLargeBytes;  // and the head, which comes with the first bytes
  while (received < response_size) {
    const auto read = co_await stream.read_some(into.bytes(), clock.now() + 60s);
    PREDA_ASSERT(read.has_value() && *read > 0);
    if (received == 0) {
      const auto end = as_text(into.bytes().first(*read)).find("\r\n\r\n");
      PREDA_ASSERT(end != std::string_view::npos);
      response_size += end + 4;
    }
    received += *read;
  }
}

void get_64_mib(benchmark::State& state) {
  BenchServer server;
  ProductionHost host{1};
  for (auto _ : state) {
    auto stream = connect(host, server.port());
    run_until_done(host.loop, download(*stream, host.loop.clock()));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kLargeBytes));
}

Task<void> upload(Environment env, std::uint16_t port) {
  auto client = co_await Client::connect(env, "127.0.0.1", port, ClientOptions{});
  PREDA_ASSERT(client.has_value());
  RequestHead head{"PUT", "/upload", 1, {}};
  PREDA_ASSERT(co_await (*client)->begin(std::move(head), kLargeBytes));
  static const Buffer piece = Buffer::take(std::string(256 * 1024, 'u'));
  for (std::uint64_t sent = 0; sent < kLargeBytes; sent += piece.size()) {
    BufferChain chain(piece);
    PREDA_ASSERT(co_await (*client)->write(std::move(chain)));
  }
  PREDA_ASSERT((co_await (*client)->finish()).has_value());
}

void put_64_mib(benchmark::State& state) {
  BenchServer server;
  ProductionHost host{1};
  for (auto _ : state) run_until_done(host.loop, upload(host.environment(), server.port()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kLargeBytes));
}

BENCHMARK(small_requests)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(get_64_mib)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(put_64_mib)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace predastore::http

BENCHMARK_MAIN();
