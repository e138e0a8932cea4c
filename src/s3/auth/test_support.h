#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "digest/hash.h"
#include "env/host.h"
#include "env/run_task.h"
#include "s3/auth/authenticate.h"
#include "s3/auth/sigv4.h"

// Only for tests: requests of AWS's documentation, a signer, and an exchange without a socket.
namespace predastore::s3::auth_testing {

inline const std::string kAccessKey = "AKIAIOSFODNN7EXAMPLE";
inline const std::string kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
inline const std::string kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline const std::string kNow = "20130524T000000Z";
inline const WallTime kNowTime =
    WallTime(std::chrono::sys_days(std::chrono::year(2013) / std::chrono::May / 24));

inline std::string sha256_hex(std::string_view text) {
  return to_hex(as_bytes(digest::sha256(text)));
}

inline http::RequestHead request(std::string method, std::string target,
                                 std::vector<http::Header> headers) {
  http::RequestHead head{std::move(method), std::move(target), 1, {}};
  for (http::Header& header : headers) head.headers.add(header.name, header.value);
  return head;
}

inline SigV4Claim claim_for(const std::vector<std::string>& signed_headers) {
  SigV4Claim claim;
  claim.access_key_id = kAccessKey;
  claim.date = kNow.substr(0, 8);
  claim.region = "us-east-1";
  claim.service = "s3";
  claim.terminator = "aws4_request";
  claim.timestamp = kNow;
  claim.time = kNowTime;
  claim.signed_headers = signed_headers;
  return claim;
}

inline std::string authorization(const SigV4Claim& claim) {
  std::string names;
  for (const std::string& name : claim.signed_headers) names += (names.empty() ? "" : ";") + name;
  return "AWS4-HMAC-SHA256 Credential=" + claim.access_key_id + "/" + claim.scope() +
         ",SignedHeaders=" + names + ",Signature=" + claim.signature;
}

// Signs host and every x-amz-* header that is there, as the SDKs do. Gives the claim, for chunks.
inline SigV4Claim sign(http::RequestHead& head, const std::string& payload_hash,
                       const std::string& secret = kSecret) {
  if (head.headers.count("host") == 0) head.headers.add("Host", "localhost:9000");
  head.headers.add("x-amz-date", kNow);
  head.headers.add("x-amz-content-sha256", payload_hash);
  std::vector<std::string> names;
  for (const auto& header : head.headers.entries()) {
    const std::string name = http::to_lower(header.name);
    const bool is_new = std::ranges::find(names, name) == names.end();
    if (is_new && (name == "host" || name.starts_with("x-amz-"))) names.push_back(name);
  }
  std::ranges::sort(names);
  SigV4Claim claim = claim_for(names);
  const auto forms = canonical_requests(claim, head, payload_hash);
  claim.signature = signature_of(signing_key(secret, claim), string_to_sign(claim, forms.back()));
  head.headers.add("Authorization", authorization(claim));
  return claim;
}

// The aws-chunked form of `body`, signed when there is a signer.
inline std::string aws_chunked(std::string_view body, std::size_t chunk_size, ChunkSigner* signer,
                               const std::string& trailer_lines = "", bool sign_trailer = false) {
  std::string out;
  while (true) {
    const std::string_view chunk = body.substr(0, chunk_size);
    body.remove_prefix(chunk.size());
    char size[32];
    std::snprintf(size, sizeof size, "%zx", chunk.size());
    out += size;
    if (signer != nullptr) out += ";chunk-signature=" + signer->sign_chunk(digest::sha256(chunk));
    out += "\r\n";
    if (chunk.empty()) break;
    out.append(chunk).append("\r\n");
  }
  std::string canonical;
  for (char c : trailer_lines) {
    if (c != '\r') canonical += c;
  }
  out += trailer_lines;
  if (sign_trailer) {
    out += "x-amz-trailer-signature:" + signer->sign_trailer(digest::sha256(canonical)) + "\r\n";
  }
  return out + "\r\n";
}

class FakeClock final : public Clock {
 public:
  explicit FakeClock(Clock& real) : real_(real) {}
  Instant now() const override { return real_.now(); }
  WallTime wall_now() const override { return wall; }
  TimerId call_at(Instant when, std::function<void()> callback) override {
    return real_.call_at(when, std::move(callback));
  }
  void cancel(TimerId id) override { real_.cancel(id); }
  WallTime wall = kNowTime;

 private:
  Clock& real_;
};

class FakeBody final : public http::BodyReader {
 public:
  Task<Result<Buffer>> read(std::size_t max_bytes) override {
    const std::size_t size = std::min({max_bytes, piece_bytes, bytes.size() - at});
    if (size == 0 && error) co_return *error;
    Buffer piece = Buffer::copy_of(std::string_view(bytes).substr(at, size));
    at += size;
    co_return piece;
  }
  http::BodyFraming framing() const override { return how; }
  bool is_at_end() const override { return at == bytes.size(); }

  std::string bytes;
  std::size_t piece_bytes = SIZE_MAX;
  std::size_t at = 0;
  std::optional<Error> error;  // instead of the end
  http::BodyFraming how;
};

class FakeExchange final : public http::Exchange {
 public:
  const http::RequestHead& request() const override { return head; }
  const std::string& remote_address() const override { return address; }
  bool is_tls() const override { return false; }
  const std::string& peer_certificate_pem() const override { return address; }
  bool is_waiting_for_continue() const override { return is_waiting; }
  Task<Result<void>> send_continue() override {
    is_waiting = false;
    ++continues_sent;
    co_return Result<void>{};
  }
  http::BodyReader& body() override { return fake_body; }
  Task<Result<void>> respond(http::ResponseHead, Buffer) override { co_return Result<void>{}; }
  void begin(http::ResponseHead, std::optional<std::uint64_t>) override {}
  Task<Result<void>> write(BufferChain) override { co_return Result<void>{}; }
  Task<Result<void>> finish() override { co_return Result<void>{}; }
  void abort() override {}
  bool has_begun() const override { return false; }
  bool has_sent_head() const override { return false; }

  http::RequestHead head;
  FakeBody fake_body;
  std::string address;
  bool is_waiting = false;
  int continues_sent = 0;
};

// What became of a request and its body.
struct Verdict {
  std::optional<AuthError> refused;  // of the request
  std::optional<AuthError> failed;   // of the body
  bool is_body_good = false;
  std::string bytes;
  ObjectChecksum checksum;
  std::optional<std::uint64_t> size_bytes;

  std::string code() const {
    if (refused) return std::string(name_of(refused->kind));
    if (failed) return std::string(name_of(failed->kind));
    return is_body_good ? "" : "connection";
  }
};

class AuthTest : public ::testing::Test {
 protected:
  Verdict judge(http::RequestHead head, std::string body = "", std::size_t piece_bytes = 1 << 20) {
    FakeExchange exchange;
    exchange.head = std::move(head);
    exchange.fake_body.how = {http::Framing::content_length, body.size()};
    exchange.fake_body.bytes = std::move(body);
    exchange.fake_body.piece_bytes = piece_bytes;
    return judge(exchange);
  }
  Verdict judge(FakeExchange& exchange) {
    const Environment outside{host.loop.executor(), clock, host.random, host.files, host.blocking};
    KeyLookup lookup = [this](std::string id, Instant) { return look_up(std::move(id)); };
    Authenticator authenticator(outside, std::move(lookup), options);
    return run_until_done(host.loop, judge_with(authenticator, exchange));
  }
  Task<Result<std::optional<crypto::Secret>>> look_up(std::string id) {
    if (are_keys_away) co_return make_error(ErrorCode::Unavailable, "no leader");
    std::optional<crypto::Secret> secret;
    if (id == kAccessKey) secret.emplace(kSecret);
    co_return secret;
  }
  static Task<Verdict> judge_with(Authenticator& authenticator, FakeExchange& exchange) {
    Verdict verdict;
    AuthOutcome outcome = co_await authenticator.authenticate(exchange, kNever);
    if (auto* error = std::get_if<AuthError>(&outcome)) {
      EXPECT_EQ(exchange.fake_body.at, 0U) << "a refused request's body was read";
      verdict.refused = *error;
      co_return verdict;
    }
    RequestBody& body = std::get<0>(outcome)->body();
    verdict.size_bytes = body.size_bytes();
    while (true) {
      const Result<Buffer> piece = co_await body.read(100'000);
      if (!piece) {
        verdict.failed = body.failure();
        co_return verdict;
      }
      if (piece->empty()) break;
      verdict.bytes += piece->text();
    }
    verdict.is_body_good = true;
    verdict.checksum = body.checksum();
    co_return verdict;
  }

  ProductionHost host{2};
  FakeClock clock{host.loop.clock()};
  AuthOptions options;
  bool are_keys_away = false;
};

}  // namespace predastore::s3::auth_testing
