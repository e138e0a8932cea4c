#include "net/quic_callbacks.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <cstring>

#include "net/quic_connection.h"

namespace predastore::net {

struct QuicCallbacks {
  static QuicConnection& self(void* user_data) { return *static_cast<QuicConnection*>(user_data); }

  static int handshake_completed(ngtcp2_conn*, void* user_data) {
    QuicConnection& connection = self(user_data);
    const auto peer = connection.tls_->peer();
    const auto lane = connection.tls_->lane();
    if (!peer || !lane) return NGTCP2_ERR_CALLBACK_FAILURE;
    if (!connection.is_server_) {
      // The server has not judged this side's certificate yet: handshake_confirmed says that.
      return *lane == connection.lane_ ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
    }
    connection.peer_ = *peer;
    connection.lane_ = *lane;
    connection.is_ready_ = true;
    connection.host_->on_ready(connection);
    return 0;
  }

  static int handshake_confirmed(ngtcp2_conn*, void* user_data) {
    QuicConnection& connection = self(user_data);
    if (connection.is_server_) return 0;
    connection.is_ready_ = true;
    connection.host_->on_ready(connection);
    return 0;
  }

  static int stream_open(ngtcp2_conn* conn, std::int64_t id, void* user_data) {
    QuicConnection& connection = self(user_data);
    if (!connection.is_ready_) return NGTCP2_ERR_CALLBACK_FAILURE;
    const QuicOptions& options = connection.host_->options();
    if (options.admits && !options.admits(connection.peer_)) return NGTCP2_ERR_CALLBACK_FAILURE;
    auto state =
        std::make_shared<QuicStreamState>(connection.clock_, id, connection.host_->block_pool());
    (void)ngtcp2_conn_set_stream_user_data(conn, id, state.get());
    connection.streams_.emplace(id, state);
    ++connection.slots_used_;
    connection.host_->on_stream(
        std::make_unique<QuicStream>(connection.shared_from_this(), std::move(state)));
    return 0;
  }

  static int recv_stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t, std::uint64_t,
                              const std::uint8_t* data, std::size_t size, void* user_data,
                              void* stream_user_data) {
    auto* stream = static_cast<QuicStreamState*>(stream_user_data);
    if (stream == nullptr || stream->is_released || stream->read_error) {
      self(user_data).give_credit(size);
      return 0;
    }
    // What goes straight to the reader's memory counts as read.
    const std::size_t lent = stream->in.append({reinterpret_cast<const std::byte*>(data), size});
    if (lent > 0) self(user_data).consumed(*stream, lent);
    if ((flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) stream->is_end_received = true;
    if (!stream->in.is_filling() || stream->is_end_received) stream->readable.notify_all();
    return 0;
  }

  static int acked_stream_data(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t size, void*,
                               void* stream_user_data) {
    auto* stream = static_cast<QuicStreamState*>(stream_user_data);
    if (stream != nullptr) stream->out.mark_acknowledged(size);
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t, void* user_data,
                          void* stream_user_data) {
    auto* stream = static_cast<QuicStreamState*>(stream_user_data);
    if (stream == nullptr) return 0;
    self(user_data).give_credit(stream->in.clear());
    stream->fail_read(make_error(ErrorCode::Unavailable, "the peer reset the stream"));
    return 0;
  }

  static int stream_close(ngtcp2_conn*, std::uint32_t, std::int64_t id, std::uint64_t,
                          void* user_data, void*) {
    QuicConnection& connection = self(user_data);
    const auto found = connection.streams_.find(id);
    if (found == connection.streams_.end()) return 0;
    const std::shared_ptr<QuicStreamState> stream = std::move(found->second);
    connection.streams_.erase(found);
    stream->is_closed = true;
    connection.drop_ready(*stream);
    std::erase(connection.blocked_, stream);
    Error why = make_error(ErrorCode::Unavailable, "the stream is over");
    if (!stream->is_end_received) stream->fail_read(why);
    if (!stream->is_finish_sent) stream->fail_write(std::move(why));
    stream->out.clear();
    connection.return_slot(*stream);
    connection.streams_changed_.notify_all();
    return 0;
  }

  static int extend_max_stream_data(ngtcp2_conn*, std::int64_t id, std::uint64_t, void* user_data,
                                    void*) {
    QuicConnection& connection = self(user_data);
    const auto found = connection.streams_.find(id);
    if (found == connection.streams_.end()) return 0;
    std::erase(connection.blocked_, found->second);
    connection.want_write(found->second);
    return 0;
  }

  static int extend_max_local_streams(ngtcp2_conn*, std::uint64_t, void* user_data) {
    self(user_data).streams_changed_.notify_all();
    return 0;
  }

  static void random(std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx*) {
    fill_secret(dest, size);
  }

  static int new_connection_id(ngtcp2_conn*, ngtcp2_cid* cid, std::uint8_t* token, std::size_t size,
                               void* user_data) {
    QuicConnection& connection = self(user_data);
    if (size != kConnectionIdBytes) return NGTCP2_ERR_CALLBACK_FAILURE;
    const ConnectionId id = connection.host_->new_connection_id(connection);
    connection.ids_.insert(id);
    ngtcp2_cid_init(cid, reinterpret_cast<const std::uint8_t*>(&id), kConnectionIdBytes);
    connection.host_->reset_token(*cid, token);
    return 0;
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* cid, void* user_data) {
    QuicConnection& connection = self(user_data);
    if (cid->datalen != kConnectionIdBytes) return 0;
    ConnectionId id = 0;
    std::memcpy(&id, cid->data, kConnectionIdBytes);
    if (connection.ids_.erase(id) != 0) connection.host_->forget_connection_id(id);
    return 0;
  }
};

ngtcp2_callbacks quic_callbacks(bool is_server) {
  ngtcp2_callbacks callbacks{};
  if (is_server) {
    callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  } else {
    callbacks.client_initial = ngtcp2_crypto_client_initial_cb;
    callbacks.recv_retry = ngtcp2_crypto_recv_retry_cb;
  }
  callbacks.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  callbacks.encrypt = ngtcp2_crypto_encrypt_cb;
  callbacks.decrypt = ngtcp2_crypto_decrypt_cb;
  callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
  callbacks.update_key = ngtcp2_crypto_update_key_cb;
  callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  callbacks.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  callbacks.handshake_completed = QuicCallbacks::handshake_completed;
  callbacks.handshake_confirmed = QuicCallbacks::handshake_confirmed;
  callbacks.stream_open = QuicCallbacks::stream_open;
  callbacks.recv_stream_data = QuicCallbacks::recv_stream_data;
  callbacks.acked_stream_data_offset = QuicCallbacks::acked_stream_data;
  callbacks.stream_reset = QuicCallbacks::stream_reset;
  callbacks.stream_close = QuicCallbacks::stream_close;
  callbacks.extend_max_stream_data = QuicCallbacks::extend_max_stream_data;
  callbacks.extend_max_local_streams_bidi = QuicCallbacks::extend_max_local_streams;
  callbacks.rand = QuicCallbacks::random;
  callbacks.get_new_connection_id = QuicCallbacks::new_connection_id;
  callbacks.remove_connection_id = QuicCallbacks::remove_connection_id;
  return callbacks;
}

}  // namespace predastore::net
