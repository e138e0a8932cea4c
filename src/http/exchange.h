#pragma once

#include <string>

#include "http/body_reader.h"
#include "http/server.h"

// Inside http only: one request on one connection of the server.
namespace predastore::http {

// What a connection and its exchanges know of each other.
struct ExchangeContext {
  Clock& clock;
  InputBuffer& input;
  const ServerOptions& options;
  std::string remote_address;
  bool is_tls = false;
  std::string peer_certificate_pem;
  const bool& is_draining;  // the server stops: no keep-alive any more
};

class ServerExchange final : public Exchange {
 public:
  ServerExchange(ExchangeContext& context, RequestHead head, BodyFraming framing);

  const RequestHead& request() const override { return head_; }
  const std::string& remote_address() const override { return context_.remote_address; }
  bool is_tls() const override { return context_.is_tls; }
  const std::string& peer_certificate_pem() const override { return context_.peer_certificate_pem; }
  bool is_waiting_for_continue() const override { return is_waiting_for_continue_; }
  Task<Result<void>> send_continue() override;
  BodyReader& body() override { return body_; }
  Task<Result<void>> respond(ResponseHead head, Buffer body) override;
  void begin(ResponseHead head, std::optional<std::uint64_t> content_length) override;
  Task<Result<void>> write(BufferChain chain) override;
  Task<Result<void>> finish() override;
  void abort() override;
  bool has_begun() const override { return has_begun_; }
  bool has_sent_head() const override { return has_sent_head_; }

  // After the handler: ends what it left open. True when the connection is good for another
  // request; false when it is to be closed (gently, unless it was aborted).
  Task<bool> settle();
  bool is_aborted() const { return is_aborted_; }

 private:
  bool must_close() const;
  bool sends_body() const;
  Task<Result<void>> send(BufferChain chain);
  Task<bool> drain();

  ExchangeContext& context_;
  RequestHead head_;
  WireBodyReader body_;
  bool is_waiting_for_continue_ = false;
  bool has_begun_ = false;
  bool has_sent_head_ = false;
  bool has_finished_ = false;
  bool has_failed_ = false;
  bool is_aborted_ = false;
  bool is_last_ = false;  // the response said so
  Framing response_framing_ = Framing::none;
  unsigned status_ = 0;
  std::uint64_t response_remaining_ = 0;
  Buffer pending_head_;
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(WallTime time);

}  // namespace predastore::http
