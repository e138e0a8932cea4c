#include "http/stream.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <span>

namespace predastore::http {
namespace asio = boost::asio;
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
using TlsSocket = asio::ssl::stream<TcpSocket>;

TcpSocket& tcp_of(TcpSocket& socket) { return socket; }
TcpSocket& tcp_of(TlsSocket& socket) { return socket.next_layer(); }

template <class Socket>
class AsioStream final : public ByteStream {
 public:
  static constexpr bool kIsTls = std::is_same_v<Socket, TlsSocket>;

  AsioStream(Clock& clock, Socket socket, TlsContext context,
             asio::ssl::stream_base::handshake_type side)
      : clock_(clock),
        context_(std::move(context)),
        socket_(std::move(socket)),
        side_(side),
        read_watchdog_(clock, [this] { cancel(); }),
        write_watchdog_(clock, [this] { cancel(); }) {
    boost::system::error_code ignored;
    tcp_of(socket_).set_option(asio::ip::tcp::no_delay(true), ignored);
  }

  Task<Result<void>> handshake(Instant deadline) override {
    if constexpr (kIsTls) {
      if (is_closed_) co_return ErrorCode::Cancelled;
      read_watchdog_.set(deadline);
      const auto [error] = co_await socket_.async_handshake(side_, kAwait);
      read_watchdog_.clear();
      if (error) co_return failure(error, read_watchdog_);
    }
    (void)deadline;
    co_return Result<void>{};
  }

  Task<Result<std::size_t>> read_some(MutableByteSpan into, Instant deadline) override {
    if (is_closed_) co_return ErrorCode::Cancelled;
    read_watchdog_.set(deadline);
    const asio::mutable_buffer target(into.data(), into.size());
    const auto [error, count] = co_await socket_.async_read_some(target, kAwait);
    read_watchdog_.clear();
    if (error == asio::error::eof) co_return std::size_t{0};
    if (error) co_return failure(error, read_watchdog_);
    co_return count;
  }

  Task<Result<void>> write(BufferChain chain, Duration idle) override {
    std::vector<asio::const_buffer> pieces;
    pieces.reserve(chain.buffers().size());
    for (const Buffer& buffer : chain.buffers()) pieces.emplace_back(buffer.data(), buffer.size());
    std::span<asio::const_buffer> rest(pieces);
    while (!rest.empty()) {
      if (is_closed_) co_return ErrorCode::Cancelled;
      write_watchdog_.set(clock_.now() + idle);
      std::span<const asio::const_buffer> sequence(rest);
      auto [error, count] = co_await socket_.async_write_some(sequence, kAwait);
      write_watchdog_.clear();
      if (error) co_return failure(error, write_watchdog_);
      while (!rest.empty() && count >= rest.front().size()) {
        count -= rest.front().size();
        rest = rest.subspan(1);
      }
      if (!rest.empty()) rest.front() += count;
    }
    co_return Result<void>{};
  }

  void shutdown_send() override {
    // No close_notify: whoever frames by the end of the stream is not served over TLS anyway, and
    // sending it may block.
    boost::system::error_code ignored;
    tcp_of(socket_).shutdown(TcpSocket::shutdown_send, ignored);
  }
  void cancel() override {
    boost::system::error_code ignored;
    tcp_of(socket_).cancel(ignored);
  }
  void close() override {
    is_closed_ = true;
    boost::system::error_code ignored;
    tcp_of(socket_).close(ignored);
  }

  void reset() override {
    boost::system::error_code ignored;
    tcp_of(socket_).set_option(asio::socket_base::linger(true, 0), ignored);
    close();
  }

  std::string peer_certificate_pem() const override {
    std::string pem;
    if constexpr (kIsTls) {
      auto* ssl = const_cast<TlsSocket&>(socket_).native_handle();
      X509* certificate = SSL_get1_peer_certificate(ssl);
      if (certificate == nullptr) return pem;
      BIO* bio = BIO_new(BIO_s_mem());
      if (PEM_write_bio_X509(bio, certificate) == 1) {
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio, &data);
        pem.assign(data, static_cast<std::size_t>(size));
      }
      BIO_free(bio);
      X509_free(certificate);
    }
    return pem;
  }

 private:
  Error failure(const boost::system::error_code& error, const Watchdog& watchdog) const {
    if (error == asio::error::operation_aborted) {
      if (watchdog.has_expired()) return make_error(ErrorCode::TimedOut, "the peer is idle");
      return make_error(ErrorCode::Cancelled, "the connection was closed here");
    }
    if (error.category() == asio::error::get_ssl_category())
      return make_error(ErrorCode::Unauthorized, "TLS: " + error.message());
    return make_error(ErrorCode::Unavailable, "connection: " + error.message());
  }

  Clock& clock_;
  TlsContext context_;  // outlives the socket; null for plain
  Socket socket_;
  asio::ssl::stream_base::handshake_type side_;
  bool is_closed_ = false;
  Watchdog read_watchdog_;
  Watchdog write_watchdog_;
};

Error tls_error(std::string what) {
  return make_error(ErrorCode::InvalidArgument, std::move(what));
}

Result<TlsContext> base_context(asio::ssl::context::method method) {
  auto context = std::make_shared<asio::ssl::context>(method);
  boost::system::error_code error;
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                           asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1,
                       error);
  if (error) return tls_error("TLS options: " + error.message());
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  return context;
}

Result<void> use_pair(asio::ssl::context& context, const crypto::CertificatePair& pair) {
  boost::system::error_code error;
  context.use_certificate_chain(asio::buffer(pair.cert_pem), error);
  if (error) return tls_error("the certificate cannot be used: " + error.message());
  context.use_private_key(asio::buffer(pair.key_pem), asio::ssl::context::pem, error);
  if (error) return tls_error("the private key cannot be used: " + error.message());
  if (SSL_CTX_check_private_key(context.native_handle()) != 1)
    return tls_error("the private key is not that of the certificate");
  return {};
}

int select_http11(SSL*, const unsigned char** out, unsigned char* out_size,
                  const unsigned char* offered, unsigned offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kOurs, sizeof kOurs - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<TlsContext> make_server_context(const TlsServerOptions& options) {
  PREDA_TRY(TlsContext context, base_context(asio::ssl::context::tls_server));
  PREDA_CHECK(use_pair(*context, options.certificate));
  SSL_CTX_set_alpn_select_cb(context->native_handle(), select_http11, nullptr);
  if (options.client_ca_pem.empty()) return context;
  boost::system::error_code error;
  context->add_certificate_authority(asio::buffer(options.client_ca_pem), error);
  if (error) return tls_error("the clients' authority cannot be used: " + error.message());
  context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  // Sessions resumed without a certificate check would outlive a change of the authority.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context->native_handle(), 0);
  return context;
}

Result<TlsContext> make_client_context(const TlsClientOptions& options) {
  PREDA_TRY(TlsContext context, base_context(asio::ssl::context::tls_client));
  boost::system::error_code error;
  if (options.ca_pem.empty()) {
    context->set_default_verify_paths(error);
  } else {
    context->add_certificate_authority(asio::buffer(options.ca_pem), error);
  }
  if (error) return tls_error("the authority cannot be used: " + error.message());
  context->set_verify_mode(asio::ssl::verify_peer, error);
  if (!options.identity.cert_pem.empty()) {
    PREDA_CHECK(use_pair(*context, options.identity));
  }
  return context;
}

std::unique_ptr<ByteStream> make_plain_stream(Clock& clock, TcpSocket socket) {
  return std::make_unique<AsioStream<TcpSocket>>(clock, std::move(socket), nullptr,
                                                 asio::ssl::stream_base::server);
}

std::unique_ptr<ByteStream> make_tls_server_stream(Clock& clock, TcpSocket socket,
                                                   TlsContext context) {
  TlsSocket tls(std::move(socket), *context);
  return std::make_unique<AsioStream<TlsSocket>>(clock, std::move(tls), std::move(context),
                                                 asio::ssl::stream_base::server);
}

std::unique_ptr<ByteStream> make_tls_client_stream(Clock& clock, TcpSocket socket,
                                                   TlsContext context,
                                                   const TlsClientOptions& options) {
  TlsSocket tls(std::move(socket), *context);
  SSL* ssl = tls.native_handle();
  const std::string& name = options.server_name;
  boost::system::error_code not_an_address;
  asio::ip::make_address(name, not_an_address);
  const bool is_address = !not_an_address;  // which is no server name for SNI
  if (!is_address) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (options.verify_name) {
    if (is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    } else {
      SSL_set1_host(ssl, name.c_str());
    }
  }
  return std::make_unique<AsioStream<TlsSocket>>(clock, std::move(tls), std::move(context),
                                                 asio::ssl::stream_base::client);
}

}  // namespace predastore::http
