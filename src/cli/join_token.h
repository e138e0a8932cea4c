#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/certificates.h"
#include "node/config.h"

namespace predastore::cli {

// All that a new node needs, in one line of text that is a secret: docs/formats/join_token.md.
struct JoinToken {
  std::string number;  // 16 hexadecimal digits, by which the cluster knows it
  std::int64_t expires_ms = 0;
  ClusterId cluster;
  node::NodeEntry node;  // as it is registered
  std::vector<node::NodeEntry> peers;
  RsConfig rs;
  std::string region;
  bool has_https = false;  // the others serve S3 so
  std::string ca_pem;
  crypto::CertificatePair certificate;
  node::RootKey root_key;
};

// More than so many peers are not named: a node learns of the others within a second.
inline constexpr std::size_t kTokenPeersMax = 8;

// InvalidArgument: a certificate or key that is not one block of PEM.
Result<std::string> encode_join_token(const JoinToken& token);
// White space anywhere is not looked at, as mail and terminals break long lines. InvalidArgument:
// no token at all; Unsupported: of another version; Corruption: not whole, or not what was made.
Result<JoinToken> decode_join_token(std::string_view text);

// A body as it is behind the checksum: for tests, which have bodies of their own.
std::string seal_token_body(std::string body);

}  // namespace predastore::cli
