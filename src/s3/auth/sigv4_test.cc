#include "s3/auth/sigv4.h"

#include "s3/auth/test_support.h"

// The examples of AWS's documentation of Signature Version 4 for S3, and what is to be refused.
namespace predastore::s3::auth_testing {
namespace {

const std::string kHost = "examplebucket.s3.amazonaws.com";

http::RequestHead aws_get(const std::string& target, const std::string& signature) {
  auto head = request(
      "GET", target, {{"Host", kHost}, {"x-amz-date", kNow}, {"x-amz-content-sha256", kEmptyHash}});
  SigV4Claim claim = claim_for({"host", "x-amz-content-sha256", "x-amz-date"});
  claim.signature = signature;
  head.headers.add("Authorization", authorization(claim));
  return head;
}

http::RequestHead presigned(const std::string& expires, const std::string& signature) {
  return request("GET",
                 "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + kAccessKey +
                     "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
                     "&X-Amz-Expires=" +
                     expires + "&X-Amz-SignedHeaders=host&X-Amz-Signature=" + signature,
                 {{"Host", kHost}});
}
const std::string kPresignedSignature =
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

TEST_F(AuthTest, aws_example_get_object_with_range) {
  auto head =
      request("GET", "/test.txt",
              {{"Host", kHost},
               {"Range", "bytes=0-9"},
               {"x-amz-content-sha256", kEmptyHash},
               {"x-amz-date", kNow},
               {"Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                "aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}});
  EXPECT_EQ(judge(head).code(), "");
  head.headers.set("range", "bytes=0-8");
  EXPECT_EQ(judge(head).code(), "SignatureDoesNotMatch");
}

TEST_F(AuthTest, aws_example_put_object) {
  const std::string body = "Welcome to Amazon S3.";
  auto head = request("PUT", "/test$file.text",
                      {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                       {"Host", kHost},
                       {"x-amz-date", kNow},
                       {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                       {"x-amz-content-sha256", sha256_hex(body)}});
  SigV4Claim claim =
      claim_for({"date", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-storage-class"});
  claim.signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
  head.headers.add("Authorization", authorization(claim));
  EXPECT_EQ(judge(head, body).code(), "");
  EXPECT_EQ(judge(head, "Welcome to Amazon S3!").code(), "XAmzContentSHA256Mismatch");
  // The same path as most clients send it.
  head.target = "/test%24file.text";
  EXPECT_EQ(judge(head, body).code(), "");
}

TEST_F(AuthTest, aws_example_bucket_lifecycle_and_listing) {
  EXPECT_EQ(judge(aws_get("/?lifecycle",
                          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a013"
                          "6783543"))
                .code(),
            "");
  EXPECT_EQ(judge(aws_get("/?prefix=J&max-keys=2",
                          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db66"
                          "70ed5711ef69dc6f7"))
                .code(),
            "");
}

TEST_F(AuthTest, aws_example_presigned_url) {
  EXPECT_EQ(judge(presigned("86400", kPresignedSignature)).code(), "");
  clock.wall = kNowTime + 86400s;
  EXPECT_EQ(judge(presigned("86400", kPresignedSignature)).code(), "");
  clock.wall = kNowTime + 86401s;
  const Verdict expired = judge(presigned("86400", kPresignedSignature));
  EXPECT_EQ(expired.code(), "AccessDenied");
  EXPECT_EQ(expired.refused->message, "Request has expired");
  clock.wall = kNowTime - 16min;
  EXPECT_EQ(judge(presigned("86400", kPresignedSignature)).code(), "AccessDenied");
}

TEST_F(AuthTest, presigned_urls_live_a_week_at_most) {
  EXPECT_EQ(judge(presigned("604800", kPresignedSignature)).code(), "SignatureDoesNotMatch");
  for (const std::string bad : {"604801", "-1", "", "1e3", "0x10", "+5", "99999999999999999999"})
    EXPECT_EQ(judge(presigned(bad, kPresignedSignature)).code(),
              "AuthorizationQueryParametersError")
        << bad;
}

TEST_F(AuthTest, presigned_requests_are_bound_to_method_host_path_and_query) {
  const auto good = presigned("86400", kPresignedSignature);
  auto head = good;
  head.method = "PUT";
  EXPECT_EQ(judge(head).code(), "SignatureDoesNotMatch");
  head = good;
  head.headers.set("host", "other.s3.amazonaws.com");
  EXPECT_EQ(judge(head).code(), "SignatureDoesNotMatch");
  head = good;
  head.target += "&versionId=1";
  EXPECT_EQ(judge(head).code(), "SignatureDoesNotMatch");
  head = good;
  head.target.replace(0, 9, "/test.tx%2F");
  EXPECT_EQ(judge(head).code(), "SignatureDoesNotMatch");
  head = good;
  head.headers.add("x-amz-acl", "public-read");
  EXPECT_EQ(judge(head).code(), "AccessDenied");
  head = good;
  head.target += "&X-Amz-Expires=604800";
  EXPECT_EQ(judge(head).code(), "AuthorizationQueryParametersError");
}

TEST_F(AuthTest, every_signed_element_that_is_changed_is_refused) {
  const std::string body = "hello";
  auto good = request("PUT", "/bucket/a%20key//x?partNumber=1&uploadId=abc",
                      {{"Host", "localhost:9000"},
                       {"x-amz-meta-color", "blue"},
                       {"x-amz-meta-color", "green"},
                       {"x-amz-storage-class", "STANDARD"}});
  sign(good, sha256_hex(body));
  ASSERT_EQ(judge(good, body).code(), "");
  const auto expect_refused = [&](const http::RequestHead& head, const std::string& what) {
    const Verdict verdict = judge(head, body);
    EXPECT_TRUE(verdict.refused.has_value()) << what;
  };
  auto head = good;
  head.method = "POST";
  expect_refused(head, "method");
  for (const std::string target :
       {"/bucket/a%20key/x?partNumber=1&uploadId=abc",
        "/bucket/a%20key//x?partNumber=2&uploadId=abc", "/bucket/a%20key//x?partNumber=1",
        "/bucket/a%20key//x", "/bucket/a%20key//X?partNumber=1&uploadId=abc",
        "/bucket/a%20key//x?partNumber=1&uploadId=abc&acl",
        "/bucket/../bucket/a%20key//x?partNumber=1&uploadId=abc",
        "/bucket/a%2520key//x?partNumber=1&uploadId=abc"}) {
    head = good;
    head.target = target;
    expect_refused(head, target);
  }
  for (const auto& header : good.headers.entries()) {
    if (http::to_lower(header.name) == "authorization") continue;
    head = good;
    head.headers.set(header.name, header.value + "0");
    expect_refused(head, header.name);
    head = good;
    head.headers.remove(header.name);
    expect_refused(head, "without " + header.name);
  }
  head = good;
  head.headers.add("x-amz-acl", "public-read");
  EXPECT_EQ(judge(head, body).code(), "AccessDenied");
  // Every character of the signature and of what the credential says.
  const std::string value(good.headers.get("authorization"));
  for (std::size_t i = value.find("Credential="); i < value.size(); ++i) {
    std::string changed = value;
    changed[i] = changed[i] == 'a' ? 'b' : 'a';
    head = good;
    head.headers.set("authorization", changed);
    expect_refused(head, changed);
  }
  // The order of the query is the client's business.
  head = good;
  head.target = "/bucket/a%20key//x?uploadId=abc&partNumber=1";
  EXPECT_EQ(judge(head, body).code(), "");
}

TEST_F(AuthTest, whatever_is_not_one_claim_in_version_4_is_refused) {
  const auto code_of = [&](std::vector<http::Header> headers, std::string target = "/b") {
    headers.push_back({"Host", "x"});
    return judge(request("GET", std::move(target), std::move(headers))).code();
  };
  EXPECT_EQ(code_of({}), "AccessDenied");
  EXPECT_EQ(code_of({{"Authorization", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg="}}),
            "InvalidRequest");
  EXPECT_EQ(code_of({{"Authorization", "AWS4-ECDSA-P256-SHA256 Credential=x"}}), "InvalidRequest");
  EXPECT_EQ(code_of({{"Authorization", "Bearer x"}}), "InvalidArgument");
  EXPECT_EQ(code_of({{"Authorization", ""}}), "InvalidArgument");
  EXPECT_EQ(code_of({{"Authorization", "AWS4-HMAC-SHA256 "}}), "AuthorizationHeaderMalformed");
  EXPECT_EQ(code_of({}, "/b?AWSAccessKeyId=x&Signature=y&Expires=1"), "InvalidRequest");
  EXPECT_EQ(code_of({}, "/b?X-Amz-Signature=y"), "AuthorizationQueryParametersError");
  EXPECT_EQ(code_of({}, "/b?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256"), "InvalidRequest");

  auto both = request("GET", "/b?X-Amz-Signature=y", {});
  sign(both, kEmptyHash);
  EXPECT_EQ(judge(both).code(), "InvalidArgument");
  auto twice = request("GET", "/b", {});
  sign(twice, kEmptyHash);
  twice.headers.add("Authorization", std::string(twice.headers.get("authorization")));
  EXPECT_EQ(judge(twice).code(), "InvalidArgument");
  auto token = request("GET", "/b", {{"x-amz-security-token", "t"}});
  sign(token, kEmptyHash);
  EXPECT_EQ(judge(token).code(), "InvalidToken");
}

TEST_F(AuthTest, scope_time_and_host_are_checked) {
  const auto code_of = [&](auto change) {
    auto head = request(
        "GET", "/b", {{"Host", "x"}, {"x-amz-date", kNow}, {"x-amz-content-sha256", kEmptyHash}});
    SigV4Claim claim = claim_for({"host", "x-amz-content-sha256", "x-amz-date"});
    change(claim);
    const auto forms = canonical_requests(claim, head, kEmptyHash);
    claim.signature = signature_of(signing_key(kSecret, claim), string_to_sign(claim, forms[0]));
    head.headers.add("Authorization", authorization(claim));
    return judge(head);
  };
  EXPECT_EQ(code_of([](SigV4Claim&) {}).code(), "");
  const Verdict region = code_of([](SigV4Claim& c) { c.region = "eu-central-1"; });
  EXPECT_EQ(region.code(), "AuthorizationHeaderMalformed");
  EXPECT_EQ(region.refused->message,
            "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting "
            "'us-east-1'");
  EXPECT_EQ(region.refused->fields.at(0).first, "Region");
  EXPECT_EQ(code_of([](SigV4Claim& c) { c.service = "ec2"; }).code(),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(code_of([](SigV4Claim& c) { c.terminator = "aws5_request"; }).code(),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(code_of([](SigV4Claim& c) { c.date = "20130523"; }).code(),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(code_of([](SigV4Claim& c) {
              c.signed_headers = {"x-amz-content-sha256", "x-amz-date"};
            }).code(),
            "AccessDenied");
  EXPECT_EQ(code_of([](SigV4Claim& c) { c.access_key_id = "AKIAIOSFODNN7EXAMPLF"; }).code(),
            "InvalidAccessKeyId");
  clock.wall = kNowTime + 15min;
  EXPECT_EQ(code_of([](SigV4Claim&) {}).code(), "");
  clock.wall = kNowTime + 15min + 1ms;
  EXPECT_EQ(code_of([](SigV4Claim&) {}).code(), "RequestTimeTooSkewed");
  clock.wall = kNowTime - 15min - 1ms;
  EXPECT_EQ(code_of([](SigV4Claim&) {}).code(), "RequestTimeTooSkewed");
  clock.wall = kNowTime;
  are_keys_away = true;
  EXPECT_EQ(code_of([](SigV4Claim&) {}).code(), "ServiceUnavailable");
}

TEST_F(AuthTest, a_mismatch_shows_what_was_signed_here_and_no_secret) {
  auto head = request("GET", "/b/k", {});
  sign(head, kEmptyHash, "another secret");
  const Verdict verdict = judge(head);
  ASSERT_EQ(verdict.code(), "SignatureDoesNotMatch");
  std::map<std::string, std::string> fields(verdict.refused->fields.begin(),
                                            verdict.refused->fields.end());
  EXPECT_TRUE(fields.at("CanonicalRequest").starts_with("GET\n/b/k\n\nhost:localhost:9000\n"));
  EXPECT_TRUE(fields.at("StringToSign").starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n"));
  EXPECT_TRUE(fields.at("StringToSignBytes").starts_with("41 57 53 34 2d"));
  for (const auto& [name, value] : fields) EXPECT_EQ(value.find(kSecret), std::string::npos);
}

TEST(CanonicalRequest, joins_doubled_headers_and_trims_values) {
  auto head = request("GET", "/a?b=2&a=%7e&b=1&c",
                      {{"X-Amz-B", " two   words\t x "}, {"x-amz-b", "3"}, {"Host", "h"}});
  const auto forms = canonical_requests(claim_for({"host", "x-amz-b"}), head, "H");
  ASSERT_EQ(forms.size(), 2U);
  EXPECT_EQ(forms[0],
            "GET\n/a\na=%7e&b=1&b=2&c=\nhost:h\nx-amz-b:two words x,3\n\nhost;x-amz-b\nH");
  EXPECT_EQ(forms[1], "GET\n/a\na=~&b=1&b=2&c=\nhost:h\nx-amz-b:two words x,3\n\nhost;x-amz-b\nH");
}

TEST(CanonicalRequest, does_not_normalise_the_path) {
  const auto head = request("GET", "/b//a/../%2E%2e/./k%2Fx+y", {{"Host", "h"}});
  const auto forms = canonical_requests(claim_for({"host"}), head, "H");
  EXPECT_TRUE(forms[0].starts_with("GET\n/b//a/../%2E%2e/./k%2Fx+y\n"));
}

}  // namespace
}  // namespace predastore::s3::auth_testing
