#include <benchmark/benchmark.h>

#include <string>

#include "digest/hash.h"
#include "s3/auth/aws_chunked.h"
#include "s3/auth/sigv4.h"

namespace predastore::s3 {
namespace {

constexpr const char* kPayload = "UNSIGNED-PAYLOAD";

// A GET as the SDKs sign it. The signature itself may be anything: it is computed all the same.
http::RequestHead request() {
  http::RequestHead head{
      "GET", "/photos/2026/a%20cat.jpg?response-content-type=image%2Fjpeg", 1, {}};
  head.headers.add("Host", "localhost:9000");
  head.headers.add("x-amz-date", "20130524T000000Z");
  head.headers.add("x-amz-content-sha256", kPayload);
  head.headers.add("Authorization",
                   "AWS4-HMAC-SHA256 "
                   "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                   "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" +
                       std::string(64, 'a'));
  return head;
}

// What one request costs, with the key of the day at hand (as the gateway has it) or made anew.
void sigv4(benchmark::State& state, bool has_key) {
  const http::RequestHead head = request();
  const SigV4Claim first = std::get<SigV4Claim>(parse_claim(head));
  const std::string kept = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", first);
  for (auto _ : state) {
    const SigV4Claim claim = std::get<SigV4Claim>(parse_claim(head));
    const std::string key =
        has_key ? kept : signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", claim);
    const auto forms = canonical_requests(claim, head, kPayload);
    const std::string signature = signature_of(key, string_to_sign(claim, forms.front()));
    benchmark::DoNotOptimize(digest::constant_time_equal(signature, claim.signature));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(sigv4, with_the_key_of_the_day, true);
BENCHMARK_CAPTURE(sigv4, from_the_secret, false);

// The framing of an upload in chunks of 64 KiB, read in pieces of 128 KiB; data is not copied.
void aws_chunked(benchmark::State& state) {
  constexpr std::size_t kChunk = 64 * 1024, kPiece = 128 * 1024, kChunks = 64;
  std::string body;
  for (std::size_t i = 0; i < kChunks; ++i) body += "10000\r\n" + std::string(kChunk, 'x') + "\r\n";
  body += "0\r\n\r\n";
  const Buffer whole = Buffer::take(std::move(body));
  for (auto _ : state) {
    AwsChunkedDecoder decoder({.is_signed = false,
                               .has_trailer = false,
                               .decoded_size_bytes = kChunk * kChunks,
                               .trailer_names = {}});
    std::size_t size = 0;
    for (std::size_t at = 0; at < whole.size(); at += kPiece) {
      Buffer input = whole.slice(at, std::min(kPiece, whole.size() - at));
      for (;;) {
        const AwsChunkedEvent event = decoder.next(input, kPiece);
        if (event.kind != AwsChunkedEvent::Kind::data) break;
        size += event.data.size();
      }
    }
    if (size != kChunk * kChunks) state.SkipWithError("not all of it was decoded");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunk * kChunks));
}
BENCHMARK(aws_chunked);

}  // namespace
}  // namespace predastore::s3

BENCHMARK_MAIN();
