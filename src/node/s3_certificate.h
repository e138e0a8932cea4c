#pragma once

#include <string>

#include "env/environment.h"
#include "env/sync.h"
#include "http/server.h"
#include "node/config.h"

namespace predastore::node {

// The certificate and key that S3 is served with, in files that somebody else renews. New ones are
// given to the server within kS3CertificateLookEvery, or at once after look_now(): connections that
// are made from then on see them, those that exist go on undisturbed. A pair that cannot be used
// (also one of which only half is there yet) is logged and left out of account; the old one stays.
// Used on one loop.
class S3Certificate {
 public:
  S3Certificate(Environment env, const Config& config);

  // What is in the files now, for the server that is made with it. NotFound, InvalidArgument.
  Task<Result<http::TlsServerOptions>> load();
  // After load(), until stop(). `server` outlives it.
  Task<void> watch(http::Server& server);
  void look_now();
  void stop();

 private:
  Task<Result<crypto::CertificatePair>> read();
  Task<void> look(http::Server& server);

  Environment env_;
  std::string certificate_file_;
  std::string key_file_;
  crypto::CertificatePair seen_;  // used or refused
  Signal wake_;
  bool is_asked_ = false;
  bool is_stopping_ = false;
};

inline constexpr Duration kS3CertificateLookEvery = 2s;

}  // namespace predastore::node
