#include "env/io_ring.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <deque>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace predastore {
namespace asio = boost::asio;

namespace {

constexpr int kRetriesMax = 64;  // of EAGAIN, after which it is an answer

Error unsupported(const std::string& what, int number) {
  return make_error(ErrorCode::Unsupported, what + ": " + std::generic_category().message(number));
}

}  // namespace

class IoRing::State : public std::enable_shared_from_this<IoRing::State> {
 public:
  State(asio::io_context& io, IoRingOptions options)
      : io_(io), options_(std::move(options)), event_(io) {}
  ~State() {
    if (is_set_up_) io_uring_queue_exit(&ring_);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  using Handler = asio::any_completion_handler<void(int)>;
  struct Entry {
    Request request;
    Executor executor;
    Handler handler;
    int retries = 0;
  };

  Result<void> set_up();
  void start(Entry entry);
  void arm();
  void shut_down();
  bool is_tampered() const { return options_.tamper != nullptr; }
  std::size_t in_flight() const { return entries_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  Result<void> check_operations();
  void pump_soon();
  void pump();
  void prepare(io_uring_sqe* sqe, Entry& entry, std::uint64_t id) const;
  void submit();
  void reap();
  void complete(std::uint64_t id, int result);
  void answer(Entry entry, int result);

  asio::io_context& io_;
  IoRingOptions options_;
  asio::posix::stream_descriptor event_;
  io_uring ring_{};
  bool is_set_up_ = false;
  bool is_pump_posted_ = false;
  bool is_closed_ = false;
  std::uint64_t next_id_ = 1;  // zero is of nobody: a cancellation's own answer
  std::deque<Entry> waiting_;
  std::unordered_map<std::uint64_t, Entry> entries_;  // at the kernel; addresses stay
};

Result<void> IoRing::State::set_up() {
  io_uring_params parameters{};
  const int made = io_uring_queue_init_params(options_.entries, &ring_, &parameters);
  if (made < 0) return unsupported("io_uring_setup", -made);
  is_set_up_ = true;
  PREDA_CHECK(check_operations());
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return unsupported("eventfd", errno);
  boost::system::error_code error;
  event_.assign(fd, error);
  if (error) {
    ::close(fd);
    return unsupported("eventfd", error.value());
  }
  const int registered = io_uring_register_eventfd(&ring_, fd);
  if (registered < 0) return unsupported("io_uring_register", -registered);
  return {};
}

// A filter of system calls may let the ring be made and then refuse its use, so it is used once.
Result<void> IoRing::State::check_operations() {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
  if (probe == nullptr) return make_error(ErrorCode::Unsupported, "io_uring cannot be probed");
  bool has_all = true;
  for (const int operation : {IORING_OP_NOP, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
                              IORING_OP_ASYNC_CANCEL}) {
    has_all = has_all && io_uring_opcode_supported(probe, operation) != 0;
  }
  io_uring_free_probe(probe);
  if (!has_all) return make_error(ErrorCode::Unsupported, "the kernel's io_uring is too old");
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  PREDA_ASSERT(sqe != nullptr);
  io_uring_prep_nop(sqe);
  const int submitted = io_uring_submit_and_wait(&ring_, 1);
  if (submitted < 0) return unsupported("io_uring_enter", -submitted);
  io_uring_cqe* cqe = nullptr;
  const int waited = io_uring_wait_cqe(&ring_, &cqe);
  if (waited < 0) return unsupported("io_uring_enter", -waited);
  io_uring_cqe_seen(&ring_, cqe);
  return {};
}

void IoRing::State::start(Entry entry) {
  if (is_closed_) return answer(std::move(entry), -ECANCELED);
  waiting_.push_back(std::move(entry));
  pump_soon();
}

// Behind what is ready in the loop now, so that all of it goes to the kernel together.
void IoRing::State::pump_soon() {
  if (is_pump_posted_) return;
  is_pump_posted_ = true;
  asio::post(io_, [self = weak_from_this()] {
    const auto state = self.lock();
    if (state && !state->is_closed_) state->pump();
  });
}

void IoRing::State::pump() {
  is_pump_posted_ = false;
  // No more than `entries` at a time, and the kernel makes the completion queue twice as long:
  // neither queue ever overflows.
  while (!waiting_.empty() && entries_.size() < options_.entries) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) break;
    const std::uint64_t id = next_id_++;
    const auto placed = entries_.emplace(id, std::move(waiting_.front())).first;
    waiting_.pop_front();
    prepare(sqe, placed->second, id);
  }
  submit();
}

void IoRing::State::prepare(io_uring_sqe* sqe, Entry& entry, std::uint64_t id) const {
  const Request& request = entry.request;
  const auto count = static_cast<unsigned>(request.vectors.size());
  switch (request.operation) {
    case IoOperation::read:
      io_uring_prep_readv(sqe, request.fd, request.vectors.data(), count, request.offset_bytes);
      break;
    case IoOperation::write:
      io_uring_prep_writev(sqe, request.fd, request.vectors.data(), count, request.offset_bytes);
      break;
    case IoOperation::sync: io_uring_prep_fsync(sqe, request.fd, IORING_FSYNC_DATASYNC); break;
  }
  if (request.is_beside || entry.retries > 0) sqe->flags |= IOSQE_ASYNC;
  io_uring_sqe_set_data64(sqe, id);
}

void IoRing::State::submit() {
  if (io_uring_sq_ready(&ring_) == 0) return;
  const int submitted = io_uring_submit(&ring_);
  if (submitted >= 0 && io_uring_sq_ready(&ring_) == 0) return;
  // Out of memory for a moment, or interrupted: what was prepared stays in the queue.
  PREDA_ASSERT(submitted >= 0 || submitted == -EAGAIN || submitted == -EBUSY ||
               submitted == -EINTR);
  pump_soon();
}

void IoRing::State::arm() {
  event_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [self = weak_from_this()](boost::system::error_code error) {
                      const auto state = self.lock();
                      if (error || !state || state->is_closed_) return;
                      std::uint64_t count = 0;
                      (void)!::read(state->event_.native_handle(), &count, sizeof count);
                      state->reap();
                      state->arm();
                    });
}

void IoRing::State::reap() {
  io_uring_cqe* cqe = nullptr;
  while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
    const std::uint64_t id = io_uring_cqe_get_data64(cqe);
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    complete(id, result);
  }
  if (!waiting_.empty()) pump_soon();
}

void IoRing::State::complete(std::uint64_t id, int result) {
  auto found = entries_.extract(id);
  if (found.empty()) return;
  Entry& entry = found.mapped();
  if (options_.tamper) result = options_.tamper(entry.request.operation, result);
  const bool is_to_try_again =
      result == -EINTR || (result == -EAGAIN && entry.retries < kRetriesMax);
  if (is_to_try_again && !is_closed_) {
    ++entry.retries;
    waiting_.push_back(std::move(entry));
    return;
  }
  answer(std::move(entry), is_closed_ && result == -EINTR ? -ECANCELED : result);
}

void IoRing::State::answer(Entry entry, int result) {
  const Executor executor = entry.executor;
  auto held = std::make_shared<Handler>(std::move(entry.handler));
  asio::post(executor, [held, result] { std::move (*held)(result); });
}

void IoRing::State::shut_down() {
  is_closed_ = true;
  while (!waiting_.empty()) {
    Entry entry = std::move(waiting_.front());
    waiting_.pop_front();
    answer(std::move(entry), -ECANCELED);
  }
  std::vector<std::uint64_t> ids;
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      (void)io_uring_submit(&ring_);
      reap();  // makes room for the answers of the cancellations
      sqe = io_uring_get_sqe(&ring_);
    }
    if (sqe == nullptr) break;  // waited for below all the same
    io_uring_prep_cancel64(sqe, id, 0);
    io_uring_sqe_set_data64(sqe, 0);
  }
  while (!entries_.empty()) {
    (void)io_uring_submit_and_wait(&ring_, 1);
    reap();
  }
  boost::system::error_code ignored;
  event_.close(ignored);
}

Result<std::unique_ptr<IoRing>> IoRing::open(asio::io_context& io, IoRingOptions options) {
  PREDA_ASSERT(options.entries > 0);
  auto state = std::make_shared<State>(io, std::move(options));
  PREDA_CHECK(state->set_up());
  state->arm();
  return std::unique_ptr<IoRing>{new IoRing{std::move(state)}};
}

IoRing::IoRing(std::shared_ptr<State> state) : state_(std::move(state)) {}
IoRing::~IoRing() { state_->shut_down(); }
bool IoRing::is_tampered() const { return state_->is_tampered(); }
std::size_t IoRing::in_flight() const { return state_->in_flight(); }
std::size_t IoRing::waiting() const { return state_->waiting(); }

Task<int> IoRing::perform(Request request) {
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [this, &executor, &request](State::Handler handler) {
    State::Entry entry{std::move(request), executor, std::move(handler)};
    state_->start(std::move(entry));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(int)>(
      initiate, asio::use_awaitable);
}

}  // namespace predastore
