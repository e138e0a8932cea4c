#pragma once

#include <list>
#include <memory>
#include <string>

#include "http/exchange.h"

// Inside http only: one connection of the server.
namespace predastore::http {

class Connection;

// What the connections of one server share. Used on its loop only.
struct ServerShared {
  ServerShared(Clock& the_clock, ServerOptions the_options, Handler the_handler)
      : clock(the_clock), options(std::move(the_options)), handler(std::move(the_handler)) {}

  Clock& clock;
  ServerOptions options;
  Handler handler;
  bool is_draining = false;
  ServerStats stats;
  std::list<Connection*> connections;
  std::list<Connection*> idle;  // between requests; the longest waiting first
};

class Connection {
 public:
  Connection(ServerShared& shared, std::unique_ptr<ByteStream> stream, std::string remote_address,
             bool is_tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves requests until the connection ends, for whatever reason.
  Task<void> run();
  void close_if_idle();
  void close() { stream_->close(); }

 private:
  enum class HeadState { complete, closed, refused };

  Task<HeadState> read_head(std::string& text);
  Task<bool> serve_one(std::string text);
  Task<void> refuse(ParseFailure failure);
  Task<void> close_gently();
  void set_idle(bool is_idle);

  ServerShared& shared_;
  std::unique_ptr<ByteStream> stream_;
  InputBuffer input_;
  ExchangeContext context_;
  std::list<Connection*>::iterator place_;
  std::list<Connection*>::iterator idle_place_;
  bool is_idle_ = false;
  bool is_first_ = true;
};

}  // namespace predastore::http
