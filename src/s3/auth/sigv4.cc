#include "s3/auth/sigv4.h"

#include <algorithm>

#include "base/text.h"
#include "digest/hash.h"
#include "s3/query.h"

namespace predastore::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct RawParameter {
  std::string_view name;
  std::string_view value;
};

std::vector<RawParameter> split_query(std::string_view query) {
  std::vector<RawParameter> parameters;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (piece.empty()) continue;
    const auto equal = std::min(piece.find('='), piece.size());
    parameters.push_back({piece.substr(0, equal), piece.substr(std::min(equal + 1, piece.size()))});
  }
  return parameters;
}

std::string join_query(std::vector<std::pair<std::string, std::string>> parameters) {
  std::ranges::sort(parameters);
  std::string joined;
  for (const auto& [name, value] : parameters) {
    if (!joined.empty()) joined += '&';
    joined.append(name).append("=").append(value);
  }
  return joined;
}

bool is_signature_parameter(const SigV4Claim& claim, std::string_view raw_name) {
  return claim.is_presigned && decode_path(raw_name) == "X-Amz-Signature";
}

std::string raw_query(const SigV4Claim& claim, std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const RawParameter& parameter : split_query(query)) {
    if (is_signature_parameter(claim, parameter.name)) continue;
    parameters.emplace_back(parameter.name, parameter.value);
  }
  return join_query(std::move(parameters));
}

// None when an escape is invalid.
std::optional<std::string> encoded_query(const SigV4Claim& claim, std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const RawParameter& parameter : split_query(query)) {
    if (is_signature_parameter(claim, parameter.name)) continue;
    const auto name = decode_query(parameter.name);
    const auto value = decode_query(parameter.value);
    if (!name || !value) return std::nullopt;
    parameters.emplace_back(encode_uri(*name, false), encode_uri(*value, false));
  }
  return join_query(std::move(parameters));
}

// Runs of white space become one space.
void append_canonical_value(std::string_view value, std::string& out) {
  bool is_first = true;
  while (!value.empty()) {
    const auto begin = std::min(value.find_first_not_of(" \t"), value.size());
    value.remove_prefix(begin);
    if (value.empty()) break;
    const auto end = std::min(value.find_first_of(" \t"), value.size());
    if (!is_first) out += ' ';
    out.append(value.substr(0, end));
    value.remove_prefix(end);
    is_first = false;
  }
}

std::string canonical_tail(const SigV4Claim& claim, const http::RequestHead& head,
                           std::string_view payload_hash) {
  std::string tail;
  std::string names;
  for (const std::string& name : claim.signed_headers) {
    tail.append(name).append(":");
    bool is_first = true;
    for (std::string_view value : head.headers.all(name)) {
      if (!is_first) tail += ',';
      append_canonical_value(value, tail);
      is_first = false;
    }
    tail += '\n';
    if (!names.empty()) names += ';';
    names += name;
  }
  tail.append("\n").append(names).append("\n").append(payload_hash);
  return tail;
}

}  // namespace

std::vector<std::string> canonical_requests(const SigV4Claim& claim, const http::RequestHead& head,
                                            std::string_view payload_hash) {
  const std::string tail = canonical_tail(claim, head, payload_hash);
  const auto assemble = [&](std::string_view path, std::string_view query) {
    std::string request;
    request.reserve(head.method.size() + path.size() + query.size() + tail.size() + 3);
    request.append(head.method).append("\n").append(path).append("\n").append(query).append("\n");
    return request.append(tail);
  };
  std::vector<std::string> forms{assemble(head.path(), raw_query(claim, head.query()))};
  const auto path = decode_path(head.path());
  const auto query = encoded_query(claim, head.query());
  if (path && query) {
    std::string encoded = assemble(encode_uri(*path, true), *query);
    if (encoded != forms[0]) forms.push_back(std::move(encoded));
  }
  return forms;
}

std::string string_to_sign(const SigV4Claim& claim, std::string_view canonical_request) {
  std::string text(kAlgorithm);
  text.append("\n").append(claim.timestamp).append("\n").append(claim.scope()).append("\n");
  return text.append(to_hex(as_bytes(digest::sha256(canonical_request))));
}

std::string signing_key(std::string_view secret, const SigV4Claim& claim) {
  std::string seed = "AWS4";
  seed.append(secret);
  const std::string of_date = digest::hmac_sha256(seed, claim.date);
  const std::string of_region = digest::hmac_sha256(of_date, claim.region);
  const std::string of_service = digest::hmac_sha256(of_region, claim.service);
  std::ranges::fill(seed, '\0');
  return digest::hmac_sha256(of_service, claim.terminator);
}

std::string signature_of(std::string_view signing_key, std::string_view string_to_sign) {
  return to_hex(as_bytes(digest::hmac_sha256(signing_key, string_to_sign)));
}

ChunkSigner::ChunkSigner(std::string signing_key, const SigV4Claim& claim)
    : key_(std::move(signing_key)),
      prefix_(claim.timestamp + "\n" + claim.scope() + "\n"),
      previous_(claim.signature) {}

std::string ChunkSigner::sign(std::string_view algorithm, std::string_view hashes) {
  std::string text(algorithm);
  text.append("\n").append(prefix_).append(previous_).append("\n").append(hashes);
  previous_ = signature_of(key_, text);
  return previous_;
}

std::string ChunkSigner::sign_chunk(std::string_view sha256) {
  std::string hashes(kEmptySha256);
  hashes.append("\n").append(to_hex(as_bytes(sha256)));
  return sign("AWS4-HMAC-SHA256-PAYLOAD", hashes);
}

std::string ChunkSigner::sign_trailer(std::string_view sha256) {
  return sign("AWS4-HMAC-SHA256-TRAILER", to_hex(as_bytes(sha256)));
}

}  // namespace predastore::s3
