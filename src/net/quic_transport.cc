#include "net/quic_transport.h"

#include "crypto/certificates.h"
#include "env/blocking.h"
#include "net/quic_endpoint.h"

namespace predastore::net {
namespace {

class EndpointTransport final : public QuicTransport {
 public:
  explicit EndpointTransport(std::shared_ptr<QuicEndpoint> endpoint)
      : endpoint_(std::move(endpoint)) {}
  ~EndpointTransport() override { endpoint_->close(); }

  void set_address(NodeId node, std::string address) override {
    endpoint_->set_address(node, std::move(address));
  }
  Task<Result<std::unique_ptr<Stream>>> open(NodeId peer, Lane lane, Instant deadline) override {
    return endpoint_->open(peer, lane, deadline);
  }
  Task<Result<std::unique_ptr<Stream>>> accept() override { return endpoint_->accept(); }
  Task<void> stop() override { return endpoint_->stop(); }
  std::uint16_t local_port() const override { return endpoint_->local_port(); }
  QuicCounts counts() const override { return endpoint_->counts(); }

 private:
  std::shared_ptr<QuicEndpoint> endpoint_;
};

Result<void> check(const QuicOptions& options) {
  if (!options.cert_pem.empty()) {
    PREDA_TRY(const NodeId named, crypto::node_of_certificate(options.cert_pem));
    if (named != options.self)
      return make_error(ErrorCode::InvalidArgument, "the certificate is that of another node");
  }
  const bool has_windows = options.stream_window_bytes >= 16 * 1024 &&
                           options.connection_window_bytes >= options.stream_window_bytes &&
                           options.unsent_max_bytes > 0 && options.streams_max > 0;
  if (!has_windows)
    return make_error(ErrorCode::InvalidArgument, "windows and limits of QUIC are too small");
  return {};
}

}  // namespace

Task<Result<std::unique_ptr<QuicTransport>>> open_quic_transport(Environment env,
                                                                 boost::asio::io_context& io,
                                                                 QuicOptions options) {
  PREDA_CO_CHECK(check(options));
  PREDA_CO_TRY(auto credentials,
               TlsCredentials::load(options.ca_pem, options.cert_pem, options.key_pem));
  auto find = [host = HostPort{options.listen_host, options.listen_port}] {
    return resolve(host, AF_UNSPEC, false);
  };
  auto where = co_await run_blocking(env.blocking, std::move(find));
  if (!where) co_return std::move(where).error();
  PREDA_CO_TRY(auto socket, QuicSocket::open(io, *where, options.socket_buffer_bytes));
  auto endpoint = std::make_shared<QuicEndpoint>(env, std::move(options), std::move(credentials),
                                                 std::move(socket));
  endpoint->start();
  std::unique_ptr<QuicTransport> transport =
      std::make_unique<EndpointTransport>(std::move(endpoint));
  co_return std::move(transport);
}

}  // namespace predastore::net
