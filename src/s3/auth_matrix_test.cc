#include <functional>
#include <set>

#include "s3/auth/sigv4.h"
#include "s3/auth/test_support.h"
#include "s3/testing/gateway_fixture.h"

// Every operation of the table, by every way to sign a request, good and with everything that can
// be wrong with it. The table is what the router goes by, so an operation cannot be added without
// being tried here. What tells that a request got as far as its operation is the report that the
// gateway makes of it.
namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;
using testing::TestKey;

constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kStreaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
constexpr std::string_view kStreamingTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
constexpr std::string_view kUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

struct Request {
  http::RequestHead head;
  std::string body;
};

enum class Kind {
  header,
  header_unsigned,
  presigned,
  streaming,
  streaming_trailer,
  unsigned_trailer,
};
constexpr std::array kKinds = {Kind::header,    Kind::header_unsigned,   Kind::presigned,
                               Kind::streaming, Kind::streaming_trailer, Kind::unsigned_trailer};

bool has_body(const OperationInfo& info) { return info.method == "PUT" || info.method == "POST"; }
bool is_streaming(Kind kind) { return kind >= Kind::streaming; }

std::string_view payload_of(Kind kind) {
  switch (kind) {
    case Kind::streaming: return kStreaming;
    case Kind::streaming_trailer: return kStreamingTrailer;
    case Kind::unsigned_trailer: return kUnsignedTrailer;
    case Kind::header_unsigned: return kUnsigned;
    default: return "";
  }
}

// What is wrong with a request: `before` it is signed, or `after`.
struct Fault {
  const char* name;
  std::function<void(TestKey&, WallTime&)> before;
  std::function<void(http::RequestHead&)> after;
  std::set<std::string> codes;
};

void replace_in(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " in " << text;
  text.replace(at, from.size(), to);
}

bool is_presigned(const http::RequestHead& head) {
  return head.target.find("X-Amz-Signature=") != std::string::npos;
}

// The place where the signature, credential or date of a request is.
void edit(http::RequestHead& head, const std::function<void(std::string&)>& change) {
  if (is_presigned(head)) return change(head.target);
  std::string value(head.headers.get("authorization"));
  change(value);
  head.headers.set("Authorization", value);
}

void flip_signature(http::RequestHead& head) {
  edit(head, [](std::string& text) {
    char& last = text.back();
    last = last == '0' ? '1' : '0';
  });
}

void drop_signature(http::RequestHead& head) {
  edit(head, [](std::string& text) { text.erase(text.rfind("ignature=") - 1); });
}

std::vector<Fault> faults() {
  const auto nothing_before = [](TestKey&, WallTime&) {};
  const auto nothing_after = [](http::RequestHead&) {};
  const std::set<std::string> mismatch{"SignatureDoesNotMatch"};
  return {
      {"signature with one digit changed", nothing_before, flip_signature, mismatch},
      {"no signature",
       nothing_before,
       drop_signature,
       {"AuthorizationHeaderMalformed", "AuthorizationQueryParametersError"}},
      {"wrong secret", [](TestKey& key, WallTime&) { key.secret[0] ^= 1; }, nothing_after,
       mismatch},
      {"unknown key",
       [](TestKey& key, WallTime&) { key.id = "AKIDUNKNOWNUNKNOWNUN"; },
       nothing_after,
       {"InvalidAccessKeyId"}},
      {"disabled key",
       [](TestKey& key, WallTime&) { key.id = "AKIDDISABLEDDISABLED"; },
       nothing_after,
       {"InvalidAccessKeyId"}},
      {"too old",
       [](TestKey&, WallTime& now) { now -= 8 * 24h; },
       nothing_after,
       {"RequestTimeTooSkewed", "AccessDenied"}},
      {"from the future",
       [](TestKey&, WallTime& now) { now += 20min; },
       nothing_after,
       {"RequestTimeTooSkewed", "AccessDenied"}},
      {"another region",
       [](TestKey& key, WallTime&) { key.region = "eu-elsewhere-1"; },
       nothing_after,
       {"AuthorizationHeaderMalformed", "AuthorizationQueryParametersError"}},
      {"another method",
       nothing_before,
       [](http::RequestHead& head) { head.method = head.method == "GET" ? "HEAD" : "GET"; },
       {"SignatureDoesNotMatch", ""}},  // HEAD has no body that names the code
      {"another path", nothing_before,
       [](http::RequestHead& head) {
         const std::size_t end = std::min(head.target.find('?'), head.target.size());
         head.target.insert(end, "x");
       },
       mismatch},
      {"another query", nothing_before,
       [](http::RequestHead& head) {
         head.target += head.target.find('?') == std::string::npos ? "?prefix=x" : "&prefix=x";
       },
       mismatch},
      {"another host", nothing_before,
       [](http::RequestHead& head) { head.headers.set("Host", "elsewhere.example.org"); },
       mismatch},
      {"a header that is not signed",
       nothing_before,
       [](http::RequestHead& head) { head.headers.add("x-amz-meta-added", "x"); },
       {"AccessDenied", "SignatureDoesNotMatch"}},
      {"signed twice",
       nothing_before,
       [](http::RequestHead& head) {
         if (is_presigned(head))
           head.headers.add("Authorization", "AWS4-HMAC-SHA256 Credential=x");
         else
           head.target += std::string(head.target.find('?') == std::string::npos ? "?" : "&") +
                          "X-Amz-Signature=" + std::string(64, '0');
       },
       {"InvalidArgument", "InvalidRequest", "AuthorizationQueryParametersError"}},
  };
}

class AuthMatrix : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    access::AccessKey disabled;
    disabled.id = "AKIDDISABLEDDISABLED";
    disabled.secret = crypto::Secret{key_.secret};
    disabled.is_enabled = false;
    ASSERT_TRUE(run_until_done(host_.loop, keys_->put(std::move(disabled), deadline())));
    prepare();
  }
  // As it must be before, and after what was refused.
  void prepare() {
    (void)send("PUT", "/bucket");
    ASSERT_EQ(send("PUT", "/bucket/key", {{"x-amz-tagging", "t=1"}}, "body").status, 200u);
  }
  void expect_untouched() {
    EXPECT_EQ(send("GET", "/bucket/key").body, "body");
    EXPECT_EQ(send("GET", "/bucket/key").header("x-amz-tagging-count"), "1");
    EXPECT_EQ(send("GET", "/bucket?list-type=2").at("KeyCount"), "1");
    EXPECT_EQ(send("GET", "/bucket?uploads").all("Upload", "Key").size(), 0u);
    EXPECT_EQ(send("GET", "/").all("Buckets", "Bucket/Name").size(), 1u);
  }

  // The plainest request that the table says is for this operation.
  Request request_for(const OperationInfo& info) const {
    Request request;
    request.head.method = std::string(info.method);
    request.head.target = info.level == Level::service  ? "/"
                          : info.level == Level::bucket ? "/bucket"
                                                        : "/bucket/key";
    char joint = '?';
    for (const std::string_view selector : {info.selector, info.selector2}) {
      if (selector.empty()) continue;
      const bool has_value = selector.find('=') != std::string_view::npos;
      request.head.target += joint + std::string(selector) + (has_value ? "" : "=1");
      joint = '&';
    }
    request.head.headers.set("Host", "127.0.0.1:" + std::to_string(server_->port()));
    if (!info.selecting_header.empty())
      request.head.headers.add(std::string(info.selecting_header), "/bucket/key");
    return request;
  }
  // Signs as that kind of client does; a body that is streamed is "streamed".
  void sign_as(Kind kind, Request& request, const TestKey& key, WallTime now) {
    http::RequestHead& head = request.head;
    if (kind == Kind::presigned) return presign(head, key, now, 900);
    const std::string payload(payload_of(kind));
    if (!payload.empty()) head.headers.set("x-amz-content-sha256", payload);
    if (is_streaming(kind)) {
      head.headers.set("x-amz-decoded-content-length", "8");
      if (kind != Kind::streaming) head.headers.set("x-amz-trailer", "x-amz-checksum-crc32");
    }
    sign(head, request.body, key, now);
    if (is_streaming(kind)) stream(kind, request, key);
  }
  static void stream(Kind kind, Request& request, const TestKey& key) {
    const SigV4Claim claim = std::get<SigV4Claim>(parse_claim(request.head));
    ChunkSigner signer{signing_key(key.secret, claim), claim};
    const bool is_signed = kind != Kind::unsigned_trailer;
    Encoder crc;
    crc.be(digest::crc32(as_bytes(std::string_view("streamed"))));
    const std::string trailer =
        kind == Kind::streaming ? ""
                                : "x-amz-checksum-crc32:" + to_base64(as_bytes(crc.str())) + "\r\n";
    request.body = auth_testing::aws_chunked("streamed", 1 << 20, is_signed ? &signer : nullptr,
                                             trailer, kind == Kind::streaming_trailer);
  }
  // Sends, and tells what the gateway reported.
  Answer deliver(Request request) {
    wait_for_reports();
    reports_.clear();
    Answer answer = send_as_it_is(std::move(request.head), std::move(request.body));
    wait_for_reports();
    if (reports_.empty()) reports_.emplace_back();
    return answer;
  }
  void expect_refused(Request request, const std::set<std::string>& codes,
                      const std::string& what) {
    const bool has_text = request.head.method != "HEAD";
    const Answer answer = deliver(std::move(request));
    EXPECT_EQ(reports_.back().operation, "Unknown") << what;
    EXPECT_GE(answer.status, 400u) << what;
    EXPECT_LE(answer.status, 403u) << what;
    EXPECT_TRUE(codes.contains(has_text ? answer.code() : std::string(reports_.back().code)) ||
                (!has_text && codes.contains("")))
        << what << ": " << answer.body;
  }
};

TEST_F(AuthMatrix, what_is_good_reaches_its_operation) {
  const std::set<std::string_view> refusals{
      "AccessDenied",         "SignatureDoesNotMatch",        "InvalidAccessKeyId",
      "RequestTimeTooSkewed", "AuthorizationHeaderMalformed", "MissingSecurityHeader"};
  for (const OperationInfo& info : operation_table()) {
    for (const Kind kind : kKinds) {
      if (is_streaming(kind) && !has_body(info)) continue;
      prepare();
      Request request = request_for(info);
      sign_as(kind, request, key_, host_.loop.clock().wall_now());
      (void)deliver(std::move(request));
      const std::string what = std::string(info.name) + " " + std::to_string(int(kind));
      EXPECT_EQ(reports_.back().operation, info.name) << what;
      EXPECT_FALSE(refusals.contains(reports_.back().code)) << what << reports_.back().code;
    }
  }
}

TEST_F(AuthMatrix, what_is_wrong_reaches_none) {
  const std::vector<Fault> all = faults();
  for (const OperationInfo& info : operation_table()) {
    for (const Kind kind : kKinds) {
      if (is_streaming(kind) && !has_body(info)) continue;
      for (const Fault& fault : all) {
        Request request = request_for(info);
        TestKey key = key_;
        WallTime now = host_.loop.clock().wall_now();
        fault.before(key, now);
        sign_as(kind, request, key, now);
        fault.after(request.head);
        expect_refused(std::move(request), fault.codes,
                       std::string(info.name) + " " + std::to_string(int(kind)) + " " + fault.name);
      }
    }
  }
  expect_untouched();
}

TEST_F(AuthMatrix, other_ways_to_sign_reach_none) {
  const std::string date = testing::amz_date(host_.loop.clock().wall_now());
  struct Other {
    const char* name;
    std::function<void(http::RequestHead&)> add;
    std::set<std::string> codes;
  };
  const auto in_query = [](std::string parameters) {
    return [parameters](http::RequestHead& head) {
      head.target += (head.target.find('?') == std::string::npos ? "?" : "&") + parameters;
    };
  };
  const auto in_header = [&](std::string value) {
    return [value, date](http::RequestHead& head) {
      head.headers.set("Authorization", value);
      head.headers.set("x-amz-date", date);
      head.headers.set("x-amz-content-sha256", std::string(kUnsigned));
    };
  };
  const std::vector<Other> others{
      {"anonymous", [](http::RequestHead&) {}, {"AccessDenied"}},
      {"version 2", in_header("AWS " + key_.id + ":c2lnbmF0dXJl"), {"InvalidRequest"}},
      {"version 2 in the query",
       in_query("AWSAccessKeyId=" + key_.id + "&Signature=x&Expires=9999999999"),
       {"InvalidRequest"}},
      {"version 4a", in_header("AWS4-ECDSA-P256-SHA256 Credential=" + key_.id), {"InvalidRequest"}},
      {"basic", in_header("Basic dXNlcjpwYXNz"), {"InvalidArgument"}},
      {"bearer", in_header("Bearer token"), {"InvalidArgument"}},
      {"nothing", in_header(""), {"InvalidArgument", "AccessDenied"}},
  };
  for (const OperationInfo& info : operation_table()) {
    for (const Other& other : others) {
      Request request = request_for(info);
      other.add(request.head);
      expect_refused(std::move(request), other.codes, std::string(info.name) + " " + other.name);
    }
    Request request = request_for(info);
    request.head.headers.set("x-amz-security-token", "token");
    sign(request.head, "", key_, host_.loop.clock().wall_now());
    expect_refused(std::move(request), {"InvalidToken"}, std::string(info.name) + " token");
  }
  expect_untouched();
}

// A form of a browser brings its signature in its body: not built, and nothing of it is believed.
TEST_F(AuthMatrix, forms_of_browsers_reach_none) {
  Request form;
  form.head.method = "POST";
  form.head.target = "/bucket";
  form.head.headers.set("Host", "127.0.0.1");
  form.head.headers.set("Content-Type", "multipart/form-data; boundary=b");
  form.body = "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nevil\r\n--b--\r\n";
  const Answer answer = deliver(std::move(form));
  EXPECT_EQ(answer.status, 501u);
  EXPECT_EQ(answer.code(), "NotImplemented");
  EXPECT_EQ(reports_.back().operation, "Unknown");
  expect_untouched();
}

// A good head before a bad body: nothing of what the body asks for may happen.
TEST_F(AuthMatrix, bodies_that_were_changed_change_nothing) {
  const std::vector<std::pair<const char*, std::function<void(Request&)>>> changes{
      {"a byte", [](Request& request) { replace_in(request.body, "streamed", "Streamed"); }},
      {"cut off", [](Request& request) { request.body.resize(request.body.size() - 3); }},
      {"a byte more", [](Request& request) { request.body += "x"; }},
  };
  for (const OperationInfo& info : operation_table()) {
    if (!has_body(info) || !info.is_built()) continue;
    for (const Kind kind : kKinds) {
      if (!is_streaming(kind)) continue;
      for (const auto& [name, change] : changes) {
        Request request = request_for(info);
        if (info.level == Level::object) replace_in(request.head.target, "/key", "/victim");
        sign_as(kind, request, key_, host_.loop.clock().wall_now());
        change(request);
        const Answer answer = deliver(std::move(request));
        // These have no use for a body and do not read it.
        if (info.name == "CopyObject" || info.name == "CreateMultipartUpload") continue;
        const std::string what =
            std::string(info.name) + " " + std::to_string(int(kind)) + " " + name;
        EXPECT_TRUE(answer.status == 0 || (answer.status >= 400u && answer.status < 500u))
            << what << " " << answer.status << answer.body;
        EXPECT_EQ(send("HEAD", "/bucket/victim").status, 404u) << what;
      }
    }
    (void)send("DELETE", "/bucket/victim");  // a copy
  }
  EXPECT_EQ(send("GET", "/bucket/key").body, "body");
}

TEST_F(AuthMatrix, the_table_has_every_operation_that_is_built) {
  std::set<Operation> in_table;
  for (const OperationInfo& info : operation_table()) in_table.insert(info.operation);
  for (int i = 0; i <= static_cast<int>(Operation::list_parts); ++i)
    EXPECT_TRUE(in_table.contains(static_cast<Operation>(i))) << i;
}

}  // namespace
}  // namespace predastore::s3
