#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/ids.h"

namespace predastore::crypto {

// A certificate and its private key, both PEM. The key is for files that only the owner can read.
struct CertificatePair {
  std::string cert_pem;
  std::string key_pem;
};

// The certificate authority of one cluster: ECDSA P-256, common name `predastore-<cluster id in
// hex>`. Its certificates carry the node's id as CN `node-<16 hex digits>` and as URI
// `predastore:node:<16 hex digits>`. They begin in 2020 and do not expire: a member leaves by being
// recorded as departed, not by a clock.
class CertificateAuthority {
 public:
  static Result<CertificateAuthority> create(const ClusterId& cluster_id);
  static Result<CertificateAuthority> load(std::string_view cert_pem, std::string_view key_pem);

  // `hosts` are names (also "*.NAME") or IP addresses; they become subject alternative names beside
  // the node's own.
  Result<CertificatePair> issue(NodeId node, const std::vector<std::string>& hosts) const;
  const std::string& cert_pem() const { return pair_.cert_pem; }
  const std::string& key_pem() const { return pair_.key_pem; }

 private:
  explicit CertificateAuthority(CertificatePair pair) : pair_(std::move(pair)) {}
  CertificatePair pair_;
};

std::string node_uri(NodeId node);                 // predastore:node:<hex>
Result<NodeId> node_of_uri(std::string_view uri);  // strict: exactly what node_uri makes
Result<NodeId> node_of_certificate(std::string_view cert_pem);

}  // namespace predastore::crypto
