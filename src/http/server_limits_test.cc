#include "http/test_support.h"

// Slow, silent and vanishing peers; what a connection may hold; stopping.
namespace predastore::http::testing {
namespace {

ServerOptions impatient() {
  ServerOptions options;
  options.head_timeout = options.keep_alive_timeout = 50ms;
  options.body_idle_timeout = options.write_idle_timeout = 50ms;
  return options;
}

TEST_F(ServerTest, slow_heads_are_closed) {
  start(impatient());
  EXPECT_TRUE(exchange_raw("GET / HTTP/1.1\r\nHos").starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(exchange_raw(""), "");  // nothing at all
  EXPECT_EQ(server->stats().timeouts, 2U);
}

// A byte now and then does not win time: the whole head has one deadline.
TEST_F(ServerTest, a_slow_loris_is_closed) {
  start(impatient());
  RawPeer peer(host, server->port());
  const auto drip = [](RawPeer& p, Clock& clock) -> Task<std::string> {
    const std::string head = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
    for (char c : head) {
      co_await p.send(std::string(1, c));
      co_await sleep_for(clock, 5ms);
    }
    co_return co_await p.read_to_end();
  };
  EXPECT_TRUE(run(drip(peer, host.loop.clock())).starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(log.handled, 0);
}

TEST_F(ServerTest, a_body_that_stops_coming_times_out) {
  start(impatient());
  const std::string all =
      exchange_raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
  EXPECT_TRUE(all.starts_with("HTTP/1.1 400 ")) << all;
  ASSERT_EQ(log.body_errors.size(), 1U);
  EXPECT_EQ(log.body_errors[0].code, ErrorCode::TimedOut);
}

TEST_F(ServerTest, a_body_below_the_lowest_rate_times_out) {
  ServerOptions options;
  options.body_idle_timeout = 50ms;
  options.body_rate_min_bytes_per_s = 1'000'000;
  start(std::move(options));
  RawPeer peer(host, server->port());
  const auto drip = [](RawPeer& p, HandlerLog& l, Clock& clock) -> Task<std::string> {
    co_await p.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    while (l.body_errors.empty()) {
      co_await p.send("a");
      co_await sleep_for(clock, 2ms);
    }
    co_return co_await p.read_to_end();
  };
  EXPECT_TRUE(run(drip(peer, log, host.loop.clock())).starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(log.body_errors[0].code, ErrorCode::TimedOut);
}

constexpr const char* kUnreadUpload =
    "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n";

ServerOptions lingering(Duration timeout, Duration max) {
  ServerOptions options;
  options.linger_timeout = timeout;
  options.linger_max = max;
  return options;
}

// Were the connection closed with bytes in it, the answer would be lost by a reset.
TEST_F(ServerTest, who_goes_on_sending_after_a_refusal_still_reads_it) {
  start();
  RawPeer peer(host, server->port());
  const auto sends_on = [](RawPeer& p, Clock& clock) -> Task<std::string> {
    co_await p.send(kUnreadUpload);
    for (int i = 0; i < 64; ++i) {
      co_await p.send(std::string(64 * 1024, 'a'));
      co_await sleep_for(clock, 1ms);
    }
    co_return co_await p.read_until("POST /ignore");
  };
  EXPECT_TRUE(run(sends_on(peer, host.loop.clock())).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, who_sends_without_end_after_a_refusal_is_closed_all_the_same) {
  start(lingering(60s, 100ms));
  RawPeer peer(host, server->port());
  const auto drips = [](RawPeer& p, Clock& clock) -> Task<void> {
    co_await p.send(kUnreadUpload);
    BufferChain piece(Buffer::copy_of("a"));
    while (co_await p.stream().write(piece, 60s)) co_await sleep_for(clock, 5ms);
  };
  const Instant began = host.loop.clock().now();
  run(drips(peer, host.loop.clock()));  // ends when the server has closed
  EXPECT_GE(host.loop.clock().now() - began, 100ms);
  EXPECT_EQ(log.handled, 1);
}

TEST_F(ServerTest, who_falls_silent_after_a_refusal_is_closed) {
  start(lingering(20ms, 1h));
  RawPeer peer(host, server->port());
  const auto rests = [](RawPeer& p, Server& s, Clock& clock) -> Task<std::string> {
    co_await p.send(kUnreadUpload);
    while (s.stats().accepted == 0 || s.stats().connections > 0) co_await sleep_for(clock, 5ms);
    co_return co_await p.read_to_end();
  };
  EXPECT_TRUE(run(rests(peer, *server, host.loop.clock())).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, a_body_that_ends_early_is_an_error) {
  start();
  RawPeer peer(host, server->port());
  const auto talk = [](RawPeer& p) -> Task<std::string> {
    co_await p.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
    p.stream().shutdown_send();
    co_return co_await p.read_to_end();
  };
  EXPECT_TRUE(run(talk(peer)).starts_with("HTTP/1.1 400 "));
  ASSERT_EQ(log.body_errors.size(), 1U);
  EXPECT_EQ(log.body_errors[0].code, ErrorCode::Unavailable);
}

TEST_F(ServerTest, a_reader_that_takes_nothing_is_dropped_and_cost_little) {
  start(impatient());
  RawPeer peer(host, server->port());
  const auto wait = [](RawPeer& p, HandlerLog& l, Clock& clock) -> Task<void> {
    co_await p.send("GET /zeros?1000000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    while (l.failed_writes == 0) co_await sleep_for(clock, 1ms);
  };
  run(wait(peer, log, host.loop.clock()));
  // What the kernel's two socket buffers took, no more: the writer was held back.
  EXPECT_LT(log.written_bytes, 64U * 1024 * 1024);
  const std::string all = run(peer.read_to_end());
  EXPECT_LT(all.size(), 64U * 1024 * 1024);
}

TEST_F(ServerTest, clients_that_vanish_anywhere_leave_nothing_behind) {
  start();
  const std::string whole =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    RawPeer peer(host, server->port());
    run(peer.send(whole.substr(0, size)));
    if (size % 2 == 0) peer.stream().reset();
  }
  const auto wait = [](Server& s, Clock& clock) -> Task<void> {
    while (s.stats().accepted == 0 || s.stats().connections > 0) co_await sleep_for(clock, 1ms);
  };
  run(wait(*server, host.loop.clock()));
  EXPECT_TRUE(
      exchange_raw("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ends_with("GET /x"));
}

TEST_F(ServerTest, at_the_limit_idle_connections_make_room_and_busy_ones_do_not) {
  ServerOptions options;
  options.connections_max = 2;
  start(std::move(options));
  const std::string keep = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
  RawPeer first(host, server->port());
  run(first.send(keep));
  EXPECT_NE(run(first.read_until("GET /a")).find("200"), std::string::npos);
  RawPeer second(host, server->port());
  run(second.send(keep));
  run(second.read_until("GET /a"));
  RawPeer third(host, server->port());
  run(third.send(keep));
  EXPECT_NE(run(third.read_until("GET /a")).find("200"), std::string::npos);
  EXPECT_EQ(run(first.read_to_end()), "");  // the one that was idle longest

  const std::string half = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
  run(second.send(half));
  run(third.send(half));
  const auto wait = [](HandlerLog& l, Clock& clock) -> Task<void> {
    while (l.handled < 5) co_await sleep_for(clock, 1ms);
  };
  run(wait(log, host.loop.clock()));
  EXPECT_TRUE(exchange_raw("").starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(server->stats().refused, 1U);
}

TEST_F(ServerTest, who_finds_no_room_gets_the_page_of_the_owner) {
  ServerOptions options;
  options.connections_max = 0;
  options.error_page = [](const ParseFailure& failure) {
    ErrorPage page;
    page.head.status = failure.status;
    page.body = Buffer::copy_of("<Error/>");
    return page;
  };
  start(std::move(options));
  const std::string all = exchange_raw("");
  EXPECT_TRUE(all.starts_with("HTTP/1.1 503 ")) << all;
  EXPECT_NE(all.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\n<Error/>"));
}

TEST_F(ServerTest, stopping_finishes_what_is_under_way_and_closes_the_rest) {
  start();
  RawPeer idle(host, server->port());
  run(idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  run(idle.read_until("GET /a"));
  RawPeer busy(host, server->port());
  run(busy.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel"));
  const auto wait = [](HandlerLog& l, Clock& clock) -> Task<void> {
    while (l.handled < 2) co_await sleep_for(clock, 1ms);
  };
  run(wait(log, host.loop.clock()));
  group.spawn(server->stop(host.loop.clock().now() + 600s));
  EXPECT_EQ(run(idle.read_to_end()), "");
  run(busy.send("lo"));
  const std::string answer = run(busy.read_to_end());
  EXPECT_TRUE(answer.ends_with("hello")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

TEST_F(ServerTest, stopping_does_not_wait_for_a_client_beyond_the_deadline) {
  start();
  RawPeer busy(host, server->port());
  run(busy.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel"));
  const auto wait = [](HandlerLog& l, Clock& clock) -> Task<void> {
    while (l.handled < 1) co_await sleep_for(clock, 1ms);
  };
  run(wait(log, host.loop.clock()));
  stop(1ms);
  EXPECT_EQ(run(busy.read_to_end()), "");
}

}  // namespace
}  // namespace predastore::http::testing
