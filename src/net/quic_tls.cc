#include "net/quic_tls.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <array>
#include <string_view>

#include "crypto/certificates.h"

namespace predastore::net {
namespace {

constexpr const char* kPriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-X25519:"
    "+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE";
constexpr std::string_view kDataProtocol = "predastore/1";
constexpr std::string_view kRaftProtocol = "predastore/1-raft";

gnutls_datum_t datum(std::string_view text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

Error tls_error(const char* what, int code) {
  return make_error(ErrorCode::InvalidArgument, std::string{what} + ": " + gnutls_strerror(code));
}

// The node of a certificate: it must name exactly one.
std::optional<NodeId> node_of(const gnutls_datum_t& der) {
  gnutls_x509_crt_t certificate = nullptr;
  if (gnutls_x509_crt_init(&certificate) != 0) return std::nullopt;
  std::optional<NodeId> node;
  bool is_ambiguous = false;
  if (gnutls_x509_crt_import(certificate, &der, GNUTLS_X509_FMT_DER) == 0) {
    for (unsigned index = 0;; ++index) {
      std::array<char, 512> name{};
      std::size_t size = name.size();
      const int type =
          gnutls_x509_crt_get_subject_alt_name(certificate, index, name.data(), &size, nullptr);
      if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) continue;
      if (type < 0) break;
      if (type != GNUTLS_SAN_URI) continue;
      const auto named = crypto::node_of_uri({name.data(), size});
      if (!named) continue;
      is_ambiguous = is_ambiguous || node.has_value();
      node = *named;
    }
  }
  gnutls_x509_crt_deinit(certificate);
  return is_ambiguous ? std::nullopt : node;
}

}  // namespace

void fill_secret(void* memory, std::size_t size_bytes) {
  const int failure = gnutls_rnd(GNUTLS_RND_RANDOM, memory, size_bytes);
  PREDA_ASSERT(failure == 0);
}

Result<std::shared_ptr<TlsCredentials>> TlsCredentials::load(const std::string& ca_pem,
                                                             const std::string& cert_pem,
                                                             const std::string& key_pem) {
  std::shared_ptr<TlsCredentials> result{new TlsCredentials};
  int code = gnutls_certificate_allocate_credentials(&result->handle_);
  if (code != 0) return tls_error("credentials", code);
  const gnutls_datum_t ca = datum(ca_pem);
  code = gnutls_certificate_set_x509_trust_mem(result->handle_, &ca, GNUTLS_X509_FMT_PEM);
  if (code < 1) return tls_error("the certificate of the cluster's authority", code);
  if (cert_pem.empty() && key_pem.empty()) return result;
  const gnutls_datum_t cert = datum(cert_pem);
  const gnutls_datum_t key = datum(key_pem);
  code = gnutls_certificate_set_x509_key_mem(result->handle_, &cert, &key, GNUTLS_X509_FMT_PEM);
  if (code < 0) return tls_error("the node's certificate and key", code);
  return result;
}

TlsCredentials::~TlsCredentials() {
  if (handle_ != nullptr) gnutls_certificate_free_credentials(handle_);
}

Result<std::unique_ptr<TlsSession>> TlsSession::make(std::shared_ptr<TlsCredentials> credentials,
                                                     Admits admits, unsigned flags) {
  std::unique_ptr<TlsSession> result{new TlsSession};
  result->credentials_ = std::move(credentials);
  result->admits_ = std::move(admits);
  int code = gnutls_init(&result->handle_, flags | GNUTLS_NO_END_OF_EARLY_DATA | GNUTLS_NO_TICKETS |
                                               GNUTLS_NO_AUTO_SEND_TICKET);
  if (code != 0) {
    result->handle_ = nullptr;
    return tls_error("a TLS session", code);
  }
  code = gnutls_priority_set_direct(result->handle_, kPriority, nullptr);
  if (code != 0) return tls_error("the TLS priorities", code);
  code =
      gnutls_credentials_set(result->handle_, GNUTLS_CRD_CERTIFICATE, result->credentials_->get());
  if (code != 0) return tls_error("the TLS credentials", code);
  result->reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
    return static_cast<TlsSession*>(reference->user_data)->connection_;
  };
  result->reference_.user_data = result.get();
  gnutls_session_set_ptr(result->handle_, &result->reference_);
  gnutls_session_set_verify_function(result->handle_, verify_peer);
  return result;
}

Result<std::unique_ptr<TlsSession>> TlsSession::server(std::shared_ptr<TlsCredentials> credentials,
                                                       Admits admits) {
  PREDA_TRY(auto session, make(std::move(credentials), std::move(admits), GNUTLS_SERVER));
  if (ngtcp2_crypto_gnutls_configure_server_session(session->handle_) != 0)
    return make_error(ErrorCode::Internal, "configuring a TLS session");
  gnutls_certificate_server_set_request(session->handle_, GNUTLS_CERT_REQUIRE);
  const std::array<gnutls_datum_t, 2> protocols{datum(kDataProtocol), datum(kRaftProtocol)};
  gnutls_alpn_set_protocols(session->handle_, protocols.data(), 2, GNUTLS_ALPN_MANDATORY);
  return session;
}

Result<std::unique_ptr<TlsSession>> TlsSession::client(std::shared_ptr<TlsCredentials> credentials,
                                                       Lane lane, Admits admits) {
  PREDA_TRY(auto session, make(std::move(credentials), std::move(admits), GNUTLS_CLIENT));
  if (ngtcp2_crypto_gnutls_configure_client_session(session->handle_) != 0)
    return make_error(ErrorCode::Internal, "configuring a TLS session");
  const gnutls_datum_t protocol = datum(lane == Lane::raft ? kRaftProtocol : kDataProtocol);
  gnutls_alpn_set_protocols(session->handle_, &protocol, 1, GNUTLS_ALPN_MANDATORY);
  return session;
}

TlsSession::~TlsSession() {
  if (handle_ != nullptr) gnutls_deinit(handle_);
}

void TlsSession::attach(ngtcp2_conn* connection) {
  connection_ = connection;
  ngtcp2_conn_set_tls_native_handle(connection, handle_);
}

std::optional<Lane> TlsSession::lane() const {
  gnutls_datum_t chosen{};
  if (gnutls_alpn_get_selected_protocol(handle_, &chosen) != 0) return std::nullopt;
  const std::string_view name{reinterpret_cast<const char*>(chosen.data), chosen.size};
  if (name == kDataProtocol) return Lane::data;
  if (name == kRaftProtocol) return Lane::raft;
  return std::nullopt;
}

int TlsSession::refuse(std::string why) {
  refusal_ = std::move(why);
  return GNUTLS_E_CERTIFICATE_ERROR;
}

int TlsSession::verify_peer(gnutls_session_t session) {
  auto* reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  auto* self = static_cast<TlsSession*>(reference->user_data);
  unsigned status = 0;
  if (gnutls_certificate_verify_peers2(session, &status) != 0)
    return self->refuse("the peer has no certificate");
  if (status != 0) return self->refuse("the peer's certificate is not of this cluster");
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  if (chain == nullptr || count == 0) return self->refuse("the peer has no certificate");
  const std::optional<NodeId> node = node_of(chain[0]);
  if (!node) return self->refuse("the peer's certificate names no node");
  if (!self->admits_(*node)) return self->refuse("the peer is another node or has departed");
  self->peer_ = node;
  return 0;
}

}  // namespace predastore::net
