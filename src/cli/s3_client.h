#pragma once

#include <optional>
#include <string>

#include "env/host.h"
#include "http/message.h"
#include "http/tls.h"
#include "node/config.h"

namespace predastore::cli {

struct S3Answer {
  unsigned status = 0;
  http::Headers headers;
  std::string body;
};

struct S3Endpoint {
  std::string address;  // HOST:PORT
  std::string region;
  std::optional<http::TlsClientOptions> tls;  // over HTTPS
  std::string url() const;
};

// A plain S3 client for checks: path style, one connection a request, signed with SigV4 in headers.
// `path` is already escaped, without a query.
Result<S3Answer> s3_request(ProductionHost& host, const S3Endpoint& endpoint,
                            const node::RootKey& key, const std::string& method,
                            const std::string& path, const std::string& body);

// Whether something that speaks HTTP answers there, with a status below 500.
bool answers_http(ProductionHost& host, const S3Endpoint& endpoint);

// The Authorization header of a request with the signed headers host, x-amz-content-sha256 and
// x-amz-date; `amz_date` is 20261125T120000Z.
struct SigningInput {
  std::string method;
  std::string path;
  std::string host;
  std::string amz_date;
  std::string payload_sha256;  // hex, or UNSIGNED-PAYLOAD
  std::string region;
  std::string query{};  // canonical: sorted, escaped, every name with its '='; empty without one
};
std::string sign_v4(const SigningInput& input, const node::RootKey& key);

}  // namespace predastore::cli
