#include <gtest/gtest.h>

#include "http/message.h"

namespace predastore::http {
namespace {

unsigned status_of(const std::string& text) {
  RequestHead head;
  BodyFraming framing;
  auto failure = parse_request_head(text, HeadLimits{}, head);
  if (!failure) failure = request_framing(head, framing);
  return failure ? failure->status : 0;
}

std::string with_fields(const std::string& fields) {
  return "PUT /b/k HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

TEST(RequestHead, is_kept_as_it_was_on_the_wire) {
  RequestHead head;
  const std::string text =
      "GET /b//a/../%7Ek%2F+?list-type=2&x=%20?y HTTP/1.1\r\nHoSt: h:9000\r\nX-A: 1\r\n"
      "x-a:  two  words \t\r\nEmpty:\r\n\r\n";
  ASSERT_FALSE(parse_request_head(text, HeadLimits{}, head));
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/b//a/../%7Ek%2F+?list-type=2&x=%20?y");
  EXPECT_EQ(head.path(), "/b//a/../%7Ek%2F+");
  EXPECT_EQ(head.query(), "list-type=2&x=%20?y");
  EXPECT_EQ(head.headers.get("host"), "h:9000");
  EXPECT_EQ(head.headers.count("X-a"), 2U);
  EXPECT_EQ(head.headers.all("x-A")[1], "two  words");
  EXPECT_EQ(head.headers.get("empty"), "");
  EXPECT_NE(head.headers.find("empty"), nullptr);
}

TEST(RequestHead, what_could_be_read_in_two_ways_is_refused) {
  EXPECT_EQ(status_of(with_fields("")), 0U);
  const std::string cases[] = {
      "GET / HTTP/1.1\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\n\n",
      "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
      " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / http/1.1\r\nHost: x\r\n\r\n",
      "GET /\r\n\r\n",
      "GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
      std::string("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 28),
      with_fields("A : 1\r\n"),
      with_fields("A\t: 1\r\n"),
      with_fields(" A: 1\r\n"),
      with_fields("A: 1\r\n b\r\n"),
      with_fields("A: 1\r\n\tb\r\n"),
      with_fields(": 1\r\n"),
      with_fields("A\r\n"),
      with_fields("A: 1\rB: 2\r\n"),
      with_fields("A: 1\nB: 2\r\n"),
      with_fields(std::string("A: 1\0 2\r\n", 9)),
      with_fields("A: 1\x01\r\n"),
      with_fields("A: 1\x7f\r\n"),
      with_fields("A\x80: 1\r\n"),
      with_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
      with_fields("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
      with_fields("Content-Length: 5\r\nContent-Length: 5\r\n"),
      with_fields("Content-Length: 5\r\nContent-Length: 6\r\n"),
      with_fields("Content-Length: 5, 5\r\n"),
      with_fields("Content-Length: +5\r\n"),
      with_fields("Content-Length: -5\r\n"),
      with_fields("Content-Length: 0x5\r\n"),
      with_fields("Content-Length: 5 5\r\n"),
      with_fields("Content-Length: 5a\r\n"),
      with_fields("Content-Length:\r\n"),
      with_fields("Content-Length: 9223372036854775808\r\n"),
      with_fields("Content-Length: 99999999999999999999\r\n"),
      with_fields("Transfer-Encoding: identity\r\n"),
      with_fields("Transfer-Encoding: gzip, chunked\r\n"),
      with_fields("Transfer-Encoding: chunked, chunked\r\n"),
      with_fields("Transfer-Encoding: xchunked\r\n"),
      with_fields("Transfer-Encoding: \"chunked\"\r\n"),
      with_fields("Transfer-Encoding: chunked;a=b\r\n"),
      with_fields("Transfer-Encoding:\r\n"),
      with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
      "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
  };
  for (const std::string& text : cases) EXPECT_EQ(status_of(text), 400U) << text;
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505U);
}

TEST(RequestHead, sizes_and_counts_are_bounded) {
  std::string fields;
  for (int i = 0; i < 201; ++i) fields += "A: 1\r\n";
  EXPECT_EQ(status_of(with_fields(fields)), 431U);
  EXPECT_EQ(status_of(with_fields("A: " + std::string(70'000, 'a') + "\r\n")), 431U);
}

TEST(RequestFraming, follows_the_headers) {
  RequestHead head;
  BodyFraming framing;
  head.headers.add("Host", "x");
  ASSERT_FALSE(request_framing(head, framing));
  EXPECT_EQ(framing.framing, Framing::none);
  head.headers.add("Content-Length", "9223372036854775807");
  ASSERT_FALSE(request_framing(head, framing));
  EXPECT_EQ(framing.framing, Framing::content_length);
  EXPECT_EQ(framing.content_length, 9223372036854775807ULL);
  head.headers.remove("content-length");
  head.headers.add("transfer-encoding", "Chunked");
  ASSERT_FALSE(request_framing(head, framing));
  EXPECT_EQ(framing.framing, Framing::chunked);
}

TEST(ResponseHead, reads_and_writes) {
  ResponseHead head;
  ASSERT_FALSE(parse_response_head("HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\n",
                                   HeadLimits{}, head));
  EXPECT_EQ(head.status, 206U);
  BodyFraming framing;
  ASSERT_FALSE(response_framing(head, "GET", framing));
  EXPECT_EQ(framing.content_length, 3U);
  ASSERT_FALSE(response_framing(head, "HEAD", framing));
  EXPECT_EQ(framing.framing, Framing::none);
  EXPECT_EQ(*format_response_head(head),
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\n");
  EXPECT_FALSE(parse_response_head("HTTP/1.1 200\r\n\r\n", HeadLimits{}, head));
  EXPECT_TRUE(parse_response_head("HTTP/1.1 20\r\n\r\n", HeadLimits{}, head));
  EXPECT_TRUE(parse_response_head("HTTP/1.1 2x0 OK\r\n\r\n", HeadLimits{}, head));
}

TEST(Heads, never_carry_a_line_break_of_a_value) {
  ResponseHead response;
  response.headers.add("X", "a\r\nb: c");
  EXPECT_FALSE(format_response_head(response));
  RequestHead request;
  request.headers.add("X\r\n", "a");
  EXPECT_FALSE(format_request_head(request));
  request = RequestHead{};
  request.target = "/a b";
  EXPECT_FALSE(format_request_head(request));
}

TEST(Headers, has_token_looks_into_lists) {
  Headers headers{{"Connection", "keep-alive, Close"}};
  EXPECT_TRUE(headers.has_token("connection", "close"));
  EXPECT_FALSE(headers.has_token("connection", "clos"));
}

}  // namespace
}  // namespace predastore::http
