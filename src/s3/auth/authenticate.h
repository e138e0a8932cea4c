#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "access/access_keys.h"
#include "env/environment.h"
#include "http/server.h"
#include "object/object_store.h"
#include "s3/auth/auth_error.h"

namespace predastore::s3 {

struct AuthOptions {
  std::string region = "us-east-1";          // besides, clients may always sign for us-east-1
  Duration clock_skew_max = 15min;           // either way
  Duration presigned_max = 604800s;          // X-Amz-Expires
  std::size_t hash_aside_bytes = 64 * 1024;  // pieces this large are hashed beside the loop
};

// Whose key signed the request.
struct Identity {
  std::string access_key_id;
};

// The body of an authenticated request: unframed (HTTP chunks, aws-chunked), every promise of the
// client checked before the end is reported (length, payload hash, chunk and trailer signatures,
// checksums, Content-MD5). Bytes are handed on as they come, before the checks that cover them are
// done; whoever makes them visible waits for the end. The first read sends 100 Continue.
class RequestBody : public object::BodySource {
 public:
  // Set when read() failed: what to answer. Errors that are not in it are those of the connection
  // itself (then nobody is left to answer).
  virtual const std::optional<AuthError>& failure() const = 0;
  // Everything into one buffer, for XML bodies. EntityTooLarge above `max_bytes`.
  virtual Task<Result<Buffer>> read_all(std::size_t max_bytes) = 0;
};

// A request whose signature was good: only Authenticator makes one, and it is the only way to the
// body.
class AuthenticatedRequest {
 public:
  virtual ~AuthenticatedRequest() = default;
  virtual const Identity& identity() const = 0;
  virtual bool is_presigned() const = 0;
  // False: neither Content-Length, nor a chunked body, nor a decoded length was sent
  // (MissingContentLength for operations that need a body).
  virtual bool announces_body() const = 0;
  // The client sent Content-MD5 or a checksum, in a header or announced as a trailer.
  virtual bool has_integrity_header() const = 0;
  virtual RequestBody& body() = 0;
};

using AuthOutcome = std::variant<std::unique_ptr<AuthenticatedRequest>, AuthError>;

// The secret of an access key, or none when there is no such key.
using KeyLookup = std::function<Task<Result<std::optional<crypto::Secret>>>(
    std::string access_key_id, Instant deadline)>;

// Signature Version 4 of S3, in headers and in the query. Anonymous requests, Version 2 and 4a are
// refused. One a server, on its loop.
class Authenticator {
 public:
  Authenticator(Environment env, access::AccessKeys& keys, AuthOptions options);
  Authenticator(Environment env, KeyLookup secret_of, AuthOptions options);
  ~Authenticator();

  // Reads no byte of the body. `exchange` outlives what is returned. `deadline` bounds the look-up
  // of the key.
  Task<AuthOutcome> authenticate(http::Exchange& exchange, Instant deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace predastore::s3
