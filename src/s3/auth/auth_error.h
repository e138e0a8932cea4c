#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace predastore::s3 {

// Why a request or its body is refused, by the name that S3 gives it. s3/error_table maps each to
// its status; name_of() is the <Code>.
enum class AuthErrorKind {
  AccessDenied,                       // 403; also an expired presigned URL
  AuthorizationHeaderMalformed,       // 400; field Region when the region is wrong
  AuthorizationQueryParametersError,  // 400
  BadDigest,                          // 400
  EntityTooLarge,                     // 400
  IncompleteBody,                     // 400; also malformed aws-chunked framing, as AWS has it
  InternalError,                      // 500
  InvalidAccessKeyId,                 // 403
  InvalidArgument,                    // 400
  InvalidChunkSizeError,              // 403
  InvalidDigest,                      // 400
  InvalidRequest,                     // 400; V2 and SigV4a too
  InvalidToken,                       // 400
  MalformedTrailerError,              // 400
  MissingContentLength,               // 411
  NotImplemented,                     // 501; forms of browsers
  RequestTimeout,                     // 400; the body stopped coming
  RequestTimeTooSkewed,               // 403
  ServiceUnavailable,                 // 503; the keys cannot be read now
  SignatureDoesNotMatch,              // 403
  XAmzContentSHA256Mismatch,          // 400
};

std::string_view name_of(AuthErrorKind kind);

struct AuthError {
  AuthErrorKind kind = AuthErrorKind::AccessDenied;
  std::string message;
  // Detail elements of the error XML in order, as AWS gives them (StringToSign, ...). Not escaped.
  std::vector<std::pair<std::string, std::string>> fields;
};

}  // namespace predastore::s3
