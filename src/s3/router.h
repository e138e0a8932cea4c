#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "s3/error_table.h"
#include "s3/operation.h"
#include "s3/query.h"

namespace predastore::s3 {

// Which bucket and key a request names, and how.
struct Address {
  Level level = Level::service;
  std::string bucket;
  std::string key;  // decoded bytes, never normalised
};

// `host` is the Host header, `raw_path` the path as it was on the wire. When the host is
// BUCKET.DOMAIN for one of `domains` (lower case, no port), the bucket is there, else it is the
// first segment of the path. InvalidURI for escapes that are none, InvalidBucketName,
// KeyTooLongError.
S3Result<Address> parse_address(std::string_view host, std::string_view raw_path,
                                const std::vector<std::string>& domains);

// The operation of a request, which may be one that is not built: the caller answers that with
// NotImplemented. Sub-resources nobody knows, or that the operation does not take, are
// NotImplemented; a method that S3 has nothing for at this level is MethodNotAllowed. Never an
// operation that would leave a sub-resource of the request out of account.
S3Result<const OperationInfo*> route(std::string_view method, Level level, const Query& query,
                                     const http::Headers& headers);

}  // namespace predastore::s3
