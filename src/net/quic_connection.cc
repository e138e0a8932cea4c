#include "net/quic_connection.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "net/quic_callbacks.h"

namespace predastore::net {
namespace {

// What a jumbo frame carries, and what every Ethernet does; the first is what 127.0.0.1 uses too.
constexpr std::size_t kPayloadMaxBytes = 8952;
constexpr std::array<std::uint16_t, 2> kProbes{1452, 8952};
constexpr std::size_t kPayloadReceiveMaxBytes = 65527;
constexpr std::size_t kVectorsMax = 16;  // of one stream in one packet
// How long an acknowledgement may wait for something else to say, and of how much.
constexpr Duration kHoldBack = 5ms;
constexpr std::size_t kHoldBackDatagrams = 8;
constexpr std::size_t kHoldBackBytes = 4096;
constexpr Duration kBlockedPatience = 100ms;

Error gone(std::string why) { return make_error(ErrorCode::Unavailable, std::move(why)); }

std::uint64_t nanoseconds(Duration duration) {
  return static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0));
}

}  // namespace

// Packets of one flush, put together so that the kernel cuts them: all of one size, only the last
// of a batch shorter, and a larger one (a probe of the path's size) alone, because the kernel
// refuses the whole batch when it is too large.
class QuicConnection::Batch {
 public:
  Batch(QuicHost& host, MutableByteSpan memory) : host_(host), memory_(memory) {}

  MutableByteSpan room(std::size_t max_bytes) {
    if (count_ == 0) begin_ = end_ = 0;
    return memory_.subspan(end_, max_bytes);
  }
  std::size_t total_bytes() const { return total_bytes_; }
  bool is_blocked() const { return is_blocked_; }

  // A packet of that size was written into room().
  void add(std::size_t size_bytes, const ngtcp2_addr& to, std::size_t usual_bytes) {
    const SocketAddress address = SocketAddress::of(to.addr, static_cast<socklen_t>(to.addrlen));
    const bool fits = count_ == 0 || (size_bytes <= segment_bytes_ && address.is_same(to_) &&
                                      end_ - begin_ + size_bytes <= kDatagramBatchMaxBytes);
    if (!fits) send();
    if (count_ == 0) {
      segment_bytes_ = size_bytes;
      to_ = address;
    }
    end_ += size_bytes;
    total_bytes_ += size_bytes;
    ++count_;
    const bool is_probe = size_bytes > usual_bytes;
    if (is_probe || size_bytes < segment_bytes_ || count_ == kDatagramBatchMaxCount ||
        end_ + kPayloadMaxBytes > memory_.size() ||
        end_ - begin_ + segment_bytes_ > kDatagramBatchMaxBytes) {
      send();
    }
  }

  void send() {
    if (count_ == 0) return;
    const ByteSpan bytes = memory_.subspan(begin_, end_ - begin_);
    if (host_.send(to_, bytes, segment_bytes_) == QuicSocket::Sent::blocked) is_blocked_ = true;
    begin_ = end_;
    count_ = 0;
  }

 private:
  QuicHost& host_;
  MutableByteSpan memory_;
  SocketAddress to_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t segment_bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t total_bytes_ = 0;
  bool is_blocked_ = false;
};

QuicConnection::QuicConnection(QuicHost& host, bool is_server, const SocketAddress& remote)
    : host_(&host),
      clock_(host.env().clock),
      is_server_(is_server),
      unsent_max_bytes_(host.options().unsent_max_bytes),
      remote_(remote),
      began_at_(clock_.now()),
      last_received_at_(began_at_),
      newest_(began_at_),
      streams_changed_(clock_) {}

QuicConnection::~QuicConnection() {
  if (timer_ != 0) clock_.cancel(timer_);
  if (connection_ != nullptr) ngtcp2_conn_del(connection_);
}

Result<std::shared_ptr<QuicConnection>> QuicConnection::dial(
    QuicHost& host, std::shared_ptr<TlsCredentials> credentials, NodeId peer, Lane lane,
    const SocketAddress& remote) {
  std::shared_ptr<QuicConnection> result{new QuicConnection{host, false, remote}};
  result->peer_ = peer;
  result->lane_ = lane;
  auto is_dialled = [peer](NodeId node) { return node == peer; };
  PREDA_TRY(auto tls, TlsSession::client(std::move(credentials), lane, std::move(is_dialled)));
  PREDA_CHECK(result->start(std::move(tls), nullptr));
  return result;
}

Result<std::shared_ptr<QuicConnection>> QuicConnection::accept(
    QuicHost& host, std::shared_ptr<TlsCredentials> credentials, const Accepted& first,
    const SocketAddress& remote) {
  std::shared_ptr<QuicConnection> result{new QuicConnection{host, true, remote}};
  // A node whose certificate is this node's own is a copy of it, which must not exist.
  auto is_member = [&options = host.options()](NodeId node) {
    return node != options.self && (!options.admits || options.admits(node));
  };
  PREDA_TRY(auto tls, TlsSession::server(std::move(credentials), std::move(is_member)));
  PREDA_CHECK(result->start(std::move(tls), &first));
  return result;
}

Result<void> QuicConnection::start(std::unique_ptr<TlsSession> tls, const Accepted* first) {
  tls_ = std::move(tls);
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  fill_settings(settings, first);
  fill_params(params, first);
  const ConnectionId own = host_->new_connection_id(*this);
  ids_.insert(own);
  ngtcp2_cid scid;
  ngtcp2_cid_init(&scid, reinterpret_cast<const std::uint8_t*>(&own), kConnectionIdBytes);
  const ngtcp2_path path = path_to(remote_);
  const ngtcp2_callbacks callbacks = quic_callbacks(is_server_);
  int code = 0;
  if (first != nullptr) {
    params.stateless_reset_token_present = 1;
    host_->reset_token(scid, params.stateless_reset_token);
    ConnectionId retried = 0;
    PREDA_ASSERT(first->retry_scid.datalen == kConnectionIdBytes);
    std::memcpy(&retried, first->retry_scid.data, kConnectionIdBytes);
    host_->adopt_connection_id(retried, *this);
    ids_.insert(retried);
    code = ngtcp2_conn_server_new(&connection_, &first->client_scid, &scid, &path, first->version,
                                  &callbacks, &settings, &params, nullptr, this);
  } else {
    ngtcp2_cid dcid;
    std::array<std::uint8_t, NGTCP2_MIN_INITIAL_DCIDLEN * 2> random;
    fill_secret(random.data(), random.size());
    ngtcp2_cid_init(&dcid, random.data(), random.size());
    code = ngtcp2_conn_client_new(&connection_, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1,
                                  &callbacks, &settings, &params, nullptr, this);
  }
  if (code != 0) {
    connection_ = nullptr;
    for (const ConnectionId id : ids_) host_->forget_connection_id(id);
    return make_error(ErrorCode::Internal, ngtcp2_strerror(code));
  }
  tls_->attach(connection_);
  if (!is_server_)
    ngtcp2_conn_set_keep_alive_timeout(connection_, nanoseconds(host_->options().keep_alive));
  return {};
}

void QuicConnection::fill_settings(ngtcp2_settings& settings, const Accepted* first) const {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = nanoseconds(began_at_.time_since_epoch());
  settings.cc_algo = NGTCP2_CC_ALGO_CUBIC;
  settings.handshake_timeout = nanoseconds(host_->options().handshake_timeout);
  settings.max_tx_udp_payload_size = kPayloadMaxBytes;
  settings.pmtud_probes = kProbes.data();
  settings.pmtud_probeslen = kProbes.size();
  settings.max_window = 0;  // windows stay as they are: larger ones overrun the socket's buffer
  settings.max_stream_window = 0;
  if (first == nullptr) return;
  settings.token = reinterpret_cast<const std::uint8_t*>(first->token.data());
  settings.tokenlen = first->token.size();
  settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
}

void QuicConnection::fill_params(ngtcp2_transport_params& params, const Accepted* first) const {
  const QuicOptions& options = host_->options();
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = options.stream_window_bytes;
  params.initial_max_stream_data_bidi_remote = options.stream_window_bytes;
  params.initial_max_data = host_->connection_window_bytes();
  params.initial_max_streams_bidi = first != nullptr ? options.streams_max : 0;
  params.max_idle_timeout = nanoseconds(options.idle_timeout);
  params.max_udp_payload_size = kPayloadReceiveMaxBytes;
  params.disable_active_migration = 1;
  if (first == nullptr) return;
  params.original_dcid = first->original_dcid;
  params.original_dcid_present = 1;
  params.retry_scid = first->retry_scid;
  params.retry_scid_present = 1;
}

ngtcp2_path QuicConnection::path_to(const SocketAddress& remote) const {
  ngtcp2_path path{};
  path.local.addr = const_cast<sockaddr*>(host_->local().get());
  path.local.addrlen = host_->local().size_bytes;
  path.remote.addr = const_cast<sockaddr*>(remote.get());
  path.remote.addrlen = remote.size_bytes;
  return path;
}

// ngtcp2 insists that time does not go back; the time of a datagram is that of its system call.
ngtcp2_tstamp QuicConnection::timestamp(Instant now) {
  newest_ = std::max(newest_, now);
  return nanoseconds(newest_.time_since_epoch());
}

void QuicConnection::receive(const SocketAddress& from, ByteSpan bytes, Instant now) {
  if (!is_open()) return;
  auto self = shared_from_this();
  const ngtcp2_path path = path_to(from);
  const ngtcp2_pkt_info info{};
  const int code = ngtcp2_conn_read_pkt(connection_, &path, &info,
                                        reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                        bytes.size(), timestamp(now));
  if (code != 0) {
    fail(code);
    return;
  }
  last_received_at_ = now;
  ++unanswered_datagrams_;
  unanswered_bytes_ += bytes.size();
  if (may_hold_back()) {
    arm_timer_at(std::max(next_expiry(), now + kHoldBack));
  } else {
    host_->want_flush(std::move(self));
  }
}

// ngtcp2 acknowledges after an eighth of the round trip, which between near nodes is at once: a
// small request, its acknowledgement and its answer would be three packets. What is small is
// acknowledged with the answer, or after a fifth of the time that peers allow for (max_ack_delay);
// what is large at once, for its sender may be waiting for room.
bool QuicConnection::may_hold_back() const {
  const bool is_little =
      unanswered_datagrams_ <= kHoldBackDatagrams && unanswered_bytes_ <= kHoldBackBytes;
  return is_ready_ && is_little && ready_.empty() && blocked_.empty() && !is_window_full_;
}

bool QuicConnection::flush(Instant now) {
  if (!is_open()) return true;
  auto self = shared_from_this();
  unanswered_datagrams_ = unanswered_bytes_ = 0;
  slots_used_ -= std::exchange(slots_unsent_, 0);
  const ngtcp2_tstamp ts = timestamp(now);
  if (ngtcp2_conn_get_expiry(connection_) <= ts) {
    const int code = ngtcp2_conn_handle_expiry(connection_, ts);
    if (code != 0) {
      fail(code);
      return true;
    }
  }
  // Raft keeps one stream for ever and asks for no new one, which would notice (see open()): a peer
  // that was started again within a moment would get nothing until the idle time-out.
  const bool is_lost = is_ready_ && !is_server_ && lane_ == Lane::raft &&
                       now - last_received_at_ > host_->options().silence_max;
  if (is_lost) {
    close_with(gone("the peer is silent"), nullptr);
    return true;
  }
  if (is_window_full_ && ngtcp2_conn_get_max_data_left(connection_) > 0) is_window_full_ = false;
  try_blocked(now);
  Batch batch{*host_, host_->send_memory()};
  const int code = write_packets(batch, ts);
  batch.send();
  if (code != 0) {
    fail(code);
    return true;
  }
  ngtcp2_conn_update_pkt_tx_time(connection_, ts);
  if (ready_.size() > 1) {  // the next flush begins with another stream
    ready_.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  arm_timer(now);
  return !batch.is_blocked();
}

// A stream whose own window is full comes back when the peer gives more. That the peer does not
// want its bytes any more (STOP_SENDING) is only seen by trying to send some.
void QuicConnection::try_blocked(Instant now) {
  if (blocked_.empty() || now < blocked_tried_at_ + kBlockedPatience) return;
  blocked_tried_at_ = now;
  for (auto& stream : std::exchange(blocked_, {})) {
    if (stream->is_ready || !stream->has_work()) continue;
    stream->is_ready = true;
    ready_.push_back(std::move(stream));
  }
}

int QuicConnection::write_packets(Batch& batch, ngtcp2_tstamp now) {
  const std::size_t quantum = ngtcp2_conn_get_send_quantum(connection_);
  const std::size_t max_bytes = ngtcp2_conn_get_max_tx_udp_payload_size(connection_);
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  while (!batch.is_blocked()) {
    const std::size_t usual = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection_);
    if (batch.total_bytes() > 0 && batch.total_bytes() + usual > quantum) break;
    const MutableByteSpan room = batch.room(std::min(max_bytes, kPayloadMaxBytes));
    const ngtcp2_ssize size = write_packet(room, path.path, now);
    if (size < 0) return static_cast<int>(size);
    if (size == 0) break;
    batch.add(static_cast<std::size_t>(size), path.path.remote, usual);
  }
  return 0;
}

// One packet of whatever there is to say, with bytes of as many streams as fit.
ngtcp2_ssize QuicConnection::write_packet(MutableByteSpan memory, ngtcp2_path& path,
                                          ngtcp2_tstamp now) {
  for (;;) {
    const std::shared_ptr<QuicStreamState> stream = next_ready();
    std::array<ngtcp2_vec, kVectorsMax> vectors;
    std::size_t count = 0;
    std::size_t offered_bytes = 0;
    bool with_end = false;
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (stream) {
      // With the window of the connection full only an end can go.
      count = is_window_full_ ? 0 : stream->out.peek(vectors);
      for (std::size_t i = 0; i < count; ++i) offered_bytes += vectors[i].len;
      with_end = stream->is_finish_wanted && offered_bytes == stream->out.unsent_bytes();
      flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (with_end ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0U);
    }
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize size = ngtcp2_conn_writev_stream(
        connection_, &path, nullptr, reinterpret_cast<std::uint8_t*>(memory.data()), memory.size(),
        &taken, flags, stream ? stream->id : -1, vectors.data(), count, now);
    if (stream && taken >= 0) {
      const auto taken_bytes = static_cast<std::size_t>(taken);
      sent(*stream, taken_bytes, with_end && taken_bytes == offered_bytes);
    }
    if (size >= 0) return size;
    switch (size) {
      case NGTCP2_ERR_WRITE_MORE: break;
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        if (ngtcp2_conn_get_max_data_left(connection_) == 0) {
          is_window_full_ = true;
        } else {
          drop_ready(*stream);
          blocked_.push_back(stream);
        }
        break;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        stream->fail_write(gone("the peer reset the stream"));
        drop_ready(*stream);
        break;
      default: return size;
    }
  }
}

std::shared_ptr<QuicStreamState> QuicConnection::next_ready() {
  while (!ready_.empty() && !ready_.front()->has_work()) drop_ready(*ready_.front());
  if (!is_window_full_) return ready_.empty() ? nullptr : ready_.front();
  for (const auto& stream : ready_) {
    if (stream->has_work() && stream->out.unsent_bytes() == 0) return stream;
  }
  return nullptr;
}

void QuicConnection::drop_ready(QuicStreamState& stream) {
  stream.is_ready = false;
  const auto found = std::find_if(ready_.begin(), ready_.end(),
                                  [&stream](const auto& other) { return other.get() == &stream; });
  if (found != ready_.end()) ready_.erase(found);
}

void QuicConnection::sent(QuicStreamState& stream, std::size_t size_bytes, bool with_end) {
  stream.out.mark_sent(size_bytes);
  if (with_end) stream.is_finish_sent = true;
  if (!stream.has_work()) drop_ready(stream);
  if (stream.out.unsent_bytes() <= unsent_max_bytes_ / 2) stream.writable.notify_all();
}

Instant QuicConnection::next_expiry() const {
  const ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(connection_);
  if (expiry >= nanoseconds(kNever.time_since_epoch())) return kNever;
  return Instant{Duration{static_cast<Duration::rep>(expiry)}};
}

void QuicConnection::arm_timer(Instant now) {
  const Instant expiry = next_expiry();
  if (expiry <= std::max(now, newest_)) {
    host_->want_flush(shared_from_this());
  } else {
    arm_timer_at(expiry);
  }
}

// A timer that is too early is left: it looks again.
void QuicConnection::arm_timer_at(Instant when) {
  if (when == kNever || (timer_ != 0 && timer_at_ <= when)) return;
  if (timer_ != 0) clock_.cancel(timer_);
  timer_at_ = when;
  timer_ = clock_.call_at(when, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->on_timer();
  });
}

void QuicConnection::on_timer() {
  timer_ = 0;
  if (!is_open()) return;
  arm_timer(clock_.now());
}

void QuicConnection::fail(int code) {
  ngtcp2_ccerr reason;
  ngtcp2_ccerr_default(&reason);
  switch (code) {
    case NGTCP2_ERR_DRAINING: close_with(gone("the peer closed the connection"), nullptr); return;
    case NGTCP2_ERR_IDLE_CLOSE: close_with(gone("the peer is silent"), nullptr); return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      close_with(gone("the peer did not answer in time"), nullptr);
      return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY: close_with(gone("no connection came about"), nullptr); return;
    case NGTCP2_ERR_CRYPTO:
      ngtcp2_ccerr_set_tls_alert(&reason, ngtcp2_conn_get_tls_alert(connection_), nullptr, 0);
      break;
    default: ngtcp2_ccerr_set_liberr(&reason, code, nullptr, 0); break;
  }
  std::string why = tls_->refusal().empty() ? ngtcp2_strerror(code) : tls_->refusal();
  close_with(gone(std::move(why)), &reason);
}

void QuicConnection::close(Error why, bool tell_peer) {
  ngtcp2_ccerr reason;
  ngtcp2_ccerr_default(&reason);
  ngtcp2_ccerr_set_application_error(&reason, 0, nullptr, 0);
  close_with(std::move(why), tell_peer ? &reason : nullptr);
}

void QuicConnection::say_goodbye(const ngtcp2_ccerr& reason) {
  const MutableByteSpan memory = host_->send_memory();
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  const ngtcp2_ssize size = ngtcp2_conn_write_connection_close(
      connection_, &path.path, nullptr, reinterpret_cast<std::uint8_t*>(memory.data()),
      ngtcp2_conn_get_max_tx_udp_payload_size(connection_), &reason, timestamp(clock_.now()));
  if (size <= 0) return;
  const auto size_bytes = static_cast<std::size_t>(size);
  const ngtcp2_addr& remote = path.path.remote;
  const SocketAddress to =
      remote.addrlen == 0 ? remote_
                          : SocketAddress::of(remote.addr, static_cast<socklen_t>(remote.addrlen));
  (void)host_->send(to, memory.first(size_bytes), size_bytes);
}

void QuicConnection::close_with(Error why, const ngtcp2_ccerr* tell) {
  if (!is_open()) return;
  auto self = shared_from_this();
  if (tell != nullptr) say_goodbye(*tell);
  ngtcp2_conn_del(std::exchange(connection_, nullptr));
  if (timer_ != 0) clock_.cancel(std::exchange(timer_, 0));
  for (const ConnectionId id : ids_) host_->forget_connection_id(id);
  ids_.clear();
  ready_.clear();
  blocked_.clear();
  auto streams = std::exchange(streams_, {});
  for (auto& [id, stream] : streams) {
    // What has arrived in full can still be read.
    if (!stream->is_end_received) stream->fail_read(why);
    stream->fail_write(why);
    stream->is_closed = true;
    stream->out.clear();
  }
  streams_changed_.notify_all();
  host_->on_closed(*this, why);
}

}  // namespace predastore::net
