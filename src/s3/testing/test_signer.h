#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "digest/hash.h"
#include "env/clock.h"
#include "http/message.h"
#include "s3/query.h"

// Only for tests: signs requests as a client does, after AWS's description of Signature Version 4.
namespace predastore::s3::testing {

struct TestKey {
  std::string id;
  std::string secret;
  std::string region = "us-east-1";
};

inline std::string sha256_hex(std::string_view text) {
  return to_hex(as_bytes(digest::sha256(text)));
}

// 20260131T120000Z
inline std::string amz_date(WallTime now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::seconds>(now - day)};
  char text[40];
  std::snprintf(text, sizeof text, "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text;
}

inline std::string canonical_query(std::string_view raw) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!raw.empty()) {
    const std::size_t end = std::min(raw.find('&'), raw.size());
    const std::string_view pair = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string name = *decode_path(pair.substr(0, equals));
    const std::string value = *decode_path(pair.substr(std::min(equals + 1, pair.size())));
    pairs.emplace_back(encode_uri(name, false), encode_uri(value, false));
  }
  std::ranges::sort(pairs);
  std::string out;
  for (const auto& [name, value] : pairs) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

inline std::string scope_of(const TestKey& key, const std::string& date) {
  return date.substr(0, 8) + "/" + key.region + "/s3/aws4_request";
}

struct SignedHeaders {
  std::string names;  // a;b
  std::string lines;  // a:value and so on
};
// Host and all that begin with x-amz-.
inline SignedHeaders headers_to_sign(const http::RequestHead& head) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const http::Header& header : head.headers.entries()) {
    const std::string name = http::to_lower(header.name);
    if (name == "host" || name.starts_with("x-amz-")) found.emplace_back(name, header.value);
  }
  std::ranges::sort(found);
  SignedHeaders out;
  for (const auto& [name, value] : found) {
    out.names += (out.names.empty() ? "" : ";") + name;
    out.lines += name + ":" + value + "\n";
  }
  return out;
}

inline std::string signature_for(const http::RequestHead& head, const SignedHeaders& headers,
                                 std::string_view payload_hash, const TestKey& key,
                                 const std::string& date) {
  const std::string canonical = head.method + "\n" + encode_uri(*decode_path(head.path()), true) +
                                "\n" + canonical_query(head.query()) + "\n" + headers.lines + "\n" +
                                headers.names + "\n" + std::string(payload_hash);
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + date + "\n" + scope_of(key, date) + "\n" + sha256_hex(canonical);
  std::string signing = digest::hmac_sha256("AWS4" + key.secret, date.substr(0, 8));
  for (const std::string& step : {key.region, std::string("s3"), std::string("aws4_request")})
    signing = digest::hmac_sha256(signing, step);
  return to_hex(as_bytes(digest::hmac_sha256(signing, to_sign)));
}

// Adds x-amz-date, x-amz-content-sha256 and Authorization; `head` has its Host already.
inline void sign(http::RequestHead& head, std::string_view body, const TestKey& key, WallTime now) {
  const std::string date = amz_date(now);
  head.headers.set("x-amz-date", date);
  if (head.headers.find("x-amz-content-sha256") == nullptr)
    head.headers.set("x-amz-content-sha256", sha256_hex(body));
  const SignedHeaders headers = headers_to_sign(head);
  const std::string signature =
      signature_for(head, headers, head.headers.get("x-amz-content-sha256"), key, date);
  head.headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + key.id + "/" +
                                        scope_of(key, date) + ", SignedHeaders=" + headers.names +
                                        ", Signature=" + signature);
}

// Adds the parameters of a presigned request.
inline void presign(http::RequestHead& head, const TestKey& key, WallTime now, int expires_s) {
  const std::string date = amz_date(now);
  const SignedHeaders headers = headers_to_sign(head);
  head.target += (head.query().empty() ? "?" : "&");
  head.target += "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" +
                 encode_uri(key.id + "/" + scope_of(key, date), false) + "&X-Amz-Date=" + date +
                 "&X-Amz-Expires=" + std::to_string(expires_s) +
                 "&X-Amz-SignedHeaders=" + encode_uri(headers.names, false);
  head.target += "&X-Amz-Signature=" + signature_for(head, headers, "UNSIGNED-PAYLOAD", key, date);
}

}  // namespace predastore::s3::testing
