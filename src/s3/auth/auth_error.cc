#include "s3/auth/auth_error.h"

#include "base/assert.h"

namespace predastore::s3 {

std::string_view name_of(AuthErrorKind kind) {
  switch (kind) {
    case AuthErrorKind::AccessDenied: return "AccessDenied";
    case AuthErrorKind::AuthorizationHeaderMalformed: return "AuthorizationHeaderMalformed";
    case AuthErrorKind::AuthorizationQueryParametersError:
      return "AuthorizationQueryParametersError";
    case AuthErrorKind::BadDigest: return "BadDigest";
    case AuthErrorKind::EntityTooLarge: return "EntityTooLarge";
    case AuthErrorKind::IncompleteBody: return "IncompleteBody";
    case AuthErrorKind::InternalError: return "InternalError";
    case AuthErrorKind::InvalidAccessKeyId: return "InvalidAccessKeyId";
    case AuthErrorKind::InvalidArgument: return "InvalidArgument";
    case AuthErrorKind::InvalidChunkSizeError: return "InvalidChunkSizeError";
    case AuthErrorKind::InvalidDigest: return "InvalidDigest";
    case AuthErrorKind::InvalidRequest: return "InvalidRequest";
    case AuthErrorKind::InvalidToken: return "InvalidToken";
    case AuthErrorKind::MalformedTrailerError: return "MalformedTrailerError";
    case AuthErrorKind::MissingContentLength: return "MissingContentLength";
    case AuthErrorKind::NotImplemented: return "NotImplemented";
    case AuthErrorKind::RequestTimeout: return "RequestTimeout";
    case AuthErrorKind::RequestTimeTooSkewed: return "RequestTimeTooSkewed";
    case AuthErrorKind::ServiceUnavailable: return "ServiceUnavailable";
    case AuthErrorKind::SignatureDoesNotMatch: return "SignatureDoesNotMatch";
    case AuthErrorKind::XAmzContentSHA256Mismatch: return "XAmzContentSHA256Mismatch";
  }
  PREDA_ASSERT(!"an auth error without a name");
  return {};
}

}  // namespace predastore::s3
