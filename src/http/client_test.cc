#include "http/client.h"

#include "http/test_support.h"

namespace predastore::http::testing {
namespace {

TEST_F(ServerTest, the_client_keeps_one_connection_for_many_requests) {
  start();
  const auto talk = [](Environment env, std::uint16_t port) -> Task<int> {
    auto client = co_await Client::connect(env, "localhost", port, ClientOptions{});
    EXPECT_TRUE(client) << client.error().to_string();
    int good = 0;
    for (int i = 0; i < 5; ++i) {
      RequestHead head{"PUT", "/echo", 1, {}};
      const std::string text(static_cast<std::size_t>(i) * 70'000, 'a');
      auto response = co_await (*client)->fetch(std::move(head), Buffer::copy_of(text), 1 << 20);
      EXPECT_TRUE(response) << response.error().to_string();
      if (response && response->head.status == 200 && response->body.text() == text) ++good;
      EXPECT_TRUE((*client)->is_reusable());
    }
    RequestHead head_only{"HEAD", "/zeros?5", 1, {}};
    auto response = co_await (*client)->fetch(std::move(head_only), Buffer{}, 1 << 20);
    EXPECT_TRUE(response && response->body.empty() &&
                response->head.headers.get("content-length") == "5");
    co_return good;
  };
  EXPECT_EQ(run(talk(host.environment(), server->port())), 5);
  EXPECT_EQ(server->stats().accepted, 1U);
}

TEST_F(ServerTest, large_bodies_stream_both_ways) {
  start();
  const auto talk = [](Environment env, std::uint16_t port) -> Task<void> {
    auto client = co_await Client::connect(env, "127.0.0.1", port, ClientOptions{});
    constexpr std::uint64_t kSize = 24 * 1024 * 1024 + 7;
    for (const bool is_chunked : {false, true}) {
      RequestHead head{"PUT", "/size", 1, {}};
      std::optional<std::uint64_t> length;
      if (!is_chunked) length = kSize;
      EXPECT_TRUE(co_await (*client)->begin(std::move(head), length));
      const Buffer piece = Buffer::take(std::string(100'000, 'p'));
      for (std::uint64_t sent = 0; sent < kSize;) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), kSize - sent));
        BufferChain chain(piece.slice(0, size));
        EXPECT_TRUE(co_await (*client)->write(std::move(chain)));
        sent += size;
      }
      auto answered = co_await (*client)->finish();
      EXPECT_TRUE(answered && answered->status == 200);
      auto body = co_await (*client)->body().read(100);
      EXPECT_EQ(body->text(), std::to_string(kSize * (is_chunked ? 2 : 1)));

      RequestHead download{"GET", is_chunked ? "/chunked?25165831" : "/zeros?25165831", 1, {}};
      EXPECT_TRUE(co_await (*client)->begin(std::move(download), 0));
      EXPECT_TRUE(co_await (*client)->finish());
      std::uint64_t received = 0;
      while (true) {
        auto got = co_await (*client)->body().read(256 * 1024);
        EXPECT_TRUE(got);
        if (!got || got->empty()) break;
        received += got->size();
      }
      EXPECT_EQ(received, kSize);
    }
  };
  run(talk(host.environment(), server->port()));
}

TEST_F(ServerTest, a_broken_response_is_an_error_for_the_client) {
  start();
  const auto talk = [](Environment env, std::uint16_t port) -> Task<bool> {
    auto client = co_await Client::connect(env, "127.0.0.1", port, ClientOptions{});
    RequestHead head{"GET", "/abort", 1, {}};
    auto response = co_await (*client)->fetch(std::move(head), Buffer{}, 1 << 20);
    co_return response.has_value();
  };
  EXPECT_FALSE(run(talk(host.environment(), server->port())));
}

TEST_F(ServerTest, an_address_of_version_6_is_as_good) {
  ServerOptions options;
  options.address = "::1";
  auto probe = Server::listen(host.environment(), options, {});
  if (!probe) GTEST_SKIP() << "no loopback of IPv6 here: " << probe.error().to_string();
  probe->reset();
  start(std::move(options));
  const auto talk = [](Environment env, std::uint16_t port) -> Task<std::string> {
    auto client = co_await Client::connect(env, "::1", port, ClientOptions{});
    if (!client) co_return client.error().to_string();
    RequestHead head{"PUT", "/echo", 1, {{"Host", "[::1]:" + std::to_string(port)}}};
    auto response = co_await (*client)->fetch(std::move(head), Buffer::copy_of("hello"), 1 << 20);
    co_return response ? std::string(response->body.text()) : response.error().to_string();
  };
  EXPECT_EQ(run(talk(host.environment(), server->port())), "hello");
}

TEST(Client, says_when_nobody_listens) {
  ProductionHost host{1};
  auto client = run_until_done(
      host.loop, Client::connect(host.environment(), "127.0.0.1", 1, ClientOptions{}));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::Unavailable);
}

class TlsTest : public ServerTest {
 protected:
  void SetUp() override {
    auto made = crypto::CertificateAuthority::create(ClusterId{});
    ASSERT_TRUE(made);
    ca = std::make_unique<crypto::CertificateAuthority>(*std::move(made));
  }
  crypto::CertificatePair issue(std::uint64_t node) {
    return *ca->issue(NodeId{node}, {"localhost", "127.0.0.1"});
  }
  Result<unsigned> fetch(std::string host_name, ClientOptions options) {
    return run(
        fetch_status(host.environment(), std::move(host_name), server->port(), std::move(options)));
  }
  static Task<Result<unsigned>> fetch_status(Environment env, std::string host_name,
                                             std::uint16_t port, ClientOptions options) {
    PREDA_CO_TRY(auto client, co_await Client::connect(env, std::move(host_name), port, options));
    RequestHead head{"PUT", "/echo", 1, {}};
    const std::string text(300'000, 't');
    PREDA_CO_TRY(auto response,
                 co_await client->fetch(std::move(head), Buffer::copy_of(text), 1 << 20));
    EXPECT_EQ(response.body.text(), text);
    co_return response.head.status;
  }
  ClientOptions trusting() {
    ClientOptions options;
    options.tls.emplace();
    options.tls->ca_pem = ca->cert_pem();
    return options;
  }
  std::unique_ptr<crypto::CertificateAuthority> ca;
};

TEST_F(TlsTest, serves_whoever_trusts_its_authority_and_knows_its_name) {
  ServerOptions options;
  options.tls.emplace();
  options.tls->certificate = issue(1);
  start(std::move(options));
  EXPECT_EQ(*fetch("localhost", trusting()), 200U);
  EXPECT_EQ(*fetch("127.0.0.1", trusting()), 200U);
  ClientOptions other_name = trusting();
  other_name.tls->server_name = "example.org";
  EXPECT_FALSE(fetch("localhost", other_name));
  ClientOptions other_ca = trusting();
  other_ca.tls->ca_pem = crypto::CertificateAuthority::create(ClusterId{})->cert_pem();
  EXPECT_FALSE(fetch("localhost", other_ca));
  EXPECT_TRUE(server->reload_tls(TlsServerOptions{issue(2), {}}));
  EXPECT_FALSE(server->reload_tls(TlsServerOptions{{"no", "pem"}, {}}));
  EXPECT_EQ(*fetch("localhost", trusting()), 200U);
}

TEST_F(TlsTest, admits_only_members_when_told_so) {
  ServerOptions options;
  options.tls.emplace();
  options.tls->certificate = issue(1);
  options.tls->client_ca_pem = ca->cert_pem();
  start(std::move(options));
  ClientOptions stranger = trusting();
  EXPECT_FALSE(fetch("localhost", stranger));
  EXPECT_EQ(log.handled, 0);
  ClientOptions member = trusting();
  member.tls->identity = issue(7);
  EXPECT_EQ(*fetch("localhost", member), 200U);
}

}  // namespace
}  // namespace predastore::http::testing
