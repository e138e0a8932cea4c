#include "cli/s3_client.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/text.h"
#include "cli/admin_client.h"
#include "digest/hash.h"
#include "env/run_task.h"
#include "http/client.h"

namespace predastore::cli {

namespace {

constexpr Duration kProbeTimeout = 4s;
constexpr std::size_t kBodyMaxBytes = 256 * 1024 * 1024;

std::string hex_sha256(std::string_view text) {
  const std::string raw = digest::sha256(text);
  return to_hex(as_bytes(raw));
}

Task<Result<S3Answer>> send(Environment env, HostPort at, http::ClientOptions options,
                            http::RequestHead head, Buffer body) {
  PREDA_CO_TRY(auto client,
               co_await http::Client::connect(env, at.host, at.port, std::move(options)));
  PREDA_CO_TRY(auto response,
               co_await client->fetch(std::move(head), std::move(body), kBodyMaxBytes));
  S3Answer answer;
  answer.status = response.head.status;
  answer.headers = std::move(response.head.headers);
  answer.body = std::string{response.body.text()};
  co_return answer;
}

}  // namespace

std::string sign_v4(const SigningInput& input, const node::RootKey& key) {
  const std::string signed_headers = "host;x-amz-content-sha256;x-amz-date";
  const std::string canonical =
      fmt::format("{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{}\nx-amz-date:{}\n\n{}\n{}",
                  input.method, input.path, input.query, input.host, input.payload_sha256,
                  input.amz_date, signed_headers, input.payload_sha256);
  const std::string day = input.amz_date.substr(0, 8);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", day, input.region);
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", input.amz_date, scope, hex_sha256(canonical));
  const std::string first = "AWS4" + key.secret_access_key;
  const std::string of_day = digest::hmac_sha256(first, day);
  const std::string of_region = digest::hmac_sha256(of_day, input.region);
  const std::string of_service = digest::hmac_sha256(of_region, "s3");
  const std::string signing_key = digest::hmac_sha256(of_service, "aws4_request");
  const std::string signature = digest::hmac_sha256(signing_key, to_sign);
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     key.access_key_id, scope, signed_headers, to_hex(as_bytes(signature)));
}

std::string S3Endpoint::url() const {
  return fmt::format("{}://{}", tls ? "https" : "http", address);
}

bool answers_http(ProductionHost& host, const S3Endpoint& endpoint) {
  const auto at = parse_host_port(endpoint.address);
  if (!at) return false;
  http::ClientOptions options;
  options.tls = endpoint.tls;
  options.connect_timeout = kProbeTimeout;
  options.idle_timeout = kProbeTimeout;
  const auto answer = run_until_done(
      host.loop, send(host.environment(), *at, std::move(options), http::RequestHead{}, Buffer{}));
  return answer.has_value() && answer->status < 500;
}

Result<S3Answer> s3_request(ProductionHost& host, const S3Endpoint& endpoint,
                            const node::RootKey& key, const std::string& method,
                            const std::string& path, const std::string& body) {
  PREDA_TRY(const HostPort at, parse_host_port(endpoint.address));
  const auto now = host.environment().clock.wall_now();
  SigningInput input;
  input.method = method;
  input.path = path;
  input.host = endpoint.address;
  input.amz_date =
      fmt::format("{:%Y%m%dT%H%M%S}Z", std::chrono::time_point_cast<std::chrono::seconds>(now));
  input.payload_sha256 = hex_sha256(body);
  input.region = endpoint.region;
  http::RequestHead head;
  head.method = method;
  head.target = path;
  head.headers.add("Host", endpoint.address);
  head.headers.add("x-amz-content-sha256", input.payload_sha256);
  head.headers.add("x-amz-date", input.amz_date);
  head.headers.add("Authorization", sign_v4(input, key));
  http::ClientOptions options;
  options.tls = endpoint.tls;
  return run_until_done(host.loop, send(host.environment(), at, std::move(options), std::move(head),
                                        Buffer::copy_of(std::string_view{body})));
}

}  // namespace predastore::cli
