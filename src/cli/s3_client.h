#pragma once

#include <string>

#include "env/host.h"
#include "http/message.h"
#include "node/config.h"

namespace predastore::cli {

struct S3Answer {
  unsigned status = 0;
  http::Headers headers;
  std::string body;
};

// A plain S3 client for checks: path style, one connection a request, signed with SigV4 in headers.
// `path` is already escaped, without a query.
Result<S3Answer> s3_request(ProductionHost& host, const std::string& address,
                            const std::string& region, const node::RootKey& key,
                            const std::string& method, const std::string& path,
                            const std::string& body);

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
