#include "admin/respond.h"

#include <boost/json.hpp>
#include <utility>

namespace predastore::admin {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument: return 400;
    case ErrorCode::NotFound: return 404;
    case ErrorCode::AlreadyExists:
    case ErrorCode::Conflict: return 409;
    case ErrorCode::Unavailable: return 503;
    default: return 500;
  }
}

}  // namespace

Task<void> respond(http::Exchange& exchange, unsigned status, std::string type, std::string body) {
  http::ResponseHead head;
  head.status = status;
  head.headers.add("Content-Type", std::move(type));
  head.headers.add("Cache-Control", "no-store");
  Buffer bytes = Buffer::take(std::move(body));
  (void)co_await exchange.respond(std::move(head), std::move(bytes));
}

Task<void> respond_json(http::Exchange& exchange, unsigned status, std::string body) {
  co_await respond(exchange, status, "application/json", std::move(body) + "\n");
}

Task<void> refuse(http::Exchange& exchange, unsigned status, std::string message) {
  boost::json::object body;
  body["error"] = std::move(message);
  co_await respond_json(exchange, status, boost::json::serialize(body));
}

Task<void> refuse(http::Exchange& exchange, Error error) {
  co_await refuse(exchange, status_of(error.code), error.to_string());
}

Task<Result<std::string>> read_body(http::Exchange& exchange, std::size_t bytes_max) {
  std::string body;
  PREDA_CO_CHECK(co_await exchange.send_continue());
  for (;;) {
    PREDA_CO_TRY(const Buffer piece, co_await exchange.body().read(kReadBytes));
    if (piece.empty()) co_return body;
    if (body.size() + piece.size() > bytes_max)
      co_return make_error(ErrorCode::InvalidArgument, "the body is too large");
    body += piece.text();
  }
}

}  // namespace predastore::admin
