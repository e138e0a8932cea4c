#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "env/clock.h"
#include "http/message.h"
#include "s3/auth/auth_error.h"

// Signature Version 4 as S3 has it, pure: what a request claims, what had to be signed, and what
// the signature then is.
namespace predastore::s3 {

// What a request says of its own signature, in its Authorization header or its query.
struct SigV4Claim {
  bool is_presigned = false;
  std::string access_key_id;
  std::string date;                         // 20130524, of the credential
  std::string region;                       // of the credential
  std::string service;                      // of the credential
  std::string terminator;                   // of the credential
  std::string timestamp;                    // 20130524T000000Z
  WallTime time;                            // the same
  std::chrono::seconds expires{};           // presigned only
  std::vector<std::string> signed_headers;  // lower case, as listed
  std::string signature;                    // 64 lower-case hexadecimal digits

  std::string scope() const { return date + "/" + region + "/" + service + "/" + terminator; }
};

// Refuses whatever is not exactly one claim in Version 4: none (AccessDenied), two, Version 2 and
// 4a, and any part that is missing, doubled or malformed.
std::variant<SigV4Claim, AuthError> parse_claim(const http::RequestHead& head);

struct ClaimRules {
  std::string region;
  Duration clock_skew_max = 15min;
  Duration presigned_max = 604800s;
};
// Scope and time against the rules, and that host and every x-amz-* header that was sent are
// signed. x-amz-content-sha256 may be left out: its value is part of what is signed in any case.
std::optional<AuthError> check_claim(const SigV4Claim& claim, const http::RequestHead& head,
                                     const ClaimRules& rules, WallTime now);

// The canonical request in the forms that a client may have signed: the path and query exactly as
// they came, and, when that differs, decoded and encoded again by AWS's rules. Nothing is
// normalised: "//" and ".." are names like any other. At least one.
std::vector<std::string> canonical_requests(const SigV4Claim& claim, const http::RequestHead& head,
                                            std::string_view payload_hash);

std::string string_to_sign(const SigV4Claim& claim, std::string_view canonical_request);
// Raw bytes.
std::string signing_key(std::string_view secret, const SigV4Claim& claim);
// 64 hexadecimal digits.
std::string signature_of(std::string_view signing_key, std::string_view string_to_sign);

// The signatures of an aws-chunked body, each over the one before it. The first is over the
// request's own.
class ChunkSigner {
 public:
  ChunkSigner(std::string signing_key, const SigV4Claim& claim);
  // `sha256` are the raw hashes of the chunk and of the trailer's lines "name:value\n".
  std::string sign_chunk(std::string_view sha256);
  std::string sign_trailer(std::string_view sha256);

 private:
  std::string sign(std::string_view algorithm, std::string_view hashes);
  std::string key_;
  std::string prefix_;  // timestamp and scope
  std::string previous_;
};

std::string iso8601(WallTime time);  // 2013-05-24T00:00:00Z, for error fields

}  // namespace predastore::s3
