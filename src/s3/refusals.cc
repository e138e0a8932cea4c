#include "s3/refusals.h"

#include <array>
#include <utility>

#include "s3/error_table.h"
#include "telemetry/log.h"

namespace predastore::s3 {
namespace {

S3Error error_of(const http::ParseFailure& failure) {
  switch (failure.status) {
    case 408: return S3Code::RequestTimeout;
    case 414:
    case 431: return S3Code::RequestHeaderSectionTooLarge;
    case 503: return S3Code::SlowDown;
    default: return S3Error{S3Code::BadRequest, "The request cannot be read: " + failure.reason};
  }
}

void log_refusal(const http::ErrorPage& page, const S3Error& error, const std::string& request_id,
                 const std::string& reason) {
  // A crowd at the door is counted; a line for each would make things worse.
  const auto level =
      page.head.status == 503 ? telemetry::LogLevel::debug : telemetry::LogLevel::info;
  telemetry::log(level, "refuse what is no request",
                 {{"request_id", request_id},
                  {"status", page.head.status},
                  {"code", error.name()},
                  {"reason", reason}});
}

}  // namespace

std::string new_request_id(Random& random) {
  static constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
  std::array<std::byte, 16> bytes;
  random.fill(bytes);
  std::string id;
  for (const std::byte byte : bytes) id.push_back(kDigits[static_cast<std::size_t>(byte) % 32]);
  return id;
}

http::Headers identifying_headers(std::string_view request_id, std::string_view host_id) {
  http::Headers headers;
  headers.add("Server", "Predastore");
  headers.add("x-amz-request-id", std::string(request_id));
  headers.add("x-amz-id-2", std::string(host_id));
  return headers;
}

// There is no request yet, so nothing of what the client sent is in the answer.
http::ErrorPageMaker refusal_pages(Random& random, std::string host_id,
                                   std::function<void(const RequestReport&)> on_request) {
  return [&random, host_id = std::move(host_id),
          on_request = std::move(on_request)](const http::ParseFailure& failure) {
    const S3Error error = error_of(failure);
    const std::string request_id = new_request_id(random);
    http::ErrorPage page;
    // HTTP has a better word for some of what is no request at all.
    page.head.status = error.code == S3Code::BadRequest ? failure.status : error.status();
    page.head.headers = identifying_headers(request_id, host_id);
    page.head.headers.add("Content-Type", "application/xml");
    if (page.head.status == 503) page.head.headers.add("Retry-After", "1");
    page.body = Buffer::take(error_xml(error, "/", request_id, host_id));
    log_refusal(page, error, request_id, failure.reason);
    if (!on_request) return page;
    RequestReport over;
    over.operation = "Unknown";
    over.code = error.name();
    over.status = page.head.status;
    over.bytes_out = page.body.size();
    on_request(over);
    return page;
  };
}

}  // namespace predastore::s3
