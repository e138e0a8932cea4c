// Streams of a connection: what their handles ask for, and what the peer does to them.
#include <algorithm>

#include "net/quic_connection.h"

namespace predastore::net {
namespace {

constexpr std::uint64_t kResetCode = 1;  // the only reason there is; nobody acts on it

}  // namespace

std::unique_ptr<Stream> QuicConnection::open_stream() {
  PREDA_ASSERT(is_ready());
  if (ngtcp2_conn_get_streams_bidi_left(connection_) == 0) return nullptr;
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(connection_, &id, nullptr) != 0) return nullptr;
  auto state = std::make_shared<QuicStreamState>(clock_, id, host_->block_pool());
  (void)ngtcp2_conn_set_stream_user_data(connection_, id, state.get());
  streams_.emplace(id, state);
  return std::make_unique<QuicStream>(shared_from_this(), std::move(state));
}

bool QuicConnection::has_unacknowledged_ends() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& entry) {
    const QuicStreamState& stream = *entry.second;
    return stream.is_finish_wanted && !stream.write_error &&
           (!stream.is_finish_sent || !stream.out.is_empty());
  });
}

void QuicConnection::want_write(const std::shared_ptr<QuicStreamState>& stream) {
  if (!is_open() || stream->is_closed || !stream->has_work()) return;
  if (!stream->is_ready) {
    stream->is_ready = true;
    ready_.push_back(stream);
  }
  host_->want_flush(shared_from_this());
}

void QuicConnection::consumed(QuicStreamState& stream, std::size_t size_bytes) {
  if (!is_open()) return;
  give_credit(size_bytes);
  if (stream.is_closed || stream.is_end_received) return;
  (void)ngtcp2_conn_extend_max_stream_offset(connection_, stream.id, size_bytes);
  // The peer is told with the next packet in any case, and with one of its own before it must wait.
  stream.credit_unsent_bytes += size_bytes;
  if (stream.credit_unsent_bytes < host_->options().stream_window_bytes / 4) return;
  stream.credit_unsent_bytes = 0;
  host_->want_flush(shared_from_this());
}

void QuicConnection::give_credit(std::size_t size_bytes) {
  if (size_bytes == 0) return;
  ngtcp2_conn_extend_max_offset(connection_, size_bytes);
  credit_unsent_bytes_ += size_bytes;
  if (credit_unsent_bytes_ < host_->connection_window_bytes() / 4) return;
  credit_unsent_bytes_ = 0;
  host_->want_flush(shared_from_this());
}

void QuicConnection::reset(const std::shared_ptr<QuicStreamState>& stream) {
  const std::size_t unread_bytes = stream->in.clear();
  const Error why = make_error(ErrorCode::Cancelled, "the stream was reset");
  stream->fail_read(why);
  stream->fail_write(why);
  if (!is_open()) return;
  give_credit(unread_bytes);
  if (stream->is_closed) return;
  (void)ngtcp2_conn_shutdown_stream(connection_, 0, stream->id, kResetCode);
  host_->want_flush(shared_from_this());
}

void QuicConnection::release(const std::shared_ptr<QuicStreamState>& stream) {
  stream->is_released = true;
  const std::size_t unread_bytes = stream->in.clear();
  if (!is_open()) return;
  give_credit(unread_bytes);
  if (stream->is_closed) {
    return_slot(*stream);
    return;
  }
  if (stream->is_end_received && stream->is_finish_wanted) return;  // its ends say all
  if (!stream->is_end_received)
    (void)ngtcp2_conn_shutdown_stream_read(connection_, 0, stream->id, kResetCode);
  if (!stream->is_finish_wanted)
    (void)ngtcp2_conn_shutdown_stream_write(connection_, 0, stream->id, kResetCode);
  host_->want_flush(shared_from_this());
}

// The peer may open another stream when this one is over for QUIC and for whoever used it: so what
// it may have open bounds what waits here to be accepted.
void QuicConnection::return_slot(const QuicStreamState& stream) {
  if (!is_server_ || !stream.is_closed || !stream.is_released) return;
  ngtcp2_conn_extend_max_streams_bidi(connection_, 1);
  // As with credit: the peer is told with the next packet, and with one of its own when it may be
  // waiting.
  ++slots_unsent_;
  if (slots_used_ >= host_->options().streams_max / 2) host_->want_flush(shared_from_this());
}

}  // namespace predastore::net
