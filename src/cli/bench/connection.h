#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/admin_client.h"
#include "cli/bench/options.h"
#include "cli/bench/pattern.h"
#include "env/environment.h"
#include "http/client.h"

namespace predastore::cli::bench {

// Where requests go: one server that speaks S3.
struct Endpoint {
  HostPort at;
  std::string host_header;
  bool is_https = false;
};
// "http://127.0.0.1:9000", "https://s3.example.org", "127.0.0.1:9000". InvalidArgument.
Result<Endpoint> parse_endpoint(const std::string& text);

// One S3 request. With `key` the body that is sent, or what is read and compared, is that of the
// object of this name, from `pattern_offset_bytes` on.
struct Call {
  std::string method = "GET";
  std::string path;   // escaped
  std::string query;  // canonical
  std::optional<std::string> range;
  std::string key;
  std::uint64_t body_bytes = 0;  // of the pattern
  std::uint64_t pattern_offset_bytes = 0;
  std::string text;         // a body of text instead (XML)
  std::string content_md5;  // of the text; empty: none is sent
  bool wants_text = false;  // the answer's body is text to be kept
};

struct Answer {
  unsigned status = 0;
  std::string etag;
  std::string text;              // when wanted, or the error
  std::uint64_t body_bytes = 0;  // of the answer
  Duration first_byte{};         // from the call on
};

// One connection of a worker to one endpoint, made when it is needed and made anew after it broke.
// On the loop of `env`. What is given by reference outlives it.
class Connection {
 public:
  Connection(Environment env, const Options& options, const Pattern& pattern, Endpoint endpoint)
      : env_(env), options_(options), pattern_(pattern), endpoint_(std::move(endpoint)) {}

  // Errors are those of the connection, Corruption when the bytes are not those of the object, and
  // answers of 300 and above: Internal with the status and S3's code in its message.
  Task<Result<Answer>> send(Call call);

 private:
  Task<Result<Answer>> send_once(Call call);
  Task<Result<void>> connect();
  Task<Result<void>> write_body(const Call& call);
  Task<Result<void>> read_body(const Call& call, Answer* answer);
  http::RequestHead sign(const Call& call) const;

  Environment env_;
  const Options& options_;
  const Pattern& pattern_;
  Endpoint endpoint_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace predastore::cli::bench
