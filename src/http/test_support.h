#pragma once

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "http/client.h"
#include "http/server.h"
#include "http/stream.h"

// Only for tests: a server on a free port of loopback, and a peer that writes whatever it likes.
namespace predastore::http::testing {

struct HandlerLog {
  int handled = 0;
  int failed_writes = 0;
  std::uint64_t body_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::vector<Error> body_errors;
};

inline std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

inline Task<void> send_zeros(Exchange& exchange, std::uint64_t count, HandlerLog& log) {
  Buffer piece = Buffer::take(std::string(64 * 1024, '\0'));
  while (count > 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, piece.size()));
    BufferChain chain(piece.slice(0, size));
    const Result<void> written = co_await exchange.write(std::move(chain));
    if (!written) {
      ++log.failed_writes;
      co_return;
    }
    log.written_bytes += size;
    count -= size;
  }
  (void)co_await exchange.finish();
}

// /echo gives the body back, /size its length, /ignore does not read it; /zeros?N sends N bytes
// with their length, /chunked?N without it; /abort ends in the middle, /nothing answers nothing,
// /split has a line break in a header, /204 and /304 have no body.
inline Task<void> serve_test_page(Exchange& exchange, HandlerLog& log) {
  ++log.handled;
  const std::string path(exchange.request().path());
  const std::uint64_t count = number_of(exchange.request().query());
  ResponseHead head;
  std::string text = exchange.request().method + " " + exchange.request().target;
  if (path == "/echo" || path == "/size") {
    (void)co_await exchange.send_continue();
    std::string body;
    while (true) {
      Result<Buffer> piece = co_await exchange.body().read(10'000);
      if (!piece) {
        log.body_errors.push_back(piece.error());
        head.status = 400;
        text = "bad body";
        (void)co_await exchange.respond(std::move(head), Buffer::take(std::move(text)));
        co_return;
      }
      if (piece->empty()) break;
      log.body_bytes += piece->size();
      if (path == "/echo") body += piece->text();
    }
    text = path == "/echo" ? std::move(body) : std::to_string(log.body_bytes);
  } else if (path == "/zeros" || path == "/chunked") {
    std::optional<std::uint64_t> length;
    if (path == "/zeros") length = count;
    exchange.begin(std::move(head), length);
    co_await send_zeros(exchange, count, log);
    co_return;
  } else if (path == "/abort") {
    exchange.begin(std::move(head), std::nullopt);
    BufferChain chain(Buffer::copy_of("half"));
    (void)co_await exchange.write(std::move(chain));
    exchange.abort();
    co_return;
  } else if (path == "/nothing") {
    co_return;
  } else if (path == "/split") {
    head.headers.add("X-Evil", "a\r\nSet-Cookie: b");
  } else if (path == "/204" || path == "/304") {
    head.status = path == "/204" ? 204 : 304;
    text.clear();
  }
  (void)co_await exchange.respond(std::move(head), Buffer::take(std::move(text)));
}

// A connection without manners.
class RawPeer {
 public:
  RawPeer(ProductionHost& host, std::uint16_t port) : host_(host) {
    boost::asio::ip::tcp::socket socket(host.loop.executor());
    boost::system::error_code error;
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), port}, error);
    EXPECT_FALSE(error) << error.message();
    stream_ = make_plain_stream(host.loop.clock(), std::move(socket));
  }

  Task<void> send(std::string text) {
    BufferChain chain(Buffer::take(std::move(text)));
    (void)co_await stream_->write(std::move(chain), 60s);
  }
  // Everything until the server closes; what was read before a reset, too.
  Task<std::string> read_to_end() {
    std::string all = std::exchange(rest_, {});
    while (co_await read_more(all)) continue;
    co_return all;
  }
  // Until `all` ends with `text` (or the connection ends).
  Task<std::string> read_until(std::string text) {
    std::string all = std::exchange(rest_, {});
    while (all.find(text) == std::string::npos) {
      if (!co_await read_more(all)) co_return all;
    }
    const auto end = all.find(text) + text.size();
    rest_ = all.substr(end);
    co_return all.substr(0, end);
  }
  ByteStream& stream() { return *stream_; }

 private:
  Task<bool> read_more(std::string& all) {
    std::string piece(64 * 1024, '\0');
    const MutableByteSpan into = std::as_writable_bytes(std::span<char>(piece));
    const Result<std::size_t> count =
        co_await stream_->read_some(into, host_.loop.clock().now() + 60s);
    EXPECT_TRUE(count || count.error().code != ErrorCode::TimedOut) << "the server fell silent";
    if (!count || *count == 0) co_return false;
    all.append(piece, 0, *count);
    co_return true;
  }
  ProductionHost& host_;
  std::unique_ptr<ByteStream> stream_;
  std::string rest_;
};

class ServerTest : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    auto started = Server::listen(host.environment(), std::move(options),
                                  [this](Exchange& e) { return serve_test_page(e, log); });
    ASSERT_TRUE(started) << started.error().to_string();
    server = *std::move(started);
    group.spawn(server->run());
  }
  void TearDown() override {
    if (server != nullptr) stop(0s);
  }
  void stop(Duration grace) {
    run_until_done(host.loop, server->stop(host.loop.clock().now() + grace));
    (void)run_until_done(host.loop, group.join());
    server.reset();
  }
  // Sends `text`, gives back all until the server closes.
  std::string exchange_raw(std::string text) {
    RawPeer peer(host, server->port());
    return run_until_done(host.loop, exchange_with(peer, std::move(text)));
  }
  static Task<std::string> exchange_with(RawPeer& peer, std::string text) {
    co_await peer.send(std::move(text));
    co_return co_await peer.read_to_end();
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host.loop, std::move(task));
  }
  void run(Task<void> task) { run_until_done(host.loop, std::move(task)); }

  ProductionHost host{2};
  HandlerLog log;
  std::unique_ptr<Server> server;
  TaskGroup group{host.loop.executor(), host.loop.clock()};
};

inline std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

}  // namespace predastore::http::testing
