#include "s3/slow_answer.h"

#include <string_view>

#include "s3/gateway.h"

namespace predastore::s3 {
namespace {

constexpr std::string_view kDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

}  // namespace

Task<Result<void>> SlowAnswer::send(std::string text) {
  if (failure_) co_return *failure_;
  call_.bytes_out += text.size();
  BufferChain chain{Buffer::take(std::move(text))};
  Result<void> written = co_await call_.exchange.write(std::move(chain));
  if (!written) failure_ = written.error();
  co_return written;
}

Task<void> SlowAnswer::keep_alive() {
  if (!has_begun_) {
    has_begun_ = true;
    http::ResponseHead head;
    head.headers = call_.common_headers;
    head.headers.add("Content-Type", "application/xml");
    call_.exchange.begin(std::move(head), std::nullopt);
    // White space is allowed between the declaration and the root, and not before it.
    (void)co_await send(std::string{kDeclaration});
  } else {
    (void)co_await send(" ");
  }
}

Task<S3Result<Reply>> SlowAnswer::finish(S3Result<Reply> outcome) {
  if (!has_begun_) co_return outcome;
  Reply reply;
  reply.is_sent = true;
  std::string document;
  if (outcome) {
    document = std::move(outcome->body);
  } else {
    const S3Error& error = outcome.error();
    reply.error_code = error.name();
    reply.error_detail = error.log_detail;
    document = error_xml(error, call_.exchange.request().path(), call_.request_id,
                         call_.common_headers.get("x-amz-id-2"));
  }
  if (document.starts_with(kDeclaration)) document.erase(0, kDeclaration.size());
  Result<void> sent = co_await send(std::move(document));
  if (sent) sent = co_await call_.exchange.finish();
  if (!sent) call_.log_detail = sent.error().to_string();
  co_return reply;
}

}  // namespace predastore::s3
