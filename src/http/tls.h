#pragma once

#include <string>

#include "crypto/certificates.h"

namespace predastore::http {

// What a server shows, and whom it admits. All PEM.
struct TlsServerOptions {
  crypto::CertificatePair certificate;  // the chain and its key
  std::string client_ca_pem;  // not empty: clients must show a certificate of this authority
};

// TLS 1.2 and later. The server's certificate is always verified.
struct TlsClientOptions {
  std::string ca_pem;                // empty: the authorities of the system
  std::string server_name;           // empty: the host that was connected to
  bool verify_name = true;           // false only where ca_pem is a cluster's own authority
  crypto::CertificatePair identity;  // empty: none is shown
};

}  // namespace predastore::http
