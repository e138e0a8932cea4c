#include "http/exchange.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace predastore::http {
namespace {

constexpr std::size_t kDrainReadBytes = 64 * 1024;

Error cannot_send() { return make_error(ErrorCode::Unavailable, "the response cannot be sent"); }

}  // namespace

std::string http_date(WallTime time) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

ServerExchange::ServerExchange(ExchangeContext& context, RequestHead head, BodyFraming framing)
    : context_(context),
      head_(std::move(head)),
      body_(context.clock, context.input, framing,
            BodyTimeouts{context.options.body_idle_timeout,
                         context.options.body_rate_min_bytes_per_s}) {
  // An empty body is waited for as well: botocore of 2022 takes the next answer of the connection
  // for a part of this one when a request with Expect is answered without 100 and it stays open.
  is_waiting_for_continue_ =
      head_.version_minor == 1 && equal_ignoring_case(head_.headers.get("expect"), "100-continue");
}

Task<Result<void>> ServerExchange::send_continue() {
  if (!is_waiting_for_continue_ || has_begun_) co_return Result<void>{};
  is_waiting_for_continue_ = false;
  // Whoever sends the body already has given up waiting.
  if (!context_.input.available().empty()) co_return Result<void>{};
  BufferChain chain(Buffer::copy_of("HTTP/1.1 100 Continue\r\n\r\n"));
  co_return co_await send(std::move(chain));
}

Task<Result<void>> ServerExchange::respond(ResponseHead head, Buffer body) {
  begin(std::move(head), body.size());
  if (sends_body()) {
    BufferChain chain(std::move(body));
    PREDA_CO_CHECK(co_await write(std::move(chain)));
  }
  co_return co_await finish();
}

bool ServerExchange::sends_body() const {
  return head_.method != "HEAD" && status_ != 204 && status_ != 304;
}

// Decided when the head is made, because it tells the client.
bool ServerExchange::must_close() const {
  if (head_.version_minor == 0 || context_.is_draining || body_.has_failed()) return true;
  if (head_.headers.has_token("connection", "close")) return true;
  // It may or may not send the body now: what comes next could be either.
  if (is_waiting_for_continue_) return true;
  if (body_.is_at_end()) return false;
  return body_.framing().framing == Framing::content_length &&
         body_.remaining_bytes() > context_.options.drain_max_bytes;
}

void ServerExchange::begin(ResponseHead head, std::optional<std::uint64_t> content_length) {
  PREDA_ASSERT(!has_begun_);
  has_begun_ = true;
  status_ = head.status;
  is_last_ = must_close();
  head.headers.remove("connection");
  head.headers.remove("transfer-encoding");
  head.headers.remove("content-length");
  if (content_length.has_value()) {
    response_framing_ = Framing::content_length;
    if (status_ != 204 && status_ != 304)
      head.headers.add("Content-Length", std::to_string(*content_length));
    response_remaining_ = sends_body() ? *content_length : 0;
  } else if (head_.version_minor == 0) {
    response_framing_ = Framing::until_close;
    is_last_ = true;
  } else {
    response_framing_ = Framing::chunked;
    if (status_ != 204 && status_ != 304) head.headers.add("Transfer-Encoding", "chunked");
  }
  if (head.headers.find("date") == nullptr)
    head.headers.add("Date", http_date(context_.clock.wall_now()));
  if (is_last_) head.headers.add("Connection", "close");
  Result<std::string> text = format_response_head(head);
  if (text) {
    pending_head_ = Buffer::take(*std::move(text));
  } else {
    has_failed_ = true;  // a field that would split the response: nothing is sent
  }
}

Task<Result<void>> ServerExchange::send(BufferChain chain) {
  if (has_failed_ || is_aborted_) co_return cannot_send();
  if (chain.empty()) co_return Result<void>{};
  Result<void> sent =
      co_await context_.input.stream().write(std::move(chain), context_.options.write_idle_timeout);
  if (!sent) has_failed_ = true;
  co_return sent;
}

Task<Result<void>> ServerExchange::write(BufferChain chain) {
  PREDA_ASSERT(has_begun_ && !has_finished_);
  if (has_failed_ || is_aborted_) co_return cannot_send();
  if (!sends_body()) chain = BufferChain{};
  const std::uint64_t size_bytes = chain.size();
  BufferChain out;
  if (!has_sent_head_) out.append(std::exchange(pending_head_, Buffer{}));
  has_sent_head_ = true;
  if (size_bytes > 0 && response_framing_ == Framing::chunked)
    out.append(Buffer::take(fmt::format("{:x}\r\n", size_bytes)));
  if (response_framing_ == Framing::content_length) {
    PREDA_ASSERT(size_bytes <= response_remaining_);
    response_remaining_ -= size_bytes;
  }
  out.append(chain);
  if (size_bytes > 0 && response_framing_ == Framing::chunked) out.append(Buffer::copy_of("\r\n"));
  co_return co_await send(std::move(out));
}

Task<Result<void>> ServerExchange::finish() {
  PREDA_ASSERT(has_begun_ && !has_finished_);
  if (has_failed_ || is_aborted_) co_return cannot_send();
  if (response_remaining_ > 0) {
    abort();
    co_return make_error(ErrorCode::Internal, "the response is shorter than announced");
  }
  BufferChain out;
  if (!has_sent_head_) out.append(std::exchange(pending_head_, Buffer{}));
  has_sent_head_ = true;
  if (response_framing_ == Framing::chunked && sends_body())
    out.append(Buffer::copy_of("0\r\n\r\n"));
  PREDA_CO_CHECK(co_await send(std::move(out)));
  has_finished_ = true;
  co_return Result<void>{};
}

void ServerExchange::abort() {
  is_aborted_ = true;
  context_.input.stream().reset();
}

Task<bool> ServerExchange::settle() {
  if (is_aborted_) co_return false;
  if (!has_finished_) {
    if (!has_sent_head_) {
      has_begun_ = has_failed_ = false;
      pending_head_ = Buffer{};
      ResponseHead failed{500, {}, 1, {}};
      (void)co_await respond(std::move(failed), Buffer{});
      co_return false;
    }
    abort();  // never a clean end after half a response
    co_return false;
  }
  if (is_last_ || has_failed_) co_return false;
  co_return co_await drain();
}

Task<bool> ServerExchange::drain() {
  std::uint64_t drained = 0;
  while (!body_.is_at_end()) {
    if (drained > context_.options.drain_max_bytes) co_return false;
    Result<Buffer> piece = co_await body_.read(kDrainReadBytes);
    if (!piece) co_return false;
    drained += piece->size();
  }
  co_return true;
}

}  // namespace predastore::http
