#include <algorithm>
#include <array>
#include <limits>

#include "http/message.h"

namespace predastore::http {
namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = make_token_table();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}
// Visible characters, space, tab and bytes above 127: what a field value may hold.
bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u == '\t' || (u >= 0x20 && u != 0x7f);
  });
}
bool is_target(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u > 0x20 && u != 0x7f;
  });
}

ParseFailure bad(std::string reason, unsigned status = 400) {
  return ParseFailure{status, std::move(reason)};
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes one line that ends with CRLF and holds no other CR or LF.
std::optional<std::string_view> take_line(std::string_view& text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos || end == 0 || text[end - 1] != '\r') return std::nullopt;
  const std::string_view line = text.substr(0, end - 1);
  text.remove_prefix(end + 1);
  if (line.find('\r') != std::string_view::npos) return std::nullopt;
  return line;
}

std::optional<ParseFailure> parse_version(std::string_view text, int& version_minor) {
  if (text == "HTTP/1.1" || text == "HTTP/1.0") {
    version_minor = text.back() - '0';
    return std::nullopt;
  }
  if (text.starts_with("HTTP/")) return bad("this HTTP version is not supported", 505);
  return bad("malformed request line");
}

std::optional<ParseFailure> parse_fields(std::string_view text, const HeadLimits& limits,
                                         Headers& headers) {
  while (true) {
    const auto line = take_line(text);
    if (!line) return bad("a line does not end with CRLF");
    if (line->empty()) break;
    if (headers.size() >= limits.count_max) return bad("too many header fields", 431);
    const auto colon = line->find(':');
    if (colon == std::string_view::npos) return bad("a header field has no colon");
    const std::string_view name = line->substr(0, colon);
    // Also refuses folded lines and white space before the colon.
    if (!is_token(name)) return bad("a header field's name is no token");
    const std::string_view value = trim(line->substr(colon + 1));
    if (!is_field_value(value)) return bad("a control character in a header field");
    headers.add(std::string(name), std::string(value));
  }
  if (!text.empty()) return bad("bytes behind the head");
  return std::nullopt;
}

// Digits only, within what a file can hold.
std::optional<std::uint64_t> parse_length(std::string_view text) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > kMax) return std::nullopt;
  return value;
}

std::optional<ParseFailure> length_framing(const Headers& headers, int version_minor,
                                           BodyFraming& framing) {
  const auto codings = headers.all("transfer-encoding");
  const auto lengths = headers.all("content-length");
  if (!codings.empty()) {
    if (!lengths.empty()) return bad("Content-Length beside Transfer-Encoding");
    if (version_minor == 0) return bad("Transfer-Encoding in HTTP/1.0");
    if (codings.size() != 1 || !equal_ignoring_case(codings[0], "chunked"))
      return bad("a transfer coding other than chunked");
    framing = BodyFraming{Framing::chunked, 0};
    return std::nullopt;
  }
  if (lengths.empty()) return std::nullopt;
  if (lengths.size() != 1) return bad("Content-Length more than once");
  const auto length = parse_length(lengths[0]);
  if (!length) return bad("malformed Content-Length");
  framing = BodyFraming{Framing::content_length, *length};
  return std::nullopt;
}

bool is_host(std::string_view host) {
  // Neither a user, nor a path, nor a list: what a name, an address and a port are made of.
  return host.find_first_of("/@?#, \t\\") == std::string_view::npos;
}

Result<void> append_fields(const Headers& headers, std::string& out) {
  for (const Header& header : headers.entries()) {
    if (!is_token(header.name) || !is_field_value(header.value)) {
      return make_error(ErrorCode::InvalidArgument,
                        "a header field cannot be sent: " + header.name.substr(0, 64));
    }
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  out.append("\r\n");
  return {};
}

}  // namespace

std::optional<ParseFailure> parse_request_head(std::string_view text, const HeadLimits& limits,
                                               RequestHead& head) {
  if (text.size() > limits.size_max_bytes) return bad("the head is too large", 431);
  const auto line = take_line(text);
  if (!line) return bad("malformed request line");
  const auto first = line->find(' ');
  const auto last = line->rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("malformed request line");
  const std::string_view method = line->substr(0, first);
  const std::string_view target = line->substr(first + 1, last - first - 1);
  if (!is_token(method) || target.empty() || !is_target(target))
    return bad("malformed request line");
  if (auto failure = parse_version(line->substr(last + 1), head.version_minor)) return failure;
  if (target[0] != '/' && !(target == "*" && method == "OPTIONS"))
    return bad("the request target is not a path");
  if (target.find('#') != std::string_view::npos) return bad("a fragment in the request target");
  head.method = method;
  head.target = target;
  head.headers = Headers{};
  return parse_fields(text, limits, head.headers);
}

std::optional<ParseFailure> parse_response_head(std::string_view text, const HeadLimits& limits,
                                                ResponseHead& head) {
  if (text.size() > limits.size_max_bytes) return bad("the head is too large");
  const auto line = take_line(text);
  // HTTP/1.1 200 and a reason, which may be missing with or without its space.
  if (!line || line->size() < 12 || (*line)[8] != ' ') return bad("malformed status line");
  if (auto failure = parse_version(line->substr(0, 8), head.version_minor)) return failure;
  const auto status = parse_length(line->substr(9, 3));
  if (!status || *status < 100 || *status > 599) return bad("malformed status line");
  if (line->size() > 12 && (*line)[12] != ' ') return bad("malformed status line");
  head.status = static_cast<unsigned>(*status);
  head.reason = line->size() > 13 ? line->substr(13) : std::string_view{};
  if (!is_field_value(head.reason)) return bad("a control character in the status line");
  head.headers = Headers{};
  return parse_fields(text, limits, head.headers);
}

std::optional<ParseFailure> request_framing(const RequestHead& head, BodyFraming& framing) {
  framing = BodyFraming{};
  const auto hosts = head.headers.all("host");
  if (hosts.size() > 1 || (hosts.empty() && head.version_minor == 1))
    return bad("exactly one Host is needed");
  if (!hosts.empty() && !is_host(hosts[0])) return bad("malformed Host");
  return length_framing(head.headers, head.version_minor, framing);
}

std::optional<ParseFailure> response_framing(const ResponseHead& head,
                                             std::string_view request_method,
                                             BodyFraming& framing) {
  framing = BodyFraming{};
  if (request_method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304)
    return std::nullopt;
  framing = BodyFraming{Framing::until_close, 0};
  return length_framing(head.headers, head.version_minor, framing);
}

Result<std::string> format_request_head(const RequestHead& head) {
  if (!is_token(head.method) || head.target.empty() || !is_target(head.target))
    return make_error(ErrorCode::InvalidArgument, "the method or target cannot be sent");
  std::string out;
  out.reserve(512);
  out.append(head.method).append(" ").append(head.target);
  out.append(head.version_minor == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  PREDA_CHECK(append_fields(head.headers, out));
  return out;
}

Result<std::string> format_response_head(const ResponseHead& head) {
  const std::string_view reason =
      head.reason.empty() ? reason_of(head.status) : std::string_view(head.reason);
  if (head.status < 100 || head.status > 599 || !is_field_value(reason))
    return make_error(ErrorCode::InvalidArgument, "the status cannot be sent");
  std::string out;
  out.reserve(512);
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ").append(reason);
  out.append("\r\n");
  PREDA_CHECK(append_fields(head.headers, out));
  return out;
}

}  // namespace predastore::http
