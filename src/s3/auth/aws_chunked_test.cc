#include "s3/auth/aws_chunked.h"

#include "s3/auth/checksum.h"
#include "s3/auth/test_support.h"

namespace predastore::s3::auth_testing {
namespace {

using Kind = AwsChunkedEvent::Kind;
const std::string kZeros(64, '0');

struct Decoded {
  std::string bytes;
  std::string code;  // of the failure
  std::size_t signatures = 0;
  std::vector<std::pair<std::string, std::string>> trailers;
};

// Feeds `body` in pieces of `piece_bytes`.
Decoded decode(const std::string& body, AwsChunkedOptions options, std::size_t piece_bytes) {
  AwsChunkedDecoder decoder(std::move(options));
  Decoded decoded;
  for (std::size_t at = 0; at < body.size(); at += piece_bytes) {
    Buffer input = Buffer::copy_of(std::string_view(body).substr(at, piece_bytes));
    while (true) {
      AwsChunkedEvent event = decoder.next(input, 7);
      if (event.kind == Kind::failed) {
        decoded.code = name_of(decoder.failure().kind);
        return decoded;
      }
      if (event.kind == Kind::need_more) break;
      if (event.kind == Kind::chunk_end) ++decoded.signatures;
      decoded.bytes += event.data.text();
      EXPECT_LE(event.data.size(), 7U);
    }
    EXPECT_TRUE(input.empty());
  }
  if (auto error = decoder.finish()) decoded.code = name_of(error->kind);
  decoded.trailers = decoder.trailers();
  return decoded;
}

TEST(AwsChunked, is_the_same_however_it_is_cut) {
  const std::string unsigned_body =
      "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Amz-Checksum-CRC32: AAAA \r\n\r\n";
  const std::string signature = ";chunk-signature=" + kZeros;
  const std::string signed_body =
      "5" + signature + "\r\nhello\r\n0" + signature +
      "\r\nx-amz-checksum-crc32:AAAA\n\r\nx-amz-trailer-signature:" + kZeros + "\r\n\r\n";
  for (std::size_t piece = 1; piece <= signed_body.size(); ++piece) {
    const Decoded plain = decode(unsigned_body, {false, true, 15, {"x-amz-checksum-crc32"}}, piece);
    EXPECT_EQ(plain.code, "");
    EXPECT_EQ(plain.bytes, "hello0123456789");
    ASSERT_EQ(plain.trailers.size(), 1U);
    EXPECT_EQ(plain.trailers[0].first, "x-amz-checksum-crc32");
    EXPECT_EQ(plain.trailers[0].second, "AAAA");
    const Decoded with = decode(signed_body, {true, true, 5, {"x-amz-checksum-crc32"}}, piece);
    EXPECT_EQ(with.code, "");
    EXPECT_EQ(with.bytes, "hello");
    EXPECT_EQ(with.signatures, 2U);
    EXPECT_EQ(with.trailers[0].second, "AAAA");
  }
}

TEST(AwsChunked, every_way_to_be_wrong_has_its_code) {
  const std::string t = "x-amz-checksum-crc32:AAAA\r\n";
  struct Case {
    std::string body;
    std::string code;
  };
  const Case cases[] = {
      {"5\r\nhello\r\n0\r\n" + t + "\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"},               // declared, not there
      {"5\r\nhello\r\n0\r\n" + t + t + "\r\n", "MalformedTrailerError"},  // twice
      {"5\r\nhello\r\n0\r\n" + t + "x-amz-checksum-crc32c:AAAA\r\n\r\n", "MalformedTrailerError"},
      {"5\r\nhello\r\n0\r\n" + t + "x-amz-trailer-signature:" + kZeros + "\r\n\r\n",
       "MalformedTrailerError"},
      {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", "MalformedTrailerError"},
      {"5\r\nhello\r\n0\r\n:AAAA\r\n\r\n", "MalformedTrailerError"},
      {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA\rAA\r\n\r\n", "MalformedTrailerError"},
      {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + std::string(2000, 'A') + "\r\n\r\n",
       "IncompleteBody"},
      {"5\r\nhello\r\n0\r\n" + t, "IncompleteBody"},
      {"5\r\nhello\r\n0\r\n" + t + "\r", "IncompleteBody"},
      {"5\r\nhello\r\n0\r\n" + t + "\r\nX", "IncompleteBody"},
      {"5\r\nhello\r\n0\r\n" + t + "\r\n\r\n", "IncompleteBody"},
      {"4\r\nhell\r\n0\r\n" + t + "\r\n", "IncompleteBody"},    // short
      {"6\r\nhello!\r\n0\r\n" + t + "\r\n", "IncompleteBody"},  // long
      {"5\r\nhello\r\n1\r\n!\r\n0\r\n" + t + "\r\n", "IncompleteBody"},
      {"5\r\nhelloX\r\n0\r\n" + t + "\r\n", "IncompleteBody"},
      {"5\r\nhello0\r\n" + t + "\r\n", "IncompleteBody"},
      {"5\nhello\n0\n\n", "IncompleteBody"},
      {"8000000000000000\r\nhello\r\n", "IncompleteBody"},
      {"ffffffffffffffff\r\nhello\r\n", "IncompleteBody"},
      {"10000000000000005\r\nhello\r\n", "IncompleteBody"},
      {"+5\r\nhello\r\n0\r\n" + t + "\r\n", "IncompleteBody"},
      {"5;a=b\r\nhello\r\n0\r\n" + t + "\r\n", "IncompleteBody"},
      {"5;chunk-signature=" + kZeros + "\r\nhello\r\n0\r\n" + t + "\r\n", "IncompleteBody"},
      {std::string(1000, '0'), "IncompleteBody"},
      {"", "IncompleteBody"},
      {"hello", "IncompleteBody"},
      {"\r\n", "IncompleteBody"},
  };
  for (const Case& c : cases) {
    for (std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{10'000}})
      EXPECT_EQ(decode(c.body, {false, true, 5, {"x-amz-checksum-crc32"}}, piece).code, c.code)
          << c.body;
  }
  EXPECT_EQ(decode("5\r\nhello\r\n0\r\n\r\n", {true, false, 5, {}}, 100).code, "IncompleteBody");
  EXPECT_EQ(
      decode("5;chunk-signature=" + std::string(64, 'G') + "\r\n", {true, false, 5, {}}, 100).code,
      "IncompleteBody");
}

TEST(AwsChunked, only_the_last_signed_chunk_may_be_small) {
  const std::string s = ";chunk-signature=" + kZeros + "\r\n";
  const std::string small =
      "1fff" + s + std::string(8191, 'a') + "\r\n1" + s + "b\r\n0" + s + "\r\n";
  EXPECT_EQ(decode(small, {true, false, 8192, {}}, 100'000).code, "InvalidChunkSizeError");
  const std::string large =
      "2000" + s + std::string(8192, 'a') + "\r\n1" + s + "b\r\n0" + s + "\r\n";
  EXPECT_EQ(decode(large, {true, false, 8193, {}}, 100'000).code, "");
}

TEST(Checksums, have_the_values_of_their_standards) {
  const auto base64_of = [](ChecksumAlgorithm algorithm) {
    ChecksumState state(algorithm);
    state.update(as_bytes("1234"));
    state.update(as_bytes("56789"));
    return to_base64(as_bytes(state.finish()));
  };
  EXPECT_EQ(base64_of(ChecksumAlgorithm::crc32), "y/Q5Jg==");
  EXPECT_EQ(base64_of(ChecksumAlgorithm::crc32c), "4waSgw==");
  EXPECT_EQ(base64_of(ChecksumAlgorithm::crc64nvme), "rosUhgp5mIg=");
  EXPECT_EQ(base64_of(ChecksumAlgorithm::sha1), "98O8HYCOBHMq32eZZczDTKeuNEE=");
  EXPECT_EQ(base64_of(ChecksumAlgorithm::sha256), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
}

}  // namespace
}  // namespace predastore::s3::auth_testing
