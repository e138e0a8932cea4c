#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"

namespace predastore::net {

// Where a datagram goes to or comes from.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size_bytes = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  bool is_same(const SocketAddress& other) const;  // family, address and port
  static SocketAddress of(const sockaddr* address, socklen_t size_bytes);
};

// "host:port" or "[v6]:port" in its two parts; InvalidArgument when it is neither.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(const std::string& text);
// The first address of that family (AF_UNSPEC: of any). Asks the system's resolver unless the host
// is a number, so it may block.
Result<SocketAddress> resolve(const HostPort& target, int family, bool numeric_only);

// One UDP socket that never blocks: datagrams come in coalesced by the kernel (UDP_GRO) and several
// a call, and go out cut by it (UDP_SEGMENT). Used on its loop only.
class QuicSocket {
 public:
  static Result<std::unique_ptr<QuicSocket>> open(boost::asio::io_context& io,
                                                  const SocketAddress& where, int buffer_bytes);

  using Datagram = std::function<void(const SocketAddress& from, ByteSpan bytes)>;
  using Refusal = std::function<void(const SocketAddress& to)>;
  // One system call's worth. True when there may be more.
  bool receive(const Datagram& sink);
  // Destinations at which nobody listens (ICMP port unreachable) since the last call.
  void take_refusals(const Refusal& sink);

  enum class Sent { done, blocked, lost };  // lost: as if the network had dropped it
  // `bytes` are datagrams of `segment_bytes` each, the last one at most that long.
  Sent send(const SocketAddress& to, ByteSpan bytes, std::size_t segment_bytes);

  void wait_readable(std::function<void()> ready);
  void wait_writable(std::function<void()> ready);
  void close();  // no wait calls back any more

  const SocketAddress& local() const { return local_; }
  std::uint16_t local_port() const;
  std::size_t receive_buffer_bytes() const { return receive_buffer_bytes_; }  // as granted

 private:
  explicit QuicSocket(boost::asio::io_context& io);
  Result<void> configure(int buffer_bytes);
  Sent send_message(const SocketAddress& to, ByteSpan bytes, std::size_t segment_bytes);

  boost::asio::ip::udp::socket socket_;
  SocketAddress local_;
  std::size_t receive_buffer_bytes_ = 0;
  bool can_segment_ = true;  // until a device says that it cannot
  std::vector<std::byte> receive_memory_;
};

inline constexpr std::size_t kDatagramBatchMaxBytes = 65507;  // of one send
inline constexpr std::size_t kDatagramBatchMaxCount = 64;

}  // namespace predastore::net
