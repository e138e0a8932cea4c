#include "s3/auth/authenticate.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "digest/hash.h"
#include "s3/auth/request_body.h"
#include "s3/auth/sigv4.h"

namespace predastore::s3 {
namespace {

constexpr std::size_t kSigningKeysMax = 1024;
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";

enum class PayloadMode { none, hash, aws_chunked };
struct Payload {
  PayloadMode mode = PayloadMode::none;
  std::string text;  // as it is signed
  bool is_signed = false;
  bool has_trailer = false;
  std::string sha256;  // raw
};
using PayloadOutcome = std::variant<Payload, AuthError>;

AuthError refuse(AuthErrorKind kind, std::string message) {
  return AuthError{kind, std::move(message), {}};
}

// x-amz-content-sha256. Presigned requests may go without it; then their body is unsigned.
PayloadOutcome read_payload_mode(const http::RequestHead& head, bool is_presigned) {
  const auto values = head.headers.all("x-amz-content-sha256");
  if (values.empty()) {
    if (is_presigned) return Payload{PayloadMode::none, std::string(kUnsigned), false, false, {}};
    return refuse(AuthErrorKind::InvalidRequest,
                  "Missing required header for this request: x-amz-content-sha256");
  }
  const std::string text(values[0]);
  if (values.size() == 1) {
    if (text == kUnsigned) return Payload{PayloadMode::none, text, false, false, {}};
    if (text == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
      return Payload{PayloadMode::aws_chunked, text, true, false, {}};
    if (text == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
      return Payload{PayloadMode::aws_chunked, text, true, true, {}};
    if (text == "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
      return Payload{PayloadMode::aws_chunked, text, false, true, {}};
    const auto raw = from_hex(text);
    if (raw && raw->size() == 32) return Payload{PayloadMode::hash, text, true, false, *raw};
  }
  AuthError error = refuse(
      AuthErrorKind::InvalidArgument,
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
      "sha256 value.");
  error.fields = {{"ArgumentName", "x-amz-content-sha256"}, {"ArgumentValue", text}};
  return error;
}

std::optional<AuthError> read_decoded_size(const http::Headers& headers, std::uint64_t& size) {
  const auto values = headers.all("x-amz-decoded-content-length");
  if (values.empty()) {
    return refuse(AuthErrorKind::MissingContentLength,
                  "You must provide the Content-Length HTTP header.");
  }
  const std::string_view text = values[0];
  const bool is_number = values.size() == 1 && !text.empty() && text.size() <= 18 &&
                         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (is_number) {
    std::from_chars(text.data(), text.data() + text.size(), size);
    return std::nullopt;
  }
  AuthError error =
      refuse(AuthErrorKind::InvalidArgument, "x-amz-decoded-content-length must be one number.");
  error.fields = {{"ArgumentName", "x-amz-decoded-content-length"},
                  {"ArgumentValue", std::string(text)}};
  return error;
}

bool has_query_name(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    if (piece.substr(0, piece.find('=')) == name) return true;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return false;
}

std::string hex_bytes(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (!out.empty()) out += ' ';
    out += to_hex(as_bytes(std::string_view(&c, 1)));
  }
  return out;
}

AuthError mismatch(const SigV4Claim& claim, const std::string& to_sign,
                   const std::string& canonical) {
  AuthError error = refuse(AuthErrorKind::SignatureDoesNotMatch,
                           "The request signature we calculated does not match the signature you "
                           "provided. Check your key and signing method.");
  error.fields = {
      {"AWSAccessKeyId", claim.access_key_id}, {"StringToSign", to_sign},
      {"SignatureProvided", claim.signature},  {"StringToSignBytes", hex_bytes(to_sign)},
      {"CanonicalRequest", canonical},         {"CanonicalRequestBytes", hex_bytes(canonical)}};
  return error;
}

class Authenticated final : public AuthenticatedRequest {
 public:
  Authenticated(Identity identity, bool is_presigned, bool announces_body, bool has_integrity,
                std::unique_ptr<VerifiedBody> body)
      : identity_(std::move(identity)),
        is_presigned_(is_presigned),
        announces_body_(announces_body),
        has_integrity_(has_integrity),
        body_(std::move(body)) {}

  const Identity& identity() const override { return identity_; }
  bool is_presigned() const override { return is_presigned_; }
  bool announces_body() const override { return announces_body_; }
  bool has_integrity_header() const override { return has_integrity_; }
  RequestBody& body() override { return *body_; }

 private:
  Identity identity_;
  bool is_presigned_;
  bool announces_body_;
  bool has_integrity_;
  std::unique_ptr<VerifiedBody> body_;
};

}  // namespace

struct Authenticator::Impl {
  struct CachedKey {
    crypto::Secret secret;
    std::string key;
  };

  // Deriving a key takes four HMACs; clients use one a day, region and service.
  std::string signing_key_of(const SigV4Claim& claim, const crypto::Secret& secret) {
    const std::string name = claim.access_key_id + "/" + claim.scope();
    const auto found = signing_keys.find(name);
    if (found != signing_keys.end() && found->second.secret == secret) return found->second.key;
    std::string key = signing_key(secret.reveal(), claim);
    if (signing_keys.size() >= kSigningKeysMax) signing_keys.clear();
    signing_keys.insert_or_assign(name, CachedKey{secret, key});
    return key;
  }

  // The key that signed the request, or why it was not signed by that claim's.
  std::variant<std::string, AuthError> check_signature(const SigV4Claim& claim,
                                                       const http::RequestHead& head,
                                                       const crypto::Secret& secret,
                                                       std::string_view payload_hash) {
    std::string key = signing_key_of(claim, secret);
    const auto forms = canonical_requests(claim, head, payload_hash);
    for (const std::string& form : forms) {
      const std::string expected = signature_of(key, string_to_sign(claim, form));
      if (digest::constant_time_equal(expected, claim.signature)) return key;
    }
    return mismatch(claim, string_to_sign(claim, forms.back()), forms.back());
  }

  AuthOutcome admit(http::Exchange& exchange, const SigV4Claim& claim, const Payload& payload,
                    std::string key) {
    const http::RequestHead& head = exchange.request();
    const bool is_completion = head.method == "POST" && has_query_name(head.query(), "uploadId");
    auto promise = read_body_promise(head.headers, payload.has_trailer, is_completion);
    if (auto* error = std::get_if<AuthError>(&promise)) return std::move(*error);
    BodyPlan plan;
    plan.promise = std::get<BodyPromise>(std::move(promise));
    if (payload.mode == PayloadMode::hash) plan.payload_sha256 = payload.sha256;
    if (payload.mode == PayloadMode::aws_chunked) {
      AwsChunkedOptions chunked{payload.is_signed, payload.has_trailer, 0,
                                plan.promise.trailer_names};
      if (auto error = read_decoded_size(head.headers, chunked.decoded_size_bytes))
        return *std::move(error);
      plan.aws_chunked = std::move(chunked);
      if (payload.is_signed) plan.chunk_signer.emplace(std::move(key), claim);
    }
    const bool announces_body = exchange.body().framing().framing != http::Framing::none;
    const bool has_integrity =
        plan.promise.content_md5.has_value() || plan.promise.algorithm != ChecksumAlgorithm::none;
    auto body =
        std::make_unique<VerifiedBody>(env, exchange, options.hash_aside_bytes, std::move(plan));
    return std::make_unique<Authenticated>(Identity{claim.access_key_id}, claim.is_presigned,
                                           announces_body, has_integrity, std::move(body));
  }

  Environment env;
  KeyLookup secret_of;
  AuthOptions options;
  std::map<std::string, CachedKey> signing_keys;
};

Authenticator::Authenticator(Environment env, access::AccessKeys& keys, AuthOptions options)
    : Authenticator(
          env,
          [&keys](std::string id, Instant deadline) {
            return keys.secret_of(std::move(id), deadline);
          },
          std::move(options)) {}
Authenticator::Authenticator(Environment env, KeyLookup secret_of, AuthOptions options)
    : impl_(new Impl{env, std::move(secret_of), std::move(options), {}}) {}
Authenticator::~Authenticator() = default;

Task<AuthOutcome> Authenticator::authenticate(http::Exchange& exchange, Instant deadline) {
  const http::RequestHead& head = exchange.request();
  auto parsed = parse_claim(head);
  if (auto* error = std::get_if<AuthError>(&parsed)) co_return std::move(*error);
  const SigV4Claim claim = std::get<SigV4Claim>(std::move(parsed));
  const ClaimRules rules{impl_->options.region, impl_->options.clock_skew_max,
                         impl_->options.presigned_max};
  if (auto error = check_claim(claim, head, rules, impl_->env.clock.wall_now()))
    co_return *std::move(error);
  auto mode = read_payload_mode(head, claim.is_presigned);
  if (auto* error = std::get_if<AuthError>(&mode)) co_return std::move(*error);
  const Payload payload = std::get<Payload>(std::move(mode));

  const auto secret = co_await impl_->secret_of(claim.access_key_id, deadline);
  if (!secret) {
    co_return refuse(AuthErrorKind::ServiceUnavailable,
                     "The access keys cannot be read now. Please reduce your request rate.");
  }
  if (!secret->has_value()) {
    AuthError error = refuse(AuthErrorKind::InvalidAccessKeyId,
                             "The AWS Access Key Id you provided does not exist in our records.");
    error.fields = {{"AWSAccessKeyId", claim.access_key_id.substr(0, 128)}};
    co_return error;
  }
  auto key = impl_->check_signature(claim, head, **secret, payload.text);
  if (auto* error = std::get_if<AuthError>(&key)) co_return std::move(*error);
  co_return impl_->admit(exchange, claim, payload, std::get<std::string>(std::move(key)));
}

}  // namespace predastore::s3
