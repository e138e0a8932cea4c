#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "env/environment.h"
#include "http/message.h"
#include "http/tls.h"

namespace predastore::http {

struct ClientOptions {
  Duration connect_timeout = 10s;  // name, TCP and TLS
  Duration idle_timeout = 60s;     // without a byte in or out
  HeadLimits head_limits;
  std::optional<TlsClientOptions> tls;
};

struct ClientResponse {
  ResponseHead head;
  Buffer body;
};

// One connection to one server, one request at a time, on the loop of env.executor. Host is added
// when it is missing; Content-Length or Transfer-Encoding always.
// Errors: Unavailable (no connection, or it ended early), TimedOut, InvalidArgument (a response
// that is no HTTP), Unauthorized (TLS: the certificate is not to be trusted).
class Client {
 public:
  static Task<Result<std::unique_ptr<Client>>> connect(Environment env, std::string host,
                                                       std::uint16_t port, ClientOptions options);
  virtual ~Client() = default;  // closes

  // Sends everything, reads everything; a body above `body_max_bytes` is InvalidArgument.
  virtual Task<Result<ClientResponse>> fetch(RequestHead head, Buffer body,
                                             std::size_t body_max_bytes) = 0;

  // The same in steps, for large bodies: begin, write…, finish (which reads the head of the
  // response, passing over 100), then body() until its end. Without a length the body is chunked.
  virtual Task<Result<void>> begin(RequestHead head,
                                   std::optional<std::uint64_t> content_length) = 0;
  virtual Task<Result<void>> write(BufferChain chain) = 0;
  virtual Task<Result<ResponseHead>> finish() = 0;
  virtual BodyReader& body() = 0;

  virtual bool is_reusable() const = 0;  // the last response ended well and left it open
  virtual void close() = 0;
};

}  // namespace predastore::http
