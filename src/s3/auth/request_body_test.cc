#include "s3/auth/request_body.h"

#include "s3/auth/test_support.h"

// Bodies of authenticated requests: what is checked before the end is reported.
namespace predastore::s3::auth_testing {
namespace {

const std::string kSigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const std::string kSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const std::string kUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

std::string crc32_base64(std::string_view text) {
  ChecksumState state(ChecksumAlgorithm::crc32);
  state.update(as_bytes(text));
  return to_base64(as_bytes(state.finish()));
}
std::string noise(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t x = 1;
  for (char& c : text) c = static_cast<char>((x = x * 1664525U + 1013904223U) >> 24);
  return text;
}

http::RequestHead aws_chunked_put(const std::string& mode, const std::string& signature,
                                  std::vector<http::Header> more) {
  auto head = request("PUT", "/examplebucket/chunkObject.txt",
                      {{"Host", "s3.amazonaws.com"},
                       {"x-amz-date", kNow},
                       {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                       {"x-amz-content-sha256", mode},
                       {"Content-Encoding", "aws-chunked"},
                       {"x-amz-decoded-content-length", "66560"}});
  for (auto& header : more) head.headers.add(header.name, header.value);
  std::vector<std::string> names;
  for (const auto& header : head.headers.entries()) names.push_back(http::to_lower(header.name));
  std::ranges::sort(names);
  SigV4Claim claim = claim_for(names);
  claim.signature = signature;
  head.headers.add("Authorization", authorization(claim));
  return head;
}

TEST_F(AuthTest, aws_example_chunked_upload) {
  const auto head =
      aws_chunked_put(kSigned, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                      {{"Content-Length", "66824"}});
  const std::string body =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
      "\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
      "\r\n\r\n";
  ASSERT_EQ(body.size(), 66824U);
  for (const std::size_t piece : {std::size_t{999}, std::size_t{70'000}}) {
    const Verdict verdict = judge(head, body, piece);
    EXPECT_EQ(verdict.code(), "");
    EXPECT_EQ(verdict.bytes, std::string(66560, 'a'));
    EXPECT_EQ(verdict.size_bytes, 66560U);
  }
  // One bit of any chunk's bytes or signature, the last one included.
  for (const std::size_t at : {30UL, 100UL, 65700UL, 66000UL, body.size() - 10}) {
    std::string changed = body;
    changed[at] = changed[at] == 'a' ? 'b' : 'a';
    EXPECT_EQ(judge(head, changed).code(), "SignatureDoesNotMatch") << at;
  }
}

TEST_F(AuthTest, aws_example_chunked_upload_with_trailer) {
  const auto head = aws_chunked_put(
      kSignedTrailer, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
      {{"x-amz-trailer", "x-amz-checksum-crc32c"}});
  const std::string body =
      "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"
      "\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
      "\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n"
      "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
      "\r\n\r\n";
  const Verdict verdict = judge(head, body);
  EXPECT_EQ(verdict.code(), "");
  EXPECT_EQ(verdict.checksum.algorithm, ChecksumAlgorithm::crc32c);
  EXPECT_EQ(to_base64(as_bytes(verdict.checksum.value)), "sOO8/Q==");
  std::string changed = body;
  changed[body.find("sOO8")] = 't';
  EXPECT_EQ(judge(head, changed).code(), "SignatureDoesNotMatch");
}

// Each way to send a body, small and large enough to be hashed beside the loop.
TEST_F(AuthTest, every_payload_mode_gives_the_bytes_and_verifies_them) {
  for (const std::size_t size : {0UL, 1UL, 8192UL, 65'536UL, 300'000UL}) {
    const std::string bytes = noise(size);
    std::string other = bytes;
    if (!other.empty()) other[size / 2] = static_cast<char>(other[size / 2] ^ 1);

    auto hashed = request("PUT", "/b/k", {});
    sign(hashed, sha256_hex(bytes));
    EXPECT_EQ(judge(hashed, bytes).bytes, bytes);
    EXPECT_EQ(judge(hashed, bytes).code(), "");
    if (size > 0) {
      EXPECT_EQ(judge(hashed, other).code(), "XAmzContentSHA256Mismatch");
    }

    auto plain = request("PUT", "/b/k", {{"x-amz-checksum-crc32", crc32_base64(bytes)}});
    sign(plain, "UNSIGNED-PAYLOAD");
    EXPECT_EQ(judge(plain, bytes).code(), "");
    EXPECT_EQ(judge(plain, bytes).checksum.algorithm, ChecksumAlgorithm::crc32);
    if (size > 0) {
      EXPECT_EQ(judge(plain, other).code(), "BadDigest");
    }

    auto trailing = request("PUT", "/b/k",
                            {{"x-amz-trailer", "x-amz-checksum-crc32"},
                             {"x-amz-decoded-content-length", std::to_string(size)}});
    sign(trailing, kUnsignedTrailer);
    const std::string trailer = "x-amz-checksum-crc32:" + crc32_base64(bytes) + "\r\n";
    EXPECT_EQ(judge(trailing, aws_chunked(bytes, 65'536, nullptr, trailer), 5000).bytes, bytes);
    EXPECT_EQ(judge(trailing, aws_chunked(bytes, 65'536, nullptr, trailer)).code(), "");
    if (size > 0) {
      EXPECT_EQ(judge(trailing, aws_chunked(other, 65'536, nullptr, trailer)).code(), "BadDigest");
    }

    for (const bool has_trailer : {false, true}) {
      auto head = request("PUT", "/b/k", {{"x-amz-decoded-content-length", std::to_string(size)}});
      if (has_trailer) head.headers.add("x-amz-trailer", "x-amz-checksum-crc32");
      const SigV4Claim claim = sign(head, has_trailer ? kSignedTrailer : kSigned);
      ChunkSigner signer(signing_key(kSecret, claim), claim);
      const std::string framed =
          aws_chunked(bytes, 65'536, &signer, has_trailer ? trailer : "", has_trailer);
      EXPECT_EQ(judge(head, framed, 70'000).bytes, bytes);
      EXPECT_EQ(judge(head, framed).code(), "");
      ChunkSigner stranger(signing_key("another secret", claim), claim);
      EXPECT_EQ(judge(head, aws_chunked(bytes, 65'536, &stranger, has_trailer ? trailer : "",
                                        has_trailer))
                    .code(),
                "SignatureDoesNotMatch");
    }
  }
}

TEST_F(AuthTest, the_promises_in_headers_are_held_to_their_form) {
  const auto code_of = [&](std::vector<http::Header> headers, const std::string& mode,
                           const std::string& body = "hello") {
    auto head = request("PUT", "/b/k", std::move(headers));
    sign(head, mode);
    return judge(head, body).code();
  };
  const std::string u = "UNSIGNED-PAYLOAD";
  EXPECT_EQ(code_of({{"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="}}, u), "");
  EXPECT_EQ(code_of({{"Content-MD5", "XUFAKrxLKna5cZ2REBfFkQ=="}}, u), "BadDigest");
  EXPECT_EQ(code_of({{"Content-MD5", "XUFAKrxLKna5cZ2REBfF"}}, u), "InvalidDigest");
  EXPECT_EQ(code_of({{"Content-MD5", ""}}, u), "InvalidDigest");
  EXPECT_EQ(code_of({{"x-amz-checksum-crc32", "NhCmhg=="}}, u), "");
  EXPECT_EQ(code_of({{"x-amz-checksum-crc32", "NhCmhw=="}}, u), "BadDigest");
  EXPECT_EQ(code_of({{"x-amz-checksum-crc32", "NhCm"}}, u), "InvalidRequest");
  EXPECT_EQ(
      code_of({{"x-amz-checksum-crc32", "NhCmhg=="}, {"x-amz-checksum-crc32c", "AAAAAA=="}}, u),
      "InvalidRequest");
  EXPECT_EQ(
      code_of({{"x-amz-checksum-xxhash3", "whatever"}, {"x-amz-sdk-checksum-algorithm", "XXHASH3"}},
              u),
      "");
  EXPECT_EQ(code_of({{"x-amz-trailer", "x-amz-checksum-crc32"}}, u), "InvalidRequest");
  EXPECT_EQ(code_of({}, "not-a-hash"), "InvalidArgument");
  EXPECT_EQ(code_of({}, kEmptyHash.substr(1)), "InvalidArgument");
  EXPECT_EQ(code_of({}, kSigned), "MissingContentLength");
  EXPECT_EQ(code_of({{"x-amz-decoded-content-length", "-1"}}, kSigned), "InvalidArgument");
  EXPECT_EQ(code_of({{"x-amz-decoded-content-length", "5"}, {"x-amz-trailer", "x-amz-meta-a"}},
                    kUnsignedTrailer),
            "InvalidRequest");
  const std::string bad = aws_chunked("hello", 10, nullptr, "x-amz-checksum-crc32:zz\r\n");
  EXPECT_EQ(
      code_of({{"x-amz-decoded-content-length", "5"}, {"x-amz-trailer", "x-amz-checksum-crc32"}},
              kUnsignedTrailer, bad),
      "InvalidRequest");
}

// Its checksum headers are about the object that is completed.
TEST_F(AuthTest, the_checksum_of_a_completed_upload_is_not_that_of_the_request) {
  auto head = request("POST", "/b/k?uploadId=x", {{"x-amz-checksum-crc32", "AAAAAA=="}});
  sign(head, sha256_hex("<xml/>"));
  EXPECT_EQ(judge(head, "<xml/>").code(), "");
}

TEST_F(AuthTest, a_connection_that_fails_in_the_body_says_what_it_was) {
  const auto code_of = [&](ErrorCode code, http::Framing framing) {
    FakeExchange exchange;
    exchange.head = request("PUT", "/b/k", {});
    sign(exchange.head, "UNSIGNED-PAYLOAD");
    exchange.fake_body.bytes = "half";
    exchange.fake_body.how = {framing, 8};
    exchange.fake_body.error = make_error(code);
    return judge(exchange).code();
  };
  EXPECT_EQ(code_of(ErrorCode::Unavailable, http::Framing::content_length), "IncompleteBody");
  EXPECT_EQ(code_of(ErrorCode::InvalidArgument, http::Framing::chunked), "IncompleteBody");
  EXPECT_EQ(code_of(ErrorCode::TimedOut, http::Framing::content_length), "RequestTimeout");
  EXPECT_EQ(code_of(ErrorCode::Cancelled, http::Framing::content_length), "connection");
}

TEST_F(AuthTest, continue_is_sent_by_the_first_read_of_an_authenticated_body) {
  FakeExchange refused;
  refused.head = request("PUT", "/b/k", {{"Host", "x"}});
  refused.is_waiting = true;
  EXPECT_EQ(judge(refused).code(), "AccessDenied");
  EXPECT_EQ(refused.continues_sent, 0);
  FakeExchange admitted;
  admitted.head = request("PUT", "/b/k", {});
  sign(admitted.head, "UNSIGNED-PAYLOAD");
  admitted.is_waiting = true;
  admitted.fake_body.bytes = "hello";
  admitted.fake_body.how = {http::Framing::content_length, 5};
  EXPECT_EQ(judge(admitted).code(), "");
  EXPECT_EQ(admitted.continues_sent, 1);
}

TEST_F(AuthTest, a_presigned_upload_may_have_a_payload_mode_of_its_own) {
  const auto presign = [](const std::string& hash) {
    auto head = request("PUT", "", {{"Host", "x"}});
    SigV4Claim claim = claim_for({"host"});
    claim.is_presigned = true;
    const std::string query =
        "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + kAccessKey +
        "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=" + kNow +
        "&X-Amz-Expires=60&X-Amz-SignedHeaders=host";
    head.target = query;
    const auto forms = canonical_requests(claim, head, hash);
    head.target += "&X-Amz-Signature=" +
                   signature_of(signing_key(kSecret, claim), string_to_sign(claim, forms[0]));
    return head;
  };
  EXPECT_EQ(judge(presign("UNSIGNED-PAYLOAD"), "anything").code(), "");
  auto hashed = presign(sha256_hex("hello"));
  EXPECT_EQ(judge(hashed, "hello").code(), "SignatureDoesNotMatch");  // nobody said so
  hashed.headers.add("x-amz-content-sha256", sha256_hex("hello"));
  EXPECT_EQ(judge(hashed, "hello").code(), "");
  EXPECT_EQ(judge(hashed, "hellO").code(), "XAmzContentSHA256Mismatch");
  hashed.headers.set("x-amz-content-sha256", sha256_hex("hellO"));
  EXPECT_EQ(judge(hashed, "hellO").code(), "SignatureDoesNotMatch");
}

}  // namespace
}  // namespace predastore::s3::auth_testing
