#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "env/task.h"

// HTTP/1.1 messages in our own types. Nothing here reads or writes a socket.
namespace predastore::http {

bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII letters only
std::string to_lower(std::string_view text);                       // ASCII letters only

struct Header {
  std::string name;   // as it was sent
  std::string value;  // without the white space around it
};

// The header fields of one message in the order of the wire, duplicates included. Names compare
// without regard to case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> headers) : entries_(headers) {}

  void add(std::string name, std::string value) {
    entries_.push_back(Header{std::move(name), std::move(value)});
  }
  void set(std::string_view name, std::string value);  // replaces all of that name
  void remove(std::string_view name);

  const std::string* find(std::string_view name) const;  // the first; null when there is none
  std::string_view get(std::string_view name) const;     // the first; empty when there is none
  std::size_t count(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  // Whether one of the comma-separated elements of all fields of that name is `token`.
  bool has_token(std::string_view name, std::string_view token) const;

  const std::vector<Header>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }

 private:
  std::vector<Header> entries_;
};

struct RequestHead {
  std::string method = "GET";  // case-sensitive
  std::string target = "/";    // exactly the bytes of the wire: not decoded, not normalised
  int version_minor = 1;       // HTTP/1.<this>
  Headers headers;

  std::string_view path() const;   // the target before the first '?', still raw
  std::string_view query() const;  // what follows it; empty without one
};

struct ResponseHead {
  unsigned status = 200;
  std::string reason;  // empty: the usual one of the status
  int version_minor = 1;
  Headers headers;
};

std::string_view reason_of(unsigned status);

// How the length of a body is told.
enum class Framing { none, content_length, chunked, until_close };

struct BodyFraming {
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
};

// The bytes of a body, unframed. Used on the loop of its connection, one read at a time, and not
// after the exchange (or the response) it belongs to is over.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // 1..max_bytes bytes, empty at the end. Fewer than asked for only at the end or when the sender
  // frames them so; at most 1 MiB at once. Errors: TimedOut (nothing came for the idle time),
  // InvalidArgument (bad framing), Unavailable (the connection ended before the body did),
  // Cancelled (the server stops). After an error the connection is closed.
  virtual Task<Result<Buffer>> read(std::size_t max_bytes) = 0;
  virtual BodyFraming framing() const = 0;
  virtual bool is_at_end() const = 0;
};

struct HeadLimits {
  std::size_t size_max_bytes = 64 * 1024;  // start line and all header fields
  std::size_t count_max = 200;             // header fields
};

// Why a message is refused; the status is what a server answers before it closes the connection.
struct ParseFailure {
  unsigned status = 400;
  std::string reason;
};

// The strict parsers. `text` is a head with the empty line that ends it. Refused are: line ends
// other than CRLF, folded lines, space before a colon, names that are no tokens, control characters
// in values or targets, targets that do not begin with '/' (but "*" of OPTIONS), versions other
// than 1.0 and 1.1.
std::optional<ParseFailure> parse_request_head(std::string_view text, const HeadLimits& limits,
                                               RequestHead& head);
std::optional<ParseFailure> parse_response_head(std::string_view text, const HeadLimits& limits,
                                                ResponseHead& head);
// The body's framing, by RFC 9112 and stricter: Content-Length beside Transfer-Encoding, either of
// them twice, any coding but `chunked`, signs, spaces, lists or overflow in a length, and
// Transfer-Encoding in HTTP/1.0 are refused. So is a 1.1 request without exactly one Host.
std::optional<ParseFailure> request_framing(const RequestHead& head, BodyFraming& framing);
std::optional<ParseFailure> response_framing(const ResponseHead& head,
                                             std::string_view request_method, BodyFraming& framing);

// The head as bytes, with the empty line. InvalidArgument when a name or value cannot be sent as
// one field (CR, LF, NUL, a name that is no token).
Result<std::string> format_request_head(const RequestHead& head);
Result<std::string> format_response_head(const ResponseHead& head);

}  // namespace predastore::http
