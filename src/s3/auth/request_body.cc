#include "s3/auth/request_body.h"

#include <algorithm>

#include "base/text.h"

namespace predastore::s3 {
namespace {

constexpr std::size_t kFramedReadBytes = 256 * 1024;

DigestPlan digest_plan(BodyPlan& plan) {
  DigestPlan digests;
  digests.payload_sha256 = plan.payload_sha256.has_value();
  digests.md5 = plan.promise.content_md5.has_value();
  digests.checksum = plan.promise.algorithm;
  digests.chunk_signer = std::move(plan.chunk_signer);
  return digests;
}

// What a failure of the connection says about the request, if anybody is left to hear it.
std::optional<AuthError> of_connection(const Error& error, http::Framing framing) {
  switch (error.code) {
    case ErrorCode::TimedOut:
      return AuthError{AuthErrorKind::RequestTimeout,
                       "Your socket connection to the server was not read from or written to "
                       "within the timeout period. Idle connections will be closed.",
                       {}};
    case ErrorCode::InvalidArgument:
      return AuthError{
          AuthErrorKind::IncompleteBody, "The request body terminated unexpectedly", {}};
    case ErrorCode::Unavailable:
      return AuthError{AuthErrorKind::IncompleteBody,
                       framing == http::Framing::content_length
                           ? "You did not provide the number of bytes specified by the "
                             "Content-Length HTTP header"
                           : "The request body terminated unexpectedly",
                       {}};
    default: return std::nullopt;
  }
}

AuthError signature_mismatch() {
  return AuthError{AuthErrorKind::SignatureDoesNotMatch,
                   "The request signature we calculated does not match the signature you "
                   "provided. Check your key and signing method.",
                   {}};
}

}  // namespace

VerifiedBody::VerifiedBody(Environment env, http::Exchange& exchange, std::size_t aside_bytes,
                           BodyPlan plan)
    : exchange_(exchange), plan_(std::move(plan)), digests_(env, aside_bytes, digest_plan(plan_)) {
  if (plan_.aws_chunked) decoder_.emplace(*plan_.aws_chunked);
}

std::optional<std::uint64_t> VerifiedBody::size_bytes() const {
  if (plan_.aws_chunked) return plan_.aws_chunked->decoded_size_bytes;
  const http::BodyFraming framing = exchange_.body().framing();
  if (framing.framing == http::Framing::none) return 0;
  if (framing.framing == http::Framing::content_length) return framing.content_length;
  return std::nullopt;
}

Error VerifiedBody::refuse(AuthError error) {
  has_failed_ = true;
  Error result = make_error(ErrorCode::InvalidArgument,
                            "the body was refused: " + std::string(name_of(error.kind)));
  failure_ = std::move(error);
  return result;
}

Task<Result<Buffer>> VerifiedBody::read(std::size_t max_bytes) {
  if (has_failed_) co_return make_error(ErrorCode::InvalidArgument, "the body was refused before");
  if (is_done_ || max_bytes == 0) co_return Buffer{};
  Result<Piece> piece = co_await next_piece(max_bytes);
  if (!piece) {
    has_failed_ = true;
    co_return piece.error();
  }
  if (!co_await digests_.submit(std::move(piece->steps))) co_return refuse(signature_mismatch());
  if (piece->is_end) {
    PREDA_CO_CHECK(co_await verify_end());
    is_done_ = true;
  }
  co_return std::move(piece->bytes);
}

Task<Result<Buffer>> VerifiedBody::read_all(std::size_t max_bytes) {
  BufferChain pieces;
  while (true) {
    PREDA_CO_TRY(Buffer piece, co_await read(64 * 1024));
    if (piece.empty()) break;
    if (piece.size() > max_bytes - pieces.size()) {
      co_return refuse(AuthError{AuthErrorKind::EntityTooLarge,
                                 "Your proposed upload exceeds the maximum allowed size",
                                 {{"MaxSizeAllowed", std::to_string(max_bytes)}}});
    }
    pieces.append(std::move(piece));
  }
  co_return pieces.flatten();
}

Task<Result<Buffer>> VerifiedBody::read_raw(std::size_t max_bytes) {
  if (exchange_.is_waiting_for_continue()) {
    PREDA_CO_CHECK(co_await exchange_.send_continue());
  }
  Result<Buffer> raw = co_await exchange_.body().read(max_bytes);
  if (!raw) {
    failure_ = of_connection(raw.error(), exchange_.body().framing().framing);
    has_failed_ = true;
  }
  co_return raw;
}

Task<Result<VerifiedBody::Piece>> VerifiedBody::next_piece(std::size_t max_bytes) {
  if (decoder_) co_return co_await next_chunked_piece(max_bytes);
  Piece piece;
  PREDA_CO_TRY(piece.bytes, co_await read_raw(max_bytes));
  piece.is_end = piece.bytes.empty();
  if (!piece.is_end) piece.steps.push_back(DigestStep{piece.bytes, {}});
  co_return piece;
}

Task<Result<VerifiedBody::Piece>> VerifiedBody::next_chunked_piece(std::size_t max_bytes) {
  using Kind = AwsChunkedEvent::Kind;
  Piece piece;
  bool is_complete = false;  // the framing; what is left is to see that the body ends there
  while (true) {
    AwsChunkedEvent event = decoder_->next(input_, max_bytes);
    if (event.kind == Kind::failed) co_return refuse(decoder_->failure());
    if (event.kind == Kind::chunk_end) {
      piece.steps.push_back(DigestStep{{}, std::move(event.signature)});
    } else if (event.kind == Kind::data) {
      piece.bytes = std::move(event.data);
      piece.steps.push_back(DigestStep{piece.bytes, {}});
      co_return piece;
    } else if (event.kind == Kind::end) {
      is_complete = true;
    } else {
      PREDA_CO_TRY(input_, co_await read_raw(kFramedReadBytes));
      if (!input_.empty()) continue;
      if (auto error = decoder_->finish()) co_return refuse(*std::move(error));
      PREDA_ASSERT(is_complete || decoder_->finish() == std::nullopt);
      piece.is_end = true;
      co_return piece;
    }
  }
}

Task<Result<void>> VerifiedBody::verify_end() {
  if (!co_await digests_.finish()) co_return refuse(signature_mismatch());
  // What is signed first: then the client knows that a mismatch is not a matter of its key.
  if (auto error = check_trailer_signature()) co_return refuse(*std::move(error));
  if (auto error = check_payload_hash()) co_return refuse(*std::move(error));
  if (auto error = check_md5()) co_return refuse(*std::move(error));
  if (auto error = check_checksum()) co_return refuse(*std::move(error));
  co_return Result<void>{};
}

std::optional<AuthError> VerifiedBody::check_trailer_signature() {
  if (!plan_.aws_chunked || !plan_.aws_chunked->is_signed || !plan_.aws_chunked->has_trailer)
    return std::nullopt;
  std::string lines;
  for (const auto& [name, value] : decoder_->trailers())
    lines.append(name).append(":").append(value).append("\n");
  const std::string expected = digests_.sign_trailer(digest::sha256(lines));
  if (digest::constant_time_equal(expected, decoder_->trailer_signature())) return std::nullopt;
  return signature_mismatch();
}

std::optional<AuthError> VerifiedBody::check_payload_hash() {
  if (!plan_.payload_sha256) return std::nullopt;
  const std::string computed = digests_.payload_sha256();
  if (computed == *plan_.payload_sha256) return std::nullopt;
  return AuthError{AuthErrorKind::XAmzContentSHA256Mismatch,
                   "The provided 'x-amz-content-sha256' header does not match what was computed.",
                   {{"ClientComputedContentSHA256", to_hex(as_bytes(*plan_.payload_sha256))},
                    {"S3ComputedContentSHA256", to_hex(as_bytes(computed))}}};
}

std::optional<AuthError> VerifiedBody::check_md5() {
  if (!plan_.promise.content_md5) return std::nullopt;
  const std::string computed = digests_.md5();
  if (computed == *plan_.promise.content_md5) return std::nullopt;
  return AuthError{AuthErrorKind::BadDigest,
                   "The Content-MD5 you specified did not match what we received.",
                   {{"ExpectedDigest", to_base64(as_bytes(*plan_.promise.content_md5))},
                    {"CalculatedDigest", to_base64(as_bytes(computed))}}};
}

std::optional<AuthError> VerifiedBody::check_checksum() {
  const ChecksumAlgorithm algorithm = plan_.promise.algorithm;
  if (algorithm == ChecksumAlgorithm::none) return std::nullopt;
  std::optional<std::string> promised = plan_.promise.checksum;
  if (!promised) {
    // The decoder has seen to it that exactly the declared trailer is there.
    const auto& [name, value] = decoder_->trailers().at(0);
    promised = parse_checksum(algorithm, value);
    if (!promised) {
      return AuthError{
          AuthErrorKind::InvalidRequest, "Value for " + name + " trailing header is invalid.", {}};
    }
  }
  const std::string computed = digests_.checksum();
  if (computed != *promised) {
    return AuthError{AuthErrorKind::BadDigest,
                     "The " + std::string(name_of(algorithm)) +
                         " you specified did not match the calculated checksum.",
                     {}};
  }
  checksum_ = ObjectChecksum{algorithm, ChecksumType::full_object, computed};
  return std::nullopt;
}

}  // namespace predastore::s3
