#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "env/clock.h"
#include "net/quic_connection.h"

namespace predastore::net {

// What happens to datagrams that belong to no connection. Nothing is remembered of their senders:
// a client must first show, by a token, that it receives at the address it sends from (Retry).
class QuicAdmission {
 public:
  using Answer = std::function<void(const SocketAddress& to, ByteSpan bytes)>;

  // The key of reset tokens comes from the node's own key, so that a node that was restarted can
  // tell its peers that their connections are gone.
  QuicAdmission(const std::string& node_key_pem, Answer answer);

  void offer_versions(const ngtcp2_version_cid& packet, ByteSpan bytes, const SocketAddress& from);
  // The first packet of a connection to accept, or nothing (and perhaps an answer was sent).
  std::optional<QuicConnection::Accepted> first_packet(ByteSpan bytes, const SocketAddress& from,
                                                       Instant now);
  void refuse_unknown(const ngtcp2_version_cid& packet, ByteSpan bytes, const SocketAddress& from,
                      Instant now);
  void reset_token(const ngtcp2_cid& id, std::uint8_t* token) const;

 private:
  void ask_again(const ngtcp2_pkt_hd& head, const SocketAddress& from, Instant now);

  Answer answer_;
  std::array<std::uint8_t, 32> retry_key_;
  std::array<std::uint8_t, 32> reset_key_;
  Instant resets_since_{};
  std::uint32_t resets_ = 0;  // in this second
};

}  // namespace predastore::net
