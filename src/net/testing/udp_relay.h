#pragma once

// A bad network between one client and one server, on loopback: it loses, repeats and clogs.
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/buffer.h"
#include "env/loop.h"

namespace predastore::net::testing {

class UdpRelay {
 public:
  using Socket = boost::asio::ip::udp::socket;
  using Endpoint = boost::asio::ip::udp::endpoint;
  enum class Way { to_server, to_client };
  // How often a datagram arrives: 0 is loss.
  using Fate = std::function<int(Way, ByteSpan)>;

  UdpRelay(Loop& loop, std::uint16_t server_port)
      : front_(loop.io(), Endpoint{boost::asio::ip::address_v4::loopback(), 0}),
        back_(loop.io(), Endpoint{boost::asio::ip::address_v4::loopback(), 0}),
        server_(boost::asio::ip::address_v4::loopback(), server_port) {
    front_.non_blocking(true);
    back_.non_blocking(true);
    receive(Way::to_server);
    receive(Way::to_client);
  }

  std::string address() const {
    return "127.0.0.1:" + std::to_string(front_.local_endpoint().port());
  }
  void set_fate(Fate fate) { fate_ = std::move(fate); }
  void clog() {
    fate_ = [](Way, ByteSpan) { return 0; };
  }
  void unclog() { fate_ = nullptr; }
  std::size_t passed() const { return passed_; }

 private:
  void receive(Way way) {
    Socket& from = way == Way::to_server ? front_ : back_;
    from.async_wait(Socket::wait_read, [this, way](boost::system::error_code error) {
      if (error) return;
      pass(way);
      receive(way);
    });
  }
  void pass(Way way) {
    Socket& from = way == Way::to_server ? front_ : back_;
    for (int i = 0; i < 64; ++i) {
      Endpoint sender;
      boost::system::error_code error;
      const std::size_t size = from.receive_from(boost::asio::buffer(memory_), sender, 0, error);
      if (error) return;
      if (way == Way::to_server) client_ = sender;
      const ByteSpan bytes{memory_.data(), size};
      for (int copies = fate_ ? fate_(way, bytes) : 1; copies > 0; --copies) {
        Socket& to = way == Way::to_server ? back_ : front_;
        to.send_to(boost::asio::buffer(bytes.data(), bytes.size()),
                   way == Way::to_server ? server_ : client_, 0, error);
        ++passed_;
      }
    }
  }

  Socket front_;
  Socket back_;
  Endpoint server_;
  Endpoint client_;
  Fate fate_;
  std::size_t passed_ = 0;
  std::array<std::byte, 65536> memory_;
};

}  // namespace predastore::net::testing
