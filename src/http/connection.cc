#include "http/connection.h"

#include <algorithm>

#include "telemetry/log.h"

namespace predastore::http {
namespace {

constexpr std::uint64_t kLingerMaxBytes = 64 * 1024 * 1024;
constexpr std::size_t kLingerReadBytes = 64 * 1024;
constexpr int kEmptyLinesMax = 2;  // that some clients send behind a body

// Where the head ends: behind the first empty line, however its line ends are made, so that bad
// ones are refused now and not when the time is up. npos: not yet.
std::size_t end_of_head(std::string_view text, std::size_t scanned) {
  std::size_t at = scanned > 3 ? scanned - 3 : 0;
  while ((at = text.find('\n', at)) != std::string_view::npos) {
    const std::string_view rest = text.substr(at + 1, 2);
    if (rest.starts_with('\n')) return at + 2;
    if (rest == "\r\n") return at + 3;
    ++at;
  }
  return std::string_view::npos;
}

ErrorPage plain_page(const ParseFailure& failure) {
  ErrorPage page;
  page.head.status = failure.status;
  page.head.headers.add("Content-Type", "text/plain");
  page.body = Buffer::take(failure.reason + "\n");
  return page;
}

}  // namespace

Connection::Connection(ServerShared& shared, std::unique_ptr<ByteStream> stream,
                       std::string remote_address, bool is_tls)
    : shared_(shared),
      stream_(std::move(stream)),
      input_(*stream_),
      context_{shared.clock, input_, shared.options,    std::move(remote_address),
               is_tls,       {},     shared.is_draining} {
  place_ = shared_.connections.insert(shared_.connections.end(), this);
}

Connection::~Connection() {
  set_idle(false);
  shared_.connections.erase(place_);
}

void Connection::set_idle(bool is_idle) {
  if (is_idle == is_idle_) return;
  is_idle_ = is_idle;
  if (is_idle) {
    idle_place_ = shared_.idle.insert(shared_.idle.end(), this);
  } else {
    shared_.idle.erase(idle_place_);
  }
}

void Connection::close_if_idle() {
  if (!is_idle_) return;
  set_idle(false);
  stream_->close();
}

Task<void> Connection::run() {
  if (context_.is_tls) {
    const Result<void> greeted =
        co_await stream_->handshake(shared_.clock.now() + shared_.options.head_timeout);
    if (!greeted) {
      telemetry::log_debug("refused a TLS handshake", {{"peer", context_.remote_address},
                                                       {"reason", greeted.error().to_string()}});
      co_return;
    }
    context_.peer_certificate_pem = stream_->peer_certificate_pem();
  }
  while (true) {
    std::string text;
    const HeadState state = co_await read_head(text);
    if (state == HeadState::closed) co_return;
    if (state == HeadState::refused) break;
    is_first_ = false;
    if (!co_await serve_one(std::move(text))) break;
  }
  co_await close_gently();
}

// From the end of one request to the end of the head of the next.
Task<Connection::HeadState> Connection::read_head(std::string& text) {
  const ServerOptions& options = shared_.options;
  std::size_t scanned = 0;
  int empty_lines = 0;
  Instant deadline =
      shared_.clock.now() + (is_first_ ? options.head_timeout : options.keep_alive_timeout);
  input_.release_if_empty();
  bool has_begun = !input_.available().empty();
  if (has_begun) deadline = shared_.clock.now() + options.head_timeout;
  while (true) {
    while (scanned == 0 && empty_lines < kEmptyLinesMax && input_.available().starts_with("\r\n")) {
      input_.consume(2);
      ++empty_lines;
    }
    const std::string_view available = input_.available();
    const std::size_t end = end_of_head(available, scanned);
    if (end != std::string_view::npos && end <= options.head_limits.size_max_bytes) {
      text.assign(available.substr(0, end));
      input_.consume(end);
      co_return HeadState::complete;
    }
    if (available.size() >= options.head_limits.size_max_bytes || end != std::string_view::npos) {
      const bool has_line = available.find('\n') < options.head_limits.size_max_bytes;
      ParseFailure too_large{has_line ? 431U : 414U, "the head of the request is too large"};
      co_await refuse(std::move(too_large));
      co_return HeadState::refused;
    }
    scanned = available.size() < 2 ? 0 : available.size();
    if (shared_.is_draining && !has_begun) co_return HeadState::closed;
    set_idle(!has_begun);
    const Result<bool> filled = co_await input_.fill(options.head_limits.size_max_bytes, deadline);
    set_idle(false);
    if (!filled && filled.error().code == ErrorCode::TimedOut) {
      ++shared_.stats.timeouts;
      if (!has_begun) co_return HeadState::closed;
      ParseFailure too_late{408, "the head of the request did not come in time"};
      co_await refuse(std::move(too_late));
      co_return HeadState::refused;
    }
    if (!filled || !*filled) co_return HeadState::closed;
    if (!has_begun) {
      has_begun = true;
      deadline = shared_.clock.now() + options.head_timeout;
    }
  }
}

Task<bool> Connection::serve_one(std::string text) {
  RequestHead head;
  BodyFraming framing;
  auto failure = parse_request_head(text, shared_.options.head_limits, head);
  if (!failure) failure = request_framing(head, framing);
  if (!failure) {
    const std::string* expect = head.headers.find("expect");
    if (expect != nullptr && !equal_ignoring_case(*expect, "100-continue"))
      failure = ParseFailure{417, "an expectation other than 100-continue"};
  }
  if (failure) {
    co_await refuse(*std::move(failure));
    co_return false;
  }
  ++shared_.stats.requests;
  ServerExchange exchange(context_, std::move(head), framing);
  co_await shared_.handler(exchange);
  co_return co_await exchange.settle();
}

Task<void> Connection::refuse(ParseFailure failure) {
  ++shared_.stats.bad_requests;
  ErrorPage page =
      shared_.options.error_page ? shared_.options.error_page(failure) : plain_page(failure);
  // As if it had been a request of a client that keeps nothing alive.
  RequestHead nobody;
  nobody.headers.add("Connection", "close");
  ServerExchange exchange(context_, std::move(nobody), BodyFraming{});
  (void)co_await exchange.respond(std::move(page.head), std::move(page.body));
}

// A socket that is closed with unread bytes in it resets the connection, and the client may never
// see what was answered: read on for a moment, bounded in time and bytes.
Task<void> Connection::close_gently() {
  stream_->shutdown_send();
  const Instant end = shared_.clock.now() + shared_.options.linger_max;
  std::uint64_t discarded = 0;
  MutableBuffer sink(kLingerReadBytes);
  while (discarded < kLingerMaxBytes && !shared_.is_draining) {
    const Instant idle_end = shared_.clock.now() + shared_.options.linger_timeout;
    const Instant deadline = std::min(end, idle_end);
    const Result<std::size_t> count = co_await stream_->read_some(sink.bytes(), deadline);
    if (!count || *count == 0) break;
    discarded += *count;
  }
  stream_->close();
}

}  // namespace predastore::http
