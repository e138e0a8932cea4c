#include "s3/call.h"

#include <utility>

namespace predastore::s3 {
namespace {

constexpr Duration kDocumentPatience = 2s;  // for memory, before the client is told to slow down

}  // namespace

Reply xml_reply(std::string document) {
  Reply reply;
  reply.headers.add("Content-Type", "application/xml");
  reply.body = std::move(document);
  return reply;
}

Task<Result<Buffer>> LimitedBody::read(std::size_t max_bytes) {
  Result<Buffer> bytes = co_await call_.request.body().read(max_bytes);
  if (!bytes) co_return bytes;
  call_.bytes_in += bytes->size();
  if (call_.bytes_in > max_bytes_) {
    is_too_large_ = true;
    co_return make_error(ErrorCode::InvalidArgument, "body too large");
  }
  co_return bytes;
}

std::optional<std::uint64_t> LimitedBody::size_bytes() const {
  return call_.request.body().size_bytes();
}

ObjectChecksum LimitedBody::checksum() const { return call_.request.body().checksum(); }

S3Error LimitedBody::explain(const Error& error, ErrorContext context) const {
  if (is_too_large_)
    return S3Error{S3Code::EntityTooLarge}.with("MaxSizeAllowed", std::to_string(max_bytes_));
  if (const std::optional<AuthError>& failure = call_.request.body().failure())
    return from_auth_error(*failure);
  return to_s3_error(error, context);
}

S3Error from_auth_error(const AuthError& error) {
  S3Error translation{code_named(name_of(error.kind)).value_or(S3Code::AccessDenied),
                      error.message};
  translation.details = error.fields;
  return translation;
}

Task<S3Result<void>> Call::reserve(std::uint64_t bytes) {
  const Instant patience_ends = services.env.clock.now() + kDocumentPatience;
  const Result<void> acquired = co_await documents.acquire(bytes, patience_ends);
  if (!acquired) co_return to_s3_error(make_error(ErrorCode::Unavailable, "memory of documents"));
  reserved = SemaphoreHold{documents, bytes};
  co_return S3Result<void>{};
}

Task<S3Result<Buffer>> read_document(Call& call, std::size_t max_bytes) {
  if (!call.request.announces_body()) co_return Buffer{};
  const std::uint64_t announced = call.request.body().size_bytes().value_or(max_bytes);
  if (announced > max_bytes) co_return S3Code::MaxMessageLengthExceeded;
  // The document and what is made of it.
  PREDA_CO_CHECK(co_await call.reserve(2 * announced));
  Result<Buffer> document = co_await call.request.body().read_all(max_bytes);
  if (!document) {
    const std::optional<AuthError>& failure = call.request.body().failure();
    if (!failure) co_return to_s3_error(document.error());
    if (failure->kind == AuthErrorKind::EntityTooLarge) co_return S3Code::MaxMessageLengthExceeded;
    co_return from_auth_error(*failure);
  }
  call.bytes_in += document->size();
  co_return *std::move(document);
}

}  // namespace predastore::s3
