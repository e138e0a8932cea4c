#pragma once

#include <string>
#include <string_view>

#include "access/access_keys.h"
#include "env/environment.h"
#include "http/server.h"

namespace predastore::admin {

// The access keys of S3: /v1/keys and what is below it; see openapi.yaml. A secret is in the answer
// to the request that made it and nowhere else: no answer, no log line and no error has it again.
class KeyApi {
 public:
  KeyApi(Environment env, access::AccessKeys& keys) : env_(env), keys_(keys) {}

  static bool is_for(std::string_view path);
  Task<void> handle(http::Exchange& exchange);

 private:
  Task<void> list(http::Exchange& exchange);
  Task<void> create(http::Exchange& exchange);
  Task<void> change(http::Exchange& exchange, std::string id, std::string action);
  Task<void> remove(http::Exchange& exchange, std::string id);
  Instant deadline() const;

  Environment env_;
  access::AccessKeys& keys_;
};

}  // namespace predastore::admin
