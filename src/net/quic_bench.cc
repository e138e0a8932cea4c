// What QUIC between two nodes costs on loopback, each node on a thread of its own: the goodput of
// long streams with the CPU time of both sides, and fetches of 64 KiB, one after the other and many
// at once. `bench_net_quic [MiB]`; prints a table. Not a test: the numbers are the machine's.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "crypto/certificates.h"
#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "net/quic_transport.h"

namespace predastore::net {
namespace {

constexpr NodeId kServer{1};
constexpr NodeId kClient{2};
constexpr std::size_t kFetchBytes = 64 * 1024;
constexpr std::size_t kPieceBytes = 256 * 1024;

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Shared {
  crypto::CertificateAuthority authority;
  std::atomic<std::uint16_t> port = 0;
  std::atomic<double> server_cpu_seconds = 0;
};

QuicOptions options_of(const Shared& shared, NodeId self) {
  QuicOptions options;
  options.self = self;
  auto pair = shared.authority.issue(self, {"127.0.0.1"});
  options.ca_pem = shared.authority.cert_pem();
  options.cert_pem = pair->cert_pem;
  options.key_pem = pair->key_pem;
  return options;
}

// A request is 8 bytes: how many to send, 0 to swallow what follows and tell that it is over, or
// all ones to stop.
Task<void> answer(std::unique_ptr<Stream> stream, Shared& shared, bool& is_over) {
  auto request = co_await stream->read(8, kNever);
  if (!request || request->size() != 8) co_return;
  std::uint64_t wanted = 0;
  std::memcpy(&wanted, request->data(), 8);
  shared.server_cpu_seconds = thread_cpu_seconds();
  if (wanted == UINT64_MAX) is_over = true;
  static const Buffer piece = [] {
    MutableBuffer bytes{kPieceBytes};
    std::memset(bytes.data(), 7, bytes.size());
    return std::move(bytes).freeze();
  }();
  if (wanted == 0) {
    for (;;) {
      auto bytes = co_await stream->read(kPieceBytes, kNever);
      if (!bytes || bytes->empty()) break;
    }
    shared.server_cpu_seconds = thread_cpu_seconds();
    BufferChain chain{Buffer::copy_of("over")};
    (void)co_await stream->write(std::move(chain), kNever);
  }
  while (!is_over && wanted > 0) {
    const std::size_t count = std::min<std::uint64_t>(wanted, kPieceBytes);
    BufferChain chain{piece.slice(0, count)};
    auto written = co_await stream->write(std::move(chain), kNever);
    if (!written) co_return;
    wanted -= count;
  }
  (void)co_await stream->finish();
}

Task<void> serve(Environment env, Loop& loop, Shared& shared) {
  auto transport = co_await open_quic_transport(env, loop.io(), options_of(shared, kServer));
  shared.port = (*transport)->local_port();
  TaskGroup tasks{env.executor, env.clock};
  bool is_over = false;
  while (!is_over) {
    auto stream = co_await (*transport)->accept();
    if (!stream) break;
    tasks.spawn(answer(std::move(*stream), shared, is_over));
    co_await sleep_for(env.clock, 0ns);
  }
  (void)co_await tasks.join();
  co_await (*transport)->stop();
}

Task<std::unique_ptr<Stream>> request(Transport& transport, std::uint64_t wanted) {
  auto stream = co_await transport.open(kServer, Lane::data, kNever);
  if (!stream) {
    std::fprintf(stderr, "open: %s\n", stream.error().to_string().c_str());
    std::exit(1);
  }
  BufferChain chain{Buffer::copy_of(ByteSpan{reinterpret_cast<const std::byte*>(&wanted), 8})};
  (void)co_await (*stream)->write(std::move(chain), kNever);
  co_return std::move(*stream);
}

Task<void> fetch(Transport& transport, std::uint64_t size_bytes) {
  auto stream = co_await request(transport, size_bytes);
  (void)co_await stream->finish();
  std::uint64_t got = 0;
  for (;;) {
    auto piece = co_await stream->read(kPieceBytes, kNever);
    if (!piece || piece->empty()) break;
    got += piece->size();
  }
  if (got != size_bytes) {
    std::fprintf(stderr, "%llu of %llu bytes\n", static_cast<unsigned long long>(got),
                 static_cast<unsigned long long>(size_bytes));
    std::exit(1);
  }
}

Task<void> send(Transport& transport, std::uint64_t size_bytes) {
  auto stream = co_await request(transport, 0);
  const Buffer piece = [] {
    MutableBuffer bytes{kPieceBytes};
    std::memset(bytes.data(), 9, bytes.size());
    return std::move(bytes).freeze();
  }();
  for (std::uint64_t sent = 0; sent < size_bytes; sent += piece.size()) {
    BufferChain chain{piece};
    (void)co_await stream->write(std::move(chain), kNever);
  }
  (void)co_await stream->finish();
  (void)co_await stream->read(16, kNever);
}

Task<void> fetch_many(Transport& transport, std::uint64_t& left) {
  while (left > 0) {
    --left;
    co_await fetch(transport, kFetchBytes);
  }
}

struct Watch {
  Watch(Clock& c, Shared& s)
      : clock(c),
        shared(s),
        began(c.now()),
        client(thread_cpu_seconds()),
        server(s.server_cpu_seconds) {}
  double seconds() const { return std::chrono::duration<double>(clock.now() - began).count(); }
  void print(const char* what, double mib) const {
    const double elapsed = seconds();
    std::printf("%-28s %8.0f MiB/s   CPU s/GiB client %.2f server %.2f\n", what, mib / elapsed,
                (thread_cpu_seconds() - client) * 1024 / mib,
                (shared.server_cpu_seconds - server) * 1024 / mib);
  }
  Clock& clock;
  Shared& shared;
  Instant began;
  double client;
  double server;
};

Task<void> measure(Environment env, Loop& loop, Shared& shared, std::uint64_t mib) {
  auto transport = co_await open_quic_transport(env, loop.io(), options_of(shared, kClient));
  (*transport)->set_address(kServer, "127.0.0.1:" + std::to_string(shared.port));
  co_await fetch(**transport, 64 * 1024 * 1024);
  for (int round = 0; round < 3; ++round) {
    co_await fetch(**transport, 1);
    const Watch download{env.clock, shared};
    co_await fetch(**transport, mib * 1024 * 1024);
    co_await fetch(**transport, 1);
    download.print("one stream, receiving", static_cast<double>(mib));
    const Watch upload{env.clock, shared};
    co_await send(**transport, mib * 1024 * 1024);
    upload.print("one stream, sending", static_cast<double>(mib));
    const Watch both{env.clock, shared};
    TaskGroup tasks{env.executor, env.clock};
    for (int i = 0; i < 4; ++i) tasks.spawn(fetch(**transport, mib * 1024 * 1024 / 4));
    (void)co_await tasks.join();
    co_await fetch(**transport, 1);
    both.print("four streams, receiving", static_cast<double>(mib));
  }
  for (const std::uint64_t at_once : {1U, 8U, 32U}) {
    const std::uint64_t count = at_once == 1 ? 5000 : 20000;
    std::uint64_t left = count;
    const Watch watch{env.clock, shared};
    TaskGroup tasks{env.executor, env.clock};
    for (std::uint64_t i = 0; i < at_once; ++i) tasks.spawn(fetch_many(**transport, left));
    (void)co_await tasks.join();
    const double elapsed = watch.seconds();
    const double cpu = thread_cpu_seconds() - watch.client;
    co_await fetch(**transport, 1);
    const double server_cpu = shared.server_cpu_seconds - watch.server;
    const auto each = 1e6 / static_cast<double>(count);
    std::printf(
        "64 KiB fetches, %2llu at once   %8.0f /s   %.0f us each   CPU us client %.0f server "
        "%.0f\n",
        static_cast<unsigned long long>(at_once), static_cast<double>(count) / elapsed,
        elapsed * each * static_cast<double>(at_once), cpu * each, server_cpu * each);
  }
  co_await fetch(**transport, 1);
  auto last = co_await request(**transport, UINT64_MAX);
  (void)co_await last->finish();
  (void)co_await last->read(1, env.clock.now() + 1s);
  co_await (*transport)->stop();
}

int run(std::uint64_t mib) {
  auto authority = crypto::CertificateAuthority::create(ClusterId{});
  if (!authority) return 1;
  Shared shared{std::move(*authority)};
  std::thread server{[&shared] {
    ProductionHost host{1};
    run_until_done(host.loop, serve(host.environment(), host.loop, shared));
  }};
  while (shared.port == 0) std::this_thread::yield();
  ProductionHost host{1};
  run_until_done(host.loop, measure(host.environment(), host.loop, shared, mib));
  server.join();
  return 0;
}

}  // namespace
}  // namespace predastore::net

int main(int argc, char** argv) {
  return predastore::net::run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1024);
}
