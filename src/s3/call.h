#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "http/server.h"
#include "meta/meta_service.h"
#include "object/object_store.h"
#include "s3/auth/authenticate.h"
#include "s3/error_table.h"
#include "s3/listing.h"
#include "s3/operation.h"
#include "s3/query.h"
#include "s3/router.h"

namespace predastore::s3 {

// What every operation works on; all of it outlives the gateway.
struct Services {
  Environment env;
  object::ObjectStore& objects;
  meta::MetaService& meta;
};

// What an operation answers. A body that was streamed is sent already.
struct Reply {
  unsigned status = 200;
  http::Headers headers;
  std::string body;
  bool is_sent = false;
  // Of an error that was told in a body, behind a head that said 200; for the log and the metrics.
  std::string_view error_code{};
  std::string error_detail{};
};
Reply xml_reply(std::string document);

// One authenticated request on its way through one operation. Lives in the gateway's coroutine for
// as long as the operation runs.
struct Call {
  Services services;
  http::Exchange& exchange;
  AuthenticatedRequest& request;
  const OperationInfo& operation;
  Address address;
  Query query;
  std::string request_id;
  std::string region;
  RsConfig rs;  // of buckets that are made
  Owner owner;  // of everything, until there are accounts
  Duration metadata_timeout;
  Duration answer_patience;      // see SlowAnswer
  Semaphore& documents;          // bytes of XML that the gateway may hold at once
  SemaphoreHold& reserved;       // this request's share, until its answer is sent
  http::Headers common_headers;  // of every answer to this request

  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::string log_detail;  // why a streamed answer broke off

  meta::MetaService& meta() const { return services.meta; }
  object::ObjectStore& objects() const { return services.objects; }
  const http::Headers& headers() const { return exchange.request().headers; }
  const std::string& bucket() const { return address.bucket; }
  const std::string& key() const { return address.key; }
  // Waits for a share of the memory for documents; SlowDown when it is not to be had in time. Once
  // a request.
  Task<S3Result<void>> reserve(std::uint64_t bytes);
  Instant deadline() const { return services.env.clock.now() + metadata_timeout; }
};

// The body of a PUT: at most `max_bytes`, counted for the log.
class LimitedBody : public object::BodySource {
 public:
  LimitedBody(Call& call, std::uint64_t max_bytes) : call_(call), max_bytes_(max_bytes) {}

  Task<Result<Buffer>> read(std::size_t max_bytes) override;
  std::optional<std::uint64_t> size_bytes() const override;
  ObjectChecksum checksum() const override;
  bool is_too_large() const { return is_too_large_; }
  // What the client is to hear when an operation that read this body failed with `error`: the
  // body's own fault, if it was that.
  S3Error explain(const Error& error, ErrorContext context) const;

 private:
  Call& call_;
  std::uint64_t max_bytes_;
  bool is_too_large_ = false;
};

S3Error from_auth_error(const AuthError& error);

// An XML body of at most `max_bytes`; empty when the request has none.
Task<S3Result<Buffer>> read_document(Call& call, std::size_t max_bytes);

}  // namespace predastore::s3
