#include "cli/bench/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "cli/s3_client.h"
#include "digest/hash.h"

namespace predastore::cli::bench {

namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kTextMaxBytes = 4 << 20;

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const auto from = text.find(begin);
  if (from == std::string::npos) return "";
  const auto to = text.find(end, from + begin.size());
  if (to == std::string::npos) return "";
  return text.substr(from + begin.size(), to - from - begin.size());
}

std::string hex_sha256(const std::string& text) {
  const std::string raw = digest::sha256(std::string_view{text});
  return to_hex(as_bytes(raw));
}

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& text) {
  Endpoint endpoint;
  std::string rest = text;
  endpoint.is_https = rest.starts_with("https://");
  if (endpoint.is_https || rest.starts_with("http://")) rest = rest.substr(rest.find("//") + 2);
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  endpoint.host_header = rest;
  const auto bracket = rest.rfind(']');
  const auto colon = rest.rfind(':');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  if (!has_port) rest += endpoint.is_https ? ":443" : ":80";
  PREDA_TRY(endpoint.at, parse_host_port(rest));
  return endpoint;
}

http::RequestHead Connection::sign(const Call& call) const {
  SigningInput input;
  input.method = call.method;
  input.path = call.path;
  input.query = call.query;
  input.host = endpoint_.host_header;
  input.amz_date =
      fmt::format("{:%Y%m%dT%H%M%S}Z",
                  std::chrono::time_point_cast<std::chrono::seconds>(env_.clock.wall_now()));
  input.region = options_.region;
  input.payload_sha256 = "UNSIGNED-PAYLOAD";
  if (options_.sign_payload) {
    input.payload_sha256 =
        call.body_bytes > 0
            ? pattern_.sha256_hex(call.key, call.pattern_offset_bytes, call.body_bytes)
            : hex_sha256(call.text);
  }
  http::RequestHead head;
  head.method = call.method;
  head.target = call.query.empty() ? call.path : call.path + "?" + call.query;
  head.headers.add("Host", endpoint_.host_header);
  head.headers.add("x-amz-content-sha256", input.payload_sha256);
  head.headers.add("x-amz-date", input.amz_date);
  if (call.range.has_value()) head.headers.add("Range", *call.range);
  if (!call.content_md5.empty()) head.headers.add("Content-MD5", call.content_md5);
  const node::RootKey key{options_.access_key_id, options_.secret_access_key};
  head.headers.add("Authorization", sign_v4(input, key));
  return head;
}

Task<Result<void>> Connection::connect() {
  http::ClientOptions options;
  if (endpoint_.is_https) {
    options.tls.emplace();
    if (!options_.ca_file.empty()) {
      std::ifstream file(options_.ca_file);
      std::ostringstream pem;
      pem << file.rdbuf();
      options.tls->ca_pem = pem.str();
    }
  }
  PREDA_CO_TRY(client_, co_await http::Client::connect(env_, endpoint_.at.host, endpoint_.at.port,
                                                       std::move(options)));
  co_return Result<void>{};
}

Task<Result<void>> Connection::write_body(const Call& call) {
  if (!call.text.empty()) {
    BufferChain chain(Buffer::copy_of(std::string_view{call.text}));
    co_return co_await client_->write(std::move(chain));
  }
  for (std::uint64_t at = 0; at < call.body_bytes;) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(call.body_bytes - at, kPieceBytes));
    BufferChain chain = pattern_.bytes(call.key, call.pattern_offset_bytes + at, count);
    PREDA_CO_CHECK(co_await client_->write(std::move(chain)));
    at += count;
  }
  co_return Result<void>{};
}

Task<Result<void>> Connection::read_body(const Call& call, Answer* answer) {
  const bool is_text = call.wants_text || answer->status >= 300;
  const bool is_compared = options_.verify && !is_text && !call.key.empty();
  while (true) {
    PREDA_CO_TRY(Buffer piece, co_await client_->body().read(kPieceBytes));
    if (piece.empty()) break;
    if (is_text && answer->text.size() + piece.size() <= kTextMaxBytes)
      answer->text += piece.text();
    if (is_compared &&
        !pattern_.matches(call.key, call.pattern_offset_bytes + answer->body_bytes, piece.bytes()))
      co_return make_error(ErrorCode::Corruption, "wrong bytes in " + call.key);
    answer->body_bytes += piece.size();
  }
  co_return Result<void>{};
}

Task<Result<Answer>> Connection::send_once(Call call) {
  if (client_ == nullptr) {
    PREDA_CO_CHECK(co_await connect());
  }
  const Instant begun = env_.clock.now();
  const std::uint64_t length = call.text.empty() ? call.body_bytes : call.text.size();
  PREDA_CO_CHECK(co_await client_->begin(sign(call), length));
  // A server may answer and close before it has taken all: then the answer counts.
  const Result<void> written = co_await write_body(call);
  Result<http::ResponseHead> head = co_await client_->finish();
  if (!head && !written) co_return written.error();
  if (!head) co_return head.error();
  Answer answer;
  answer.status = head->status;
  answer.etag = std::string(head->headers.get("etag"));
  answer.first_byte = env_.clock.now() - begun;
  PREDA_CO_CHECK(co_await read_body(call, &answer));
  co_return answer;
}

Task<Result<Answer>> Connection::send(Call call) {
  Result<Answer> answer = co_await send_once(std::move(call));
  if (!answer || !client_->is_reusable()) client_.reset();
  if (answer && answer->status >= 300) {
    const std::string code = between(answer->text, "<Code>", "</Code>");
    co_return make_error(ErrorCode::Internal, code.empty()
                                                  ? std::to_string(answer->status)
                                                  : fmt::format("{} {}", answer->status, code));
  }
  co_return answer;
}

}  // namespace predastore::cli::bench
