#include "net/quic_admission.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstring>

namespace predastore::net {
namespace {

constexpr Duration kTokenLife = 10s;
constexpr std::size_t kInitialMinBytes = 1200;  // RFC 9000: smaller ones are not answered
constexpr std::size_t kResetMinBytes = 43;      // an answer is shorter than what it answers
constexpr std::uint32_t kResetsMax = 200;       // a second

ngtcp2_tstamp timestamp(Instant now) {
  return static_cast<ngtcp2_tstamp>(now.time_since_epoch().count());
}
std::uint8_t* raw(std::byte* bytes) { return reinterpret_cast<std::uint8_t*>(bytes); }
const std::uint8_t* raw(const std::byte* bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}

}  // namespace

QuicAdmission::QuicAdmission(const std::string& node_key_pem, Answer answer)
    : answer_(std::move(answer)) {
  fill_secret(retry_key_.data(), retry_key_.size());
  fill_secret(reset_key_.data(), reset_key_.size());
  if (node_key_pem.empty()) return;
  constexpr std::string_view kPurpose = "predastore stateless reset";
  const int failure = gnutls_hmac_fast(GNUTLS_MAC_SHA256, node_key_pem.data(), node_key_pem.size(),
                                       kPurpose.data(), kPurpose.size(), reset_key_.data());
  PREDA_ASSERT(failure == 0);
}

void QuicAdmission::offer_versions(const ngtcp2_version_cid& packet, ByteSpan bytes,
                                   const SocketAddress& from) {
  if (bytes.size() < kInitialMinBytes) return;
  std::array<std::byte, 256> answer;
  const std::array<std::uint32_t, 1> versions{NGTCP2_PROTO_VER_V1};
  std::uint8_t unused = 0;
  fill_secret(&unused, sizeof(unused));
  const ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(
      raw(answer.data()), answer.size(), unused, packet.scid, packet.scidlen, packet.dcid,
      packet.dcidlen, versions.data(), versions.size());
  if (size > 0) answer_(from, ByteSpan{answer}.first(static_cast<std::size_t>(size)));
}

std::optional<QuicConnection::Accepted> QuicAdmission::first_packet(ByteSpan bytes,
                                                                    const SocketAddress& from,
                                                                    Instant now) {
  ngtcp2_pkt_hd head;
  if (bytes.size() < kInitialMinBytes ||
      ngtcp2_accept(&head, raw(bytes.data()), bytes.size()) != 0) {
    return std::nullopt;
  }
  if (head.tokenlen == 0) {
    ask_again(head, from, now);
    return std::nullopt;
  }
  QuicConnection::Accepted first;
  const bool is_valid =
      head.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2 &&
      head.dcid.datalen == kConnectionIdBytes &&
      ngtcp2_crypto_verify_retry_token2(
          &first.original_dcid, head.token, head.tokenlen, retry_key_.data(), retry_key_.size(),
          head.version, from.get(), from.size_bytes, &head.dcid,
          static_cast<ngtcp2_duration>(kTokenLife.count()), timestamp(now)) == 0;
  // A client whose token has become too old begins anew by itself.
  if (!is_valid) return std::nullopt;
  first.client_scid = head.scid;
  first.retry_scid = head.dcid;
  first.version = head.version;
  first.token = {reinterpret_cast<const std::byte*>(head.token), head.tokenlen};
  return first;
}

void QuicAdmission::ask_again(const ngtcp2_pkt_hd& head, const SocketAddress& from, Instant now) {
  ngtcp2_cid retry_scid;
  std::array<std::uint8_t, kConnectionIdBytes> id;
  fill_secret(id.data(), id.size());
  ngtcp2_cid_init(&retry_scid, id.data(), id.size());
  std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2> token;
  const ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token2(
      token.data(), retry_key_.data(), retry_key_.size(), head.version, from.get(), from.size_bytes,
      &retry_scid, &head.dcid, timestamp(now));
  if (token_size < 0) return;
  std::array<std::byte, 512> answer;
  const ngtcp2_ssize size = ngtcp2_crypto_write_retry(
      raw(answer.data()), answer.size(), head.version, &head.scid, &retry_scid, &head.dcid,
      token.data(), static_cast<std::size_t>(token_size));
  if (size > 0) answer_(from, ByteSpan{answer}.first(static_cast<std::size_t>(size)));
}

void QuicAdmission::refuse_unknown(const ngtcp2_version_cid& packet, ByteSpan bytes,
                                   const SocketAddress& from, Instant now) {
  const bool is_long = (std::to_integer<unsigned>(bytes[0]) & 0x80U) != 0;
  if (is_long || bytes.size() < kResetMinBytes || packet.dcidlen != kConnectionIdBytes) return;
  if (now - resets_since_ >= 1s) {
    resets_since_ = now;
    resets_ = 0;
  }
  if (++resets_ > kResetsMax) return;
  ngtcp2_cid id;
  ngtcp2_cid_init(&id, packet.dcid, packet.dcidlen);
  std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token;
  reset_token(id, token.data());
  std::array<std::uint8_t, 22> random;
  fill_secret(random.data(), random.size());
  std::array<std::byte, kResetMinBytes - 1> answer;
  const ngtcp2_ssize size = ngtcp2_pkt_write_stateless_reset(
      raw(answer.data()), answer.size(), token.data(), random.data(), random.size());
  if (size > 0) answer_(from, ByteSpan{answer}.first(static_cast<std::size_t>(size)));
}

void QuicAdmission::reset_token(const ngtcp2_cid& id, std::uint8_t* token) const {
  const int failure = ngtcp2_crypto_generate_stateless_reset_token(token, reset_key_.data(),
                                                                   reset_key_.size(), &id);
  PREDA_ASSERT(failure == 0);
}

}  // namespace predastore::net
