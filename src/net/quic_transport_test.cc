// What only QUIC promises: who is let in, and that a bad network and bad peers are survived.
#include "net/quic_transport.h"

#include <boost/asio/ip/udp.hpp>

#include "net/testing/quic_cluster.h"
#include "net/testing/udp_relay.h"

namespace predastore::net::testing {
namespace {

class QuicTransportTest : public ::testing::Test {
 protected:
  QuicTransportTest() : case_(std::make_unique<QuicCluster>()) {}
  void TearDown() override { cluster().run(ContractCase::stop_all(case_)); }
  QuicCluster& cluster() { return static_cast<QuicCluster&>(*case_.world); }

  // What a caller in `from` is told of `to`.
  Result<BufferChain> ask(NodeId from, NodeId to, Buffer bytes, Duration patience = 60s) {
    return run_until_done(cluster().loop(),
                          ContractCase::ask(cluster().at(from), to, std::move(bytes), Lane::data,
                                            case_.in(patience)));
  }
  Result<BufferChain> ask_patiently(NodeId from, NodeId to, Buffer bytes) {
    return run_until_done(cluster().loop(), ContractCase::ask_patiently(case_, cluster().at(from),
                                                                        to, std::move(bytes)));
  }
  void expect_echo(NodeId from, NodeId to, std::size_t size_bytes) {
    const Buffer bytes = pattern(size_bytes, 5);
    auto answer = ask_patiently(from, to, bytes);
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_TRUE(is_same(*answer, bytes));
  }
  void expect_refused(NodeId from, NodeId to) {
    for (int i = 0; i < 2; ++i) {
      auto answer = ask(from, to, Buffer::copy_of("let me in"));
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, ErrorCode::Unavailable) << answer.error().to_string();
    }
    EXPECT_EQ(cluster().quic(to).counts().streams_to_accept, 0U);
    EXPECT_EQ(cluster().quic(to).counts().streams, 0U);
  }
  void wait(Duration duration) { cluster().run(sleep_for(case_.clock(), duration)); }

  ContractCase case_;
};

TEST_F(QuicTransportTest, nodes_of_another_authority_are_refused_both_ways) {
  const crypto::CertificateAuthority other = make_authority();
  QuicOptions options = cluster().options_of(kCleo);
  auto pair = other.issue(kCleo, {});
  options.ca_pem = other.cert_pem();
  options.cert_pem = pair->cert_pem;
  options.key_pem = pair->key_pem;
  cluster().place(kCleo, options);
  expect_refused(kCleo, kAnna);
  expect_refused(kAnna, kCleo);
  // One that believes this cluster, and is not believed by it.
  options.ca_pem = cluster().authority().cert_pem();
  cluster().place(kCleo, options);
  expect_refused(kCleo, kAnna);
  expect_refused(kAnna, kCleo);
}

TEST_F(QuicTransportTest, a_peer_without_a_certificate_is_refused) {
  QuicOptions options = cluster().options_of(kCleo);
  options.cert_pem.clear();
  options.key_pem.clear();
  cluster().place(kCleo, options);
  expect_refused(kCleo, kAnna);
  expect_refused(kAnna, kCleo);
}

TEST_F(QuicTransportTest, a_node_at_the_address_of_another_is_not_talked_to) {
  cluster().at(kAnna).set_address(kBert, cluster().address_of(kCleo));
  expect_refused(kAnna, kBert);
  EXPECT_EQ(cluster().quic(kCleo).counts().streams_to_accept, 0U);
}

TEST_F(QuicTransportTest, a_departed_node_is_refused_and_loses_what_it_had) {
  std::set<NodeId> departed;
  QuicOptions options = cluster().options_of(kBert);
  options.admits = [&departed](NodeId node) { return !departed.contains(node); };
  cluster().place(kBert, options);
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
  departed.insert(kAnna);
  expect_refused(kAnna, kBert);
  expect_refused(kBert, kAnna);
  expect_echo(kCleo, kBert, 1000);
}

TEST_F(QuicTransportTest, a_certificate_of_another_node_is_no_identity) {
  QuicOptions options = cluster().options_of(kCleo);
  options.self = NodeId{77};
  options.listen_port = 0;
  auto opened = run_until_done(
      cluster().loop(), open_quic_transport(cluster().env(), cluster().loop().io(), options));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::InvalidArgument);
}

TEST_F(QuicTransportTest, a_name_is_resolved) {
  case_.serve_echo(kBert);
  cluster().at(kAnna).set_address(kBert, "localhost:" + std::to_string(cluster().port_of(kBert)));
  expect_echo(kAnna, kBert, 1000);
}

TEST_F(QuicTransportTest, loss_repetition_and_a_narrow_path_change_no_byte) {
  UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
  std::uint32_t state = 1;
  relay.set_fate([&state](UdpRelay::Way, ByteSpan bytes) {
    if (bytes.size() > 1500) return 0;
    state = state * 1664525U + 1013904223U;
    const std::uint32_t drawn = (state >> 16) % 100;
    return drawn < 3 ? 0 : drawn < 6 ? 2 : 1;
  });
  cluster().at(kAnna).set_address(kBert, relay.address());
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 4 * 1024 * 1024);
}

// One of many at least: on a busy machine an answer comes later than a request is acknowledged.
TEST_F(QuicTransportTest, a_small_request_and_its_answer_are_two_datagrams) {
  UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
  cluster().at(kAnna).set_address(kBert, relay.address());
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
  std::size_t fewest = 100;
  for (int i = 0; i < 200; ++i) {
    const std::size_t before = relay.passed();
    expect_echo(kAnna, kBert, 100);
    fewest = std::min(fewest, relay.passed() - before);
  }
  EXPECT_LE(fewest, 2U);
}

TEST_F(QuicTransportTest, a_silent_peer_is_noticed_and_found_again) {
  UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
  QuicOptions options = cluster().options_of(kAnna);
  options.keep_alive = 50ms;
  options.silence_max = 300ms;
  options.idle_timeout = 2s;
  options.handshake_timeout = 300ms;
  cluster().place(kAnna, options);
  cluster().at(kAnna).set_address(kBert, relay.address());
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
  auto stream =
      run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
  ASSERT_TRUE(stream);
  relay.clog();
  wait(500ms);
  auto refused =
      run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "the peer is silent");
  auto read = run_until_done(cluster().loop(), (*stream)->read(1, case_.soon()));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::Unavailable);
  expect_refused(kAnna, kBert);
  relay.unclog();
  expect_echo(kAnna, kBert, 1000);
}

TEST_F(QuicTransportTest, a_silent_peer_is_dialled_anew_long_before_the_idle_timeout) {
  UdpRelay first{cluster().loop(), cluster().port_of(kBert)};
  UdpRelay second{cluster().loop(), cluster().port_of(kBert)};
  QuicOptions options = cluster().options_of(kAnna);
  options.keep_alive = 50ms;
  options.silence_max = 300ms;
  options.idle_timeout = 600s;
  cluster().place(kAnna, options);
  cluster().at(kAnna).set_address(kBert, first.address());
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
  first.clog();  // for ever: what was said on the old way is lost
  wait(500ms);
  cluster().at(kAnna).set_address(kBert, second.address());
  auto refused =
      run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "the peer is silent");
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto stream =
        run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
    if (stream) break;
    wait(50ms);
  }
  expect_echo(kAnna, kBert, 1000);
}

TEST_F(QuicTransportTest, a_stream_of_raft_to_a_silent_peer_ends_long_before_the_idle_timeout) {
  UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
  QuicOptions options = cluster().options_of(kAnna);
  options.keep_alive = 50ms;
  options.silence_max = 300ms;
  options.idle_timeout = 600s;
  cluster().place(kAnna, options);
  cluster().at(kAnna).set_address(kBert, relay.address());
  case_.serve_echo(kBert);
  auto stream =
      run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::raft, case_.soon()));
  ASSERT_TRUE(stream);
  relay.clog();
  auto read = run_until_done(cluster().loop(), (*stream)->read(1, case_.soon()));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::Unavailable);
}

// Nothing tells it that its peer was restarted but the peer's new self.
TEST_F(QuicTransportTest, a_restarted_peer_says_that_old_connections_are_gone) {
  UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
  QuicOptions options = cluster().options_of(kAnna);
  options.idle_timeout = 600s;
  options.silence_max = 600s;
  options.keep_alive = 50ms;
  cluster().place(kAnna, options);
  cluster().at(kAnna).set_address(kBert, relay.address());
  options = cluster().options_of(kBert);
  options.idle_timeout = 600s;
  cluster().place(kBert, options);
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
  auto stream =
      run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
  ASSERT_TRUE(stream);
  relay.clog();
  cluster().place(kBert, cluster().options_of(kBert));
  cluster().at(kAnna).set_address(kBert, relay.address());
  case_.serve_echo(kBert);
  relay.unclog();
  auto read = run_until_done(cluster().loop(), (*stream)->read(1, case_.soon()));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::Unavailable);
  expect_echo(kAnna, kBert, 1000);
}

TEST_F(QuicTransportTest, a_peer_opens_no_more_streams_than_it_may) {
  QuicOptions options = cluster().options_of(kBert);
  options.streams_max = 4;
  cluster().place(kBert, options);
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 4; ++i) {
    auto stream =
        run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
    ASSERT_TRUE(stream);
    ASSERT_TRUE(
        run_until_done(cluster().loop(), ContractCase::write(**stream, "hello", case_.soon())));
    (void)run_until_done(cluster().loop(), (*stream)->finish());
    streams.push_back(std::move(*stream));
  }
  auto fifth = run_until_done(cluster().loop(),
                              cluster().at(kAnna).open(kBert, Lane::data, case_.in(100ms)));
  ASSERT_FALSE(fifth);
  EXPECT_EQ(fifth.error().code, ErrorCode::Unavailable);
  // Also not when it has given up all of them: nobody has looked at them yet.
  streams.clear();
  wait(50ms);
  fifth = run_until_done(cluster().loop(),
                         cluster().at(kAnna).open(kBert, Lane::data, case_.in(100ms)));
  EXPECT_FALSE(fifth);
  EXPECT_EQ(cluster().quic(kBert).counts().streams_to_accept, 4U);
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
}

// No other packet comes that could tell it.
TEST_F(QuicTransportTest, a_peer_that_waits_for_a_stream_is_told_of_one_that_is_free_again) {
  QuicOptions options = cluster().options_of(kBert);
  options.streams_max = 16;
  cluster().place(kBert, options);
  options = cluster().options_of(kAnna);
  options.keep_alive = 600s;
  options.silence_max = 600s;
  options.idle_timeout = 1200s;
  cluster().place(kAnna, options);
  cluster().at(kAnna).set_address(kBert, "127.0.0.1:" + std::to_string(cluster().port_of(kBert)));
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 100);
  std::vector<std::unique_ptr<Stream>> held;
  for (int i = 0; i < 15; ++i) {
    auto stream =
        run_until_done(cluster().loop(), cluster().at(kAnna).open(kBert, Lane::data, case_.soon()));
    ASSERT_TRUE(stream) << stream.error().to_string();
    BufferChain chain{Buffer::copy_of("I stay")};
    ASSERT_TRUE(run_until_done(cluster().loop(), (*stream)->write(std::move(chain), case_.soon())));
    held.push_back(std::move(*stream));
  }
  for (int i = 0; i < 20; ++i) {
    auto answer = ask(kAnna, kBert, Buffer::copy_of("and I go"));
    ASSERT_TRUE(answer) << answer.error().to_string();
  }
}

TEST_F(QuicTransportTest, garbage_leaves_nothing_behind) {
  namespace ip = boost::asio::ip;
  case_.serve_echo(kBert);
  expect_echo(kAnna, kBert, 1000);
  const std::size_t before = cluster().quic(kBert).counts().connections;
  boost::asio::io_context io;
  ip::udp::socket socket{io, ip::udp::endpoint{ip::address_v4::loopback(), 0}};
  const ip::udp::endpoint bert{ip::address_v4::loopback(), cluster().port_of(kBert)};
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const Buffer random = pattern(i % 1500 + 1, i);
    std::vector<std::byte> bytes{random.bytes().begin(), random.bytes().end()};
    // Also what looks like a first packet, of this version and of others.
    if (i % 3 != 0) bytes[0] |= std::byte{0xc0};
    if (i % 3 == 1 && bytes.size() > 6) {
      bytes[1] = bytes[2] = bytes[3] = std::byte{0};
      bytes[4] = std::byte{1};
      bytes[5] = std::byte{8};
    }
    boost::system::error_code ignored;
    socket.send_to(boost::asio::buffer(bytes.data(), bytes.size()), bert, 0, ignored);
    if (i % 100 == 0) cluster().settle();
  }
  cluster().settle();
  EXPECT_EQ(cluster().quic(kBert).counts().connections, before);
  expect_echo(kAnna, kBert, 100000);
}

constexpr std::size_t kHalfOpenMax = 64;  // the endpoint's bound

// Whoever begins handshakes and does not go on cannot take the place of those who do.
TEST_F(QuicTransportTest, a_flood_of_handshakes_is_bounded_and_members_still_come_in) {
  UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
  std::size_t retries = 0;
  relay.set_fate([&retries](UdpRelay::Way way, ByteSpan bytes) {
    if (way == UdpRelay::Way::to_server) return 1;
    const bool is_retry = (std::to_integer<unsigned>(bytes[0]) & 0xf0U) == 0xf0U;
    retries += is_retry ? 1 : 0;
    return is_retry ? 1 : 0;
  });
  QuicOptions options = cluster().options_of(kBert);
  options.handshake_timeout = 30s;
  cluster().place(kBert, options);
  case_.serve_echo(kBert);
  auto dial = [](ContractCase& self, NodeId node) -> Task<void> {
    auto stream = co_await self.world->at(kCleo).open(node, Lane::data, self.soon());
    EXPECT_FALSE(stream);
  };
  for (std::uint64_t i = 0; i < 300; ++i) {
    const NodeId node{1000 + i};
    cluster().at(kCleo).set_address(node, relay.address());
    case_.tasks.spawn(dial(case_, node));
  }
  std::size_t most = 0;
  const Instant patience = case_.soon();
  while (most < kHalfOpenMax && case_.clock().now() < patience) {
    wait(5ms);
    most = std::max(most, cluster().quic(kBert).counts().half_open);
  }
  for (int i = 0; i < 50; ++i) {
    wait(5ms);
    most = std::max(most, cluster().quic(kBert).counts().half_open);
  }
  EXPECT_GT(retries, kHalfOpenMax);
  EXPECT_EQ(most, kHalfOpenMax);
  expect_echo(kAnna, kBert, 1000);
}

TEST_F(QuicTransportTest, a_peer_that_dials_again_and_again_holds_few_connections) {
  case_.serve_echo(kBert);
  for (int i = 0; i < 8; ++i) {
    UdpRelay relay{cluster().loop(), cluster().port_of(kBert)};
    cluster().at(kAnna).set_address(kBert, relay.address());
    expect_echo(kAnna, kBert, 1000);
    relay.clog();  // Bert does not hear that Anna goes
    cluster().back(kAnna);
  }
  EXPECT_LE(cluster().quic(kBert).counts().connections, 3U);
}

}  // namespace
}  // namespace predastore::net::testing
