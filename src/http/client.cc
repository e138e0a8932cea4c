#include "http/client.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/body_reader.h"

namespace predastore::http {
namespace asio = boost::asio;
namespace {

using asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr int kInterimMax = 8;  // responses of the 1xx kind before the real one

Error unreachable(const std::string& host, std::uint16_t port, const std::string& why) {
  return make_error(ErrorCode::Unavailable,
                    "cannot connect to " + host + " port " + std::to_string(port) + ": " + why);
}

Task<Result<std::vector<tcp::endpoint>>> resolve(Environment env, std::string host,
                                                 std::uint16_t port, Instant deadline) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  std::vector<tcp::endpoint> endpoints;
  if (!not_an_address) {
    endpoints.emplace_back(address, port);
    co_return endpoints;
  }
  tcp::resolver resolver(env.executor);
  Watchdog watchdog(env.clock, [&resolver] { resolver.cancel(); });
  watchdog.set(deadline);
  const std::string service = std::to_string(port);
  const auto [error, found] = co_await resolver.async_resolve(host, service, kAwait);
  if (error) co_return unreachable(host, port, error.message());
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

Task<Result<tcp::socket>> connect_tcp(Environment env, std::string host, std::uint16_t port,
                                      Instant deadline) {
  PREDA_CO_TRY(const auto endpoints, co_await resolve(env, host, port, deadline));
  std::string why = "no address";
  for (const tcp::endpoint& endpoint : endpoints) {
    tcp::socket socket(env.executor);
    Watchdog watchdog(env.clock, [&socket] {
      boost::system::error_code ignored;
      socket.close(ignored);
    });
    watchdog.set(deadline);
    const auto [error] = co_await socket.async_connect(endpoint, kAwait);
    if (!error) co_return socket;
    why = error.message();
    if (watchdog.has_expired())
      co_return make_error(ErrorCode::TimedOut, "connecting to " + host + " took too long");
  }
  co_return unreachable(host, port, why);
}

class WireClient final : public Client {
 public:
  WireClient(Environment env, std::string host_header, std::unique_ptr<ByteStream> stream,
             ClientOptions options)
      : env_(env),
        host_header_(std::move(host_header)),
        stream_(std::move(stream)),
        options_(std::move(options)),
        input_(*stream_) {
    take_body(BodyFraming{});
  }

  Task<Result<ClientResponse>> fetch(RequestHead head, Buffer body,
                                     std::size_t body_max_bytes) override {
    PREDA_CO_CHECK(co_await begin(std::move(head), body.size()));
    BufferChain chain(std::move(body));
    // A server may answer and close before it has taken all: then the answer counts.
    const Result<void> written = co_await write(std::move(chain));
    Result<ResponseHead> answered = co_await finish();
    if (!answered && !written) co_return written.error();
    if (!answered) co_return answered.error();
    ClientResponse response{*std::move(answered), {}};
    BufferChain pieces;
    while (true) {
      PREDA_CO_TRY(Buffer piece, co_await body_->read(64 * 1024));
      if (piece.empty()) break;
      if (pieces.size() + piece.size() > body_max_bytes) {
        close();
        co_return make_error(ErrorCode::InvalidArgument, "the response is too large");
      }
      pieces.append(std::move(piece));
    }
    response.body = pieces.flatten();
    co_return response;
  }

  Task<Result<void>> begin(RequestHead head, std::optional<std::uint64_t> content_length) override {
    method_ = head.method;
    is_chunked_ = !content_length.has_value();
    head.headers.remove("content-length");
    head.headers.remove("transfer-encoding");
    if (head.headers.find("host") == nullptr) head.headers.add("Host", host_header_);
    if (is_chunked_) {
      head.headers.add("Transfer-Encoding", "chunked");
    } else if (*content_length > 0 || (method_ != "GET" && method_ != "HEAD")) {
      head.headers.add("Content-Length", std::to_string(*content_length));
    }
    PREDA_CO_TRY(std::string text, format_request_head(head));
    pending_head_ = Buffer::take(std::move(text));
    is_reusable_ = false;
    co_return Result<void>{};
  }

  Task<Result<void>> write(BufferChain chain) override {
    BufferChain out(std::exchange(pending_head_, Buffer{}));
    const std::size_t size_bytes = chain.size();
    if (is_chunked_ && size_bytes > 0)
      out.append(Buffer::take(fmt::format("{:x}\r\n", size_bytes)));
    out.append(chain);
    if (is_chunked_ && size_bytes > 0) out.append(Buffer::copy_of("\r\n"));
    co_return co_await stream_->write(std::move(out), options_.idle_timeout);
  }

  Task<Result<ResponseHead>> finish() override {
    BufferChain out(std::exchange(pending_head_, Buffer{}));
    if (is_chunked_) out.append(Buffer::copy_of("0\r\n\r\n"));
    const Result<void> sent = co_await stream_->write(std::move(out), options_.idle_timeout);
    for (int interim = 0; interim < kInterimMax; ++interim) {
      Result<ResponseHead> head = co_await read_head();
      if (!head && !sent) co_return sent.error();
      if (!head) co_return head.error();
      if (head->status < 200) continue;
      BodyFraming framing;
      if (auto failure = response_framing(*head, method_, framing))
        co_return make_error(ErrorCode::InvalidArgument, std::move(failure->reason));
      take_body(framing);
      may_be_reused_ = sent.has_value() && head->version_minor == 1 &&
                       framing.framing != Framing::until_close &&
                       !head->headers.has_token("connection", "close");
      is_reusable_ = true;
      co_return head;
    }
    co_return make_error(ErrorCode::InvalidArgument, "too many interim responses");
  }

  BodyReader& body() override { return *body_; }
  bool is_reusable() const override {
    return is_reusable_ && may_be_reused_ && body_->is_at_end() && !is_closed_;
  }
  void close() override {
    is_closed_ = true;
    stream_->close();
  }

 private:
  void take_body(BodyFraming framing) {
    BodyTimeouts timeouts;
    timeouts.idle = options_.idle_timeout;
    body_ = std::make_unique<WireBodyReader>(env_.clock, input_, framing, timeouts);
  }

  Task<Result<ResponseHead>> read_head() {
    while (true) {
      const std::string_view available = input_.available();
      const auto end = available.find("\r\n\r\n");
      if (end != std::string_view::npos) {
        const std::string text(available.substr(0, end + 4));
        input_.consume(end + 4);
        ResponseHead head;
        if (auto failure = parse_response_head(text, options_.head_limits, head))
          co_return make_error(ErrorCode::InvalidArgument, std::move(failure->reason));
        co_return head;
      }
      if (available.size() >= options_.head_limits.size_max_bytes)
        co_return make_error(ErrorCode::InvalidArgument, "the head of the response is too large");
      const Instant deadline = env_.clock.now() + options_.idle_timeout;
      PREDA_CO_TRY(const bool is_open,
                   co_await input_.fill(options_.head_limits.size_max_bytes, deadline));
      if (!is_open)
        co_return make_error(ErrorCode::Unavailable, "the server closed the connection");
    }
  }

  Environment env_;
  std::string host_header_;
  std::unique_ptr<ByteStream> stream_;
  ClientOptions options_;
  InputBuffer input_;
  std::unique_ptr<WireBodyReader> body_;
  std::string method_;
  Buffer pending_head_;
  bool is_chunked_ = false;
  bool is_reusable_ = false;
  bool may_be_reused_ = false;
  bool is_closed_ = false;
};

}  // namespace

Task<Result<std::unique_ptr<Client>>> Client::connect(Environment env, std::string host,
                                                      std::uint16_t port, ClientOptions options) {
  const Instant deadline = env.clock.now() + options.connect_timeout;
  TlsContext context;
  if (options.tls.has_value()) {
    if (options.tls->server_name.empty()) options.tls->server_name = host;
    PREDA_CO_TRY(context, make_client_context(*options.tls));
  }
  PREDA_CO_TRY(tcp::socket socket, co_await connect_tcp(env, host, port, deadline));
  std::unique_ptr<ByteStream> stream;
  if (options.tls.has_value()) {
    stream = make_tls_client_stream(env.clock, std::move(socket), std::move(context), *options.tls);
    PREDA_CO_CHECK(co_await stream->handshake(deadline));
  } else {
    stream = make_plain_stream(env.clock, std::move(socket));
  }
  std::string host_header = host.find(':') == std::string::npos ? host : "[" + host + "]";
  host_header += ":" + std::to_string(port);
  auto client = std::make_unique<WireClient>(env, std::move(host_header), std::move(stream),
                                             std::move(options));
  co_return std::unique_ptr<Client>(std::move(client));
}

}  // namespace predastore::http
