#include "net/quic_socket.h"

#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace predastore::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kReceiveCount = 16;
constexpr std::size_t kReceiveBytes = 65536;
constexpr std::size_t kControlBytes = 128;
constexpr int kErrorsMax = 64;  // taken from the error queue a call

Error socket_error(const char* what) {
  return make_error(ErrorCode::Io,
                    std::string{what} + ": " + std::system_category().message(errno));
}

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

// The size of the datagrams that the kernel has put together, or 0.
std::size_t segment_size(msghdr& message) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(control), sizeof(size));
    return size > 0 ? static_cast<std::size_t>(size) : 0;
  }
  return 0;
}

bool is_refusal(msghdr& message) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    const bool is_error =
        (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
        (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR);
    if (!is_error) continue;
    sock_extended_err error{};
    std::memcpy(&error, CMSG_DATA(control), sizeof(error));
    return error.ee_errno == ECONNREFUSED;
  }
  return false;
}

}  // namespace

SocketAddress SocketAddress::of(const sockaddr* address, socklen_t size_bytes) {
  SocketAddress result;
  PREDA_ASSERT(size_bytes <= sizeof(result.storage));
  std::memcpy(&result.storage, address, size_bytes);
  result.size_bytes = size_bytes;
  return result;
}

bool SocketAddress::is_same(const SocketAddress& other) const {
  if (storage.ss_family != other.storage.ss_family) return false;
  if (storage.ss_family == AF_INET) {
    const auto& mine = reinterpret_cast<const sockaddr_in&>(storage);
    const auto& theirs = reinterpret_cast<const sockaddr_in&>(other.storage);
    return mine.sin_port == theirs.sin_port && mine.sin_addr.s_addr == theirs.sin_addr.s_addr;
  }
  const auto& mine = reinterpret_cast<const sockaddr_in6&>(storage);
  const auto& theirs = reinterpret_cast<const sockaddr_in6&>(other.storage);
  return mine.sin6_port == theirs.sin6_port &&
         std::memcmp(&mine.sin6_addr, &theirs.sin6_addr, sizeof(mine.sin6_addr)) == 0;
}

Result<HostPort> parse_host_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  HostPort result;
  if (colon == std::string::npos || colon == 0)
    return make_error(ErrorCode::InvalidArgument, "an address is host:port, not " + text);
  result.host = text.substr(0, colon);
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']')
    result.host = result.host.substr(1, result.host.size() - 2);
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, result.port);
  if (error != std::errc{} || stop != end || result.port == 0)
    return make_error(ErrorCode::InvalidArgument, "an address is host:port, not " + text);
  return result;
}

Result<SocketAddress> resolve(const HostPort& target, int family, bool numeric_only) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : 0);
  addrinfo* found = nullptr;
  const int failure =
      ::getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  if (failure != 0 || found == nullptr)
    return make_error(ErrorCode::Unavailable, target.host + ": " + ::gai_strerror(failure));
  SocketAddress address = SocketAddress::of(found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return address;
}

QuicSocket::QuicSocket(asio::io_context& io)
    : socket_(io), receive_memory_(kReceiveCount * kReceiveBytes) {}

Result<std::unique_ptr<QuicSocket>> QuicSocket::open(asio::io_context& io,
                                                     const SocketAddress& where, int buffer_bytes) {
  std::unique_ptr<QuicSocket> result{new QuicSocket{io}};
  const bool is_v6 = where.storage.ss_family == AF_INET6;
  boost::system::error_code error;
  result->socket_.open(is_v6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), error);
  if (!error) result->socket_.non_blocking(true, error);
  if (error) return make_error(ErrorCode::Io, "a UDP socket: " + error.message());
  if (::bind(result->socket_.native_handle(), where.get(), where.size_bytes) != 0)
    return socket_error("binding the cluster's UDP port");
  PREDA_CHECK(result->configure(buffer_bytes));
  return result;
}

Result<void> QuicSocket::configure(int buffer_bytes) {
  const int fd = socket_.native_handle();
  local_.size_bytes = sizeof(local_.storage);
  if (::getsockname(fd, local_.get(), &local_.size_bytes) != 0) return socket_error("getsockname");
  const bool is_v6 = local_.storage.ss_family == AF_INET6;
  const bool is_set = is_v6
                          ? set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) &&
                                set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)
                          : set_option(fd, IPPROTO_IP, IP_RECVERR, 1) &&
                                set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (!is_set) return socket_error("options of the UDP socket");
  if (!set_option(fd, SOL_UDP, UDP_GRO, 1)) return socket_error("UDP_GRO");
  // The kernel grants what its limits allow, and tells twice that, for its own overhead.
  (void)set_option(fd, SOL_SOCKET, SO_RCVBUF, buffer_bytes);
  (void)set_option(fd, SOL_SOCKET, SO_SNDBUF, buffer_bytes);
  int granted = 0;
  socklen_t size = sizeof(granted);
  if (::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &size) != 0)
    return socket_error("SO_RCVBUF");
  receive_buffer_bytes_ = static_cast<std::size_t>(granted) / 2;
  return {};
}

std::uint16_t QuicSocket::local_port() const {
  const bool is_v6 = local_.storage.ss_family == AF_INET6;
  return ntohs(is_v6 ? reinterpret_cast<const sockaddr_in6&>(local_.storage).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(local_.storage).sin_port);
}

bool QuicSocket::receive(const Datagram& sink) {
  std::array<mmsghdr, kReceiveCount> messages{};
  std::array<iovec, kReceiveCount> vectors{};
  std::array<SocketAddress, kReceiveCount> from;
  alignas(cmsghdr) std::array<std::array<std::byte, kControlBytes>, kReceiveCount> controls;
  for (std::size_t i = 0; i < kReceiveCount; ++i) {
    vectors[i] = {receive_memory_.data() + i * kReceiveBytes, kReceiveBytes};
    msghdr& header = messages[i].msg_hdr;
    header.msg_name = &from[i].storage;
    header.msg_namelen = sizeof(from[i].storage);
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = controls[i].data();
    header.msg_controllen = kControlBytes;
  }
  const int count =
      ::recvmmsg(socket_.native_handle(), messages.data(), kReceiveCount, MSG_DONTWAIT, nullptr);
  if (count < 0) return errno == EINTR || errno == ECONNREFUSED;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    from[i].size_bytes = messages[i].msg_hdr.msg_namelen;
    if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    const ByteSpan all{receive_memory_.data() + i * kReceiveBytes, messages[i].msg_len};
    std::size_t step = segment_size(messages[i].msg_hdr);
    if (step == 0) step = all.size();
    for (std::size_t begin = 0; begin < all.size(); begin += step)
      sink(from[i], all.subspan(begin, std::min(step, all.size() - begin)));
  }
  return static_cast<std::size_t>(count) == kReceiveCount;
}

void QuicSocket::take_refusals(const Refusal& sink) {
  for (int taken = 0; taken < kErrorsMax; ++taken) {
    SocketAddress to;
    std::array<std::byte, 256> packet;
    alignas(cmsghdr) std::array<std::byte, 512> control;
    iovec vector{packet.data(), packet.size()};
    msghdr message{};
    message.msg_name = &to.storage;
    message.msg_namelen = sizeof(to.storage);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket_.native_handle(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    to.size_bytes = message.msg_namelen;
    if (is_refusal(message)) sink(to);
  }
}

QuicSocket::Sent QuicSocket::send(const SocketAddress& to, ByteSpan bytes,
                                  std::size_t segment_bytes) {
  if (can_segment_ || bytes.size() <= segment_bytes) {
    const Sent sent = send_message(to, bytes, segment_bytes);
    // EIO is how a network device without checksum offload refuses to cut.
    if (sent != Sent::lost || errno != EIO || bytes.size() <= segment_bytes) return sent;
    can_segment_ = false;
  }
  Sent last = Sent::done;
  for (std::size_t begin = 0; begin < bytes.size(); begin += segment_bytes) {
    const ByteSpan one = bytes.subspan(begin, std::min(segment_bytes, bytes.size() - begin));
    last = send_message(to, one, one.size());
    // What was not taken is lost: the caller would send all of it again.
    if (last == Sent::blocked) return Sent::lost;
  }
  return last;
}

QuicSocket::Sent QuicSocket::send_message(const SocketAddress& to, ByteSpan bytes,
                                          std::size_t segment_bytes) {
  iovec vector{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to.get());
  message.msg_namelen = to.size_bytes;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (bytes.size() > segment_bytes) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(segment_bytes);
    std::memcpy(CMSG_DATA(header), &size, sizeof(size));
  }
  // A pending error of an earlier datagram, to whomever, is told by the next call instead of
  // sending; it is also in the error queue, so the call is simply made again.
  for (int tries = 0; tries < 4; ++tries) {
    if (::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT) >= 0) return Sent::done;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return Sent::blocked;
    if (errno != EINTR && errno != ECONNREFUSED) break;
  }
  return Sent::lost;
}

void QuicSocket::wait_readable(std::function<void()> ready) {
  socket_.async_wait(asio::ip::udp::socket::wait_read,
                     [call = std::move(ready)](boost::system::error_code error) {
                       if (!error) call();
                     });
}

void QuicSocket::wait_writable(std::function<void()> ready) {
  socket_.async_wait(asio::ip::udp::socket::wait_write,
                     [call = std::move(ready)](boost::system::error_code error) {
                       if (!error) call();
                     });
}

void QuicSocket::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace predastore::net
