#pragma once

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/ids.h"
#include "net/transport.h"

namespace predastore::net {

// What an endpoint proves itself with, and the authority that it believes.
class TlsCredentials {
 public:
  // InvalidArgument when something is not PEM or the key is not that of the certificate. With
  // neither certificate nor key every peer will refuse this endpoint.
  static Result<std::shared_ptr<TlsCredentials>> load(const std::string& ca_pem,
                                                      const std::string& cert_pem,
                                                      const std::string& key_pem);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;
  gnutls_certificate_credentials_t get() const { return handle_; }

 private:
  TlsCredentials() = default;
  gnutls_certificate_credentials_t handle_ = nullptr;
};

// The TLS 1.3 side of one connection: AES-128-GCM only, certificates on both sides, no tickets and
// no 0-RTT. The lane is the ALPN protocol: predastore/1 is data, predastore/1-raft is raft.
class TlsSession {
 public:
  // Asked in the middle of the handshake, when it is proved that the peer is this node.
  using Admits = std::function<bool(NodeId)>;

  static Result<std::unique_ptr<TlsSession>> server(std::shared_ptr<TlsCredentials> credentials,
                                                    Admits admits);
  static Result<std::unique_ptr<TlsSession>> client(std::shared_ptr<TlsCredentials> credentials,
                                                    Lane lane, Admits admits);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  void attach(ngtcp2_conn* connection);
  std::optional<NodeId> peer() const { return peer_; }     // once proved
  std::optional<Lane> lane() const;                        // once agreed
  const std::string& refusal() const { return refusal_; }  // why the peer was not believed

 private:
  TlsSession() = default;
  static Result<std::unique_ptr<TlsSession>> make(std::shared_ptr<TlsCredentials> credentials,
                                                  Admits admits, unsigned flags);
  static int verify_peer(gnutls_session_t session);
  int refuse(std::string why);

  gnutls_session_t handle_ = nullptr;
  ngtcp2_crypto_conn_ref reference_{};
  ngtcp2_conn* connection_ = nullptr;
  std::shared_ptr<TlsCredentials> credentials_;
  Admits admits_;
  std::optional<NodeId> peer_;
  std::string refusal_;
};

// Bytes that nobody can guess: keys, tokens, connection ids.
void fill_secret(void* memory, std::size_t size_bytes);

}  // namespace predastore::net
