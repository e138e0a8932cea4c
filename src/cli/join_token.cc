#include "cli/join_token.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/codec.h"
#include "base/text.h"
#include "cli/admin_client.h"
#include "digest/crc.h"
#include "model/limits.h"

namespace predastore::cli {
namespace {

constexpr std::string_view kKind = "predastore-join-";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kCertificate = "CERTIFICATE";
constexpr std::string_view kPrivateKey = "PRIVATE KEY";
constexpr std::size_t kPemColumns = 64;
constexpr std::size_t kTextMaxBytes = 255;
constexpr std::size_t kNumberDigits = 16;
constexpr std::uint8_t kHasMeta = 1;
constexpr std::uint8_t kHasHttps = 1;

Error damaged(const char* what) {
  return make_error(ErrorCode::Corruption, fmt::format("the token is damaged: {}", what));
}

// ---- PEM without what can be made again, so that a token fits a line of a terminal

Result<std::string> der_of(const std::string& pem, std::string_view label) {
  const std::string begin = fmt::format("-----BEGIN {}-----\n", label);
  const std::string end = fmt::format("-----END {}-----\n", label);
  if (pem.starts_with(begin) && pem.ends_with(end) && pem.size() > begin.size() + end.size()) {
    std::string base64 = pem.substr(begin.size(), pem.size() - begin.size() - end.size());
    std::erase(base64, '\n');
    if (auto der = from_base64(base64)) return *std::move(der);
  }
  return make_error(ErrorCode::InvalidArgument,
                    fmt::format("what is to be a {} is not one block of PEM", label));
}

std::string pem_of(ByteSpan der, std::string_view label) {
  const std::string base64 = to_base64(der);
  std::string pem = fmt::format("-----BEGIN {}-----\n", label);
  for (std::size_t at = 0; at < base64.size(); at += kPemColumns)
    pem += base64.substr(at, kPemColumns) + "\n";
  return pem + fmt::format("-----END {}-----\n", label);
}

// ---- the body

std::string checksum_of(std::string_view body) {
  const std::uint32_t so_far = digest::crc32(as_bytes(kVersion));
  Encoder out;
  out.le(digest::crc32(as_bytes(body), so_far));
  return std::move(out).take();
}

void add_node(Encoder& out, const node::NodeEntry& node) {
  out.le(node.id.value()).string(node.name).string(node.cluster_address);
  out.string(node.s3_address).string(node.admin_address);
  out.le(static_cast<std::uint8_t>(node.has_meta ? kHasMeta : 0));
}

// What goes into a configuration between quotes.
bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= kTextMaxBytes && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '\\';
  });
}

bool is_address(const std::string& text) {
  return is_plain(text) && parse_host_port(text).has_value();
}

// Reads one after the other; what is not as it must be is remembered, and asked for at the end.
class BodyReader {
 public:
  explicit BodyReader(std::string_view body) : in_(as_bytes(body)) {}

  std::string plain() {
    std::string text{in_.string()};
    is_good_ = is_good_ && is_plain(text);
    return text;
  }
  std::string address() {
    std::string text{in_.string()};
    is_good_ = is_good_ && is_address(text);
    return text;
  }
  bool flag(std::uint8_t meant) {
    const auto flags = in_.le<std::uint8_t>();
    is_good_ = is_good_ && (flags & ~meant) == 0;
    return flags != 0;
  }
  std::string pem(std::string_view label) {
    const std::string_view der = in_.string();
    is_good_ = is_good_ && !der.empty();
    return is_good_ ? pem_of(as_bytes(der), label) : std::string{};
  }
  node::NodeEntry node() {
    node::NodeEntry entry;
    entry.id = NodeId{in_.le<std::uint64_t>()};
    entry.name = plain();
    entry.cluster_address = address();
    entry.s3_address = address();
    entry.admin_address = address();
    entry.has_meta = flag(kHasMeta);
    is_good_ = is_good_ && entry.id != NodeId{};
    return entry;
  }
  RsConfig rs() {
    const RsConfig rs{in_.le<std::uint8_t>(), in_.le<std::uint8_t>()};
    is_good_ = is_good_ && rs.data_shards >= 1 && rs.data_shards <= kDataShardsMax &&
               rs.parity_shards >= 1 && rs.parity_shards <= kParityShardsMax;
    return rs;
  }
  std::vector<node::NodeEntry> peers() {
    const auto count = in_.le<std::uint8_t>();
    is_good_ = is_good_ && count >= 1 && count <= kTokenPeersMax;
    std::vector<node::NodeEntry> nodes;
    for (std::uint8_t i = 0; is_good() && i < count; ++i) nodes.push_back(node());
    return nodes;
  }
  ClusterId cluster() {
    const ByteSpan id = in_.raw(sizeof(ClusterId));
    return in_.ok() ? ClusterId::from(id) : ClusterId{};
  }
  std::uint64_t number() { return in_.le<std::uint64_t>(); }

  bool is_good() const { return is_good_ && in_.ok(); }
  bool is_finished() const { return is_good_ && in_.finished(); }

 private:
  Decoder in_;
  bool is_good_ = true;
};

Result<JoinToken> token_of(std::string_view body) {
  BodyReader in{body};
  JoinToken token;
  token.number = fmt::format("{:016x}", in.number());
  token.expires_ms = static_cast<std::int64_t>(in.number());
  token.cluster = in.cluster();
  token.node = in.node();
  token.rs = in.rs();
  token.region = in.plain();
  token.has_https = in.flag(kHasHttps);
  token.ca_pem = in.pem(kCertificate);
  token.certificate.cert_pem = in.pem(kCertificate);
  token.certificate.key_pem = in.pem(kPrivateKey);
  token.root_key.access_key_id = in.plain();
  token.root_key.secret_access_key = in.plain();
  token.peers = in.peers();
  if (!in.is_finished()) return damaged("it says what no token says");
  return token;
}

}  // namespace

std::string seal_token_body(std::string body) {
  body += checksum_of(body);
  return fmt::format("{}{}.{}", kKind, kVersion, to_base64(as_bytes(body)));
}

Result<std::string> encode_join_token(const JoinToken& token) {
  PREDA_TRY(const std::string ca, der_of(token.ca_pem, kCertificate));
  PREDA_TRY(const std::string cert, der_of(token.certificate.cert_pem, kCertificate));
  PREDA_TRY(const std::string key, der_of(token.certificate.key_pem, kPrivateKey));
  const auto number = from_hex(token.number);
  if (!number || token.number.size() != kNumberDigits || token.peers.empty())
    return make_error(ErrorCode::InvalidArgument, "a token without a number or without peers");
  Encoder out;
  out.le(Decoder{as_bytes(*number)}.be<std::uint64_t>());
  out.le(static_cast<std::uint64_t>(token.expires_ms)).raw(token.cluster.span());
  add_node(out, token.node);
  out.le(token.rs.data_shards).le(token.rs.parity_shards).string(token.region);
  out.le(static_cast<std::uint8_t>(token.has_https ? kHasHttps : 0));
  out.string(ca).string(cert).string(key);
  out.string(token.root_key.access_key_id).string(token.root_key.secret_access_key);
  const std::size_t count = std::min(token.peers.size(), kTokenPeersMax);
  out.le(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) add_node(out, token.peers[i]);
  std::string text = seal_token_body(std::move(out).take());
  // What cannot be read again is found by the one who makes it.
  if (const auto again = decode_join_token(text); !again)
    return make_error(ErrorCode::InvalidArgument,
                      "a name, an address or a key that a token cannot hold");
  return text;
}

Result<JoinToken> decode_join_token(std::string_view text) {
  std::string line{text};
  std::erase_if(line, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
  const std::size_t dot = line.find('.');
  if (!line.starts_with(kKind) || dot == std::string::npos)
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("this is no join token; one begins with {}", kKind));
  const std::string_view version = std::string_view{line}.substr(0, dot).substr(kKind.size());
  if (version != kVersion) {
    return make_error(ErrorCode::Unsupported,
                      fmt::format("the token is of version {}, and this program knows version {}",
                                  version.substr(0, kNumberDigits), kVersion));
  }
  const auto sealed = from_base64(std::string_view{line}.substr(dot + 1));
  if (!sealed || sealed->size() < sizeof(std::uint32_t)) return damaged("it is not whole");
  const std::size_t size = sealed->size() - sizeof(std::uint32_t);
  const std::string_view body = std::string_view{*sealed}.substr(0, size);
  if (std::string_view{*sealed}.substr(size) != checksum_of(body))
    return damaged("its checksum is wrong, so it is not whole or was changed");
  return token_of(body);
}

}  // namespace predastore::cli
