#include "s3/error_table.h"

#include <algorithm>
#include <array>

namespace predastore::s3 {
namespace {

using enum S3Code;

// In the order of the enumeration, which a test holds it to.
constexpr auto kTable = std::to_array<S3CodeInfo>({
    {AccessControlListNotSupported, "AccessControlListNotSupported", 400,
     "The bucket does not allow ACLs"},
    {AccessDenied, "AccessDenied", 403, "Access Denied"},
    {AuthorizationHeaderMalformed, "AuthorizationHeaderMalformed", 400,
     "The authorization header that you provided is not valid."},
    {AuthorizationQueryParametersError, "AuthorizationQueryParametersError", 400,
     "The authorization query parameters that you provided are not valid."},
    {BadDigest, "BadDigest", 400,
     "The Content-MD5 or checksum value that you specified did not match what the server "
     "received."},
    {BadRequest, "BadRequest", 400, "Bad Request"},
    {BucketAlreadyExists, "BucketAlreadyExists", 409,
     "The requested bucket name is not available. The bucket namespace is shared by all users of "
     "the system. Please select a different name and try again."},
    {BucketAlreadyOwnedByYou, "BucketAlreadyOwnedByYou", 409,
     "Your previous request to create the named bucket succeeded and you already own it."},
    {BucketNotEmpty, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty"},
    {ConditionalRequestConflict, "ConditionalRequestConflict", 409,
     "The conditional request cannot succeed due to a conflicting operation against this "
     "resource."},
    {EntityTooLarge, "EntityTooLarge", 400,
     "Your proposed upload exceeds the maximum allowed size"},
    {EntityTooSmall, "EntityTooSmall", 400,
     "Your proposed upload is smaller than the minimum allowed size"},
    {ExpiredToken, "ExpiredToken", 400, "The provided token has expired."},
    {IdempotencyParameterMismatch, "IdempotencyParameterMismatch", 400,
     "Parameters on this idempotent request are inconsistent with parameters used in previous "
     "request(s)."},
    {IllegalLocationConstraintException, "IllegalLocationConstraintException", 400,
     "The specified location constraint is incompatible for the region specific endpoint this "
     "request was sent to."},
    {IncompleteBody, "IncompleteBody", 400,
     "You did not provide the number of bytes specified by the Content-Length HTTP header"},
    {InsufficientStorage, "InsufficientStorage", 507,
     "The cluster does not have enough free space to store this object."},
    {InternalError, "InternalError", 500, "We encountered an internal error. Please try again."},
    {InvalidAccessKeyId, "InvalidAccessKeyId", 403,
     "The AWS Access Key Id you provided does not exist in our records."},
    {InvalidArgument, "InvalidArgument", 400, "Invalid Argument"},
    {InvalidBucketName, "InvalidBucketName", 400, "The specified bucket is not valid."},
    {InvalidChunkSizeError, "InvalidChunkSizeError", 403,
     "Only the last chunk is allowed to have a size less than 8192 bytes"},
    {InvalidDigest, "InvalidDigest", 400, "The Content-MD5 you specified was invalid."},
    {InvalidLocationConstraint, "InvalidLocationConstraint", 400,
     "The specified location-constraint is not valid"},
    {InvalidPart, "InvalidPart", 400,
     "One or more of the specified parts could not be found. The part may not have been uploaded, "
     "or the specified entity tag may not match the part's entity tag."},
    {InvalidPartNumber, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable"},
    {InvalidPartOrder, "InvalidPartOrder", 400,
     "The list of parts was not in ascending order. Parts must be ordered by part number."},
    {InvalidRange, "InvalidRange", 416, "The requested range is not satisfiable"},
    {InvalidRequest, "InvalidRequest", 400, "Invalid Request"},
    {InvalidStorageClass, "InvalidStorageClass", 400,
     "The storage class you specified is not valid"},
    {InvalidTag, "InvalidTag", 400, "The tag provided was not a valid tag."},
    {InvalidToken, "InvalidToken", 400, "The provided token is malformed or otherwise invalid."},
    {InvalidURI, "InvalidURI", 400, "Couldn't parse the specified URI."},
    {KeyTooLongError, "KeyTooLongError", 400, "Your key is too long"},
    {MalformedACLError, "MalformedACLError", 400,
     "The XML you provided was not well-formed or did not validate against our published schema"},
    {MalformedPOSTRequest, "MalformedPOSTRequest", 400,
     "The body of your POST request is not well-formed multipart/form-data."},
    {MalformedTrailerError, "MalformedTrailerError", 400,
     "The request contained trailing data that was not well-formed or did not conform to our "
     "published schema."},
    {MalformedXML, "MalformedXML", 400,
     "The XML you provided was not well-formed or did not validate against our published schema"},
    {MaxMessageLengthExceeded, "MaxMessageLengthExceeded", 400, "Your request was too big."},
    {MetadataTooLarge, "MetadataTooLarge", 400,
     "Your metadata headers exceed the maximum allowed metadata size"},
    {MethodNotAllowed, "MethodNotAllowed", 405,
     "The specified method is not allowed against this resource."},
    {MissingAuthenticationToken, "MissingAuthenticationToken", 403, "Missing Authentication Token"},
    {MissingContentLength, "MissingContentLength", 411,
     "You must provide the Content-Length HTTP header."},
    {MissingRequestBodyError, "MissingRequestBodyError", 400, "Request Body is empty"},
    {MissingSecurityHeader, "MissingSecurityHeader", 400,
     "Your request was missing a required header"},
    {NoSuchBucket, "NoSuchBucket", 404, "The specified bucket does not exist"},
    {NoSuchBucketPolicy, "NoSuchBucketPolicy", 404, "The bucket policy does not exist"},
    {NoSuchCORSConfiguration, "NoSuchCORSConfiguration", 404,
     "The CORS configuration does not exist"},
    {NoSuchKey, "NoSuchKey", 404, "The specified key does not exist."},
    {NoSuchLifecycleConfiguration, "NoSuchLifecycleConfiguration", 404,
     "The lifecycle configuration does not exist"},
    {NoSuchPublicAccessBlockConfiguration, "NoSuchPublicAccessBlockConfiguration", 404,
     "The public access block configuration was not found"},
    {NoSuchTagSet, "NoSuchTagSet", 404, "The TagSet does not exist"},
    {NoSuchUpload, "NoSuchUpload", 404,
     "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
     "been aborted or completed."},
    {NoSuchVersion, "NoSuchVersion", 404, "The specified version does not exist."},
    {NotImplemented, "NotImplemented", 501,
     "A header or query you provided implies functionality that is not implemented"},
    {NotModified, "NotModified", 304, "Not Modified"},
    {ObjectLockConfigurationNotFoundError, "ObjectLockConfigurationNotFoundError", 404,
     "Object Lock configuration does not exist for this bucket"},
    {OperationAborted, "OperationAborted", 409,
     "A conflicting conditional operation is currently in progress against this resource. Please "
     "try again."},
    {PermanentRedirect, "PermanentRedirect", 301,
     "The bucket you are attempting to access must be addressed using the specified endpoint."},
    {PreconditionFailed, "PreconditionFailed", 412,
     "At least one of the pre-conditions you specified did not hold"},
    {ReplicationConfigurationNotFoundError, "ReplicationConfigurationNotFoundError", 404,
     "The replication configuration was not found"},
    {RequestHeaderSectionTooLarge, "RequestHeaderSectionTooLarge", 400,
     "Your request header section exceeds the maximum allowed size."},
    {RequestTimeTooSkewed, "RequestTimeTooSkewed", 403,
     "The difference between the request time and the current time is too large."},
    {RequestTimeout, "RequestTimeout", 400,
     "Your socket connection to the server was not read from or written to within the timeout "
     "period."},
    {ServerSideEncryptionConfigurationNotFoundError,
     "ServerSideEncryptionConfigurationNotFoundError", 404,
     "The server side encryption configuration was not found"},
    {ServiceUnavailable, "ServiceUnavailable", 503,
     "Service is unable to handle request. Please retry."},
    {SignatureDoesNotMatch, "SignatureDoesNotMatch", 403,
     "The request signature we calculated does not match the signature you provided. Check your "
     "key and signing method."},
    {SlowDown, "SlowDown", 503, "Please reduce your request rate."},
    {TooManyBuckets, "TooManyBuckets", 400,
     "You have attempted to create more buckets than allowed"},
    {UnexpectedContent, "UnexpectedContent", 400, "This request does not support content"},
    {XAmzContentChecksumMismatch, "XAmzContentChecksumMismatch", 400,
     "The provided 'x-amz-checksum' header does not match what was computed."},
    {XAmzContentSHA256Mismatch, "XAmzContentSHA256Mismatch", 400,
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
});

S3Error not_found(const Error& error, ErrorContext context) {
  if (error.detail == "bucket") return NoSuchBucket;
  if (error.detail == "upload") return NoSuchUpload;
  if (error.detail == "part") return InvalidPart;
  if (error.detail == "key") return NoSuchKey;
  return context == ErrorContext::create_bucket || context == ErrorContext::delete_bucket
             ? NoSuchBucket
             : NoSuchKey;
}

S3Error conflict(const Error& error, ErrorContext context) {
  if (context == ErrorContext::delete_bucket) return BucketNotEmpty;
  S3Error failed{PreconditionFailed};
  if (error.detail.starts_with("If-")) failed.with("Condition", error.detail);
  return failed;
}

// What the state machine found wrong with a request that had looked right here.
S3Error refused(const Error& error) {
  if (error.detail == "part order") return InvalidPartOrder;
  if (error.detail == "part too small") return EntityTooSmall;
  if (error.detail == "client token") return IdempotencyParameterMismatch;
  return S3Error{InvalidArgument, error.detail};
}

}  // namespace

const S3CodeInfo& info_of(S3Code code) { return kTable[static_cast<std::size_t>(code)]; }

std::span<const S3CodeInfo> all_codes() { return kTable; }

std::optional<S3Code> code_named(std::string_view name) {
  const auto at = std::ranges::find(kTable, name, &S3CodeInfo::name);
  if (at == kTable.end()) return std::nullopt;
  return at->code;
}

S3Error invalid_argument(std::string message, std::string_view name, std::string_view value) {
  return S3Error{InvalidArgument, std::move(message)}
      .with("ArgumentName", std::string(name))
      .with("ArgumentValue", std::string(value));
}

namespace {

S3Error translated(const Error& error, ErrorContext context) {
  switch (error.code) {
    case ErrorCode::NotFound: return not_found(error, context);
    case ErrorCode::AlreadyExists:
      return context == ErrorContext::create_bucket ? BucketAlreadyOwnedByYou : OperationAborted;
    case ErrorCode::Conflict: return conflict(error, context);
    case ErrorCode::InvalidArgument: return refused(error);
    case ErrorCode::Unauthorized: return AccessDenied;
    case ErrorCode::Unsupported: return NotImplemented;
    case ErrorCode::NoSpace: return InsufficientStorage;
    // Nothing has happened and a client may try again at once; the SDKs back off for SlowDown.
    case ErrorCode::Unavailable:
    case ErrorCode::NotLeader:
    case ErrorCode::StaleEpoch: return SlowDown;
    // The client went away, or the node is stopping.
    case ErrorCode::Cancelled: return ServiceUnavailable;
    // The outcome is unknown or the data cannot be had. What the inside says stays in the log.
    case ErrorCode::TimedOut:
    case ErrorCode::Corruption:
    case ErrorCode::Io:
    case ErrorCode::Internal: return InternalError;
  }
  return InternalError;
}

}  // namespace

S3Error to_s3_error(const Error& error, ErrorContext context) {
  S3Error translation = translated(error, context);
  translation.log_detail = error.to_string();
  return translation;
}

}  // namespace predastore::s3
