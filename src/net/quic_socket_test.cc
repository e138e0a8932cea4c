#include "net/quic_socket.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace predastore::net {
namespace {

TEST(QuicSocketTest, an_address_is_a_host_and_a_port) {
  auto plain = parse_host_port("store-1.example:7700");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "store-1.example");
  EXPECT_EQ(plain->port, 7700);
  auto v6 = parse_host_port("[::1]:65535");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 65535);
  for (const char* wrong : {"", ":", "host", "host:", ":7700", "host:0", "host:65536", "host:77x",
                            "host:-1", "host: 77"}) {
    EXPECT_FALSE(parse_host_port(wrong)) << wrong;
  }
}

// A batch comes in as the datagrams it was made of, whatever the kernel did with it on the way.
TEST(QuicSocketTest, a_batch_arrives_as_its_datagrams) {
  boost::asio::io_context io;
  auto where = resolve(HostPort{"127.0.0.1", 0}, AF_INET, true);
  ASSERT_TRUE(where);
  auto sender = QuicSocket::open(io, *where, 1024 * 1024);
  auto receiver = QuicSocket::open(io, *where, 1024 * 1024);
  ASSERT_TRUE(sender);
  ASSERT_TRUE(receiver);
  std::vector<std::byte> bytes(5 * 1000 + 17);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 / 5);
  ASSERT_EQ((*sender)->send((*receiver)->local(), bytes, 1000), QuicSocket::Sent::done);
  std::vector<std::size_t> sizes;
  std::vector<std::byte> received;
  (*receiver)->receive([&](const SocketAddress& from, ByteSpan datagram) {
    EXPECT_TRUE(from.is_same((*sender)->local()));
    sizes.push_back(datagram.size());
    received.insert(received.end(), datagram.begin(), datagram.end());
  });
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1000, 1000, 1000, 1000, 1000, 17}));
  EXPECT_EQ(received, bytes);
}

TEST(QuicSocketTest, it_is_told_that_nobody_listens) {
  boost::asio::io_context io;
  auto where = resolve(HostPort{"127.0.0.1", 0}, AF_INET, true);
  ASSERT_TRUE(where);
  auto sender = QuicSocket::open(io, *where, 1024 * 1024);
  auto receiver = QuicSocket::open(io, *where, 1024 * 1024);
  ASSERT_TRUE(sender);
  ASSERT_TRUE(receiver);
  const SocketAddress gone = (*receiver)->local();
  (*receiver)->close();
  const std::vector<std::byte> bytes(100);
  ASSERT_EQ((*sender)->send(gone, bytes, bytes.size()), QuicSocket::Sent::done);
  int refusals = 0;
  (*sender)->take_refusals([&](const SocketAddress& to) {
    EXPECT_TRUE(to.is_same(gone));
    ++refusals;
  });
  EXPECT_EQ(refusals, 1);
  // The error is not held against the next datagram.
  EXPECT_EQ((*sender)->send((*sender)->local(), bytes, bytes.size()), QuicSocket::Sent::done);
}

}  // namespace
}  // namespace predastore::net
