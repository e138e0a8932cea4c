#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace predastore::s3 {

// Every code an S3 client can get from us. Their names, HTTP statuses and messages are AWS's and
// stand in error_table.cc, the only place that knows them.
enum class S3Code : std::uint8_t {
  AccessControlListNotSupported,
  AccessDenied,
  AuthorizationHeaderMalformed,
  AuthorizationQueryParametersError,
  BadDigest,
  BadRequest,
  BucketAlreadyExists,
  BucketAlreadyOwnedByYou,
  BucketNotEmpty,
  ConditionalRequestConflict,
  EntityTooLarge,
  EntityTooSmall,
  ExpiredToken,
  IdempotencyParameterMismatch,
  IllegalLocationConstraintException,
  IncompleteBody,
  InsufficientStorage,
  InternalError,
  InvalidAccessKeyId,
  InvalidArgument,
  InvalidBucketName,
  InvalidChunkSizeError,
  InvalidDigest,
  InvalidLocationConstraint,
  InvalidPart,
  InvalidPartNumber,
  InvalidPartOrder,
  InvalidRange,
  InvalidRequest,
  InvalidStorageClass,
  InvalidTag,
  InvalidToken,
  InvalidURI,
  KeyTooLongError,
  MalformedACLError,
  MalformedPOSTRequest,
  MalformedTrailerError,
  MalformedXML,
  MaxMessageLengthExceeded,
  MetadataTooLarge,
  MethodNotAllowed,
  MissingAuthenticationToken,
  MissingContentLength,
  MissingRequestBodyError,
  MissingSecurityHeader,
  NoSuchBucket,
  NoSuchBucketPolicy,
  NoSuchCORSConfiguration,
  NoSuchKey,
  NoSuchLifecycleConfiguration,
  NoSuchPublicAccessBlockConfiguration,
  NoSuchTagSet,
  NoSuchUpload,
  NoSuchVersion,
  NotImplemented,
  NotModified,
  ObjectLockConfigurationNotFoundError,
  OperationAborted,
  PermanentRedirect,
  PreconditionFailed,
  ReplicationConfigurationNotFoundError,
  RequestHeaderSectionTooLarge,
  RequestTimeTooSkewed,
  RequestTimeout,
  ServerSideEncryptionConfigurationNotFoundError,
  ServiceUnavailable,
  SignatureDoesNotMatch,
  SlowDown,
  TooManyBuckets,
  UnexpectedContent,
  XAmzContentChecksumMismatch,
  XAmzContentSHA256Mismatch,
};

struct S3CodeInfo {
  S3Code code;
  std::string_view name;
  unsigned status;           // HTTP
  std::string_view message;  // when the error brings none of its own
};
const S3CodeInfo& info_of(S3Code code);
std::optional<S3Code> code_named(std::string_view name);
std::span<const S3CodeInfo> all_codes();

// One failed request: a code, a message of its own or that of the table, and the elements that AWS
// adds to the XML of some codes (ArgumentName, Region, ...), in order.
struct S3Error {
  S3Code code = S3Code::InternalError;
  std::string message;
  std::vector<std::pair<std::string, std::string>> details;
  std::string log_detail;  // what the inside said: for the log, never for the client

  S3Error() = default;
  S3Error(S3Code c) : code(c) {}  // NOLINT: a code alone is an error
  S3Error(S3Code c, std::string text) : code(c), message(std::move(text)) {}

  S3Error& with(std::string name, std::string value) & {
    details.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  S3Error with(std::string name, std::string value) && {
    details.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
  std::string_view name() const { return info_of(code).name; }
  unsigned status() const { return info_of(code).status; }
  std::string_view text() const { return message.empty() ? info_of(code).message : message; }
};

S3Error invalid_argument(std::string message, std::string_view name, std::string_view value);

// What was being done, for errors whose meaning depends on it.
enum class ErrorContext : std::uint8_t { other, create_bucket, delete_bucket, write, complete };

// An error of the metadata or the object store as S3 has it. NotFound says in its detail what was
// missing ("bucket", "key", "upload", "part").
S3Error to_s3_error(const Error& error, ErrorContext context = ErrorContext::other);

template <class T>
class S3Result;
// The same for what a call returned.
template <class T>
S3Result<T> as_s3(Result<T> result, ErrorContext context = ErrorContext::other);

// A value or an S3Error; the members are those of Result, so that PREDA_TRY and its kin work.
template <class T>
class [[nodiscard]] S3Result {
 public:
  using value_type = T;

  S3Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit
  S3Result(S3Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  S3Result(S3Code code) : state_(std::in_place_index<1>, S3Error{code}) {}       // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & {
    PREDA_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& operator*() const& {
    PREDA_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& operator*() && {
    PREDA_ASSERT(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& value() & { return **this; }
  const T& value() const& { return **this; }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  S3Error& error() & {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  const S3Error& error() const& {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  S3Error&& error() && {
    PREDA_ASSERT(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, S3Error> state_;
};

template <>
class [[nodiscard]] S3Result<void> {
 public:
  using value_type = void;

  S3Result() = default;
  S3Result(S3Error error) : state_(std::move(error)) {}  // NOLINT: implicit by design
  S3Result(S3Code code) : state_(S3Error{code}) {}       // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  S3Error& error() & {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  const S3Error& error() const& {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  S3Error&& error() && {
    PREDA_ASSERT(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<std::monostate, S3Error> state_;
};

template <class T>
S3Result<T> as_s3(Result<T> result, ErrorContext context) {
  if (!result) return to_s3_error(result.error(), context);
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return *std::move(result);
  }
}

}  // namespace predastore::s3
