#include "rpc/rpc.h"

#include <algorithm>
#include <cstring>

#include "base/codec.h"

namespace predastore::rpc {
namespace {

constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kRequestHeadBytes = 2 + 2 + 4 + 4 + 8;
constexpr std::size_t kAnswerHeadBytes = 1 + 4;
constexpr std::size_t kDetailMaxBytes = 4096;
constexpr std::size_t kDirectMinBytes = 16 * 1024;  // straight into memory of its own
constexpr Duration kHeadTimeout = 10s;  // for a peer that opens a stream and says nothing
constexpr Duration kDeadlineMax =
    std::chrono::hours{24};  // 0 in the header; longer ones are cut to it

std::uint32_t remaining_ms(Instant now, Instant deadline) {
  if (deadline == kNever) return 0;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::min(deadline - now, kDeadlineMax));
  return static_cast<std::uint32_t>(std::max<std::int64_t>(left.count(), 1));
}

std::string answer_head(std::uint8_t status, std::size_t size_bytes) {
  Encoder head;
  head.le(status).le(static_cast<std::uint32_t>(size_bytes));
  return std::move(head).take();
}

// What is small is mostly here as a whole, and then not copied at all.
Task<Result<Buffer>> read_in_pieces(net::Stream& stream, std::size_t size_bytes, Instant deadline) {
  PREDA_CO_TRY(Buffer first, co_await stream.read(size_bytes, deadline));
  if (first.size() == size_bytes) co_return first;
  if (first.empty()) co_return make_error(ErrorCode::Unavailable, "the stream ended early");
  MutableBuffer whole{size_bytes};
  std::memcpy(whole.data(), first.data(), first.size());
  PREDA_CO_CHECK(co_await stream.read_exactly(whole.bytes().subspan(first.size()), deadline));
  co_return std::move(whole).freeze();
}

}  // namespace

Task<Result<Buffer>> read_exactly(net::Stream& stream, std::size_t size_bytes, Instant deadline) {
  if (size_bytes == 0) co_return Buffer{};
  if (size_bytes < kDirectMinBytes) co_return co_await read_in_pieces(stream, size_bytes, deadline);
  MutableBuffer whole{size_bytes};
  PREDA_CO_CHECK(co_await stream.read_exactly(whole.bytes(), deadline));
  co_return std::move(whole).freeze();
}

Task<Result<Buffer>> read_answer(net::Stream& stream, Instant deadline) {
  PREDA_CO_TRY(Buffer head, co_await read_exactly(stream, kAnswerHeadBytes, deadline));
  Decoder decoder{head};
  const auto status = decoder.le<std::uint8_t>();
  const auto size_bytes = decoder.le<std::uint32_t>();
  if (status == 0) {
    if (size_bytes > kBodyMaxBytes)
      co_return make_error(ErrorCode::Corruption, "an answer is larger than allowed");
    co_return co_await read_exactly(stream, size_bytes, deadline);
  }
  if (status > static_cast<std::uint8_t>(ErrorCode::Internal) + 1 || size_bytes > kDetailMaxBytes) {
    co_return make_error(ErrorCode::Corruption, "an answer with a broken head");
  }
  PREDA_CO_TRY(Buffer detail, co_await read_exactly(stream, size_bytes, deadline));
  co_return make_error(static_cast<ErrorCode>(status - 1), std::string{detail.text()});
}

Call::Call(std::unique_ptr<net::Stream> stream, MessageType type, std::uint64_t request_id,
           Instant deadline, Buffer body)
    : stream_(std::move(stream)),
      type_(type),
      request_id_(request_id),
      deadline_(deadline),
      body_(std::move(body)) {}

// A peer that is gone does not get its answer; nobody is left to be told.
Task<void> Call::answer(BufferChain body) {
  if (body.size() > kBodyMaxBytes) {
    Error too_large = make_error(ErrorCode::Internal, "the answer is larger than allowed");
    co_await answer(std::move(too_large));
    co_return;
  }
  BufferChain chain{Buffer::take(answer_head(0, body.size()))};
  chain.append(body);
  auto written = co_await stream_->write(std::move(chain), deadline_);
  if (!written) co_return;
  (void)co_await stream_->finish();
}

Task<void> Call::answer(Error error) {
  if (error.detail.size() > kDetailMaxBytes) error.detail.resize(kDetailMaxBytes);
  const auto status = static_cast<std::uint8_t>(static_cast<int>(error.code) + 1);
  BufferChain chain{Buffer::take(answer_head(status, error.detail.size()))};
  chain.append(Buffer::take(std::move(error.detail)));
  auto written = co_await stream_->write(std::move(chain), deadline_);
  if (!written) co_return;
  (void)co_await stream_->finish();
}

Server::Server(Environment env, net::Transport& transport, std::size_t in_flight_max)
    : env_(env),
      transport_(transport),
      slots_(env.clock, in_flight_max),
      tasks_(env.executor, env.clock) {}

void Server::handle(MessageType type, Handler handler) { handlers_[type] = std::move(handler); }

Task<void> Server::run() {
  for (;;) {
    auto slot = co_await slots_.acquire(1, kNever);
    PREDA_ASSERT(slot.has_value());
    auto stream = co_await transport_.accept();
    if (!stream) {
      slots_.release(1);
      break;
    }
    tasks_.spawn(serve(std::move(*stream)));
  }
  (void)co_await tasks_.join();
}

Task<void> Server::serve(std::unique_ptr<net::Stream> stream) {
  SemaphoreHold slot{slots_, 1};
  const Instant head_deadline = env_.clock.now() + kHeadTimeout;
  auto head = co_await read_exactly(*stream, kRequestHeadBytes, head_deadline);
  if (!head) co_return;
  Decoder decoder{*head};
  const auto type = static_cast<MessageType>(decoder.le<std::uint16_t>());
  const auto version = decoder.le<std::uint16_t>();
  const auto size_bytes = decoder.le<std::uint32_t>();
  const auto left_ms = decoder.le<std::uint32_t>();
  const auto request_id = decoder.le<std::uint64_t>();
  const Instant deadline =
      left_ms == 0
          ? kNever
          : env_.clock.now() + std::min<Duration>(std::chrono::milliseconds{left_ms}, kDeadlineMax);
  const auto handler = handlers_.find(type);
  if (version != kVersion || size_bytes > kBodyMaxBytes || handler == handlers_.end()) {
    const Instant refuse_by = std::min(deadline, head_deadline);
    const bool too_large = version == kVersion && size_bytes > kBodyMaxBytes;
    Call refused{std::move(stream), type, request_id, refuse_by, Buffer{}};
    Error reason =
        too_large ? make_error(ErrorCode::InvalidArgument, "the request is larger than allowed")
                  : make_error(ErrorCode::Unsupported,
                               "this node does not know the message or its version");
    co_await refused.answer(std::move(reason));
    co_return;
  }
  // One way streams live without a deadline, but their first body may not take for ever.
  auto body = co_await read_exactly(
      *stream, size_bytes, deadline == kNever ? env_.clock.now() + kHeadTimeout : deadline);
  if (!body) co_return;
  Call call{std::move(stream), type, request_id, deadline, std::move(*body)};
  co_await handler->second(std::move(call));
}

Client::Client(Environment env, net::Transport& transport) : env_(env), transport_(transport) {}

Task<Result<std::unique_ptr<net::Stream>>> Client::begin(NodeId peer, MessageType type,
                                                         BufferChain body, Instant deadline,
                                                         net::Lane lane) {
  if (body.size() > kBodyMaxBytes)
    co_return make_error(ErrorCode::InvalidArgument, "the request is larger than allowed");
  PREDA_CO_TRY(auto stream, co_await transport_.open(peer, lane, deadline));
  const Instant now = env_.clock.now();
  if (deadline <= now)
    co_return make_error(ErrorCode::TimedOut, "no time was left to send the request");
  Encoder head;
  head.le(static_cast<std::uint16_t>(type))
      .le(kVersion)
      .le(static_cast<std::uint32_t>(body.size()));
  head.le(remaining_ms(now, deadline)).le(env_.random.next_u64());
  BufferChain chain{Buffer::take(std::move(head).take())};
  chain.append(body);
  PREDA_CO_CHECK(co_await stream->write(std::move(chain), deadline));
  co_return std::move(stream);
}

Task<Result<Buffer>> Client::call(NodeId peer, MessageType type, BufferChain body, Instant deadline,
                                  net::Lane lane) {
  PREDA_CO_TRY(auto stream, co_await begin(peer, type, std::move(body), deadline, lane));
  PREDA_CO_CHECK(co_await stream->finish());
  co_return co_await read_answer(*stream, deadline);
}

}  // namespace predastore::rpc
