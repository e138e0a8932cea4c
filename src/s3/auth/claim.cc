#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "s3/auth/sigv4.h"
#include "s3/query.h"

namespace predastore::s3 {
namespace {

using Kind = AuthErrorKind;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::size_t kSignedHeadersMax = 200;

AuthError make(Kind kind, std::string message,
               std::vector<std::pair<std::string, std::string>> fields = {}) {
  return AuthError{kind, std::move(message), std::move(fields)};
}

AuthError malformed_header(const std::string& what) {
  return make(Kind::AuthorizationHeaderMalformed, "The authorization header is malformed; " + what);
}

AuthError unsupported_mechanism() {
  return make(Kind::InvalidRequest,
              "The authorization mechanism you have provided is not supported. Please use "
              "AWS4-HMAC-SHA256.");
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

int number(std::string_view digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

// 20130524T000000Z and nothing else.
std::optional<WallTime> parse_timestamp(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z' || !is_digits(text.substr(0, 8)) ||
      !is_digits(text.substr(9, 6)))
    return std::nullopt;
  const std::chrono::year_month_day day{
      std::chrono::year(number(text.substr(0, 4))),
      std::chrono::month(static_cast<unsigned>(number(text.substr(4, 2)))),
      std::chrono::day(static_cast<unsigned>(number(text.substr(6, 2))))};
  const int hour = number(text.substr(9, 2));
  const int minute = number(text.substr(11, 2));
  const int second = number(text.substr(13, 2));
  if (!day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days(day)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second);
}

bool is_lower_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

bool parse_signed_headers(std::string_view list, SigV4Claim& claim) {
  while (true) {
    const auto end = std::min(list.find(';'), list.size());
    const std::string_view name = list.substr(0, end);
    if (!is_lower_token(name) || claim.signed_headers.size() >= kSignedHeadersMax) return false;
    if (std::ranges::find(claim.signed_headers, name) != claim.signed_headers.end()) return false;
    claim.signed_headers.emplace_back(name);
    if (end == list.size()) return true;
    list.remove_prefix(end + 1);
  }
}

// key/date/region/service/terminator. Keys have no slash in them.
bool parse_credential(std::string_view text, SigV4Claim& claim) {
  std::array<std::string*, 5> parts = {&claim.access_key_id, &claim.date, &claim.region,
                                       &claim.service, &claim.terminator};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto end = std::min(text.find('/'), text.size());
    if (end == 0 || (end == text.size()) != (i + 1 == parts.size())) return false;
    *parts[i] = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return claim.date.size() == 8 && is_digits(claim.date);
}

bool is_signature(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

using ClaimOutcome = std::variant<SigV4Claim, AuthError>;

ClaimOutcome parse_header_claim(const http::RequestHead& head, std::string_view value) {
  if (value.starts_with("AWS ") || value.starts_with("AWS4-ECDSA-P256-SHA256"))
    return unsupported_mechanism();
  if (!value.starts_with(kAlgorithm) || value.size() == kAlgorithm.size() ||
      value[kAlgorithm.size()] != ' ') {
    return make(Kind::InvalidArgument, "Unsupported Authorization Type",
                {{"ArgumentName", "Authorization"}});
  }
  value.remove_prefix(kAlgorithm.size() + 1);
  std::optional<std::string_view> credential, signed_headers, signature;
  while (!value.empty()) {
    const auto comma = std::min(value.find(','), value.size());
    const std::string_view part = trim(value.substr(0, comma));
    value.remove_prefix(std::min(comma + 1, value.size()));
    const auto equal = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equal);
    const std::string_view text = part.substr(std::min(equal + 1, part.size()));
    std::optional<std::string_view>* slot = name == "Credential"      ? &credential
                                            : name == "SignedHeaders" ? &signed_headers
                                            : name == "Signature"     ? &signature
                                                                      : nullptr;
    if (slot == nullptr || slot->has_value())
      return malformed_header("it has unknown or repeated components.");
    *slot = text;
  }
  if (!credential || !signed_headers || !signature)
    return malformed_header("Credential, SignedHeaders and Signature are needed.");
  SigV4Claim claim;
  if (!parse_credential(*credential, claim)) {
    return malformed_header(
        "the Credential is mal-formed; expecting "
        "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  if (!parse_signed_headers(*signed_headers, claim))
    return malformed_header("the SignedHeaders are not a list of lower-case names.");
  if (!is_signature(*signature)) return malformed_header("the Signature is not 64 hex digits.");
  claim.signature = *signature;
  auto dates = head.headers.all("x-amz-date");
  if (dates.empty()) dates = head.headers.all("date");
  const auto time = dates.size() == 1 ? parse_timestamp(dates[0]) : std::nullopt;
  if (!time) {
    return make(Kind::AccessDenied,
                "AWS authentication requires a valid Date or x-amz-date header");
  }
  claim.timestamp = dates[0];
  claim.time = *time;
  return claim;
}

AuthError bad_query(std::string what) {
  return make(Kind::AuthorizationQueryParametersError, std::move(what));
}

struct QueryAuth {
  std::optional<std::string> algorithm, credential, date, expires, signed_headers, signature;
  bool has_security_token = false;
  bool has_version_2 = false;
  bool is_doubled = false;
  bool has_any() const {
    return algorithm || credential || signature || signed_headers || has_version_2;
  }
};

QueryAuth read_query_auth(std::string_view query) {
  QueryAuth found;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equal = std::min(piece.find('='), piece.size());
    const auto name = decode_path(piece.substr(0, equal));
    if (!name) continue;
    if (*name == "AWSAccessKeyId" || *name == "Signature") found.has_version_2 = true;
    if (*name == "X-Amz-Security-Token") found.has_security_token = true;
    std::optional<std::string>* slot = *name == "X-Amz-Algorithm"       ? &found.algorithm
                                       : *name == "X-Amz-Credential"    ? &found.credential
                                       : *name == "X-Amz-Date"          ? &found.date
                                       : *name == "X-Amz-Expires"       ? &found.expires
                                       : *name == "X-Amz-SignedHeaders" ? &found.signed_headers
                                       : *name == "X-Amz-Signature"     ? &found.signature
                                                                        : nullptr;
    if (slot == nullptr) continue;
    if (slot->has_value()) found.is_doubled = true;
    *slot = decode_path(piece.substr(std::min(equal + 1, piece.size()))).value_or("");
  }
  return found;
}

ClaimOutcome parse_query_claim(const QueryAuth& query) {
  if (query.has_version_2 && !query.algorithm) return unsupported_mechanism();
  if (query.is_doubled) return bad_query("An X-Amz- parameter is there more than once.");
  if (query.algorithm && *query.algorithm == "AWS4-ECDSA-P256-SHA256")
    return unsupported_mechanism();
  if (query.algorithm && *query.algorithm != kAlgorithm)
    return bad_query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  if (!query.algorithm || !query.credential || !query.signature || !query.date ||
      !query.signed_headers || !query.expires) {
    return bad_query(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
        "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  }
  SigV4Claim claim;
  claim.is_presigned = true;
  if (!parse_credential(*query.credential, claim)) {
    return bad_query(
        "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
        "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  const auto time = parse_timestamp(*query.date);
  if (!time)
    return bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  if (query.expires->starts_with("-") && is_digits(query.expires->substr(1)))
    return bad_query("X-Amz-Expires must be non-negative");
  if (!is_digits(*query.expires)) return bad_query("X-Amz-Expires should be a number");
  // Nine digits are more than any bound, and fit.
  claim.expires =
      std::chrono::seconds(query.expires->size() > 9 ? 999'999'999 : number(*query.expires));
  if (!parse_signed_headers(*query.signed_headers, claim))
    return bad_query("X-Amz-SignedHeaders is not a list of lower-case names.");
  if (!is_signature(*query.signature)) return bad_query("X-Amz-Signature is not 64 hex digits.");
  claim.timestamp = *query.date;
  claim.time = *time;
  claim.signature = *query.signature;
  return claim;
}

std::optional<AuthError> check_scope(const SigV4Claim& claim, const ClaimRules& rules) {
  const auto refuse = [&](const std::string& what) {
    return claim.is_presigned ? bad_query("Error parsing the X-Amz-Credential parameter; " + what)
                              : malformed_header(what);
  };
  if (claim.region != rules.region && claim.region != "us-east-1") {
    AuthError error = refuse("the region '" + claim.region.substr(0, 64) +
                             "' is wrong; expecting '" + rules.region + "'");
    error.fields.emplace_back("Region", rules.region);
    return error;
  }
  if (claim.service != "s3") {
    return refuse("incorrect service \"" + claim.service.substr(0, 64) +
                  "\". This endpoint belongs to \"s3\".");
  }
  if (claim.terminator != "aws4_request") {
    return refuse("incorrect terminator \"" + claim.terminator.substr(0, 64) +
                  "\". This endpoint uses \"aws4_request\".");
  }
  if (claim.date != claim.timestamp.substr(0, 8)) {
    return refuse("Invalid credential date \"" + claim.date +
                  "\". This date is not the same as X-Amz-Date: \"" + claim.timestamp.substr(0, 8) +
                  "\".");
  }
  return std::nullopt;
}

std::optional<AuthError> check_time(const SigV4Claim& claim, const ClaimRules& rules,
                                    WallTime now) {
  if (!claim.is_presigned) {
    const auto skew = now > claim.time ? now - claim.time : claim.time - now;
    if (skew <= rules.clock_skew_max) return std::nullopt;
    const auto max_ms = std::chrono::duration_cast<std::chrono::milliseconds>(rules.clock_skew_max);
    return make(Kind::RequestTimeTooSkewed,
                "The difference between the request time and the current time is too large.",
                {{"RequestTime", claim.timestamp},
                 {"ServerTime", iso8601(now)},
                 {"MaxAllowedSkewMilliseconds", std::to_string(max_ms.count())}});
  }
  if (claim.expires > rules.presigned_max) {
    const auto max_s = std::chrono::duration_cast<std::chrono::seconds>(rules.presigned_max);
    return bad_query(fmt::format(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires "
        "must be less than {} seconds",
        max_s.count()));
  }
  if (claim.time - now > rules.clock_skew_max) {
    return make(Kind::AccessDenied, "Request is not yet valid",
                {{"ServerTime", iso8601(now)}, {"RequestTime", claim.timestamp}});
  }
  const WallTime end = claim.time + claim.expires;
  if (now <= end) return std::nullopt;
  return make(Kind::AccessDenied, "Request has expired",
              {{"X-Amz-Expires", std::to_string(claim.expires.count())},
               {"Expires", iso8601(end)},
               {"ServerTime", iso8601(now)}});
}

std::optional<AuthError> check_signed_headers(const SigV4Claim& claim,
                                              const http::RequestHead& head) {
  const auto is_signed = [&](std::string_view name) {
    return std::ranges::find(claim.signed_headers, name) != claim.signed_headers.end();
  };
  std::string missing;
  if (!is_signed("host")) missing = "host";
  for (const http::Header& header : head.headers.entries()) {
    const std::string name = http::to_lower(header.name);
    if (!name.starts_with("x-amz-") || name == "x-amz-content-sha256" || is_signed(name)) continue;
    if (!missing.empty()) missing += ", ";
    missing += name;
  }
  if (missing.empty()) return std::nullopt;
  return make(Kind::AccessDenied, "There were headers present in the request which were not signed",
              {{"HeadersNotSigned", missing}});
}

}  // namespace

std::string iso8601(WallTime time) {
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day day{days};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - days)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::variant<SigV4Claim, AuthError> parse_claim(const http::RequestHead& head) {
  const auto authorizations = head.headers.all("authorization");
  const QueryAuth query = read_query_auth(head.query());
  if (authorizations.size() > 1 || (!authorizations.empty() && query.has_any())) {
    return make(Kind::InvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                "Signature query string parameter or the Authorization header should be specified",
                {{"ArgumentName", "Authorization"}});
  }
  if (authorizations.empty() && !query.has_any()) {
    // The signature of a browser's form is in its body, with a policy.
    if (head.method == "POST" &&
        http::to_lower(head.headers.get("content-type")).starts_with("multipart/form-data"))
      return make(Kind::NotImplemented, "Uploads by HTML forms are not implemented.");
    return make(Kind::AccessDenied, "Access Denied");
  }
  auto claim = authorizations.empty() ? parse_query_claim(query)
                                      : parse_header_claim(head, authorizations[0]);
  if (std::holds_alternative<SigV4Claim>(claim) &&
      (query.has_security_token || head.headers.find("x-amz-security-token") != nullptr)) {
    // There are no temporary credentials yet, so nothing that could prove a token.
    return make(Kind::InvalidToken, "The provided token is malformed or otherwise invalid.");
  }
  return claim;
}

std::optional<AuthError> check_claim(const SigV4Claim& claim, const http::RequestHead& head,
                                     const ClaimRules& rules, WallTime now) {
  if (auto error = check_scope(claim, rules)) return error;
  if (auto error = check_time(claim, rules, now)) return error;
  return check_signed_headers(claim, head);
}

}  // namespace predastore::s3
