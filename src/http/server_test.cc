#include "http/server.h"

#include "http/test_support.h"

namespace predastore::http::testing {
namespace {

const std::string kEcho = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}
const std::string kClose = "Connection: close\r\n";

TEST_F(ServerTest, pipelined_requests_are_answered_in_order) {
  start();
  const std::string all =
      exchange_raw(kEcho + get("/a") + "\r\n" + kEcho + get("/b", kClose) + get("/never"));
  const auto a = all.find("GET /a"), b = all.find("GET /b");
  ASSERT_NE(a, std::string::npos);
  ASSERT_NE(b, std::string::npos);
  EXPECT_LT(all.find("hello"), a);
  EXPECT_LT(a, b);
  EXPECT_EQ(count_of(all, "hello"), 2U);
  EXPECT_EQ(all.find("/never"), std::string::npos);
  EXPECT_EQ(log.handled, 4);
}

TEST_F(ServerTest, a_request_in_single_bytes_is_one_request) {
  start();
  RawPeer peer(host, server->port());
  const auto talk = [](RawPeer& p) -> Task<std::string> {
    for (char c : kEcho) co_await p.send(std::string(1, c));
    co_return co_await p.read_until("hello");
  };
  EXPECT_TRUE(run(talk(peer)).ends_with("\r\n\r\nhello"));
}

TEST_F(ServerTest, bad_framing_is_answered_400_and_closes) {
  start();
  const std::string bad[] = {
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
      "GET / HTTP/1.1\nHost: x\n\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\n folded\r\n\r\n",
      "nonsense\r\n\r\n",
  };
  for (const std::string& text : bad) {
    const std::string all = exchange_raw(text + get("/smuggled"));
    EXPECT_TRUE(all.starts_with("HTTP/1.1 400 ")) << text << all;
    EXPECT_NE(all.find("Connection: close"), std::string::npos);
    EXPECT_EQ(count_of(all, "HTTP/1.1"), 1U);
  }
  EXPECT_EQ(log.handled, 0);
  EXPECT_EQ(server->stats().bad_requests, std::size(bad));
}

TEST_F(ServerTest, bad_chunks_end_the_body_and_the_connection) {
  start();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string bad[] = {
      "5\nhello\r\n0\r\n\r\n",
      "+5\r\nhello\r\n0\r\n\r\n",
      "0x5\r\nhello\r\n0\r\n\r\n",
      " 5\r\nhello\r\n0\r\n\r\n",
      "5 \r\nhello\r\n0\r\n\r\n",
      "\r\n5\r\nhello\r\n0\r\n\r\n",
      "5\r\nhelloX\r\n0\r\n\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello0\r\n\r\n",
      "ffffffffffffffff\r\nhello",
      "10000000000000005\r\nhello\r\n0\r\n\r\n",
      "5;" + std::string(300, 'a') + "\r\nhello\r\n0\r\n\r\n",
      "5;a\x01\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\r\n0\r\nA : 1\r\n\r\n",
      "5\r\nhello\r\n0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n",
      "zz\r\n",
  };
  for (const std::string& chunks : bad) {
    const std::string all = exchange_raw(head + chunks + get("/smuggled"));
    EXPECT_TRUE(all.starts_with("HTTP/1.1 400 ")) << chunks << all;
    EXPECT_EQ(count_of(all, "HTTP/1.1"), 1U) << chunks;
  }
  EXPECT_EQ(log.body_errors.size(), std::size(bad));
}

TEST_F(ServerTest, chunked_bodies_are_put_together) {
  start();
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + kClose + "\r\n";
  const std::string all = exchange_raw(head +
                                       "3;ext=1\r\nabc\r\n000A\r\n0123456789\r\n1\r\n\n\r\n"
                                       "0;last\r\nTrailer: x\r\n\r\n");
  EXPECT_TRUE(all.ends_with("\r\n\r\nabc0123456789\n")) << all;
}

TEST_F(ServerTest, a_response_without_a_length_is_chunked_and_in_1_0_ends_with_the_connection) {
  start();
  EXPECT_TRUE(exchange_raw(get("/chunked?3", kClose))
                  .ends_with(std::string("3\r\n\0\0\0\r\n0\r\n\r\n", 13)));
  const std::string old = exchange_raw("GET /chunked?3 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.find("chunked\r\n"), std::string::npos);
  EXPECT_TRUE(old.ends_with(std::string("\r\n\r\n\0\0\0", 7)));
}

TEST_F(ServerTest, http_1_0_is_never_kept_alive) {
  start();
  const std::string all =
      exchange_raw("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/b"));
  EXPECT_EQ(count_of(all, "HTTP/1.1 200"), 1U);
}

TEST_F(ServerTest, head_204_and_304_have_no_body) {
  start();
  const std::string head_request = "HEAD /zeros?5 HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string all =
      exchange_raw(head_request + get("/204") + get("/304") + get("/x", kClose));
  EXPECT_EQ(count_of(all, "Content-Length: 5\r\n"), 1U);
  EXPECT_EQ(all.find('\0'), std::string::npos);
  EXPECT_EQ(count_of(all, "\r\n\r\nHTTP/1.1"), 3U);
  EXPECT_TRUE(all.ends_with("GET /x"));
}

TEST_F(ServerTest, an_unread_small_body_is_skipped_and_the_connection_goes_on) {
  start();
  const std::string ignored =
      "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nGET / HTT";
  const std::string chunked =
      "POST /ignore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nGET \r\n0\r\n\r\n";
  const std::string all = exchange_raw(ignored + chunked + get("/after", kClose));
  EXPECT_EQ(count_of(all, "HTTP/1.1 200"), 3U);
  EXPECT_TRUE(all.ends_with("GET /after"));
}

TEST_F(ServerTest, an_unread_large_body_closes_the_connection_and_the_answer_still_arrives) {
  start();
  const std::string body(3 * 1024 * 1024, 'x');
  const std::string all = exchange_raw("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                       std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_TRUE(all.starts_with("HTTP/1.1 200 "));
  EXPECT_NE(all.find("Connection: close"), std::string::npos);
}

TEST_F(ServerTest, continue_is_sent_only_when_the_handler_asks_for_the_body) {
  start();
  const std::string fields =
      " HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
  RawPeer peer(host, server->port());
  const auto talk = [](RawPeer& p, std::string f) -> Task<std::string> {
    co_await p.send("POST /echo" + f);
    std::string all = co_await p.read_until("100 Continue\r\n\r\n");
    co_await p.send("hello");
    all += co_await p.read_until("hello");
    co_return all;
  };
  const std::string all = run(talk(peer, fields));
  EXPECT_TRUE(all.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << all;

  // Refused: no 100, and a close, because nobody knows whether the body follows.
  const std::string refused = exchange_raw("POST /ignore" + fields);
  EXPECT_EQ(refused.find("100 Continue"), std::string::npos);
  EXPECT_NE(refused.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(exchange_raw(get("/", "Expect: a-pony\r\n")).starts_with("HTTP/1.1 417 "));
}

TEST_F(ServerTest, an_empty_body_that_is_waited_for_gets_its_continue_or_a_close) {
  start();
  const std::string fields =
      " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n";
  RawPeer peer(host, server->port());
  const auto talk = [](RawPeer& p, std::string f) -> Task<std::string> {
    co_await p.send("POST /echo" + f);
    co_return co_await p.read_until("HTTP/1.1 200 ");
  };
  EXPECT_TRUE(run(talk(peer, fields)).starts_with("HTTP/1.1 100 Continue\r\n\r\n"));
  const std::string refused = exchange_raw("POST /ignore" + fields);
  EXPECT_EQ(refused.find("100 Continue"), std::string::npos);
  EXPECT_NE(refused.find("Connection: close"), std::string::npos);
}

TEST_F(ServerTest, half_a_response_never_ends_cleanly) {
  start();
  const std::string all = exchange_raw(get("/abort"));
  EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos);
  EXPECT_TRUE(exchange_raw(get("/nothing")).starts_with("HTTP/1.1 500 "));
}

TEST_F(ServerTest, a_header_that_would_split_the_response_is_not_sent) {
  start();
  const std::string all = exchange_raw(get("/split"));
  EXPECT_TRUE(all.starts_with("HTTP/1.1 500 ")) << all;
  EXPECT_EQ(all.find("Set-Cookie"), std::string::npos);
}

TEST_F(ServerTest, heads_that_are_too_large_are_refused) {
  start();
  EXPECT_TRUE(exchange_raw(get("/", "A: " + std::string(80'000, 'a') + "\r\n"))
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(exchange_raw(get("/" + std::string(80'000, 'a'))).starts_with("HTTP/1.1 414 "));
}

TEST_F(ServerTest, error_pages_are_the_owners) {
  ServerOptions options;
  options.error_page = [](const ParseFailure& failure) {
    ErrorPage page;
    page.head.status = failure.status;
    page.head.headers.add("x-amz-request-id", "1");
    page.body = Buffer::copy_of("<Error/>");
    return page;
  };
  start(std::move(options));
  const std::string all = exchange_raw("bad\r\n\r\n");
  EXPECT_NE(all.find("x-amz-request-id: 1"), std::string::npos);
  EXPECT_TRUE(all.ends_with("<Error/>"));
}

}  // namespace
}  // namespace predastore::http::testing
