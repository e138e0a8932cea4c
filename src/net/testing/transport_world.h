#pragma once

// A few nodes that talk through some Transport, and what tests of it have in common.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "net/transport.h"

namespace predastore::net::testing {

// Nodes 1, 2 and 3, which know each other's addresses.
class TransportWorld {
 public:
  virtual ~TransportWorld() = default;
  virtual Environment env() = 0;
  virtual void run(Task<void> task) = 0;  // until it is done
  virtual Transport& at(NodeId node) = 0;
  virtual void gone(NodeId node) = 0;  // its endpoint is destroyed without a word
  virtual void back(NodeId node) = 0;  // a new one at the same place
  // What may be on its way in one stream whose reader does not read.
  virtual std::size_t in_flight_max_bytes() const = 0;
};

inline constexpr NodeId kAnna{1};
inline constexpr NodeId kBert{2};
inline constexpr NodeId kCleo{3};

inline Buffer pattern(std::size_t size_bytes, std::uint32_t seed) {
  MutableBuffer bytes{size_bytes};
  std::uint32_t value = seed * 2654435761U + 1;
  for (std::size_t i = 0; i < size_bytes; ++i) {
    value = value * 1664525U + 1013904223U;
    bytes.data()[i] = static_cast<std::byte>(value >> 24);
  }
  return std::move(bytes).freeze();
}

inline bool is_same(const BufferChain& got, const Buffer& wanted) {
  const Buffer flat = got.flatten();
  return flat.text() == wanted.text();
}

// One test's world and what the tests have in common. Coroutines are given it by reference: it
// outlives them.
class ContractCase {
 public:
  explicit ContractCase(std::unique_ptr<TransportWorld> made)
      : world(std::move(made)), tasks(world->env().executor, world->env().clock) {}

  std::unique_ptr<TransportWorld> world;
  TaskGroup tasks;

  Transport& anna() { return world->at(kAnna); }
  Transport& bert() { return world->at(kBert); }
  Clock& clock() { return world->env().clock; }
  Instant in(Duration duration) { return clock().now() + duration; }
  Instant soon() { return in(60s); }
  void serve_echo(NodeId node) { tasks.spawn(echo_streams(*this, node)); }

  static Task<void> stop_all(ContractCase& self) {
    for (const NodeId node : {kAnna, kBert, kCleo}) co_await self.world->at(node).stop();
    (void)co_await self.tasks.join();
  }

  // Reads to the clean end.
  static Task<Result<BufferChain>> read_all(Stream& stream, Instant deadline) {
    BufferChain all;
    for (;;) {
      PREDA_CO_TRY(Buffer piece, co_await stream.read(256 * 1024, deadline));
      if (piece.empty()) co_return std::move(all);
      all.append(std::move(piece));
    }
  }
  static Task<void> echo_streams(ContractCase& self, NodeId node) {
    Transport& transport = self.world->at(node);
    for (;;) {
      auto stream = co_await transport.accept();
      if (!stream) co_return;
      self.tasks.spawn(echo(std::move(*stream), self.soon()));
    }
  }
  static Task<void> echo(std::unique_ptr<Stream> stream, Instant deadline) {
    auto all = co_await read_all(*stream, deadline);
    if (!all) co_return;
    auto written = co_await stream->write(std::move(*all), deadline);
    if (written) (void)co_await stream->finish();
  }
  static Task<Result<BufferChain>> ask(Transport& from, NodeId to, Buffer bytes, Lane lane,
                                       Instant deadline) {
    PREDA_CO_TRY(auto stream, co_await from.open(to, lane, deadline));
    BufferChain chain{std::move(bytes)};
    PREDA_CO_CHECK(co_await stream->write(std::move(chain), deadline));
    PREDA_CO_CHECK(co_await stream->finish());
    co_return co_await read_all(*stream, deadline);
  }
  // Asks until it is answered or the deadline has passed: the peer is known to have been away.
  static Task<Result<BufferChain>> ask_patiently(ContractCase& self, Transport& from, NodeId to,
                                                 Buffer bytes) {
    const Instant deadline = self.soon();
    for (;;) {
      auto answer = co_await ask(from, to, bytes, Lane::data, deadline);
      if (answer || self.clock().now() >= deadline) co_return std::move(answer);
      co_await sleep_for(self.clock(), 50ms);
    }
  }
  struct Pair {
    std::unique_ptr<Stream> opened;
    std::unique_ptr<Stream> accepted;
  };
  // A stream from Anna to Bert, both ends, with its first byte already read.
  static Task<Result<Pair>> connect(ContractCase& self, Lane lane = Lane::data) {
    Pair pair;
    const Instant deadline = self.soon();
    PREDA_CO_TRY(pair.opened, co_await self.anna().open(kBert, lane, deadline));
    PREDA_CO_CHECK(co_await write(*pair.opened, "!", deadline));
    PREDA_CO_TRY(pair.accepted, co_await self.bert().accept());
    PREDA_CO_TRY(Buffer first, co_await pair.accepted->read(1, deadline));
    if (first.text() != "!") co_return make_error(ErrorCode::Corruption, "another byte");
    co_return std::move(pair);
  }
  static Task<Result<void>> write(Stream& stream, std::string text, Instant deadline) {
    BufferChain chain{Buffer::take(std::move(text))};
    co_return co_await stream.write(std::move(chain), deadline);
  }
  // Writes 64 KiB pieces until one is not accepted in time; how much was.
  static Task<std::size_t> fill(Stream& stream, std::size_t limit_bytes, Instant deadline) {
    const Buffer piece = pattern(64 * 1024, 1);
    std::size_t accepted_bytes = 0;
    while (accepted_bytes < limit_bytes) {
      BufferChain chain{piece};
      auto written = co_await stream.write(std::move(chain), deadline);
      if (!written) break;
      accepted_bytes += piece.size();
    }
    co_return accepted_bytes;
  }
};

#define PREDA_HAS(result)                              \
  EXPECT_TRUE(result) << (result).error().to_string(); \
  if (!(result)) co_return
#define PREDA_FAILS(result, expected) \
  EXPECT_FALSE(result);               \
  if (result) co_return;              \
  EXPECT_EQ(result.error().code, expected) << result.error().to_string()

}  // namespace predastore::net::testing
